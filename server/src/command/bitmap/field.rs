//! BITFIELD and BITFIELD_RO: integers of any width in a string.

use super::{bit_offset, checked_offset};
use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::types::bitfield::{Field, Overflow};
use torc_protocol::number::parse_i64;
use torc_protocol::{Args, Reply, WireError};

/// One step of a command.
#[derive(Debug, Clone, Copy)]
struct Step {
    action: Action,
    field: Field,
    offset: u64,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Get,
    Set(i64, Overflow),
    Increment(i64, Overflow),
}

/// `BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment ...]`
pub(crate) fn bitfield(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let steps = parse(args, ctx.instance.settings.proto_max_bulk_len())?;
    let Some(bits) = bits_written(&steps) else { return read(ctx, args, &steps, reply) };
    let len = bits.div_ceil(8) as usize;
    let mut results = Vec::with_capacity(steps.len());
    let mut changed = false;
    ctx.keyspace().edit_string(&args[1], |edit| {
        let grew = !edit.existed() || edit.bytes().len() < len;
        // Also where every step then fails for overflow: the string grows, and an absent one comes to be.
        edit.grow(len);
        results.clear();
        changed = false;
        for step in &steps {
            let (result, wrote) = step.run(edit.bytes_mut());
            results.push(result);
            changed |= wrote.is_some_and(|differs| differs || grew);
        }
        Ok::<_, WireError>(())
    })?;
    if changed {
        ctx.notify(Events::STRING, "setbit", &args[1]);
    }
    reply.array(results.len());
    for result in results {
        match result {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
    }
    Ok(Flow::Next)
}

/// `BITFIELD_RO key [GET type offset ...]`
pub(crate) fn bitfield_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let steps = parse(args, ctx.instance.settings.proto_max_bulk_len())?;
    if bits_written(&steps).is_some() {
        return Err(WireError::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    read(ctx, args, &steps, reply)
}

/// Answers steps that are all GET. An absent key stays absent.
fn read(ctx: &mut Ctx<'_>, args: Args<'_>, steps: &[Step], reply: &mut Reply<'_>) -> Outcome {
    let entry = ctx.keyspace().read(&args[1]);
    let value = entry.map(|entry| entry.string()).transpose()?;
    let mut scratch = itoa::Buffer::new();
    let bytes = value.as_ref().map_or(&b""[..], |value| value.bytes(&mut scratch));
    reply.array(steps.len());
    for step in steps {
        reply.integer(step.field.read(bytes, step.offset));
    }
    Ok(Flow::Next)
}

/// Where the farthest bit ends that a step may write; `None` if all only read.
fn bits_written(steps: &[Step]) -> Option<u64> {
    let writing = steps.iter().filter(|step| !matches!(step.action, Action::Get));
    writing.map(|step| step.offset + step.field.bits()).max()
}

impl Step {
    /// Does it on bytes that reach far enough. Returns what to answer, and, if it wrote, whether that was something else than before.
    fn run(&self, bytes: &mut [u8]) -> (Option<i64>, Option<bool>) {
        let before = self.field.read(bytes, self.offset);
        let after = match self.action {
            Action::Get => return (Some(before), None),
            Action::Set(value, overflow) => self.field.add(value, 0, overflow),
            Action::Increment(by, overflow) => self.field.add(before, by, overflow),
        };
        let Some(after) = after else { return (None, None) };
        self.field.write(bytes, self.offset, after);
        let is_set = matches!(self.action, Action::Set(..));
        (Some(if is_set { before } else { after }), Some(before != after))
    }
}

fn parse(args: Args<'_>, bytes_max: u64) -> Result<Vec<Step>, WireError> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < args.len() {
        let more = args.len() - index - 1;
        if args.is(index, "OVERFLOW") && more >= 1 {
            overflow = parse_overflow(args, index + 1)?;
            index += 2;
            continue;
        }
        let writes = args.is(index, "SET") || args.is(index, "INCRBY");
        if !(writes && more >= 3 || args.is(index, "GET") && more >= 2) {
            return Err(WireError::Syntax);
        }
        let field = Field::parse(&args[index + 1]).ok_or(WireError::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        ))?;
        let offset = field_offset(&args[index + 2], field, bytes_max)?;
        let action = match writes {
            false => Action::Get,
            true if args.is(index, "SET") => Action::Set(integer(&args[index + 3])?, overflow),
            true => Action::Increment(integer(&args[index + 3])?, overflow),
        };
        steps.push(Step { action, field, offset });
        index += if writes { 4 } else { 3 };
    }
    Ok(steps)
}

fn parse_overflow(args: Args<'_>, index: usize) -> Result<Overflow, WireError> {
    if args.is(index, "WRAP") {
        Ok(Overflow::Wrap)
    } else if args.is(index, "SAT") {
        Ok(Overflow::Saturate)
    } else if args.is(index, "FAIL") {
        Ok(Overflow::Fail)
    } else {
        Err(WireError::fixed("ERR Invalid OVERFLOW type specified"))
    }
}

/// An offset in bits, or after `#` in widths of the field. The product wraps around before it is checked, as in Redis.
fn field_offset(text: &[u8], field: Field, bytes_max: u64) -> Result<u64, WireError> {
    match text.strip_prefix(b"#") {
        None => bit_offset(text, bytes_max),
        Some(text) => {
            let offset = parse_i64(text).map(|count| count.wrapping_mul(field.bits() as i64));
            checked_offset(offset, bytes_max)
        }
    }
}
