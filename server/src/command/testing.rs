//! Runs scripts of commands through the handlers, without a socket, on a clock that stands still until moved.

use super::{Ctx, Flow, Session, handler};
use crate::admin::Instance;
use crate::admin::clients::Endpoint;
use crate::base::clock::Clock;
use crate::config::Settings;
use crate::store::{KeyHint, Local};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::command::resolve;
use torc_protocol::request::Span;
use torc_protocol::{Args, Protocol, Reply};

/// When a test's clock starts.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// A node, and one client of it.
pub(crate) struct Node {
    pub instance: Arc<Instance>,
    pub session: Session,
    pub flow: Flow,
    local: Local,
}

impl Node {
    pub(crate) fn new(protocol: Protocol) -> Self {
        let instance = Instance::new(Settings::default(), Clock::manual(START_MS), 1);
        Node::of(Arc::new(instance), protocol)
    }

    /// Another client of the same node, for the thread that makes it.
    pub(crate) fn of(instance: Arc<Instance>, protocol: Protocol) -> Self {
        let local = instance.store.local();
        let info = instance.clients.register(Endpoint::default(), 0, START_MS);
        let mut session = Session::new(info, true);
        session.protocol = protocol;
        Node { instance, session, flow: Flow::Next, local }
    }

    /// Runs one command, the checks of the table included; returns the bytes of its reply and keeps what becomes of the connection in `flow`.
    pub(crate) fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let (buf, spans) = encode(words);
        let args = Args::new(&buf, &spans);
        let mut out = Vec::new();
        let mut reply = Reply::new(&mut out, self.session.protocol);
        let guard = self.local.pin();
        let mut ctx = Ctx {
            instance: &self.instance,
            local: &mut self.local,
            guard: &guard,
            session: &mut self.session,
            now: self.instance.clock.unix_ms(),
            worker: 0,
            hint: KeyHint::none(),
        };
        let outcome = resolve(&args).and_then(|spec| handler(spec.id)(&mut ctx, args, &mut reply));
        match outcome {
            Ok(flow) => self.flow = flow,
            Err(error) => {
                reply.rewind(0);
                reply.error(&error);
            }
        }
        out
    }

    /// Runs each command of `script` and compares its reply. Words are separated by spaces; `""` is an empty word, and the
    /// escapes of Rust's byte strings stand for themselves. `@ms` moves the clock.
    pub(crate) fn check(&mut self, script: &[(&str, &str)]) {
        for &(command, expected) in script {
            if let Some(ms) = command.strip_prefix('@') {
                self.instance.clock.advance(Duration::from_millis(ms.parse().unwrap()));
                continue;
            }
            let words: Vec<Vec<u8>> = command.split(' ').map(unescape).collect();
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let reply = self.run(&words);
            assert_eq!(reply.escape_ascii().to_string(), expected, "{command}");
        }
    }
}

/// Runs a script that stands in a file on a fresh node, in RESP2: a command a line, and behind `= ` on the next its reply without the last CRLF.
pub(crate) fn check_file(source: &str) {
    let mut node = Node::new(Protocol::Resp2);
    let mut lines = source.lines().filter(|line| !line.starts_with('#'));
    while let Some(command) = lines.next() {
        let reply = lines.next().and_then(|line| line.strip_prefix("= "));
        let reply = reply.unwrap_or_else(|| panic!("no reply stands below {command}"));
        node.check(&[(command, &format!(r"{reply}\r\n"))]);
    }
}

/// Runs `script` on a fresh node.
pub(crate) fn check(protocol: Protocol, script: &[(&str, &str)]) {
    Node::new(protocol).check(script);
}

fn encode(words: &[&[u8]]) -> (Vec<u8>, Vec<Span>) {
    let mut buf = Vec::new();
    let mut spans = Vec::new();
    for word in words {
        spans.push(Span { start: buf.len() as u32, len: word.len() as u32 });
        buf.extend_from_slice(word);
    }
    (buf, spans)
}

fn unescape(word: &str) -> Vec<u8> {
    if word == "\"\"" {
        return Vec::new();
    }
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&kind, tail) = rest.split_first().expect("a script's escape is complete");
        rest = tail;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b's' => b' ',
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                rest = &rest[2..];
                u8::from_str_radix(digits, 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
