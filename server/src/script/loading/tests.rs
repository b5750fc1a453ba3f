//! Libraries in an interpreter: what they share, what they cannot reach, and that they come to an end.

use crate::script::library::{By, LOAD_TIME_MAX, Library, Policy, Source};
use crate::script::{Called, Code, Host, Job, Judgement, Outcome, Scripts, load, run};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::{Args, Protocol, Reply};

const MEMORY: u64 = 32 << 20;

/// Answers every command with PONG; each look at its clock takes a millisecond. Ends what runs after some looks.
#[derive(Default)]
struct Pong {
    time_ms: Cell<u64>,
    looks_max: u32,
}

impl Host for Pong {
    fn call(&mut self, _: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) -> Called {
        Reply::new(out, protocol).simple("PONG");
        Called::Replied
    }

    fn may(&mut self, _: Args<'_>) -> Option<bool> {
        Some(true)
    }

    fn log(&mut self, _: u8, _: &[u8]) {}

    fn time(&self) -> Duration {
        self.time_ms.set(self.time_ms.get() + 1);
        Duration::from_millis(self.time_ms.get())
    }

    fn judge(&mut self, _: Duration) -> Judgement {
        self.looks_max = self.looks_max.saturating_sub(1);
        if self.looks_max == 0 { Judgement::Kill } else { Judgement::Continue }
    }
}

fn host() -> Pong {
    Pong { looks_max: 1_000, ..Pong::default() }
}

fn library(scripts: &Scripts, code: &str) -> Result<Arc<Library>, String> {
    let source = Source::parse(format!("#!lua name=lib\n{code}").as_bytes())?;
    let functions = load(scripts, &source, &mut host(), MEMORY, LOAD_TIME_MAX);
    let functions = functions.map_err(|line| String::from_utf8_lossy(&line).into_owned())?;
    Ok(Library::new(source, functions))
}

/// A node with a library of this code.
fn with(code: &str) -> Scripts {
    let scripts = Scripts::default();
    put(&scripts, code);
    scripts
}

fn put(scripts: &Scripts, code: &str) {
    let library = library(scripts, code).unwrap();
    let by = By { now: 0, origin: 0, bytes_max: u64::MAX };
    scripts.libraries.add(&[library], Policy::Replace, by).unwrap();
}

fn call(scripts: &Scripts, name: &str) -> String {
    let function = scripts.libraries.shelf().function(name.as_bytes()).unwrap().clone();
    let none = Args::new(&[], &[]);
    let code = Code::Function(function);
    let job = Job { code: &code, keys: none, arguments: none, memory_max: MEMORY };
    let mut out = Vec::new();
    let bytes = match run(scripts, &job, &mut host(), &mut Reply::new(&mut out, Protocol::Resp2)) {
        Outcome::Done => out,
        Outcome::Failed(line) | Outcome::FailedInCall(line) => line,
        Outcome::Anew => b"anew".to_vec(),
    };
    String::from_utf8_lossy(&bytes).into_owned()
}

const COUNTER: &str = "local n = 0 \
    redis.register_function('up', function() n = n + 1 return n end) \
    redis.register_function('seen', function() return n end)";

#[test]
fn functions_of_a_library_share_its_variables_until_it_changes() {
    let scripts = with(COUNTER);
    assert_eq!(
        [call(&scripts, "up"), call(&scripts, "UP"), call(&scripts, "seen")],
        [":1\r\n", ":2\r\n", ":2\r\n"]
    );
    put(&scripts, COUNTER);
    assert_eq!(call(&scripts, "seen"), ":0\r\n");
    // What is on no shelf is let go, and another node's library of the same name is another one.
    let other = with(COUNTER);
    assert_eq!(call(&other, "up"), ":1\r\n");
}

#[test]
fn what_is_killed_is_loaded_again() {
    let scripts = with(&format!(
        "{COUNTER} redis.register_function('loop', function() n = 5 while true do end end)"
    ));
    assert_eq!(call(&scripts, "up"), ":1\r\n");
    let killed = call(&scripts, "loop");
    assert!(
        killed.starts_with(
            "ERR Script killed by user with SCRIPT KILL... script: loop, on @user_function:"
        ),
        "{killed}"
    );
    assert_eq!(call(&scripts, "up"), ":1\r\n");
}

#[test]
fn loading_ends() {
    let scripts = Scripts::default();
    for code in [
        "while true do end",
        "local f f = function() f() end while true do f() end",
        "for i = 1, 1e9 do end",
    ] {
        let error = library(&scripts, code).unwrap_err();
        assert!(error.starts_with("ERR Error registering functions: ERR "), "{error}");
    }
    let timeout = library(&scripts, "while true do end").unwrap_err();
    assert_eq!(timeout, "ERR Error registering functions: ERR FUNCTION LOAD timeout");
    let large = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1e6) .. i end";
    let memory = library(&scripts, large).unwrap_err();
    assert_eq!(memory, "ERR Error registering functions: ERR not enough memory");
    assert_eq!(call(&with(COUNTER), "up"), ":1\r\n");
}

#[test]
fn nothing_of_a_library_outlives_its_loading() {
    for code in [
        "redis.x = 1",
        "rawset(redis, 'x', 1)",
        "redis.register_function('f', function() end) error('x')",
        "_G.x = 1",
    ] {
        let scripts = Scripts::default();
        library(&scripts, code).unwrap_err();
        assert_eq!(call(&with(COUNTER), "up"), ":1\r\n", "{code}");
    }
    // A function that was registered before the load failed is forgotten.
    let scripts = Scripts::default();
    library(&scripts, "redis.register_function('f', function() end) oops()").unwrap_err();
    let named = library(&scripts, "redis.register_function('f', function() end)").unwrap();
    assert_eq!(named.functions().len(), 1);
}

#[test]
fn functions_and_scripts_do_not_reach_each_other() {
    let scripts = with(
        "local lib = redis \
        redis.register_function('late', function() lib.register_function('x', function() end) end) \
        redis.register_function('field', function() return type(redis.register_function) end) \
        redis.register_function('write', function() redis.x = 1 end) \
        redis.register_function('hidden', function() rawset(_G, 'x', 1) end) \
        redis.register_function('next', function() local _, t = pairs(redis) t.call = nil return redis.call('ping') end) \
        redis.register_function('ping', function() return redis.call('ping') end)",
    );
    let late = call(&scripts, "late");
    assert!(
        late.starts_with("ERR redis.register_function can only be called on FUNCTION LOAD command"),
        "{late}"
    );
    assert_eq!(call(&scripts, "field"), "$3\r\nnil\r\n");
    for name in ["write", "hidden"] {
        let error = call(&scripts, name);
        assert!(error.contains("Attempt to modify a readonly table"), "{name}: {error}");
    }
    assert_eq!([call(&scripts, "next"), call(&scripts, "ping")], ["+PONG\r\n", "+PONG\r\n"]);
}
