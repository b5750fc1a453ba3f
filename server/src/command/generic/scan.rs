//! KEYS and SCAN.

use crate::base::clock::UnixMs;
use crate::cluster::route::Port;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome, Served};
use crate::store::{Entry, Keyspace};
use torc_protocol::slot::{Slot, slot_of};
use torc_protocol::{Args, Reply, WireError, glob};

/// Keys that SCAN looks at where no COUNT says otherwise.
const SCAN_COUNT_DEFAULT: usize = 10;

/// SCAN goes on while its filters leave fewer than COUNT keys, up to this many times COUNT.
const SCAN_EFFORT_MAX: usize = 10;

/// Steps of the store's own, each of which may pass thousands of empty buckets, that one SCAN takes. Five cover a nearly empty
/// database whole, so that few keys come in one reply; more than the effort's ten are needed only where most keys have expired.
const SCAN_STEPS_MAX: usize = 16;

/// `KEYS pattern`
///
/// Keys written or removed meanwhile by other threads may or may not be among them.
pub(crate) fn keys(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let pattern = &args[1];
    let served = ctx.served();
    let mut keyspace = ctx.keyspace();
    let mut found: Vec<Entry<'_>> = Vec::new();
    if !has_wildcard(pattern) {
        let is_ours = served.is_none_or(|served| served.has(slot_of(pattern)));
        found.extend(keyspace.peek(pattern).filter(|_| is_ours));
    } else if let Some(served) = served {
        let now = keyspace.now();
        for slot in served.slots() {
            keyspace.visit_slot(slot, 0, usize::MAX, |entry| {
                let is_live = entry.deadline().is_none_or(|at| at > now);
                if is_live && glob::matches(pattern, entry.key(), false) {
                    found.push(entry);
                }
            });
        }
    } else {
        let all = pattern == b"*";
        let mut cursor = 0;
        loop {
            cursor = keyspace.scan(cursor, usize::MAX, |entry| {
                if all || glob::matches(pattern, entry.key(), false) {
                    found.push(entry);
                }
            });
            if cursor == 0 {
                break;
            }
        }
    }
    reply.array(found.len());
    for entry in found {
        reply.bulk(entry.key());
    }
    Ok(Flow::Next)
}

/// Whether a pattern may match anything but itself.
fn has_wildcard(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'))
}

/// What SCAN is asked for.
struct Filter<'a> {
    count: usize,
    pattern: Option<&'a [u8]>,
    kind: Option<&'a [u8]>,
}

impl<'a> Filter<'a> {
    fn parse(args: Args<'a>) -> Result<Self, WireError> {
        let mut filter = Filter { count: SCAN_COUNT_DEFAULT, pattern: None, kind: None };
        let mut index = 2;
        while let Some(value) = args.get(index + 1) {
            if args.is(index, "COUNT") {
                let count = integer(value)?;
                if count < 1 {
                    return Err(WireError::Syntax);
                }
                filter.count = usize::try_from(count).unwrap_or(usize::MAX);
            } else if args.is(index, "MATCH") {
                filter.pattern = (value != b"*").then_some(value);
            } else if args.is(index, "TYPE") {
                filter.kind = Some(value);
            } else {
                return Err(WireError::Syntax);
            }
            index += 2;
        }
        // Each option has a value, so none is left alone.
        if index < args.len() { Err(WireError::Syntax) } else { Ok(filter) }
    }

    /// Whether `entry` is asked for. `types_read` grows where that depends on its type.
    fn passes(&self, entry: Entry<'_>, types_read: &mut u64) -> bool {
        if self.pattern.is_some_and(|pattern| !glob::matches(pattern, entry.key(), false)) {
            return false;
        }
        let Some(kind) = self.kind else { return true };
        *types_read += 1;
        // A type that does not exist is no error: nothing is of it.
        kind.eq_ignore_ascii_case(entry.kind().name().as_bytes())
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) fn scan(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut cursor = parse_cursor(&args[1]).ok_or(WireError::fixed("ERR invalid cursor"))?;
    let filter = Filter::parse(args)?;
    let walk =
        ctx.served().map(|served| Walk { served, passes_gaps: ctx.session.port == Port::Cluster });
    let mut keyspace = ctx.keyspace();
    let mut met = Met { now: keyspace.now(), found: Vec::new(), lapsed: Vec::new() };
    let (mut visited, mut types_read) = (0, 0);
    for _ in 0..SCAN_STEPS_MAX {
        let step = if visited < filter.count { filter.count - visited } else { filter.count };
        let visit = |entry: Entry<'_>| {
            visited += 1;
            filter.passes(entry, &mut types_read)
        };
        let at_gap;
        (cursor, at_gap) = match &walk {
            None => (scan_all(&mut keyspace, cursor, step, visit, &mut met), false),
            Some(walk) => walk.step(&mut keyspace, cursor, step, visit, &mut met),
        };
        let enough = met.found.len() >= filter.count
            || visited >= filter.count.saturating_mul(SCAN_EFFORT_MAX);
        if cursor == 0 || enough || at_gap {
            break;
        }
    }
    // To Redis, reading a key's type is a look-up like that of TYPE.
    keyspace.count_hits(types_read);
    // So does it remove what has expired where a scan comes by; a look does it here too.
    for entry in met.lapsed {
        if filter.pattern.is_none_or(|pattern| glob::matches(pattern, entry.key(), false)) {
            keyspace.peek(entry.key());
        }
    }
    reply.array(2);
    let mut text = itoa::Buffer::new();
    reply.bulk(text.format(cursor).as_bytes());
    reply.array(met.found.len());
    for entry in met.found {
        reply.bulk(entry.key());
    }
    Ok(Flow::Next)
}

/// What SCAN has met.
struct Met<'g> {
    now: UnixMs,
    /// What it answers.
    found: Vec<Entry<'g>>,
    /// What is past its deadline.
    lapsed: Vec<Entry<'g>>,
}

impl<'g> Met<'g> {
    fn take(&mut self, entry: Entry<'g>, passes: impl FnOnce(Entry<'g>) -> bool) {
        if entry.deadline().is_some_and(|at| at <= self.now) {
            self.lapsed.push(entry);
        } else if passes(entry) {
            self.found.push(entry);
        }
    }
}

fn scan_all<'g>(
    keyspace: &mut Keyspace<'_, 'g>,
    cursor: u64,
    count: usize,
    mut passes: impl FnMut(Entry<'_>) -> bool,
    met: &mut Met<'g>,
) -> u64 {
    keyspace.scan_all(cursor, count, |entry| met.take(entry, &mut passes))
}

/// A walk over the slots that this node serves, by the same cursors as [`Keyspace::scan`]'s.
struct Walk<'a> {
    served: Served<'a>,
    /// Whether it goes on behind slots of other nodes, as on the cluster port. Else it stops at the first, for the next step is another node's.
    passes_gaps: bool,
}

/// Bits of a cursor that hold the place within its slot; see [`Keyspace::scan`].
const PLACE_BITS: u32 = 48;

impl Walk<'_> {
    /// One step: the next cursor, and whether it stands at a slot of another node.
    fn step<'g>(
        &self,
        keyspace: &mut Keyspace<'_, 'g>,
        cursor: u64,
        count: usize,
        mut passes: impl FnMut(Entry<'_>) -> bool,
        met: &mut Met<'g>,
    ) -> (u64, bool) {
        let mut slot = (cursor >> PLACE_BITS) as usize;
        let mut from = cursor << (64 - PLACE_BITS);
        let mut visited = 0;
        while let Some(current) = u16::try_from(slot).ok().and_then(Slot::new) {
            if self.served.has(current) {
                let left = count.saturating_sub(visited);
                if left == 0 {
                    return ((slot as u64) << PLACE_BITS | from >> (64 - PLACE_BITS), false);
                }
                let next = keyspace.visit_slot(current, from, left, |entry| {
                    visited += 1;
                    met.take(entry, &mut passes);
                });
                if let Some(position) = next {
                    from = position;
                    continue;
                }
            } else if !self.passes_gaps {
                return ((slot as u64) << PLACE_BITS, true);
            }
            slot += 1;
            from = 0;
        }
        (0, false)
    }
}

/// The slot that a cursor stands in; none for what is no cursor, or one behind the last slot.
pub(crate) fn cursor_slot(text: &[u8]) -> Option<Slot> {
    Slot::new(u16::try_from(parse_cursor(text)? >> PLACE_BITS).ok()?)
}

/// Reads a cursor as C's `strtoul` does, which Redis uses: a sign is allowed, a negative number wraps, nothing is 0; but
/// nothing may stand before or after. As in C, a NUL byte ends the text.
pub(in crate::command) fn parse_cursor(text: &[u8]) -> Option<u64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() {
        return None;
    }
    let magnitude = digits.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })?;
    Some(if negative { magnitude.wrapping_neg() } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_c_reads_them() {
        let check =
            |text: &str, expected| assert_eq!(parse_cursor(text.as_bytes()), expected, "{text}");
        check("0", Some(0));
        check("", Some(0));
        check("+7", Some(7));
        check("-1", Some(u64::MAX));
        check("007", Some(7));
        check("1\0x", Some(1));
        check("18446744073709551615", Some(u64::MAX));
        for wrong in ["18446744073709551616", "-", "+", "--1", " 1", "1 ", "x", "1x"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_pattern_without_wildcards_matches_itself_alone() {
        assert!(!has_wildcard(b"user:1]"));
        for pattern in ["*", "a?", "[a", "\\a"] {
            assert!(has_wildcard(pattern.as_bytes()), "{pattern}");
        }
    }
}
