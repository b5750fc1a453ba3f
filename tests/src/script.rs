//! Conformance scripts: lines of commands run against two servers, every reply compared.
//!
//! ```text
//! # comment
//! SET key "a\x00b"           a command, quoted as in redis-cli; replies must be equal byte for byte
//! ~near:2 TTL key            equal but for what the normaliser allows, see `Normaliser`
//! !waitaof WAITAOF 0 0 0     must differ, for the reason that differences.txt gives under this id
//! = *2\r\n:0\r\n:0           what our node answers to the line above, without the last CRLF
//! @let payload DUMP key      keeps a bulk reply of each server; $payload stands for it in later lines
//! @until :0 EXISTS key       repeats the command until each server gives this reply, quoted if it has blanks
//! @blocked 2                waits until so many clients wait in blocking commands
//! @raw "PING\r\nFOO\r\n"     a new connection sends the bytes and closes its half; all that comes is compared
//! @conn other                goes on with the connection of this name ("main" at the start)
//! @send MONITOR              sends without reading;  @read reads one reply without sending
//! @through text             reads replies up to and with one that contains the text
//! @closed                    the servers close the current connection, which is forgotten
//! @resp3 / @resp2 / @both    the lines that follow run in this protocol only
//! ```
//!
//! A script runs twice, once in each protocol, beginning with empty databases.

use crate::process::Server;
use crate::resp::{Connection, Value, encode};
use crate::text;
use crate::wait;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const UNTIL: Duration = Duration::from_secs(10);

/// How two replies are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Normaliser {
    /// Byte for byte.
    Exact,
    /// Only the type.
    Any,
    /// Numbers at most this far apart, at any depth; all else equal.
    Near(i64),
    /// Arrays in any order, at any depth.
    Set,
    /// Same types and lengths at any depth, whatever the contents.
    Shape,
    /// `name=value` texts with the same names in the same order, first line only.
    Fields,
}

impl Normaliser {
    fn named(name: &str) -> Option<Normaliser> {
        Some(match name.split_once(':') {
            Some(("near", by)) => Normaliser::Near(by.parse().ok()?),
            None if name == "any" => Normaliser::Any,
            None if name == "set" => Normaliser::Set,
            None if name == "shape" => Normaliser::Shape,
            None if name == "fields" => Normaliser::Fields,
            _ => return None,
        })
    }

    /// Whether the replies are equal in this sense.
    pub fn equal(&self, ours: &[u8], reference: &[u8]) -> bool {
        if ours == reference {
            return true;
        }
        let (Some(a), Some(b)) = (Value::parse(ours), Value::parse(reference)) else {
            return false;
        };
        match self {
            Normaliser::Exact => false,
            Normaliser::Any => a.kind() == b.kind(),
            Normaliser::Near(by) => near(&a, &b, *by),
            Normaliser::Set => sorted(a) == sorted(b),
            Normaliser::Shape => shape(&a) == shape(&b),
            Normaliser::Fields => a.kind() == b.kind() && fields(&a) == fields(&b),
        }
    }
}

fn near(a: &Value, b: &Value, by: i64) -> bool {
    match (a, b) {
        (Value::Integer(a), Value::Integer(b)) => a.abs_diff(*b) <= by.unsigned_abs(),
        (Value::Array(k, a), Value::Array(l, b)) => {
            k == l && a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b, by))
        }
        _ => a == b,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(kind, items) => {
            let mut items: Vec<Value> = items.into_iter().map(sorted).collect();
            items.sort();
            Value::Array(kind, items)
        }
        Value::Map(pairs) => {
            let mut pairs: Vec<_> =
                pairs.into_iter().map(|(k, v)| (sorted(k), sorted(v))).collect();
            pairs.sort();
            Value::Map(pairs)
        }
        other => other,
    }
}

fn shape(value: &Value) -> String {
    match value {
        Value::Array(kind, items) => {
            let inner: String = items.iter().map(shape).collect();
            format!("{}({inner})", *kind as char)
        }
        Value::Map(pairs) => {
            let inner: String = pairs.iter().map(|(k, v)| format!("{k:?}={},", shape(v))).collect();
            format!("%({inner})")
        }
        other => (other.kind() as char).to_string(),
    }
}

fn fields(value: &Value) -> Vec<String> {
    let text = value.text();
    let line = text.lines().next().unwrap_or_default();
    line.split(' ').map(|f| f.split('=').next().unwrap_or_default().to_string()).collect()
}

/// What a line does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a command and compares the reply.
    Call(Vec<Vec<u8>>),
    /// Sends a command and reads nothing.
    Send(Vec<Vec<u8>>),
    /// Reads a reply.
    Read,
    /// Reads replies through one that contains this.
    Through(Vec<u8>),
    /// Sends bytes over a connection of their own.
    Raw(Vec<u8>),
    /// Keeps a bulk reply under a name.
    Let(String, Vec<Vec<u8>>),
    /// Repeats until the reply is this.
    Until(Vec<u8>, Vec<Vec<u8>>),
    /// Repeats until so many clients are blocked.
    Blocked(usize),
    /// Changes the current connection.
    Conn(String),
    /// Waits for the end of the current connection.
    Closed,
}

/// A line of a script.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands.
    pub line: usize,
    /// The line as written.
    pub text: String,
    /// What it does.
    pub action: Action,
    /// How replies are compared.
    pub normaliser: Normaliser,
    /// The id of the difference that must show.
    pub difference: Option<String>,
    /// What our node must answer.
    pub expected: Option<Vec<u8>>,
    /// The protocols it runs in.
    pub protocols: &'static [u8],
}

/// Parses a script.
///
/// # Panics
/// With the line that is not understood.
pub fn parse(file: &str, source: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut protocols: &'static [u8] = &[2, 3];
    for (index, text) in source.lines().enumerate() {
        let fail = |what: &str| -> ! { panic!("{file}:{}: {what}: {text}", index + 1) };
        let trimmed = text.trim();
        match trimmed {
            "" => continue,
            "@resp2" => protocols = &[2],
            "@resp3" => protocols = &[3],
            "@both" => protocols = &[2, 3],
            _ if trimmed.starts_with('#') => continue,
            _ if trimmed.starts_with("= ") => {
                let Some(last) = steps.last_mut() else { fail("nothing to expect") };
                let quoted = format!("\"{}\"", trimmed[2..].replace('"', "\\\""));
                let Some(mut bytes) = text::split(&quoted) else { fail("bad escapes") };
                let mut bytes = bytes.remove(0);
                bytes.extend_from_slice(b"\r\n");
                last.expected = Some(bytes);
            }
            _ => match parse_step(trimmed) {
                Some((action, normaliser, difference)) => steps.push(Step {
                    line: index + 1,
                    text: trimmed.to_string(),
                    action,
                    normaliser,
                    difference,
                    expected: None,
                    protocols,
                }),
                None => fail("not understood"),
            },
        }
    }
    steps
}

fn parse_step(mut line: &str) -> Option<(Action, Normaliser, Option<String>)> {
    let mut normaliser = Normaliser::Exact;
    let mut difference = None;
    loop {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(id) = word.strip_prefix('!') {
            difference = Some(id.to_string());
        } else if let Some(name) = word.strip_prefix('~') {
            normaliser = Normaliser::named(name)?;
        } else {
            break;
        }
        line = rest.trim_start();
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let action = match word {
        "@send" => Action::Send(text::split(rest)?),
        "@read" => Action::Read,
        "@through" => Action::Through(text::split(rest)?.concat()),
        "@raw" => Action::Raw(text::split(rest)?.concat()),
        "@let" => {
            let (name, command) = rest.split_once(' ')?;
            Action::Let(name.to_string(), text::split(command)?)
        }
        "@until" => {
            let mut words = text::split(rest)?;
            let reply = words.drain(..1).next()?;
            Action::Until([reply.as_slice(), b"\r\n"].concat(), words)
        }
        "@blocked" => Action::Blocked(rest.trim().parse().ok()?),
        "@conn" => Action::Conn(rest.trim().to_string()),
        "@closed" => Action::Closed,
        _ if word.starts_with('@') => return None,
        _ => Action::Call(text::split(line)?),
    };
    Some((action, normaliser, difference))
}

/// The lowercase names of the commands that the script runs, as `name` and as `name|second`.
pub fn commands(steps: &[Step]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for step in steps {
        let (Action::Call(args)
        | Action::Send(args)
        | Action::Let(_, args)
        | Action::Until(_, args)) = &step.action
        else {
            continue;
        };
        let lower = |i: usize| {
            args.get(i).map(|a| String::from_utf8_lossy(a).to_lowercase()).unwrap_or_default()
        };
        names.insert(lower(0));
        names.insert(format!("{}|{}", lower(0), lower(1)));
    }
    names
}

/// What a run found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Each line that was not as it should be, ready to print.
    pub failures: Vec<String>,
    /// Ids of the differences that showed.
    pub differences: BTreeSet<String>,
    /// Replies compared.
    pub compared: usize,
}

/// Runs a script in both protocols.
pub fn run(file: &str, steps: &[Step], ours: &Server, reference: &Server) -> Outcome {
    let mut outcome = Outcome::default();
    for protocol in [2, 3] {
        let mut sides = [Side::new(ours, protocol), Side::new(reference, protocol)];
        sides.iter_mut().for_each(Side::reset);
        for step in steps.iter().filter(|step| step.protocols.contains(&protocol)) {
            let mut take = |index: usize| sides[index].perform(&step.action);
            let replies = (take(0), take(1));
            if let Some(failure) = judge(step, &replies.0, &replies.1, &mut outcome) {
                outcome.failures.push(format!(
                    "{file}:{} (RESP{protocol}) {}\n  {failure}",
                    step.line, step.text
                ));
            }
        }
        sides.iter_mut().for_each(Side::reset);
    }
    // A difference may show in one protocol alone (a map is a flat array in RESP2), so this is judged at the end.
    for step in steps {
        if let Some(id) = &step.difference
            && !outcome.differences.contains(&format!("{}:{}", id, step.line))
        {
            outcome
                .failures
                .push(format!("{file}:{} {}\n  no difference any more", step.line, step.text));
        }
    }
    outcome.differences =
        outcome.differences.iter().filter_map(|d| Some(d.split_once(':')?.0.to_string())).collect();
    outcome
}

/// Runs a script and compares, after each line, how many look-ups of keys each server has counted as hits and misses since the line before.
/// Returns the lines after which they differ, ready to print, and how many were compared.
pub fn run_counting_lookups(
    file: &str,
    steps: &[Step],
    ours: &Server,
    reference: &Server,
) -> (Vec<String>, usize) {
    let (mut failures, mut compared) = (Vec::new(), 0);
    let mut sides = [Side::new(ours, 2), Side::new(reference, 2)];
    sides.iter_mut().for_each(Side::reset);
    let mut meters = [LookupMeter::new(ours), LookupMeter::new(reference)];
    for step in steps.iter().filter(|step| step.protocols.contains(&2)) {
        let mut counted = [None; 2];
        for (index, side) in sides.iter_mut().enumerate() {
            side.perform(&step.action);
            counted[index] = meters[index].read();
        }
        // What is repeated until a moment comes is not repeated equally often.
        let comparable = step.difference.is_none() && !matches!(step.action, Action::Until(..));
        if !comparable {
            continue;
        }
        compared += 1;
        if counted[0] != counted[1] {
            let Step { line, text, .. } = step;
            let [ours, reference] = counted;
            failures.push(format!(
                "{file}:{line} {text}\n  ours {ours:?}, reference {reference:?} (hits, misses)"
            ));
        }
    }
    (failures, compared)
}

/// Reads a server's counters of look-ups on a connection of its own.
struct LookupMeter {
    connection: Connection,
    before: (i64, i64),
}

impl LookupMeter {
    fn new(server: &Server) -> Self {
        let mut meter = LookupMeter { connection: server.connect(), before: (0, 0) };
        meter.read();
        meter
    }

    /// Hits and misses since the last call; `None` where the counters were set back or cannot be read.
    fn read(&mut self) -> Option<(i64, i64)> {
        let text = self.connection.call(&["INFO", "stats"]).ok()?.text();
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.parse::<i64>().ok())
        };
        let now = (field("keyspace_hits")?, field("keyspace_misses")?);
        let before = std::mem::replace(&mut self.before, now);
        (now.0 >= before.0 && now.1 >= before.1).then_some((now.0 - before.0, now.1 - before.1))
    }
}

fn judge(step: &Step, ours: &[u8], reference: &[u8], outcome: &mut Outcome) -> Option<String> {
    let show = |bytes: &[u8]| text::shorten(&text::escape(bytes), 400);
    if matches!(step.action, Action::Call(_) | Action::Raw(_) | Action::Read | Action::Through(_)) {
        outcome.compared += 1;
    }
    if let Some(expected) = &step.expected
        && ours != expected
    {
        return Some(format!("ours     {}\n  expected {}", show(ours), show(expected)));
    }
    if ours == b"(WouldBlock)" && step.difference.is_none() {
        return Some("ours      no reply within the time for one".to_owned());
    }
    let equal = step.normaliser.equal(ours, reference);
    match &step.difference {
        Some(id) => {
            if !equal {
                outcome.differences.insert(format!("{id}:{}", step.line));
            }
            None
        }
        None if equal => None,
        None => Some(format!("ours      {}\n  reference {}", show(ours), show(reference))),
    }
}

/// One of the two servers, with the script's connections to it.
struct Side<'s> {
    server: &'s Server,
    protocol: u8,
    connections: BTreeMap<String, Connection>,
    current: String,
    kept: BTreeMap<String, Vec<u8>>,
}

impl<'s> Side<'s> {
    fn new(server: &'s Server, protocol: u8) -> Self {
        let (connections, kept) = (BTreeMap::new(), BTreeMap::new());
        Side { server, protocol, connections, current: String::from("main"), kept }
    }

    fn reset(&mut self) {
        self.connections.clear();
        self.current = String::from("main");
        let _ = self.perform(&Action::Call(vec![b"FLUSHALL".to_vec()]));
    }

    fn connection(&mut self) -> &mut Connection {
        let (server, protocol) = (self.server, self.protocol);
        self.connections.entry(self.current.clone()).or_insert_with(|| {
            let mut connection = server.connect();
            if protocol == 3 {
                // Refused where a password is needed first; the script then says HELLO itself.
                let _ = connection.call_raw(&["HELLO", "3"]);
            }
            connection
        })
    }

    /// Performs the action; the bytes to compare, empty where there is nothing. A failure of the connection is bytes too, so that it shows.
    fn perform(&mut self, action: &Action) -> Vec<u8> {
        let result = match action {
            Action::Call(args) => {
                let args = self.substitute(args);
                self.connection().call_raw(&args)
            }
            Action::Send(args) => {
                let args = self.substitute(args);
                self.connection().send(&encode(&args)).map(|()| Vec::new())
            }
            Action::Read => self.connection().read_reply(),
            Action::Through(text) => self.read_through(text),
            Action::Raw(bytes) => {
                let mut connection = self.server.connect();
                let sent = connection.send(bytes).and_then(|()| connection.finish_sending());
                sent.and_then(|()| connection.read_to_end())
            }
            Action::Let(name, args) => {
                let args = self.substitute(args);
                let reply = self.connection().call(&args);
                reply.map(|value| {
                    let kept = match value {
                        Value::Bulk(bytes) => bytes,
                        Value::Integer(number) => number.to_string().into_bytes(),
                        other => format!("{other:?}").into_bytes(),
                    };
                    self.kept.insert(name.clone(), kept);
                    Vec::new()
                })
            }
            Action::Until(reply, args) => {
                let args = self.substitute(args);
                let met = wait::holds_within(UNTIL, || {
                    self.connection().call_raw(&args).is_ok_and(|got| got == *reply)
                });
                Ok(if met { Vec::new() } else { b"never so".to_vec() })
            }
            Action::Blocked(count) => {
                let line = format!("\nblocked_clients:{count}\r");
                let met = wait::holds_within(UNTIL, || {
                    let info = self.connection().call(&["INFO", "clients"]);
                    info.is_ok_and(|info| info.text().contains(&line))
                });
                Ok(if met { Vec::new() } else { b"never so".to_vec() })
            }
            Action::Conn(name) => {
                self.current = name.clone();
                Ok(Vec::new())
            }
            Action::Closed => {
                let rest = self.connection().read_to_end();
                self.connections.remove(&self.current);
                rest
            }
        };
        result.unwrap_or_else(|error| {
            self.connections.remove(&self.current);
            format!("({:?})", error.kind()).into_bytes()
        })
    }

    fn read_through(&mut self, text: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let reply = self.connection().read_reply()?;
            let is_last = reply.windows(text.len()).any(|part| part == text);
            all.extend(reply);
            if is_last {
                return Ok(all);
            }
        }
    }

    fn substitute(&self, args: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let kept = |arg: &Vec<u8>| {
            let name = std::str::from_utf8(arg).ok()?.strip_prefix('$')?;
            self.kept.get(name).cloned()
        };
        args.iter().map(|arg| kept(arg).unwrap_or_else(|| arg.clone())).collect()
    }
}
