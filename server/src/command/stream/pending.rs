//! XACK, XPENDING, XCLAIM and XAUTOCLAIM: what was delivered and not acknowledged.

use super::group::create_consumer;
use super::range::{write_entry, write_id};
use super::{ids, no_group, with_stream};
use crate::admin::pubsub::notify::Events;
use crate::command::value::integer;
use crate::command::{Ctx, Flow, Outcome};
use crate::store::Edit;
use crate::types::collection::stream::{ConsumerState, GroupView, Pending};
use crate::types::collection::{Stream, StreamId};
use torc_protocol::{Args, Protocol, Reply, WireError};

/// `XACK key group id …`
pub(crate) fn xack(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, group) = (&args[1], &args[2]);
    if !with_stream(ctx, key, |stream| stream.is_some_and(|it| it.group(group).is_some()))? {
        reply.integer(0);
        return Ok(Flow::Next);
    }
    let ids: Vec<StreamId> =
        args.iter().skip(3).map(|text| ids::id(text, 0)).collect::<Result<_, _>>()?;
    let acknowledged = ctx.keyspace().edit(key, |stream: &mut Edit<'_, Stream>| {
        let gone = ids.iter().filter(|&&id| stream.remove_pending(group, id)).count();
        Ok::<_, WireError>(gone)
    })?;
    reply.integer(acknowledged as i64);
    Ok(Flow::Next)
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`
pub(crate) fn xpending(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, name) = (&args[1], &args[2]);
    let asked = match args.len() {
        3 => None,
        6..=9 => Some(Asked::parse(args)?),
        _ => return Err(WireError::Syntax),
    };
    let now = ctx.now as i64;
    with_stream(ctx, key, |stream| {
        let group = stream.and_then(|stream| stream.group(name));
        let group = group.ok_or_else(|| no_group(key, name, "'"))?;
        match asked {
            None => write_summary(reply, group),
            Some(asked) => asked.write(reply, group, now),
        }
        Ok(Flow::Next)
    })?
}

fn write_summary(reply: &mut Reply<'_>, group: GroupView<'_>) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let all = (StreamId::MIN, StreamId::MAX);
    let ends = (group.pending(all.0, all.1).next(), group.pending_back(all.0, all.1).next());
    let (Some(first), Some(last)) = ends else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    write_id(reply, first.id);
    write_id(reply, last.id);
    let busy = || group.consumers().filter(|consumer| consumer.pending_len() > 0);
    reply.array(busy().count());
    for consumer in busy() {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_integer(consumer.pending_len() as i64);
    }
}

/// Which of what is pending XPENDING lists.
struct Asked<'a> {
    from: StreamId,
    to: StreamId,
    count: u64,
    idle_min: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Asked<'a> {
    fn parse(args: Args<'a>) -> Result<Self, WireError> {
        let (mut at, mut idle_min) = (3, 0);
        if args.is(3, "IDLE") {
            idle_min = integer(&args[4])?;
            if args.len() < 8 {
                return Err(WireError::Syntax);
            }
            at = 5;
        }
        let count = u64::try_from(integer(&args[at + 2])?).unwrap_or(0);
        let (from, to) = ids::interval(&args[at], &args[at + 1])?;
        Ok(Asked { from, to, count, idle_min, consumer: args.get(at + 3) })
    }

    fn write(&self, reply: &mut Reply<'_>, group: GroupView<'_>, now: i64) {
        let (mut out, mut written) = (Vec::new(), 0);
        let mut list = Reply::new(&mut out, reply.protocol());
        let mut write = |pending: Pending<'_>| {
            let idle = now.wrapping_sub(pending.delivered_ms);
            if written == self.count {
                return false;
            }
            if self.idle_min == 0 || idle >= self.idle_min {
                written += 1;
                list.array(4);
                write_id(&mut list, pending.id);
                list.bulk(pending.consumer);
                list.integer(idle.max(0));
                list.integer(pending.deliveries as i64);
            }
            true
        };
        match self.consumer {
            None => drop(group.pending(self.from, self.to).all(&mut write)),
            Some(name) => {
                if let Some(consumer) = group.consumer(name) {
                    consumer.pending(self.from, self.to).all(&mut write);
                }
            }
        }
        reply.array(written as usize);
        reply.raw(&out);
    }
}

/// What XCLAIM and XAUTOCLAIM do with each entry.
struct Claiming<'a> {
    key: &'a [u8],
    group: &'a [u8],
    consumer: &'a [u8],
    now: i64,
    /// What has been pending for less is left where it is.
    idle_min: i64,
    /// What counts as the time of delivery from now on.
    delivered_ms: i64,
    /// What counts as the number of deliveries; one more than before if none.
    deliveries: Option<u64>,
    /// Whether ids alone are answered, and deliveries stay as they are.
    only_ids: bool,
    protocol: Protocol,
}

/// What was claimed.
#[derive(Default)]
struct Claimed {
    reply: Vec<u8>,
    count: usize,
    /// Pending entries that are no longer in the stream.
    deleted: Vec<StreamId>,
    /// Where XAUTOCLAIM goes on.
    next: StreamId,
    is_new_consumer: bool,
}

impl Claiming<'_> {
    /// Takes one entry over. What is no longer in the stream is pending no more.
    fn claim(
        &self,
        stream: &mut Edit<'_, Stream>,
        id: StreamId,
        force: bool,
        claimed: &mut Claimed,
    ) {
        let known = stream.view().group(self.group).and_then(|group| group.find(id));
        let known = known.map(|it| (it.delivered_ms, it.deliveries));
        if !stream.view().contains(id) {
            if known.is_some() {
                stream.remove_pending(self.group, id);
                claimed.deleted.push(id);
            }
            return;
        }
        let deliveries = match known {
            Some((delivered_ms, _))
                if self.idle_min > 0 && self.now.wrapping_sub(delivered_ms) < self.idle_min =>
            {
                return;
            }
            Some((_, deliveries)) => deliveries,
            None if force => 1,
            None => return,
        };
        let more = u64::from(!self.only_ids);
        let deliveries = self.deliveries.unwrap_or(deliveries.saturating_add(more));
        stream.set_pending(self.group, id, self.consumer, (self.delivered_ms, deliveries));
        let mut reply = Reply::new(&mut claimed.reply, self.protocol);
        if self.only_ids {
            write_id(&mut reply, id);
            claimed.count += 1;
            return;
        }
        for entry in stream.view().entries_of(id) {
            write_entry(&mut reply, &entry);
            claimed.count += 1;
        }
    }

    /// Lets `claim` take entries over for the consumer, which is created if it is not there.
    fn run(
        &self,
        ctx: &mut Ctx<'_>,
        last_id: StreamId,
        claim: impl Fn(&mut Edit<'_, Stream>, &mut Claimed),
    ) -> Result<Claimed, WireError> {
        let claimed = ctx.keyspace().edit(self.key, |stream: &mut Edit<'_, Stream>| {
            let state = stream.view().group(self.group).map(|group| group.state());
            let mut state = state.ok_or_else(|| no_group(self.key, self.group, "'"))?;
            let mut claimed = Claimed {
                is_new_consumer: create_consumer(stream, self.group, self.consumer, self.now),
                ..Claimed::default()
            };
            stream.see_consumer(self.group, self.consumer, self.now);
            let is_ahead = last_id > state.last_id;
            state.last_id = state.last_id.max(last_id);
            claim(stream, &mut claimed);
            if claimed.count > 0 {
                let active_ms = Some(self.now);
                let consumer = ConsumerState { seen_ms: self.now, active_ms };
                stream.set_consumer(self.group, self.consumer, &consumer);
            }
            // With what is pending, so that who destroys the group elsewhere without having seen that does not leave it alone.
            if is_ahead || claimed.is_new_consumer || claimed.count > 0 {
                stream.set_group(self.group, &state);
            }
            Ok::<_, WireError>(claimed)
        })?;
        if claimed.is_new_consumer {
            ctx.notify(Events::STREAM, "xgroup-createconsumer", self.key);
        }
        Ok(claimed)
    }
}

fn number(text: &[u8], refused: &'static str) -> Result<i64, WireError> {
    integer(text).map_err(|_| WireError::fixed(refused))
}

/// `XCLAIM key group consumer min-idle-time id … [IDLE ms] [TIME unix-ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]`
pub(crate) fn xclaim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (key, group) = (&args[1], &args[2]);
    if !with_stream(ctx, key, |stream| stream.is_some_and(|it| it.group(group).is_some()))? {
        return Err(no_group(key, group, "'"));
    }
    let idle_min = number(&args[4], "ERR Invalid min-idle-time argument for XCLAIM")?.max(0);
    let ids: Vec<StreamId> = args.iter().skip(5).map_while(|text| ids::id(text, 0).ok()).collect();
    let options = Options::parse(args, 5 + ids.len(), ctx.now as i64)?;
    let claiming = Claiming {
        key,
        group,
        consumer: &args[3],
        now: ctx.now as i64,
        idle_min,
        delivered_ms: options.delivered_ms,
        deliveries: options.deliveries,
        only_ids: options.only_ids,
        protocol: reply.protocol(),
    };
    let claimed = claiming.run(ctx, options.last_id, |stream, claimed| {
        ids.iter().for_each(|&id| claiming.claim(stream, id, options.force, claimed));
    })?;
    reply.array(claimed.count);
    reply.raw(&claimed.reply);
    Ok(Flow::Next)
}

/// What XCLAIM is told behind the ids.
struct Options {
    delivered_ms: i64,
    deliveries: Option<u64>,
    force: bool,
    only_ids: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(args: Args<'_>, mut at: usize, now: i64) -> Result<Self, WireError> {
        let mut options = Options {
            delivered_ms: -1,
            deliveries: None,
            force: false,
            only_ids: false,
            last_id: StreamId::MIN,
        };
        while at < args.len() {
            let value = args.get(at + 1);
            let is = |word: &str| args.is(at, word);
            match value {
                _ if is("FORCE") => options.force = true,
                _ if is("JUSTID") => options.only_ids = true,
                Some(value) if is("IDLE") => {
                    let idle = number(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                    options.delivered_ms = now.wrapping_sub(idle);
                }
                Some(value) if is("TIME") => {
                    options.delivered_ms =
                        number(value, "ERR Invalid TIME option argument for XCLAIM")?;
                }
                Some(value) if is("RETRYCOUNT") => {
                    let count = number(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    options.deliveries = u64::try_from(count).ok();
                }
                Some(value) if is("LASTID") => options.last_id = ids::id(value, 0)?,
                _ => {
                    let before = "ERR Unrecognized XCLAIM option '";
                    return Err(WireError::quoting(before, &args[at], "'"));
                }
            }
            at += if is("FORCE") || is("JUSTID") { 1 } else { 2 };
        }
        // A time that cannot be is now: clients reckon with their own clocks.
        if options.delivered_ms < 0 || options.delivered_ms > now {
            options.delivered_ms = now;
        }
        Ok(options)
    }
}

/// How many times COUNT pending entries XAUTOCLAIM looks at.
const ATTEMPTS_FACTOR: u64 = 10;
/// The largest COUNT: Redis keeps so many ids of 16 bytes.
const COUNT_MAX: i64 = i64::MAX / 16;

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`
pub(crate) fn xautoclaim(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let idle_min = number(&args[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM")?.max(0);
    let start = ids::start_of(&args[5])?;
    let (mut count, mut only_ids, mut at) = (100, false, 6);
    while at < args.len() {
        if args.is(at, "COUNT") && at + 1 < args.len() {
            let given = integer(&args[at + 1]).ok().filter(|it| (1..=COUNT_MAX).contains(it));
            count = given.ok_or(WireError::fixed("ERR COUNT must be > 0"))? as u64;
            at += 2;
        } else if args.is(at, "JUSTID") {
            only_ids = true;
            at += 1;
        } else {
            return Err(WireError::Syntax);
        }
    }
    let (key, group, now) = (&args[1], &args[2], ctx.now as i64);
    if !with_stream(ctx, key, |stream| stream.is_some_and(|it| it.group(group).is_some()))? {
        return Err(no_group(key, group, "'"));
    }
    let claiming = Claiming {
        key,
        group,
        consumer: &args[3],
        now,
        idle_min,
        delivered_ms: now,
        deliveries: None,
        only_ids,
        protocol: reply.protocol(),
    };
    let claimed = claiming.run(ctx, StreamId::MIN, |stream, claimed| {
        claim_from(&claiming, stream, (start, count), claimed);
    })?;
    reply.array(3);
    write_id(reply, claimed.next);
    reply.array(claimed.count);
    reply.raw(&claimed.reply);
    reply.array(claimed.deleted.len());
    claimed.deleted.iter().for_each(|&id| write_id(reply, id));
    Ok(Flow::Next)
}

/// Takes over up to `count` of what is pending from `start` on, and looks at ten times as much.
fn claim_from(
    claiming: &Claiming<'_>,
    stream: &mut Edit<'_, Stream>,
    (start, count): (StreamId, u64),
    claimed: &mut Claimed,
) {
    let (mut attempts, mut left) = (count.saturating_mul(ATTEMPTS_FACTOR), count);
    let mut at = Some(start);
    while let Some(from) = at {
        let group = stream.view().group(claiming.group);
        let next = group.and_then(|group| group.pending(from, StreamId::MAX).next());
        let Some(id) = next.map(|pending| pending.id) else { return };
        if attempts == 0 || left == 0 {
            claimed.next = id;
            return;
        }
        let before = claimed.count + claimed.deleted.len();
        claiming.claim(stream, id, false, claimed);
        attempts -= 1;
        left -= u64::from(claimed.count + claimed.deleted.len() > before);
        at = id.next();
    }
}
