//! MULTI EXEC DISCARD WATCH UNWATCH, and what a session keeps for them.
//!
//! Between MULTI and EXEC the pipeline queues commands instead of running them (`node/multi`), and runs EXEC itself; the handlers here are what these
//! commands do otherwise. On a node on its own a watched key is marked in the store. In a ring, where another node may serve it, its *stamp* is kept and compared
//! when EXEC runs, which needs nothing of the other node meanwhile.
//!
//! Source: the commands' pages on redis.io and the replies of Redis 7.0.

use super::generic::sort_leads_on;
use super::{Ctx, Flow, Outcome};
use crate::base::limits::WATCHED_KEYS_MAX;
use crate::store::{Keyspace, Stamp, Store, Watch};
use std::ops::Range;
use torc_protocol::command::{Categories, CommandSpec, Flags, KeyFlags};
use torc_protocol::request::Span;
use torc_protocol::{Args, Reply, WireError};

/// What WATCH answers beyond its bound.
pub const TOO_MANY: WireError = WireError::fixed("ERR too many watched keys");

/// What a client has queued since MULTI, in RESP.
#[derive(Debug, Default)]
pub struct Multi {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    commands: Vec<Queued>,
    /// Whether a command was refused, so that EXEC runs nothing.
    pub failed: bool,
    /// Whether EXEC is to have the store for itself.
    pub alone: bool,
    /// How many commands EXEC has run, once it runs them one by one.
    pub done: Option<usize>,
}

#[derive(Debug)]
struct Queued {
    spec: &'static CommandSpec,
    spans: Range<usize>,
}

impl Multi {
    /// Appends a command.
    pub fn push(&mut self, spec: &'static CommandSpec, args: Args<'_>) {
        let first = self.spans.len();
        let mut text = itoa::Buffer::new();
        let mut line = |kind: u8, number: usize, out: &mut Vec<u8>| {
            out.push(kind);
            out.extend_from_slice(text.format(number).as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        line(b'*', args.len(), &mut self.bytes);
        for word in args.iter() {
            line(b'$', word.len(), &mut self.bytes);
            // The pipeline keeps the whole below 4 GiB.
            let (start, len) = (self.bytes.len() as u32, word.len() as u32);
            self.spans.push(Span { start, len });
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.commands.push(Queued { spec, spans: first..self.spans.len() });
    }

    /// Number of commands.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// What it takes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.spans.len() * size_of::<Span>()
    }

    /// All commands, as a client would send them.
    pub fn requests(&self) -> &[u8] {
        &self.bytes
    }

    /// The commands in order.
    pub fn commands(&self) -> impl Iterator<Item = (&'static CommandSpec, Args<'_>)> {
        (0..self.len()).filter_map(|index| self.command(index))
    }

    /// The command at `index`.
    pub fn command(&self, index: usize) -> Option<(&'static CommandSpec, Args<'_>)> {
        let Queued { spec, spans } = self.commands.get(index)?;
        Some((spec, Args::new(&self.bytes, &self.spans[spans.clone()])))
    }

    /// Whether a command has one of these flags.
    pub fn has(&self, flags: Flags) -> bool {
        self.commands.iter().any(|queued| queued.spec.flags.intersects(flags))
    }

    /// Whether a pause of writes holds it.
    pub fn may_write(&self) -> bool {
        self.commands.iter().any(|queued| queued.spec.may_write)
    }
}

/// What a client watches.
#[derive(Debug)]
pub struct Watching {
    marked: Watch,
    stamped: Vec<Stamped>,
}

#[derive(Debug)]
struct Stamped {
    db: u8,
    key: Box<[u8]>,
    stamp: Stamp,
}

impl Watching {
    /// Nothing yet.
    pub fn new(store: &Store) -> Self {
        Watching { marked: store.watch(), stamped: Vec::new() }
    }

    /// Watches a key by its stamp. The first one counts.
    pub fn add_stamp(&mut self, db: u8, key: &[u8], stamp: Stamp) {
        if !self.stamped.iter().any(|other| other.db == db && *other.key == *key) {
            self.stamped.push(Stamped { db, key: key.into(), stamp });
        }
    }

    /// Whether a key that the store has marked was changed.
    pub fn is_broken(&self) -> bool {
        self.marked.is_broken()
    }

    /// Whether there are keys that only this node's store knows of.
    pub fn is_local(&self) -> bool {
        self.marked.keys().next().is_some()
    }

    /// The keys, with their databases.
    pub fn keys(&self) -> impl Iterator<Item = (u8, &[u8])> {
        self.marked.keys().chain(self.stamped.iter().map(|it| (it.db, &*it.key)))
    }

    /// Keys and stamps.
    pub fn stamps(&self) -> impl Iterator<Item = (u8, &[u8], &Stamp)> {
        self.stamped.iter().map(|it| (it.db, &*it.key, &it.stamp))
    }

    /// Whether all keys are as they were. The caller holds them.
    pub fn is_unchanged(&self, keyspace: &mut Keyspace<'_, '_>) -> bool {
        keyspace.is_unchanged(&self.marked)
            && self.stamped.iter().all(|it| {
                keyspace.in_database(it.db).stamp(&it.key).is_some_and(|now| now == it.stamp)
            })
    }

    /// Whether so many more keys may be watched.
    pub fn has_room(&self, more: usize) -> bool {
        self.keys().count() + more <= WATCHED_KEYS_MAX
    }
}

/// Whether a command comes to keys, or to databases, that its key specs do not name.
pub fn names_too_few(spec: &CommandSpec, args: Args<'_>) -> bool {
    match spec.full_name {
        "move" => true,
        // The first of all who track has the store for itself.
        "client|tracking" => args.is(2, "ON"),
        "sort" | "sort_ro" => sort_leads_on(args),
        "copy" => args.len() > 3,
        // Scripts declare their keys, and may come to others.
        _ if spec.acl.contains(Categories::SCRIPTING) => true,
        _ if spec.has_keys() => {
            spec.keys.iter().any(|keys| keys.flags.contains(KeyFlags::INCOMPLETE))
        }
        name => {
            spec.acl.contains(Categories::KEYSPACE)
                || name.starts_with("debug")
                || matches!(name, "cluster|countkeysinslot" | "cluster|getkeysinslot")
        }
    }
}

/// `MULTI`
pub fn multi(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.multi.is_some() {
        return Err(WireError::err("MULTI calls can not be nested"));
    }
    ctx.session.multi = Some(Box::default());
    ctx.session.queued = Some(0);
    reply.ok();
    // From now on commands are queued.
    Ok(Flow::Anew)
}

/// `EXEC`, of a client that is not in MULTI.
pub fn exec(_: &mut Ctx<'_>, _: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    Err(WireError::err("EXEC without MULTI"))
}

/// `DISCARD`
pub fn discard(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.multi.is_none() {
        return Err(WireError::err("DISCARD without MULTI"));
    }
    ctx.session.end_transaction();
    reply.ok();
    Ok(Flow::Next)
}

/// `WATCH key [key ...]`
pub fn watch(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if ctx.session.multi.is_some() {
        return Err(WireError::err("WATCH inside MULTI is not allowed"));
    }
    let mut watching = watching_of(ctx, args.len() - 1)?;
    // Who has missed a change already will not run, whatever else he watches.
    if !watching.is_broken() {
        let db = ctx.session.db;
        let replicates = ctx.local.is_replicating();
        let mut keyspace = ctx.keyspace();
        for key in args.from(1).iter() {
            match keyspace.stamp(key).filter(|_| replicates) {
                Some(stamp) => watching.add_stamp(db, key, stamp),
                None => keyspace.watch(&mut watching.marked, key),
            }
        }
    }
    ctx.session.watching = Some(watching);
    reply.ok();
    Ok(Flow::Next)
}

fn watching_of(ctx: &mut Ctx<'_>, more: usize) -> Result<Box<Watching>, WireError> {
    let watching = ctx.session.watching.take();
    let watching = watching.unwrap_or_else(|| Box::new(Watching::new(&ctx.instance.store)));
    if !watching.has_room(more) {
        ctx.session.watching = Some(watching);
        return Err(TOO_MANY);
    }
    Ok(watching)
}

/// `UNWATCH`
pub fn unwatch(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    ctx.session.watching = None;
    reply.ok();
    Ok(Flow::Next)
}

/// `TORC STAMPS key [key ...]`
pub fn stamps(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keys = args.from(2);
    let mut keyspace = ctx.keyspace();
    reply.array(keys.len());
    for key in keys.iter() {
        match keyspace.stamp(key) {
            Some(stamp) => reply.bulk(&stamp),
            None => reply.null(),
        }
    }
    Ok(Flow::Next)
}

/// `TORC UNLESS key stamp [key stamp ...]`
pub fn unless(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let pairs = args.from(2);
    if !pairs.len().is_multiple_of(2) {
        return Err(WireError::Syntax);
    }
    let mut watching = watching_of(ctx, pairs.len() / 2)?;
    let db = ctx.session.db;
    let mut result = Ok(());
    for index in (0..pairs.len()).step_by(2) {
        match <Stamp>::try_from(&pairs[index + 1]) {
            Ok(stamp) => watching.add_stamp(db, &pairs[index], stamp),
            Err(_) => result = Err(WireError::Syntax),
        }
    }
    ctx.session.watching = Some(watching);
    result?;
    reply.ok();
    Ok(Flow::Next)
}
