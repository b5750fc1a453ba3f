//! Scripts against a host that knows one command, ECHO; what hostile scripts try.

use super::*;
use std::sync::Arc;
use torc_protocol::Reply;

const MEMORY: u64 = 32 << 20;

/// Answers every command with its last argument, and ends scripts after some looks at the clock.
struct Echo {
    looks: u32,
    looks_max: u32,
    calls: u32,
}

impl Host for Echo {
    fn call(&mut self, args: Args<'_>, protocol: Protocol, out: &mut Vec<u8>) -> Called {
        self.calls += 1;
        match args.get(0) {
            Some(b"anew") => Called::Anew,
            Some(b"refused") => Called::Refused("ERR no".into()),
            _ => {
                let last = args.iter().next_back().unwrap_or_default();
                Reply::new(out, protocol).bulk(last);
                Called::Replied
            }
        }
    }

    fn may(&mut self, _: Args<'_>) -> Option<bool> {
        Some(true)
    }

    fn log(&mut self, _: u8, _: &[u8]) {}

    fn time(&self) -> Duration {
        Duration::ZERO
    }

    fn judge(&mut self, _: Duration) -> Judgement {
        self.looks += 1;
        if self.looks > self.looks_max { Judgement::Kill } else { Judgement::Continue }
    }
}

fn run_with(scripts: &Scripts, body: &str, host: &mut Echo) -> Result<String, Outcome> {
    let script: Arc<Script> = Script::new(sha_of(body.as_bytes()), body.as_bytes()).unwrap();
    let none = Args::new(&[], &[]);
    let code = Code::Script(script);
    let job = Job { code: &code, keys: none, arguments: none, memory_max: MEMORY };
    let mut out = Vec::new();
    match run(scripts, &job, host, &mut Reply::new(&mut out, Protocol::Resp2)) {
        Outcome::Done => Ok(String::from_utf8_lossy(&out).into_owned()),
        other => Err(other),
    }
}

fn eval(body: &str) -> Result<String, Outcome> {
    run_with(&Scripts::default(), body, &mut Echo { looks: 0, looks_max: 2_000, calls: 0 })
}

/// The error of a script, which must fail.
fn error(body: &str) -> String {
    match eval(body) {
        Err(Outcome::Failed(line) | Outcome::FailedInCall(line)) => {
            String::from_utf8_lossy(&line).into_owned()
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn commands_come_and_go() {
    assert_eq!(eval("return redis.call('echo', 'x')"), Ok("$1\r\nx\r\n".into()));
    assert_eq!(eval("return {1, redis.call('echo', 2.5)}"), Ok("*2\r\n:1\r\n$3\r\n2.5\r\n".into()));
    assert!(error("return redis.call('refused')").starts_with("ERR no script: "));
    assert_eq!(eval("return redis.pcall('refused').err"), Ok("$6\r\nERR no\r\n".into()));
}

#[test]
fn a_script_that_is_to_begin_again_does_nothing_more() {
    let mut host = Echo { looks: 0, looks_max: 100, calls: 0 };
    let body = "pcall(redis.call, 'anew') redis.pcall('echo', 1) while true do pcall(redis.call, 'echo') end";
    assert_eq!(run_with(&Scripts::default(), body, &mut host), Err(Outcome::Anew));
    assert_eq!(host.calls, 1, "nothing ran behind it");
    // The next one has a fresh interpreter.
    assert_eq!(eval("return 1"), Ok(":1\r\n".into()));
}

#[test]
fn endless_scripts_end() {
    for body in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() pcall(f) f() end f()",
        "return coroutine.wrap(function() while true do end end)()",
        "repeat until pcall(error) and false",
        "table.sort({1, 2, 3}, function() while true do end end)",
        "string.gsub('a', 'a', function() while true do end end)",
    ] {
        let mut host = Echo { looks: 0, looks_max: 20, calls: 0 };
        let Err(Outcome::Failed(line)) = run_with(&Scripts::default(), body, &mut host) else {
            panic!("{body} did not fail");
        };
        assert!(String::from_utf8_lossy(&line).contains("Script killed by user"), "{body}");
        assert_eq!(eval("return 1"), Ok(":1\r\n".into()), "after {body}");
    }
}

#[test]
fn memory_is_bounded() {
    for body in [
        "return string.rep('a', 1e9)",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1e6):rep(1e3)",
        "return string.rep(string.rep('a', 1e6), 1e4)",
        "local t = {} while true do t[#t + 1] = {} end",
    ] {
        assert!(error(body).contains("not enough memory"), "{body}");
        assert_eq!(eval("return 1"), Ok(":1\r\n".into()), "after {body}");
    }
}

#[test]
fn nothing_recurses_off_the_stack() {
    std::thread::Builder::new()
        .stack_size(crate::base::limits::STACK_BYTES)
        .spawn(|| {
            for (body, expected) in [
                ("local function f() return 1 + f() end return f()", "stack overflow"),
                ("local t = {} t.a = t return cjson.encode(t)", "excessive nesting"),
                ("return cjson.decode(string.rep('[', 1e5))", "nested"),
                ("return string.find(string.rep('a', 1e5), string.rep('a?', 1e5))", "too complex"),
                ("return string.gsub('a', string.rep('a?', 1e5), 'x', 1)", "too complex"),
                ("return cmsgpack.unpack(string.rep('\\145', 1e5))", "Bad data"),
                ("local f f = function() return coroutine.wrap(f)() end return f()", "C stack overflow"),
                ("local f f = function() return (string.gsub('a', 'a', f)) end return f()", "C stack overflow"),
                ("return loadstring('return ' .. string.rep('(', 1e4))()", "nil value"),
                ("local t = setmetatable({}, {__index = function(t, k) return t[k] end}) return t.a", "overflow"),
            ] {
                let error = error(body);
                assert!(error.contains(expected), "{body}: {error}");
            }
            let nested = eval("local t = {} for _ = 1, 5e3 do t = {t} end return t").unwrap();
            assert!(nested.contains("reached lua stack limit"));
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn nothing_outlives_a_script() {
    for body in [
        "rawset(redis, 'x', 1)",
        "_G.redis = nil",
        "getmetatable('').__index = nil",
        "getmetatable('').x = 1",
        "setmetatable(string, {})",
        "table.insert(math, 1)",
        "local _, t = pairs(redis) t.call = nil error('x')",
        "string.rep = nil",
        "getmetatable(_G).__index.redis = 1",
    ] {
        error(body);
        assert_eq!(
            eval("return redis.call('echo', ('x'):rep(2))"),
            Ok("$2\r\nxx\r\n".into()),
            "{body}"
        );
    }
    // Settings and seeds end with their script.
    eval("cjson.encode_max_depth(1) math.randomseed(1)").unwrap();
    assert_eq!(eval("return cjson.encode({{1}})"), Ok("$5\r\n[[1]]\r\n".into()));
    let draws = || eval("return tostring(math.random())").unwrap();
    assert_ne!(draws(), draws());
}

#[test]
fn bytecode_is_refused() {
    assert!(
        error("return loadstring(string.dump(function() return 1 end))()").contains("nil value")
    );
    let script = Script::new(sha_of(b"\x1bLua"), b"\x1bLua").unwrap();
    assert!(check(&Scripts::default(), &script, MEMORY).is_err());
}

#[test]
fn ranges_of_unpack_do_not_overflow() {
    for range in ["1, 1e4", "-2147483648, 2147483647", "1, 2^31", "-2^53, 2^53", "0/0, 1", "1, 1/0"]
    {
        error(&format!("return unpack({{}}, {range})"));
    }
}
