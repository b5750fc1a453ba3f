//! EVAL and its kin: running scripts, and functions of libraries, as one step; SCRIPT.
//!
//! ```text
//!   EVAL ─┬─ keys declared: hold them ── run ─┬─ all within what is held ──────────▶ release
//!         │                                   ├─ comes to another key, nothing done yet ▶ release, and once more ─┐
//!         │                                   └─ comes to another key, has written: take that key too, if free    │
//!         └─ known to do so: in a batch of its own, with the gate closed ◀───────────────────────────────────────┘
//! ```
//!
//! **A script is one step** ([`store::owned`](crate::store)), as EXEC is, and no command of a step may come to a key that it does not hold, or two steps could wait for each other.
//! Which keys a script comes to, nobody knows beforehand. So it begins with those that it declares. When it comes to another one, or to a command that names no keys (KEYS,
//! FLUSHALL), and has done nothing yet that others could see, it is stopped and runs again from its beginning with the gate closed, where every key is its own; the
//! script remembers that, and begins there from then on. A script that has written before cannot run again. It takes the other key in addition if nobody has it: to
//! wait would be out of the order that all who wait keep, and whoever has the key may wait for us. So it tries for `FOREIGN_KEY_PATIENCE` and then fails, as
//! a script in Redis may fail after it has written. That can happen to the first runs of a script alone, all later ones have the gate.
//!
//! **Scripts that take long.** One that has written nothing and takes longer than 5 ms begins again with the gate closed too. There others wait *before* their batch, not in it, so that they can be
//! answered that the node is busy, and SCRIPT KILL is heard: by the other workers, and by the script's own, which is lent to it ([`super::attendant`]) and answers its other clients whenever it is asked
//! whether the script may go on. Not so where a script did not begin anew: it had written within its first 5 ms, is part of a step, or was sent by another node. Then the worker's clients wait; and where
//! every worker runs such a script, so that nobody could be heard, those that have not written are killed at `busy-reply-threshold`. What has written cannot be killed, in Redis neither: who waits for its
//! keys waits for its end, which SHUTDOWN NOSAVE and SIGTERM bring about.
//!
//! Source: redis.io/docs/interact/programmability and the replies of Redis 7.0.

use super::access;
use super::session::Session;
use super::tracking::remember;
use super::transaction::names_too_few;
use super::value::help_lines;
use super::{Ctx, Flow, Outcome, handler};
use crate::admin::feed::{Sender, push_line};
use crate::base::limits::SCRIPT_FEED_BYTES_MAX;
use crate::cluster::route::Route;
use crate::script::{
    self, Called, Code, Host, Job, Judgement, KillError, Kind, Permissions, Running, Script,
    ScriptFull, Scripts, Sha, Slow, sha_of,
};
use crate::security::acl::{Context, Denial};
use crate::store::KeyHint;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::{
    CommandSpec, Flags, KeyPositions, find, find_full, key_positions, resolve, subcommand_of,
};
use torc_protocol::number::parse_i64;
use torc_protocol::slot::{Slot, slot_of};
use torc_protocol::{Args, Protocol, Reply, WireError};

/// How long a script that has written tries to take a key that it did not declare. Steps that do not wait for this one are over much sooner.
const FOREIGN_KEY_PATIENCE: Duration = Duration::from_millis(20);

const NO_SCRIPT: WireError = WireError::fixed("NOSCRIPT No matching script. Please use EVAL.");

const NOT_HELD: &str = "TRYAGAIN Script came, after it had written, to keys that it does not declare and others hold; what it wrote before stays";

/// `EVAL script numkeys [key ...] [arg ...]`
pub fn eval(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    by_text(ctx, args, reply, false)
}

/// `EVAL_RO script numkeys [key ...] [arg ...]`
pub fn eval_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    by_text(ctx, args, reply, true)
}

/// `EVALSHA sha1 numkeys [key ...] [arg ...]`
pub fn evalsha(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    by_name(ctx, args, reply, false)
}

/// `EVALSHA_RO sha1 numkeys [key ...] [arg ...]`
pub fn evalsha_ro(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    by_name(ctx, args, reply, true)
}

fn by_text(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>, read_only: bool) -> Outcome {
    let keys = key_count(args)?;
    let script = add(ctx, &args[1], false)?;
    run(ctx, &Code::Script(script), (args, keys), reply, read_only)
}

fn by_name(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>, read_only: bool) -> Outcome {
    let sha = name_of(&args[1]).ok_or(NO_SCRIPT)?;
    let keys = key_count(args)?;
    let script = ctx.instance.scripts.find(&sha).ok_or(NO_SCRIPT)?;
    run(ctx, &Code::Script(script), (args, keys), reply, read_only)
}

/// A script's name, in any case.
pub fn name_of(word: &[u8]) -> Option<Sha> {
    let mut sha = Sha::try_from(word).ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

/// Whether `spec`, which may write, leaves the data as it is all the same: it calls a script or function that says so of itself, or it is about scripts.
pub(crate) fn leaves_data_alone(scripts: &Scripts, spec: &CommandSpec, args: Args<'_>) -> bool {
    let permissions = match spec.full_name {
        "eval" => Permissions::of(&args[1]).ok().map(|(permissions, _)| permissions),
        "evalsha" => {
            let script = name_of(&args[1]).and_then(|sha| scripts.find(&sha));
            script.map(|script| script.permissions)
        }
        "fcall" => {
            let function = scripts.libraries.shelf().function(&args[1]).cloned();
            function.map(|function| Code::Function(function).permissions())
        }
        "script|load" | "script|flush" => return true,
        _ => None,
    };
    permissions.is_some_and(|permissions| permissions.no_writes)
}

fn key_count(args: Args<'_>) -> Result<usize, WireError> {
    key_count_or(args, WireError::NotInteger)
}

/// How many of the arguments from the fourth on are keys; `not_integer` is the error where argument 2 is no number.
pub(super) fn key_count_or(args: Args<'_>, not_integer: WireError) -> Result<usize, WireError> {
    let count = parse_i64(&args[2]).ok_or(not_integer)?;
    if count > (args.len() - 3) as i64 {
        return Err(WireError::err("Number of keys can't be greater than number of args"));
    }
    usize::try_from(count).map_err(|_| WireError::err("Number of keys can't be negative"))
}

/// Finds a script by its text, or compiles and remembers it.
fn add(ctx: &Ctx<'_>, body: &[u8], kept: bool) -> Result<Arc<Script>, WireError> {
    let (scripts, settings) = (&ctx.instance.scripts, &ctx.instance.settings);
    let sha = sha_of(body);
    let known = scripts.find(&sha);
    let script = match known {
        Some(script) if !kept => return Ok(script),
        Some(script) => script,
        None => {
            let line = |line| WireError::Bytes(line);
            let script =
                Script::new(sha, body).map_err(|error| line(error.into_owned().into_bytes()))?;
            script::check(scripts, &script, settings.script_memory_max()).map_err(line)?;
            script
        }
    };
    match scripts.add(&script, kept, settings.script_cache_max()) {
        // It runs all the same, and is forgotten.
        Err(ScriptFull) if kept => Err(WireError::fixed(
            "OOM the texts of all scripts exceed 'script-cache-max'; SCRIPT FLUSH forgets them",
        )),
        _ => Ok(script),
    }
}

/// Why a script that says something of itself cannot run now.
fn refusal(
    permissions: Permissions,
    read_only: bool,
    in_ring: bool,
    short: bool,
) -> Option<WireError> {
    if !permissions.declared {
        return None;
    }
    if permissions.no_cluster && in_ring {
        return Some(WireError::err("Can not run script on cluster, 'no-cluster' flag is set."));
    }
    if read_only && !permissions.no_writes {
        return Some(WireError::err(
            "Can not execute a script with write flag using *_ro command.",
        ));
    }
    if short && !permissions.allow_oom && !permissions.no_writes {
        return Some(WireError::OutOfMemory);
    }
    None
}

/// Runs a script or a function whose keys begin at argument 3.
pub(super) fn run(
    ctx: &mut Ctx<'_>,
    code: &Code,
    (args, keys): (Args<'_>, usize),
    reply: &mut Reply<'_>,
    read_only: bool,
) -> Outcome {
    let in_ring = ctx.instance.cluster.is_enabled();
    // Before anything is held: eviction takes keys of its own.
    let is_held = ctx.local.is_owning() && !ctx.local.holds_gate();
    let short = !is_held && !ctx.instance.store.make_room(ctx.local, ctx.guard, ctx.now);
    let permissions = code.permissions();
    if let Some(error) = refusal(permissions, read_only, in_ring, short) {
        end_alone(ctx);
        return Err(error);
    }
    if code.wants_alone() && !ctx.local.is_owning() {
        ctx.session.alone = true;
        return Ok(Flow::Again);
    }
    let rest = args.from(3);
    let (declared, arguments) = (rest.to(keys), rest.from(keys));
    let holds = !ctx.local.is_owning();
    if holds {
        let (store, db) = (&ctx.instance.store, ctx.session.db);
        store.hold(ctx.local, ctx.guard, ctx.now, declared.iter().map(|key| (db, key)));
    }
    let job = Job {
        code,
        keys: declared,
        arguments,
        memory_max: ctx.instance.settings.script_memory_max(),
    };
    let (db, protocol, in_step) = (ctx.session.db, ctx.session.protocol, ctx.session.in_step);
    let instance = ctx.instance;
    ctx.session.in_step = true;
    ctx.session.in_script = true;
    ctx.session.called.clear();
    ctx.session.protocol_outside = Some(protocol);
    let mut host = Server {
        slot: declared.iter().next().filter(|_| in_ring).map(slot_of),
        // Commands of EXEC that ran before would run again too.
        may_begin_again: !in_step,
        read_only: read_only || permissions.no_writes,
        short: short && !permissions.allow_oom,
        code,
        permissions,
        args,
        ctx,
        in_ring,
        has_written: false,
        slow: None,
    };
    let outcome = script::run(&instance.scripts, &job, &mut host, reply);
    drop(host.slow.take());
    ctx.session.end_step(in_step);
    ctx.session.in_script = false;
    ctx.session.db = db;
    ctx.session.protocol = protocol;
    ctx.session.protocol_outside = None;
    if holds {
        instance.store.release(ctx.local, ctx.guard, ctx.now);
    } else {
        end_alone(ctx);
    }
    match outcome {
        script::Outcome::Done => Ok(Flow::Next),
        script::Outcome::Anew => {
            code.set_alone();
            ctx.session.alone = true;
            Ok(Flow::Again)
        }
        script::Outcome::Failed(line) => Err(WireError::Bytes(line)),
        script::Outcome::FailedInCall(line) => {
            ctx.session.error_counted = true;
            Err(WireError::Bytes(line))
        }
    }
}

/// Opens the gate, if it was closed for this command and not for a step around it.
pub(super) fn end_alone(ctx: &mut Ctx<'_>) {
    if !ctx.session.in_step {
        ctx.instance.store.release(ctx.local, ctx.guard, ctx.now);
    }
}

/// The server, as a script sees it.
struct Server<'s, 'c, 'a> {
    ctx: &'c mut Ctx<'a>,
    code: &'s Code,
    permissions: Permissions,
    /// The command that runs it.
    args: Args<'s>,
    /// The slot of the declared keys, in a ring.
    slot: Option<Slot>,
    in_ring: bool,
    read_only: bool,
    /// Whether memory was short when the script began.
    short: bool,
    /// Whether it may run again from its beginning: nothing that it did can be seen yet.
    may_begin_again: bool,
    has_written: bool,
    slow: Option<Slow<'a>>,
}

impl Host for Server<'_, '_, '_> {
    fn call(&mut self, args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) -> Called {
        match self.admit(args) {
            Ok(spec) => {
                self.command(spec, args, protocol, out);
                Called::Replied
            }
            Err(called) => {
                if let Called::Refused(line) = &called {
                    self.count_refusal(args, line);
                }
                called
            }
        }
    }

    fn may(&mut self, args: Args<'_>) -> Option<bool> {
        let command = args.get(0).and_then(find);
        let spec = command.and_then(|spec| subcommand_of(spec, &args))?;
        Some(access::denial(self.ctx.session, spec, args).is_none())
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        log(self.code.name(), level, text);
    }

    fn time(&self) -> Duration {
        self.ctx.instance.clock.monotonic()
    }

    fn judge(&mut self, elapsed: Duration) -> Judgement {
        let instance = self.ctx.instance;
        if instance.scripts.standing.is_stopping() {
            return Judgement::Kill;
        }
        if elapsed < script::SLOW {
            return Judgement::Continue;
        }
        if self.may_begin_again && !self.ctx.local.holds_gate() {
            return Judgement::Anew;
        }
        let (standing, worker) = (&instance.scripts.standing, self.ctx.worker);
        let slow = self.slow.get_or_insert_with(|| {
            let begun = instance.clock.monotonic().saturating_sub(elapsed);
            let (name, words) = (self.code.name().to_vec(), self.args.iter());
            let command = words.map(<[u8]>::to_vec).collect();
            standing.enter(worker, Running { kind: self.code.kind(), name, command, begun })
        });
        if self.has_written {
            slow.set_written();
        }
        if slow.is_killed() {
            return Judgement::Kill;
        }
        let threshold = instance.settings.busy_reply_threshold().max(0) as u64;
        let is_late = threshold > 0 && elapsed >= Duration::from_millis(threshold);
        let attendant = self.ctx.session.attendant.as_ref();
        let is_deaf =
            attendant.is_none() && standing.deaf_count() >= instance.settings.worker_count();
        if is_late && !self.has_written && is_deaf {
            // No worker is left that could hear SCRIPT KILL.
            return Judgement::Kill;
        }
        if is_late && slow.set_busy() {
            let script = String::from_utf8_lossy(self.code.name());
            tracing::warn!(%script, "a script takes long; SCRIPT KILL ends it if it has not written, or FUNCTION KILL if it is a function");
        }
        if is_late && let Some(attendant) = attendant {
            attendant.borrow_mut().attend();
        }
        if is_late {
            // Time goes on for it as it does for others, whom the node hears now and then.
            self.ctx.session.step_us = None;
        }
        Judgement::Continue
    }
}

/// Writes a line of a script or library to the log; 0 is the lowest level, 3 the highest.
pub(super) fn log(script: &[u8], level: u8, text: &[u8]) {
    let (text, script) = (String::from_utf8_lossy(text), String::from_utf8_lossy(script));
    match level {
        0 => tracing::trace!(%script, "{text}"),
        1 => tracing::debug!(%script, "{text}"),
        2 => tracing::info!(%script, "{text}"),
        _ => tracing::warn!(%script, "{text}"),
    }
}

fn refused(line: &'static str) -> Called {
    Called::Refused(line.into())
}

impl Server<'_, '_, '_> {
    /// Counts a call that was not admitted, also against the command, if there is one of that name.
    #[cold]
    fn count_refusal(&self, args: Args<'_>, line: &str) {
        let stats = self.ctx.instance.stats.worker(self.ctx.worker);
        stats.error(line.split(' ').next().unwrap_or("ERR").as_bytes());
        let spec = match resolve(&args) {
            Err(WireError::WrongArity(name)) => find_full(name.as_bytes()),
            found => found.ok(),
        };
        if let Some(spec) = spec {
            stats.rejected(spec.id);
        }
    }

    /// The command that a script calls, if it may run now. The order of the checks is Redis's.
    fn admit(&mut self, args: Args<'_>) -> Result<&'static CommandSpec, Called> {
        let spec = resolve(&args).map_err(|error| match error {
            WireError::WrongArity(_) => {
                refused("ERR Wrong number of args calling Redis command from script")
            }
            _ => refused("ERR Unknown Redis command called from script"),
        })?;
        if spec.flags.contains(Flags::NOSCRIPT) && !self.is_let(spec) {
            return Err(refused("ERR This Redis command is not allowed from script"));
        }
        if let Some(denial) = access::denial(self.ctx.session, spec, args) {
            return Err(self.deny(spec, args, denial));
        }
        if self.read_only && spec.may_write {
            return Err(refused("ERR Write commands are not allowed from read-only scripts."));
        }
        if self.short && !self.has_written && spec.flags.contains(Flags::DENYOOM) {
            return Err(refused("OOM command not allowed when used memory > 'maxmemory'."));
        }
        let keys = if spec.has_keys() { key_positions(spec, &args).ok() } else { None };
        if self.in_ring
            && let Some(keys) = &keys
        {
            self.admit_slots(args, keys)?;
        }
        if !self.ctx.local.holds_gate() {
            self.hold(spec, args, keys.as_ref())?;
        }
        if spec.may_write || spec.flags.contains(Flags::ADMIN) {
            self.may_begin_again = false;
        }
        self.has_written |= spec.flags.contains(Flags::WRITE);
        Ok(spec)
    }

    /// Whether a command that is not for scripts is let into them all the same.
    #[cold]
    fn is_let(&self, spec: &CommandSpec) -> bool {
        matches!(spec.full_name, "debug" | "client|list") && self.ctx.instance.is_debug_in_scripts()
    }

    #[cold]
    fn deny(&self, spec: &'static CommandSpec, args: Args<'_>, denial: Denial) -> Called {
        let Ctx { instance, session, now, .. } = &*self.ctx;
        let text = access::denied(instance, session, (spec, args), denial, Context::Lua, *now);
        let text = String::from_utf8_lossy(&text);
        Called::Refused(format!("ERR ACL failure in script: {text}").into())
    }

    /// In a ring, whether the keys are ones that this node serves.
    fn admit_slots(&mut self, args: Args<'_>, keys: &KeyPositions) -> Result<(), Called> {
        let routes = self.ctx.instance.cluster.routes();
        for key in keys.iter() {
            let Some(key) = args.get(key.index) else { continue };
            let slot = slot_of(key);
            // That its declared keys may be read or written here was decided when it came.
            if self.slot == Some(slot) {
                continue;
            }
            if routes.get(slot) != Route::Serve {
                return Err(refused(
                    "ERR Script attempted to access a non local key in a cluster node",
                ));
            }
            if !self.permissions.across_slots && self.slot.is_some() {
                return Err(refused(
                    "ERR Script attempted to access keys that do not hash to the same slot",
                ));
            }
            self.slot.get_or_insert(slot);
        }
        Ok(())
    }

    /// See the module's description.
    fn hold(
        &mut self,
        spec: &CommandSpec,
        args: Args<'_>,
        keys: Option<&KeyPositions>,
    ) -> Result<(), Called> {
        let is_all = names_too_few(spec, args) || (spec.has_keys() && keys.is_none());
        if is_all {
            return Err(if self.may_begin_again { Called::Anew } else { refused(NOT_HELD) });
        }
        for key in keys.iter().flat_map(|keys| keys.iter()) {
            let Some(key) = args.get(key.index) else { continue };
            let (store, db) = (&self.ctx.instance.store, self.ctx.session.db);
            if store.holds(self.ctx.local, db, key) {
                continue;
            }
            if self.may_begin_again {
                return Err(Called::Anew);
            }
            self.code.set_alone();
            let begun = self.time();
            while !store.try_hold(self.ctx.local, self.ctx.guard, self.ctx.now, db, key) {
                if self.time().saturating_sub(begun) > FOREIGN_KEY_PATIENCE {
                    return Err(refused(NOT_HELD));
                }
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn command(
        &mut self,
        spec: &'static CommandSpec,
        args: Args<'_>,
        protocol: Protocol,
        out: &mut Vec<u8>,
    ) {
        let ctx = &mut *self.ctx;
        let begun = ctx.instance.clock.monotonic();
        ctx.session.protocol = protocol;
        if ctx.session.tracked().is_some() {
            remember(ctx.instance, ctx.local, ctx.session, ctx.worker, (spec, args));
        }
        let stats = ctx.instance.stats.worker(ctx.worker);
        loop {
            let mut ctx = Ctx {
                instance: ctx.instance,
                local: &mut *ctx.local,
                guard: ctx.guard,
                session: &mut *ctx.session,
                now: ctx.now,
                worker: ctx.worker,
                hint: KeyHint::none(),
            };
            let mut reply = Reply::new(out, protocol);
            match handler(spec.id)(&mut ctx, args, &mut reply) {
                // Others have their turn after the whole of the script.
                Ok(Flow::Again) => reply.rewind(0),
                Ok(_) => break,
                Err(error) => {
                    reply.rewind(0);
                    let line = error.line();
                    stats.failed(spec.id);
                    stats.error(line.split(|&byte| byte == b' ').next().unwrap_or(b"ERR"));
                    reply.error(&error);
                    break;
                }
            }
        }
        let elapsed = ctx.instance.clock.monotonic().saturating_sub(begun);
        stats.call(spec.id, elapsed.as_micros() as u64);
        if ctx.instance.clients.is_monitored() && !spec.flags.contains(Flags::ADMIN) {
            show(ctx, args);
        }
    }
}

/// Shows a call to monitoring clients, when the script's own command is shown. A script that calls so much that it would not fit is shown in part.
#[cold]
fn show(ctx: &mut Ctx<'_>, args: Args<'_>) {
    let unix_us = ctx.instance.clock.unix_us();
    let Session { db, called, .. } = &mut *ctx.session;
    if called.len() < SCRIPT_FEED_BYTES_MAX {
        push_line(unix_us, *db, Sender::Script, args, called);
    }
}

// --- SCRIPT ----------------------------------------------------------------------------------------------------------

/// `SCRIPT LOAD script`
pub fn load(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let script = add(ctx, &args[2], true)?;
    reply.bulk(&script.sha);
    Ok(Flow::Next)
}

/// `SCRIPT EXISTS sha1 [sha1 ...]`
pub fn exists(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let names = args.from(2);
    reply.array(names.len());
    for name in names.iter() {
        let known = name_of(name).and_then(|sha| ctx.instance.scripts.find(&sha));
        reply.integer(known.is_some().into());
    }
    Ok(Flow::Next)
}

/// `SCRIPT FLUSH [ASYNC|SYNC]`
pub fn flush(ctx: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let fits = match args.len() {
        2 => true,
        3 => args.is(2, "SYNC") || args.is(2, "ASYNC"),
        _ => false,
    };
    if !fits {
        return Err(WireError::err("SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    ctx.instance.scripts.flush();
    reply.ok();
    Ok(Flow::Next)
}

/// `SCRIPT KILL`
pub fn kill(ctx: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    kill_kind(ctx, Kind::Script, reply)
}

/// What clients are told while a script keeps the node busy.
pub const BUSY_SCRIPT: WireError = WireError::fixed(
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
);
/// The same while a function does.
pub const BUSY_FUNCTION: WireError = WireError::fixed(
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.",
);

/// Ends what takes long, if it is of this kind.
pub(super) fn kill_kind(ctx: &Ctx<'_>, kind: Kind, reply: &mut Reply<'_>) -> Outcome {
    ctx.instance.scripts.standing.kill(kind).map_err(|error| match error {
        KillError::NotBusy => WireError::fixed("NOTBUSY No scripts in execution right now."),
        KillError::Unkillable => WireError::fixed(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ),
        KillError::Other if kind == Kind::Script => BUSY_FUNCTION,
        KillError::Other => BUSY_SCRIPT,
    })?;
    reply.ok();
    Ok(Flow::Next)
}

/// `SCRIPT DEBUG YES|SYNC|NO`
pub fn debug(_: &mut Ctx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    if args.is(2, "NO") {
        reply.ok();
        return Ok(Flow::Next);
    }
    if !args.is(2, "YES") && !args.is(2, "SYNC") {
        return Err(WireError::err("Use SCRIPT DEBUG YES/SYNC/NO"));
    }
    Err(WireError::err("SCRIPT DEBUG is not supported by Torc: there is no debugger of scripts"))
}

/// `SCRIPT HELP`
pub fn help(_: &mut Ctx<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    help_lines(reply, HELP)
}

const HELP: &[&str] = &[
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DEBUG (YES|SYNC|NO)",
    "    Answers an error but to NO: there is no debugger.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Whether the server knows these scripts.",
    "FLUSH [ASYNC|SYNC]",
    "    Forgets all scripts.",
    "KILL",
    "    Ends a script that takes long and has written nothing.",
    "LOAD <script>",
    "    Keeps a script without running it, and answers its SHA1.",
    "HELP",
    "    This text.",
];
