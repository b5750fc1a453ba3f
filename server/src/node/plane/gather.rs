//! Commands whose keys lie with several nodes, and those that concern all of them: taken apart, asked, put together.
//!
//! | | parts | put together |
//! |---|---|---|
//! | MGET | by slot | by position |
//! | DEL, UNLINK, EXISTS, TOUCH | by slot | sum |
//! | MSET | by slot; each is one atomic step | OK |
//! | PFCOUNT, BITOP, PFMERGE | GET of each key | computed here; BITOP and PFMERGE then SET the destination |
//! | COPY | DUMP and PEXPIRETIME of the source | RESTORE at the destination |
//! | DBSIZE, KEYS, RANDOMKEY, FLUSHALL, FLUSHDB, WAIT | by node, each for the slots that it serves | sum, list, by weight, OK, least |
//!
//! The first part that fails, in the order of the slots, gives the error. What is gathered first and written then is no snapshot: a source may
//! change in between, as the guarantees say.

use super::unit::{Sink, Snapshot, Target, Trouble, Unit};
use super::{Answer, ClientKey, Counted, Plane, Timer, error_bytes, resp};
use crate::admin::Instance;
use crate::base::limits::GATHER_SLOTS_TRACKED_MAX;
use crate::cluster::View;
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use crate::command::consistency::Seen;
use crate::command::hyperloglog::wire_error;
use crate::node::replies::{Fill, HoleId};
use crate::types::bitmap::{self, Operation};
use crate::types::hyperloglog::{self, Union};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::{CommandSpec, key_positions};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};
use torc_protocol::{Args, Protocol, Reply, WireError};

/// A command that can be taken apart by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Gathering {
    Values,
    Sum,
    AllOk,
    CountUnion,
    Combine(Operation),
    MergeUnion,
    Copy { to_db: u8, replace: bool },
}

impl Gathering {
    /// Whether `spec` can be taken apart at all.
    pub fn may(spec: &CommandSpec) -> bool {
        matches!(
            spec.full_name,
            "mget"
                | "mset"
                | "del"
                | "unlink"
                | "exists"
                | "touch"
                | "pfcount"
                | "bitop"
                | "pfmerge"
                | "copy"
        )
    }

    /// How `args`, which call `spec`, are taken apart.
    ///
    /// # Errors
    /// What the command itself answers where its arguments are wrong.
    pub fn of(spec: &CommandSpec, args: Args<'_>, db: u8) -> Result<Option<Self>, WireError> {
        Ok(Some(match spec.full_name {
            "mget" => Gathering::Values,
            "del" | "unlink" | "exists" | "touch" => Gathering::Sum,
            "mset" if args.len().is_multiple_of(2) => {
                return Err(WireError::WrongArity("mset".into()));
            }
            "mset" => Gathering::AllOk,
            "pfcount" => Gathering::CountUnion,
            "pfmerge" => Gathering::MergeUnion,
            "bitop" => Gathering::Combine(crate::command::bitmap::operation(args)?),
            "copy" => {
                let (to_db, replace) = crate::command::generic::copy_options(args, db)?;
                Gathering::Copy { to_db, replace }
            }
            _ => return Ok(None),
        }))
    }
}

/// A command that concerns all nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) enum Wide {
    /// DBSIZE.
    Sum,
    /// KEYS.
    List,
    /// RANDOMKEY.
    Pick,
    /// FLUSHALL, FLUSHDB.
    Flush,
    /// WAIT, WAITAOF: for what the session wrote, at those who serve it now.
    Least(Counted, Seen),
}

/// How the parts become the reply.
#[derive(Debug)]
enum Plan {
    /// The values of part `n` go to the positions `[n]`.
    Values(Vec<Vec<u32>>),
    Sum,
    AllOk,
    /// The values of the keys in their order, each by part and number within it.
    CountUnion(Vec<(usize, usize)>),
    Combine(Operation, Vec<(usize, usize)>, Vec<u8>),
    MergeUnion(Vec<(usize, usize)>, Vec<u8>),
    Copy {
        to: Vec<u8>,
        to_db: u8,
        replace: bool,
    },
    /// The last step of a command that writes what was gathered: this is the reply if it succeeds, and that if the key is taken.
    Stored {
        reply: Vec<u8>,
        taken: Option<Vec<u8>>,
    },
    Wide(Wide, Vec<u8>, u64),
}

/// A command that was taken apart.
#[derive(Debug)]
pub(super) struct Job {
    key: ClientKey,
    hole: Option<HoleId>,
    plan: Plan,
    parts: Vec<Option<Result<Vec<u8>, Vec<u8>>>>,
    left: usize,
    slots: Vec<u16>,
    barrier: bool,
    versions: Vec<(u16, u64)>,
    session: Arc<Snapshot>,
    deadline: Duration,
    /// Whether its parts change something, each on its own.
    writes: bool,
}

/// What a gathered command is begun with.
pub(in crate::node) struct Begin {
    pub key: ClientKey,
    pub hole: Option<HoleId>,
    pub session: Arc<Snapshot>,
    pub deadline: Duration,
}

/// The slots of all keys, each once; `None` if there are more than can be kept track of.
pub(in crate::node) fn tracked_slots(spec: &CommandSpec, args: Args<'_>) -> Option<Vec<u16>> {
    let mut slots = Vec::new();
    for key in key_positions(spec, &args).ok()?.iter() {
        let slot = slot_of(&args[key.index]).index() as u16;
        if !slots.contains(&slot) {
            if slots.len() >= GATHER_SLOTS_TRACKED_MAX {
                return None;
            }
            slots.push(slot);
        }
    }
    Some(slots)
}

/// How long a job waits before it looks again whether every slot has an owner.
const PLAN_AGAIN: Duration = Duration::from_millis(2);

impl Plane {
    /// Takes a command apart by slot. `slots` are those of its keys, or none if the client waits for it altogether.
    pub(in crate::node) fn gather(
        &mut self,
        instance: &Instance,
        view: &View,
        begin: Begin,
        (gathering, spec, args): (Gathering, &CommandSpec, Args<'_>),
        slots: Option<Vec<u16>>,
    ) {
        let Ok(positions) = key_positions(spec, &args) else { return };
        let keys: Vec<usize> = positions.iter().map(|key| key.index).collect();
        let mut by_slot: BTreeMap<u16, Vec<u32>> = BTreeMap::new();
        let sources = if matches!(gathering, Gathering::Copy { .. }) { &keys[..1] } else { &keys };
        // BITOP overwrites its destination unread.
        let sources = match gathering {
            Gathering::Combine(_) => &sources[1..],
            _ => sources,
        };
        for (position, &index) in sources.iter().enumerate() {
            let slot = slot_of(&args[index]).index() as u16;
            by_slot.entry(slot).or_default().push(position as u32);
        }
        let number = self.number();
        let mut units = Vec::with_capacity(by_slot.len());
        for (part, (&slot, positions)) in by_slot.iter().enumerate() {
            let Some(slot) = Slot::new(slot) else { continue };
            let of_part = positions.iter().map(|&position| sources[position as usize]);
            let mut commands = Vec::new();
            let count = match gathering {
                Gathering::Values | Gathering::Sum => {
                    let words: Vec<&[u8]> = std::iter::once(&args[0])
                        .chain(of_part.map(|index| &args[index]))
                        .collect();
                    resp::push_command(words.into_iter(), &mut commands);
                    1
                }
                Gathering::AllOk => {
                    let pairs = of_part.flat_map(|index| [&args[index], &args[index + 1]]);
                    let words: Vec<&[u8]> = std::iter::once(&args[0]).chain(pairs).collect();
                    resp::push_command(words.into_iter(), &mut commands);
                    1
                }
                Gathering::Copy { .. } => {
                    resp::push_command([b"DUMP", &args[1]].into_iter(), &mut commands);
                    resp::push_command([b"PEXPIRETIME", &args[1]].into_iter(), &mut commands);
                    2
                }
                _ => {
                    for index in of_part {
                        resp::push_command([b"GET", &args[index]].into_iter(), &mut commands);
                    }
                    positions.len() as u32
                }
            };
            let writes = match gathering {
                Gathering::Sum => spec.flags.contains(torc_protocol::command::Flags::WRITE),
                Gathering::AllOk => true,
                _ => false,
            };
            let sink = Sink::Job(number, part);
            units.push(new_unit(&begin, Target::Slot(slot), sink, commands, count, writes));
        }
        let mut order = vec![(0, 0); sources.len()];
        for (part, positions) in by_slot.values().enumerate() {
            for (nth, &position) in positions.iter().enumerate() {
                order[position as usize] = (part, nth);
            }
        }
        let plan = match gathering {
            Gathering::Values => Plan::Values(by_slot.into_values().collect()),
            Gathering::Sum => Plan::Sum,
            Gathering::AllOk => Plan::AllOk,
            Gathering::CountUnion => Plan::CountUnion(order),
            Gathering::Combine(operation) => {
                Plan::Combine(operation, order, args[keys[0]].to_vec())
            }
            Gathering::MergeUnion => Plan::MergeUnion(order, args[keys[0]].to_vec()),
            Gathering::Copy { to_db, replace } => {
                Plan::Copy { to: args[2].to_vec(), to_db, replace }
            }
        };
        let barrier = slots.is_none();
        let mut job = Job::new(begin, plan, units.len(), slots.unwrap_or_default(), barrier);
        job.writes = units.iter().any(|unit| unit.writes);
        self.jobs.insert(number, job);
        for unit in units {
            self.dispatch(instance, view, unit);
        }
    }

    /// Asks all nodes. `command` is what each is sent.
    pub(in crate::node) fn ask_all(
        &mut self,
        instance: &Instance,
        begin: Begin,
        wide: Wide,
        command: Vec<u8>,
    ) {
        let number = self.number();
        let writes = matches!(wide, Wide::Flush);
        let mut job = Job::new(begin, Plan::Wide(wide, command, 0), 0, Vec::new(), true);
        job.writes = writes;
        self.jobs.insert(number, job);
        self.plan(instance, number);
    }

    /// Sends a wide command's parts, or waits until every slot that it concerns has an owner.
    pub(super) fn plan(&mut self, instance: &Instance, number: u64) {
        let Some(view) = instance.cluster.view() else { return };
        let Some(mut job) = self.jobs.remove(&number) else { return };
        let Plan::Wide(wide, command, routes_before) = &mut job.plan else { return };
        let concerned: Vec<(Slot, u64)> = match &wide {
            Wide::Least(_, seen) => seen.slots().map(|(slot, v)| (slot, v.get())).collect(),
            _ => (0..SLOT_COUNT as u16).filter_map(Slot::new).map(|slot| (slot, 0)).collect(),
        };
        *routes_before = routes_digest(instance);
        let mut owners: BTreeMap<MemberIndex, Seen> = BTreeMap::new();
        let mut unsettled = None;
        for (slot, version) in concerned {
            let owner = match instance.cluster.routes().get(slot) {
                Route::Serve => view.me(),
                Route::Forward(index) if view.member(index).is_some() => index,
                Route::Down => {
                    unsettled = Some(WireError::SlotDown);
                    break;
                }
                Route::Forward(_) | Route::Wait => {
                    let moving =
                        WireError::fixed("TRYAGAIN A slot is changing hands; nothing was changed");
                    unsettled = Some(moving);
                    break;
                }
            };
            let seen = owners.entry(owner).or_default();
            if version != 0 {
                seen.note(slot, crate::base::version::Version::from_bits(version));
            }
        }
        if let Some(error) = unsettled {
            if self.now < job.deadline {
                let time = (self.now + PLAN_AGAIN).min(job.deadline);
                self.timers.insert((time, Timer::Plan(number)));
                self.jobs.insert(number, job);
            } else {
                self.finish_job(job, error_bytes(&error));
            }
            return;
        }
        let count = if *wide == Wide::Pick { 2 } else { 1 };
        let (writes, blocking) = (*wide == Wide::Flush, matches!(wide, Wide::Least(..)));
        let begin = Begin {
            key: job.key,
            hole: job.hole,
            session: job.session.clone(),
            deadline: job.deadline,
        };
        let mut units = Vec::new();
        for (part, (owner, seen)) in owners.into_iter().enumerate() {
            let sink = Sink::Job(number, part);
            let command = command.clone();
            let mut unit = new_unit(&begin, Target::Node(owner), sink, command, count, writes);
            if blocking {
                let mut session = (*begin.session).clone();
                seen.encode(&mut session.token);
                unit.session = Arc::new(session);
                unit.blocking = true;
            }
            units.push(unit);
        }
        job.parts = vec![None; units.len()];
        job.left = units.len();
        self.jobs.insert(number, job);
        for unit in units {
            self.dispatch(instance, &view, unit);
        }
    }

    /// A part of a job is there, or failed with this error.
    pub(super) fn part_done(
        &mut self,
        number: u64,
        part: usize,
        result: Result<Vec<u8>, Vec<u8>>,
        versions: Vec<(u16, u64)>,
    ) {
        let Some(job) = self.jobs.get_mut(&number) else { return };
        job.versions.extend(versions);
        if let Some(place @ None) = job.parts.get_mut(part) {
            *place = Some(result);
            job.left -= 1;
            if job.left == 0 {
                self.finished.push_back(number);
            }
        }
    }

    /// All parts of a job are there.
    pub(super) fn job_done(&mut self, instance: &Instance, number: u64) {
        let Some(mut job) = self.jobs.remove(&number) else { return };
        let mut values = Vec::with_capacity(job.parts.len());
        let alone = job.parts.len() == 1;
        let mut error = None;
        for part in job.parts.drain(..).flatten() {
            match part {
                Ok(bytes) => values.push(bytes),
                Err(line) => {
                    error.get_or_insert(line);
                }
            }
        }
        if let Some(line) = error {
            let line = if job.writes && !alone { of_part(line) } else { line };
            return self.finish_job(job, line);
        }
        match self.put_together(instance, number, job, &values) {
            Some((job, Ok(reply))) => self.finish_job(job, reply),
            Some((job, Err(error))) => {
                let bytes = error_bytes(&error);
                self.finish_job(job, bytes);
            }
            // It has another step to go.
            None => {}
        }
    }

    fn put_together(
        &mut self,
        instance: &Instance,
        number: u64,
        mut job: Job,
        values: &[Vec<u8>],
    ) -> Option<(Job, Result<Vec<u8>, WireError>)> {
        let replies: Vec<Vec<&[u8]>> =
            values.iter().map(|bytes| resp::replies(bytes).collect()).collect();
        let taken = |reply: &[u8]| reply.starts_with(b"-BUSYKEY");
        if !matches!(&job.plan, Plan::Stored { taken: Some(_), .. })
            && let Some(error) = replies.iter().flatten().find(|reply| resp::is_error(reply))
        {
            let error = error.to_vec();
            let error = if job.writes && replies.len() > 1 { of_part(error) } else { error };
            return Some((job, Ok(error)));
        }
        let protocol = job.session.protocol;
        let plan = std::mem::replace(&mut job.plan, Plan::AllOk);
        let done = match plan {
            Plan::Values(positions) => by_position(&positions, &replies),
            Plan::Sum => sum(&replies),
            Plan::AllOk => Ok(b"+OK\r\n".to_vec()),
            Plan::CountUnion(order) => union(&order, &replies)
                .map(|(union, _)| render(protocol, |reply| reply.integer(union.count() as i64))),
            Plan::Combine(operation, order, to) => {
                let result = sources(&order, &replies).map(|sources| {
                    let sources: Vec<&[u8]> =
                        sources.into_iter().map(Option::unwrap_or_default).collect();
                    bitmap::combine(operation, &sources)
                });
                match result {
                    Ok(result) => {
                        let reply = render(protocol, |reply| reply.integer(result.len() as i64));
                        let words: &[&[u8]] = if result.is_empty() {
                            &[b"DEL", &to]
                        } else {
                            &[b"SET", &to, &result]
                        };
                        let (db, plan) = (job.session.db, Plan::Stored { reply, taken: None });
                        self.store(instance, number, job, (db, &to, words), plan);
                        return None;
                    }
                    Err(error) => Err(error),
                }
            }
            Plan::MergeUnion(order, to) => match merged(instance, &order, &replies) {
                Ok(value) => {
                    let words: &[&[u8]] = &[b"SET", &to, &value, b"KEEPTTL"];
                    let (db, plan) =
                        (job.session.db, Plan::Stored { reply: b"+OK\r\n".to_vec(), taken: None });
                    self.store(instance, number, job, (db, &to, words), plan);
                    return None;
                }
                Err(error) => Err(error),
            },
            Plan::Copy { to, to_db, replace } => {
                let source = replies.first().and_then(|of| Some((*of.first()?, *of.get(1)?)));
                let source = source.and_then(|(dump, at)| {
                    Some((resp::bulk(dump)?, resp::integer(at)?.max(0).to_string()))
                });
                match source {
                    None => Err(BAD_PART),
                    Some((None, _)) => Ok(b":0\r\n".to_vec()),
                    Some((Some(dump), deadline)) => {
                        let mut words: Vec<&[u8]> =
                            vec![b"RESTORE", &to, deadline.as_bytes(), dump, b"ABSTTL"];
                        if replace {
                            words.push(b"REPLACE");
                        }
                        let plan = Plan::Stored {
                            reply: b":1\r\n".to_vec(),
                            taken: Some(b":0\r\n".to_vec()),
                        };
                        self.store(instance, number, job, (to_db, &to, &words), plan);
                        return None;
                    }
                }
            }
            Plan::Stored { reply, taken: other } => match (replies.concat().first(), other) {
                (Some(error), Some(other)) if taken(error) => Ok(other),
                (Some(error), _) if resp::is_error(error) => Ok(error.to_vec()),
                (Some(_), _) => Ok(reply),
                (None, _) => Err(BAD_PART),
            },
            Plan::Wide(Wide::Flush, command, routes) => {
                if routes != routes_digest(instance) && self.now < job.deadline {
                    // A slot may have come from a node that had not flushed it to one that had passed it.
                    job.plan = Plan::Wide(Wide::Flush, command, routes);
                    self.jobs.insert(number, job);
                    self.plan(instance, number);
                    return None;
                }
                Ok(b"+OK\r\n".to_vec())
            }
            Plan::Wide(Wide::Sum, ..) => sum(&replies),
            Plan::Wide(Wide::List, ..) => list(&replies),
            Plan::Wide(Wide::Pick, ..) => self.pick(protocol, &replies),
            Plan::Wide(Wide::Least(counted, _), ..) => least(counted, &replies),
        };
        Some((job, done))
    }

    /// The last step: writes what was computed at the destination.
    fn store(
        &mut self,
        instance: &Instance,
        number: u64,
        mut job: Job,
        (db, to, words): (u8, &[u8], &[&[u8]]),
        plan: Plan,
    ) {
        let Some(view) = instance.cluster.view() else { return };
        let mut session = (*job.session).clone();
        session.db = db;
        let begin = Begin {
            key: job.key,
            hole: job.hole,
            session: Arc::new(session),
            deadline: job.deadline,
        };
        let mut commands = Vec::new();
        resp::push_command(words.iter().copied(), &mut commands);
        let target = Target::Slot(slot_of(to));
        let unit = new_unit(&begin, target, Sink::Job(number, 0), commands, 1, true);
        job.plan = plan;
        job.parts = vec![None];
        job.left = 1;
        self.jobs.insert(number, job);
        self.dispatch(instance, &view, unit);
    }

    fn finish_job(&mut self, job: Job, reply: Vec<u8>) {
        let Job { key, hole, slots, barrier, versions, .. } = job;
        let answer = Answer::new(key, hole, Fill::Bytes(reply));
        self.answer(Answer { slots, barrier, versions, ..answer });
    }

    /// One node's random key, nodes with more keys being the likelier.
    fn pick(&mut self, protocol: Protocol, replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
        let mut weighted = Vec::with_capacity(replies.len());
        for of_node in replies {
            let &[key, count] = of_node.as_slice() else { return Err(BAD_PART) };
            let count = resp::integer(count).ok_or(BAD_PART)?.max(1) as u64;
            if resp::bulk(key).ok_or(BAD_PART)?.is_some() {
                weighted.push((key, count));
            }
        }
        let total: u64 = weighted.iter().map(|(_, count)| count).sum();
        let mut at = if total == 0 { 0 } else { self.rng.below(total) };
        for (key, count) in weighted {
            if at < count {
                return Ok(key.to_vec());
            }
            at -= count;
        }
        Ok(render(protocol, |reply| reply.null()))
    }
}

impl Job {
    fn new(begin: Begin, plan: Plan, parts: usize, slots: Vec<u16>, barrier: bool) -> Job {
        let Begin { key, hole, session, deadline } = begin;
        Job {
            key,
            hole,
            plan,
            parts: vec![None; parts],
            left: parts,
            slots,
            barrier,
            versions: Vec::new(),
            session,
            deadline,
            writes: false,
        }
    }
}

fn new_unit(
    begin: &Begin,
    target: Target,
    sink: Sink,
    commands: Vec<u8>,
    count: u32,
    writes: bool,
) -> Unit {
    Unit {
        target,
        sink,
        commands,
        count,
        writes,
        blocking: false,
        redirects: false,
        session: begin.session.clone(),
        deadline: begin.deadline,
        attempts: 0,
        trouble: Trouble::None,
    }
}

/// A node answered what the command that it was sent cannot answer.
/// The error of a command of which one part failed: that this part changed nothing does not say so of the others.
fn of_part(line: Vec<u8>) -> Vec<u8> {
    const NOTHING: &[u8] = b"nothing was changed";
    match memchr::memmem::find(&line, NOTHING) {
        Some(at) => {
            let rest = &line[at + NOTHING.len()..];
            [&line[..at], b"other parts of the command may have been done", rest].concat()
        }
        None => line,
    }
}

const BAD_PART: WireError = WireError::fixed("ERR another node sent a malformed reply");

fn render(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Reply::new(&mut out, protocol));
    out
}

fn by_position(positions: &[Vec<u32>], replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let count = positions.iter().map(Vec::len).sum();
    let mut found: Vec<&[u8]> = vec![b""; count];
    for (positions, replies) in positions.iter().zip(replies) {
        let elements = replies.first().and_then(|reply| resp::elements(reply)).ok_or(BAD_PART)?;
        if elements.len() != positions.len() {
            return Err(BAD_PART);
        }
        for (&position, element) in positions.iter().zip(elements) {
            found[position as usize] = element;
        }
    }
    let mut out = render(Protocol::Resp2, |reply| reply.array(count));
    found.into_iter().for_each(|element| out.extend_from_slice(element));
    Ok(out)
}

fn sum(replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut sum = 0i64;
    for reply in replies.iter().flatten() {
        sum = sum.saturating_add(resp::integer(reply).ok_or(BAD_PART)?);
    }
    Ok(render(Protocol::Resp2, |reply| reply.integer(sum)))
}

fn list(replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    let mut keys = Vec::new();
    for reply in replies.iter().flatten() {
        keys.extend(resp::elements(reply).ok_or(BAD_PART)?);
    }
    let mut out = render(Protocol::Resp2, |reply| reply.array(keys.len()));
    keys.into_iter().for_each(|key| out.extend_from_slice(key));
    Ok(out)
}

fn least(counted: Counted, replies: &[Vec<&[u8]>]) -> Result<Vec<u8>, WireError> {
    if counted == Counted::WaitAof {
        return Ok(counted.reply(0));
    }
    let numbers = replies.iter().flatten().map(|reply| resp::integer(reply).ok_or(BAD_PART));
    let numbers = numbers.collect::<Result<Vec<i64>, WireError>>()?;
    let least = numbers.into_iter().min().unwrap_or(0).max(0);
    Ok(counted.reply(u32::try_from(least).unwrap_or(u32::MAX)))
}

/// The values of the keys in their order; `None` for those that are absent.
fn sources<'r>(
    order: &[(usize, usize)],
    replies: &[Vec<&'r [u8]>],
) -> Result<Vec<Option<&'r [u8]>>, WireError> {
    let of = |&(part, nth): &(usize, usize)| {
        let reply = replies.get(part).and_then(|of_part| of_part.get(nth));
        reply.and_then(|reply| resp::bulk(reply)).ok_or(BAD_PART)
    };
    order.iter().map(of).collect()
}

/// The union of all sources, and the first of them.
fn union<'r>(
    order: &[(usize, usize)],
    replies: &[Vec<&'r [u8]>],
) -> Result<(Union, Option<&'r [u8]>), WireError> {
    let sources = sources(order, replies)?;
    let mut union = Union::default();
    for source in sources.iter().flatten() {
        union.include(source).map_err(wire_error)?;
    }
    Ok((union, sources.first().copied().flatten()))
}

fn merged(
    instance: &Instance,
    order: &[(usize, usize)],
    replies: &[Vec<&[u8]>],
) -> Result<Vec<u8>, WireError> {
    let (union, first) = union(order, replies)?;
    let mut merged = first.map_or_else(hyperloglog::empty, <[u8]>::to_vec);
    let sparse_max = instance.settings.hll_sparse_max_bytes();
    let sparse_max = usize::try_from(sparse_max).unwrap_or(usize::MAX);
    union.write_to(&mut merged, sparse_max).map_err(wire_error)?;
    Ok(merged)
}

/// What tells one state of the route table from another.
fn routes_digest(instance: &Instance) -> u64 {
    let routes = instance.cluster.routes();
    (0..SLOT_COUNT as u16).filter_map(Slot::new).fold(0u64, |digest, slot| {
        let word = match routes.get(slot) {
            Route::Serve => 1,
            Route::Wait => 2,
            Route::Down => 3,
            Route::Forward(index) => 4 + u64::from(index.0),
        };
        (digest ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}
