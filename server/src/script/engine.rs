//! A thread's interpreter: compiles scripts once, runs them, and ends those that are to end.
//!
//! What a script calls in the server is one function, made anew for each run, since it borrows what the run works with. Every `INSTRUCTIONS` instructions the host is asked
//! whether the script may go on. To end one, an error is raised at every instruction from then on, so that no `pcall` of the script keeps it alive; the interpreter is
//! thrown away afterwards.
//!
//! What no instruction counter sees is a single call that takes long: a pattern that backtracks over a long string. Redis waits for it too.

use super::cache::{Script, Scripts, Sha};
use super::convert::{self, Answered};
use super::job::{Code, Job};
use super::library::{self, Source};
use super::loading::Loaded;
use super::sandbox::Sandbox;
use super::{Called, Host, Judgement};
use mlua::{Function, HookTriggers, Lua, MultiValue, Value, VmState};
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use torc_protocol::request::Span;
use torc_protocol::{Args, Protocol, Reply, WireError};

/// Instructions between two looks at the clock: some 100 µs.
const INSTRUCTIONS: u32 = 10_000;

/// How often in a row the host may be out of reach: a million instructions.
const UNHEARD_MAX: u32 = 100;

/// From when on a script counts as one that takes long.
pub const SLOW: Duration = Duration::from_millis(5);

/// After so many runs a step of the garbage collector is taken, as in Redis.
const RUNS_A_COLLECTION: u32 = 50;

/// Scripts that one thread keeps compiled; beyond it all are compiled again when they come.
const COMPILED_MAX: usize = 16 * 1024;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply was written.
    Done,
    /// It failed with this error.
    Failed(Vec<u8>),
    /// It failed with this error of a command that it called, which counted there.
    FailedInCall(Vec<u8>),
    /// It could not go on, and is to run again.
    Anew,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

/// Whether a script can be compiled.
///
/// # Errors
/// The line of the error.
pub fn check(scripts: &Scripts, script: &Script, memory_max: u64) -> Result<(), Vec<u8>> {
    with_engine(scripts, memory_max, |engine| match engine {
        Ok(engine) => engine.function(script).map(drop),
        Err(error) => Err(error),
    })
}

/// Runs the text of a library, to find the functions that it registers.
///
/// # Errors
/// The line of the error.
pub fn load(
    scripts: &Scripts,
    source: &Source,
    host: &mut dyn Host,
    memory_max: u64,
    time_max: Duration,
) -> Result<Vec<library::Function>, Vec<u8>> {
    with_engine(scripts, memory_max, |engine| {
        let functions = engine?.functions_of(source, host, time_max);
        functions.map_err(|said| [b"ERR ", &*said].concat())
    })
}

/// Runs a script or a function, and appends what it returns to `reply`.
pub fn run(
    scripts: &Scripts,
    job: &Job<'_>,
    host: &mut dyn Host,
    reply: &mut Reply<'_>,
) -> Outcome {
    with_engine(scripts, job.memory_max, |engine| match engine {
        Ok(engine) => engine.run(job, host, reply),
        Err(error) => Outcome::Failed(error),
    })
}

/// Lends this thread's interpreter, which is made if there is none, and thrown away where it cannot be used any more.
fn with_engine<R>(
    scripts: &Scripts,
    memory_max: u64,
    act: impl FnOnce(Result<&mut Engine, Vec<u8>>) -> R,
) -> R {
    ENGINE.with_borrow_mut(|place| {
        if place.is_none() {
            match Engine::new(memory_max) {
                Ok(engine) => *place = Some(engine),
                Err(error) => return act(Err(convert::error_line(&error))),
            }
        }
        let Some(engine) = place else { return act(Err(NO_MEMORY.to_vec())) };
        engine.prepare(scripts, memory_max);
        let result = act(Ok(engine));
        if engine.watch.ending.get() != Ending::None {
            *place = None;
        }
        result
    })
}

const NO_MEMORY: &[u8] = b"ERR not enough memory";

/// Why a script is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    None,
    Killed,
    Anew,
}

/// What the hook has of the run.
pub(super) struct Watch {
    pub(super) ending: Cell<Ending>,
    /// How often in a row the host could not be asked.
    unheard: Cell<u32>,
    /// The way to the host.
    invoke: RefCell<Option<Function>>,
}

pub(super) struct Engine {
    pub(super) lua: Lua,
    pub(super) sandbox: Sandbox,
    pub(super) watch: Rc<Watch>,
    compiled: HashMap<Sha, Function>,
    pub(super) loaded: Loaded,
    flushes: u64,
    memory_max: usize,
    runs: u32,
    /// Memory that is used again for each command.
    scratch: RefCell<Scratch>,
}

#[derive(Default)]
struct Scratch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    reply: Vec<u8>,
}

/// Memory that is kept for the next command; beyond it, it is given back.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;

impl Engine {
    fn new(memory_max: u64) -> mlua::Result<Self> {
        let sandbox_libraries = mlua::StdLib::STRING | mlua::StdLib::TABLE | mlua::StdLib::MATH;
        let lua = Lua::new_with(sandbox_libraries, mlua::LuaOptions::new())?;
        let watch = Rc::new(Watch {
            ending: Cell::new(Ending::None),
            unheard: Cell::new(0),
            invoke: RefCell::new(None),
        });
        let sandbox = Sandbox::new(&lua)?;
        set_hook(&lua, &watch, INSTRUCTIONS)?;
        let mut engine = Engine {
            lua,
            sandbox,
            watch,
            compiled: HashMap::new(),
            loaded: Loaded::default(),
            flushes: 0,
            memory_max: 0,
            runs: 0,
            scratch: RefCell::default(),
        };
        engine.limit(memory_max);
        Ok(engine)
    }

    fn limit(&mut self, memory_max: u64) {
        let memory_max = usize::try_from(memory_max).unwrap_or(usize::MAX);
        if memory_max != self.memory_max {
            // The interpreter is this crate's own, so that its memory is under its control.
            let _ = self.lua.set_memory_limit(memory_max);
            self.memory_max = memory_max;
        }
    }

    /// Takes over what has changed since the last run.
    fn prepare(&mut self, scripts: &Scripts, memory_max: u64) {
        self.limit(memory_max);
        let flushes = scripts.flushes();
        if flushes != self.flushes || self.compiled.len() > COMPILED_MAX {
            self.flushes = flushes;
            self.compiled.clear();
        }
        let libraries = &scripts.libraries;
        self.loaded.retain(libraries.changes(), |id| libraries.shelf().has(id));
    }

    /// The function that a script is.
    fn function(&mut self, script: &Script) -> Result<Function, Vec<u8>> {
        if let Some(function) = self.compiled.get(&script.sha) {
            return Ok(function.clone());
        }
        let code = &script.body[script.code..];
        match self.sandbox.compile(&self.lua, code) {
            Ok(function) => {
                self.compiled.insert(script.sha, function.clone());
                Ok(function)
            }
            Err(said) => {
                let mut line = b"ERR Error compiling script (new function): ".to_vec();
                line.extend_from_slice(&said);
                Err(line)
            }
        }
    }

    fn run(&mut self, job: &Job<'_>, host: &mut dyn Host, reply: &mut Reply<'_>) -> Outcome {
        let function = match job.code {
            Code::Script(script) => self.function(script),
            Code::Function(function) => self.function_of_library(function, host),
        };
        let function = match function {
            Ok(function) => function,
            Err(error) => return Outcome::Failed(error),
        };
        let position = reply.position();
        let outcome = self.run_function(&function, job, host, reply).unwrap_or_else(|error| {
            reply.rewind(position);
            Outcome::Failed(convert::error_line(&error))
        });
        self.tidy();
        match self.watch.ending.get() {
            Ending::None => outcome,
            Ending::Anew => {
                reply.rewind(position);
                Outcome::Anew
            }
            Ending::Killed => {
                reply.rewind(position);
                // Redis says so of functions too.
                let mut line = b"ERR Script killed by user with SCRIPT KILL...".to_vec();
                self.sandbox.push_place(job.code.name(), &mut line);
                Outcome::Failed(line)
            }
        }
    }

    fn run_function(
        &self,
        function: &Function,
        job: &Job<'_>,
        host: &mut dyn Host,
        reply: &mut Reply<'_>,
    ) -> mlua::Result<Outcome> {
        self.sandbox.begin();
        let bound = match job.code {
            Code::Script(_) => {
                self.sandbox.set_arguments(&self.lua, job.keys, job.arguments)?;
                function.clone()
            }
            Code::Function(_) => {
                self.sandbox.bind(&self.lua, function, (job.keys, job.arguments))?
            }
        };
        let protocol = Cell::new(Protocol::Resp2);
        let (ok, value) = self.with_host(host, &protocol, || self.sandbox.protected(&bound))?;
        if ok {
            return Ok(match convert::push_value(&self.lua, &value, protocol.get(), reply)? {
                Answered::Reply => Outcome::Done,
                Answered::Error(line) => failure(&value, line),
            });
        }
        let mut line = convert::error_of(&value);
        self.sandbox.push_place(job.code.name(), &mut line);
        Ok(failure(&value, line))
    }

    /// Runs `act`, in which Lua code may ask for things of `host`.
    pub(super) fn with_host<R>(
        &self,
        host: &mut dyn Host,
        protocol: &Cell<Protocol>,
        act: impl FnOnce() -> mlua::Result<R>,
    ) -> mlua::Result<R> {
        let begun = host.time();
        let host = RefCell::new(host);
        self.lua.scope(|scope| {
            let invoke = scope.create_function(|lua, words: MultiValue| {
                // No two of these run at once: a command runs no Lua.
                let mut host = host.try_borrow_mut().map_err(mlua::Error::external)?;
                self.invoked(lua, &words, &mut **host, protocol, begun)
            })?;
            self.sandbox.set_invoke(&invoke)?;
            self.watch.invoke.replace(Some(invoke));
            let result = act();
            self.watch.invoke.replace(None);
            result
        })
    }

    /// The script, or the hook, asks for something.
    fn invoked(
        &self,
        lua: &Lua,
        words: &MultiValue,
        host: &mut dyn Host,
        protocol: &Cell<Protocol>,
        begun: Duration,
    ) -> mlua::Result<(Value, Value)> {
        const FAILED: Value = Value::Boolean(true);
        let Some(Value::Integer(what)) = words.front() else {
            return Ok((Value::Nil, Value::Nil));
        };
        if self.watch.ending.get() != Ending::None {
            return Ok((convert::error_table(lua, b"ERR the script ends")?, FAILED));
        }
        match *what {
            sandbox_ask::JUDGE => {
                let ending = match host.judge(host.time().saturating_sub(begun)) {
                    Judgement::Continue => Ending::None,
                    Judgement::Kill => Ending::Killed,
                    Judgement::Anew => Ending::Anew,
                };
                self.end(lua, ending)?;
                Ok((Value::Nil, Value::Nil))
            }
            sandbox_ask::PROTOCOL => {
                let three = matches!(words.get(1), Some(Value::Integer(3)));
                protocol.set(if three { Protocol::Resp3 } else { Protocol::Resp2 });
                Ok((Value::Nil, Value::Nil))
            }
            sandbox_ask::LOG => {
                if let (Some(Value::Integer(level)), Some(Value::String(text))) =
                    (words.get(1), words.get(2))
                {
                    host.log((*level).clamp(0, 3) as u8, &text.as_bytes());
                }
                Ok((Value::Nil, Value::Nil))
            }
            what => {
                let mut scratch = self.scratch.take();
                let result = self.command(lua, what, words, host, protocol, &mut scratch);
                if scratch.bytes.capacity().max(scratch.reply.capacity()) <= SCRATCH_BYTES_KEPT {
                    self.scratch.replace(scratch);
                }
                result
            }
        }
    }

    fn command(
        &self,
        lua: &Lua,
        what: i64,
        words: &MultiValue,
        host: &mut dyn Host,
        protocol: &Cell<Protocol>,
        scratch: &mut Scratch,
    ) -> mlua::Result<(Value, Value)> {
        const FAILED: Value = Value::Boolean(true);
        let Scratch { bytes, spans, reply } = scratch;
        bytes.clear();
        spans.clear();
        reply.clear();
        let error = |line: &[u8]| Ok((convert::error_table(lua, line)?, FAILED));
        if words.len() < 2 {
            return error(b"ERR Please specify at least one argument for this redis lib call");
        }
        if !words.iter().skip(1).all(|word| convert::push_argument(word, bytes, spans)) {
            return error(b"ERR Lua redis lib command arguments must be strings or integers");
        }
        let args = Args::new(bytes, spans);
        if what == sandbox_ask::MAY {
            return match host.may(args) {
                Some(may) => Ok((Value::Boolean(may), Value::Nil)),
                None => error(b"ERR Invalid command passed to redis.acl_check_cmd()"),
            };
        }
        match host.call(args, protocol.get(), reply) {
            Called::Replied => {
                let value = convert::value_of(lua, reply)?;
                let failed = reply.first() == Some(&b'-');
                Ok((value, if failed { FAILED } else { Value::Nil }))
            }
            Called::Refused(line) => Ok((convert::failed(lua, line.as_bytes())?, FAILED)),
            Called::Anew => {
                self.end(lua, Ending::Anew)?;
                error(b"ERR the script runs again")
            }
        }
    }

    /// From now on, every instruction of the script is an error.
    fn end(&self, lua: &Lua, ending: Ending) -> mlua::Result<()> {
        if ending != Ending::None {
            self.watch.ending.set(ending);
            set_hook(lua, &self.watch, 1)?;
        }
        Ok(())
    }

    /// Between runs: what is garbage goes, before it is too much.
    fn tidy(&mut self) {
        self.runs += 1;
        if self.runs.is_multiple_of(RUNS_A_COLLECTION) {
            // A step that fails is taken later.
            let _ = self.lua.gc_step();
        }
        if self.lua.used_memory() > self.memory_max / 2 {
            self.sandbox.forget();
            let _ = self.lua.gc_collect();
            if self.lua.used_memory() > self.memory_max / 2 {
                // What is left are compiled scripts and libraries, which come again from their texts.
                self.compiled.clear();
                self.loaded.clear();
                let _ = self.lua.gc_collect();
            }
        }
    }
}

/// What a script asks for; the numbers stand in `prelude.lua` too.
pub(super) mod sandbox_ask {
    // A command is 0, or whatever else stands for nothing here.
    /// Whether a command is allowed.
    pub const MAY: i64 = 1;
    /// A line for the log.
    pub const LOG: i64 = 2;
    /// Which protocol replies come in.
    pub const PROTOCOL: i64 = 3;
    /// Whether the script may go on.
    pub const JUDGE: i64 = 4;
}

fn set_hook(lua: &Lua, watch: &Rc<Watch>, instructions: u32) -> mlua::Result<()> {
    let watch = Rc::clone(watch);
    let triggers = HookTriggers::new().every_nth_instruction(instructions);
    lua.set_global_hook(triggers, move |lua, _| {
        if watch.ending.get() == Ending::None {
            // Cloned out, so that nothing is borrowed while it runs.
            let invoke = watch.invoke.borrow().clone();
            if let Some(invoke) = invoke {
                // A script that has used up the nesting of C calls leaves none for this one. One that does nothing else is not to escape its judge.
                let asked = invoke.call::<MultiValue>(sandbox_ask::JUDGE).is_ok();
                watch.unheard.set(if asked { 0 } else { watch.unheard.get() + 1 });
                if watch.unheard.get() > UNHEARD_MAX {
                    watch.ending.set(Ending::Killed);
                    set_hook(lua, &watch, 1)?;
                }
            }
        }
        match watch.ending.get() {
            Ending::None => Ok(VmState::Continue),
            _ => Err(mlua::Error::runtime("the script ends")),
        }
    })
}

/// How a script ended whose error is `value`.
fn failure(value: &Value, line: Vec<u8>) -> Outcome {
    match convert::is_of_call(value) {
        true => Outcome::FailedInCall(line),
        false => Outcome::Failed(line),
    }
}

/// For errors of this module's own.
impl From<Cow<'static, str>> for Outcome {
    fn from(line: Cow<'static, str>) -> Self {
        Outcome::Failed(line.into_owned().into_bytes())
    }
}

/// For the callers, which answer in terms of the protocol.
impl Outcome {
    /// The error that the client is answered, if the script failed.
    pub fn error(self) -> Option<WireError> {
        match self {
            Outcome::Failed(line) | Outcome::FailedInCall(line) => Some(WireError::Bytes(line)),
            _ => None,
        }
    }
}
