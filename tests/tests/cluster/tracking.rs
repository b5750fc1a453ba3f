//! Client-side caching across nodes: whoever keeps a copy of a value hears that it is another now, wherever that was read and wherever it is changed.

use super::{W2, WORKERS, connect};
use rustix::process::Signal;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use torc_tests::resp::{Connection, Value, encode};
use torc_tests::ring::{self, LIMIT, Node, Place, await_whole};
use torc_tests::wait;

/// A death is noticed and made good for within this, on a machine that other suites load.
const MAKE_GOOD: Duration = Duration::from_secs(40);

/// What stands for all keys.
const ALL: &str = "(all)";

/// A client that reads RESP3, and keeps pushes apart from replies.
struct Client {
    connection: Connection,
    /// Keys that it was told of, in order.
    told: VecDeque<String>,
}

impl Client {
    fn new(mut connection: Connection) -> Client {
        assert!(!connection.run("HELLO 3").is_error());
        Client { connection, told: VecDeque::new() }
    }

    fn of(node: &Node) -> Client {
        Client::new(connect(node))
    }

    fn tracker(node: &Node, options: &str) -> Client {
        let mut client = Client::of(node);
        assert_eq!(client.run(&format!("CLIENT TRACKING ON {options}")).text(), "OK");
        client
    }

    /// The next reply, or nothing if a push came instead.
    fn read(&mut self) -> Option<Value> {
        let bytes = self.connection.read_reply().unwrap();
        let value = Value::parse(&bytes).unwrap();
        if bytes[0] != b'>' {
            return Some(value);
        }
        assert_eq!(value.items()[0].text(), "invalidate");
        match &value.items()[1] {
            Value::Null(_) => self.told.push_back(ALL.to_owned()),
            keys => self.told.extend(keys.items().iter().map(Value::text)),
        }
        None
    }

    fn call(&mut self, words: &[&str]) -> Value {
        self.connection.send(&encode(words)).unwrap();
        loop {
            if let Some(reply) = self.read() {
                return reply;
            }
        }
    }

    fn run(&mut self, line: &str) -> Value {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// The next key that it is told of.
    #[track_caller]
    fn next(&mut self) -> String {
        self.connection.set_timeout(LIMIT).unwrap();
        loop {
            if let Some(key) = self.told.pop_front() {
                return key;
            }
            assert!(self.read().is_none(), "a reply that nobody asked for");
        }
    }

    /// What it has been told of until now.
    fn so_far(&mut self) -> Vec<String> {
        self.run("PING");
        self.told.drain(..).collect()
    }

    /// Waits until it is told that all keys may have changed.
    #[track_caller]
    fn await_all(&mut self, limit: Duration) {
        wait::until("all keys may have changed", limit, || {
            self.so_far().iter().any(|key| key == ALL)
        });
    }

    /// Waits until nothing is in doubt any more: no word on all keys came for some time.
    fn await_calm(&mut self) {
        let mut last = wait::now();
        wait::until("slots have ceased to move", MAKE_GOOD, || {
            if self.so_far().iter().any(|key| key == ALL) {
                last = wait::now();
            }
            last.elapsed() > Duration::from_secs(3)
        });
    }
}

/// Keys of all owners.
fn keys(name: &str) -> impl Iterator<Item = String> {
    (0..30).map(move |number| format!("{name}:{number}"))
}

/// After a ring has come together slots may still be told to have moved.
fn calm_ring(further: &[&str]) -> Vec<Node> {
    let nodes = ring::ring(3, further);
    Client::tracker(&nodes[0], "").await_calm();
    nodes
}

#[test]
fn readers_hear_of_changes_made_at_any_node() {
    let nodes = calm_ring(WORKERS);
    let mut writers: Vec<Connection> = nodes.iter().map(connect).collect();

    // Who is told that he tracks hears of all changes from then on, though nobody did before and no node told of any.
    for round in 0..60 {
        let mut tracker = Client::tracker(&nodes[round % 3], "");
        let key = format!("first:{round}");
        assert!(matches!(tracker.call(&["GET", &key]), Value::Null(_)));
        writers[(round + 1) % 3].run(&format!("SET {key} 1"));
        assert_eq!(tracker.next(), key, "round {round}");
        assert_eq!(tracker.run("CLIENT TRACKING OFF").text(), "OK");
    }

    // Each change once, of keys of every owner, by writers at every node.
    let mut tracker = Client::tracker(&nodes[0], "");
    for (at, key) in keys("each").enumerate() {
        for writer in 0..3 {
            tracker.call(&["GET", &key]);
            writers[(at + writer) % 3].run(&format!("SET {key} {at}"));
            assert_eq!(tracker.next(), key);
        }
        // It has not read the key since.
        writers[0].run(&format!("SET {key} again"));
    }
    for (at, key) in keys("each").enumerate() {
        tracker.call(&["GET", &key]);
        writers[at % 3].run(&format!("DEL {key}"));
        assert_eq!(tracker.next(), key);
        // Its own change too.
        tracker.call(&["GET", &key]);
        tracker.call(&["SET", &key, "own"]);
        assert_eq!(tracker.next(), key);
    }
    // What expires, nobody having asked for it.
    for key in keys("soon") {
        writers[1].run(&format!("SET {key} v PX 300"));
        tracker.call(&["GET", &key]);
    }
    let expired: BTreeSet<String> = (0..30).map(|_| tracker.next()).collect();
    assert_eq!(expired, keys("soon").collect());

    // What is read by many keys at once, in a transaction, by a script.
    let all: Vec<String> = keys("many").collect();
    let words: Vec<&str> = ["MGET"].into_iter().chain(all.iter().map(String::as_str)).collect();
    tracker.call(&words);
    for key in &all {
        writers[2].run(&format!("SET {key} v"));
    }
    let heard: BTreeSet<String> = all.iter().map(|_| tracker.next()).collect();
    assert_eq!(heard, all.iter().cloned().collect());
    for key in keys("deep") {
        for line in [format!("MULTI|GET {key}|EXEC"), format!("EVAL_RO return{{}} 1 {key}")] {
            line.split('|').for_each(|line| assert!(!tracker.run(line).is_error()));
            writers[0].run(&format!("SET {key} v"));
            assert_eq!(tracker.next(), key, "{line}");
        }
    }
    assert_eq!(tracker.so_far(), Vec::<String>::new());

    // A client of the cluster port.
    for node in &nodes {
        let mut tracker = Client::new(node.place.open_cluster(LIMIT).unwrap());
        assert_eq!(tracker.run("CLIENT TRACKING ON").text(), "OK");
        let own = keys("cluster").find(|key| !tracker.call(&["GET", key]).is_error()).unwrap();
        writers[0].run(&format!("SET {own} v"));
        writers[1].run(&format!("SET {own} v"));
        assert_eq!(tracker.next(), own);
        assert_eq!(tracker.run("CLIENT TRACKING OFF").text(), "OK");
    }
}

#[test]
fn options_hold_across_nodes() {
    let nodes = calm_ring(WORKERS);
    let mut writers: Vec<Connection> = nodes.iter().map(connect).collect();

    // NOLOOP: not what it changes itself, whoever serves that; what others change it hears.
    let mut quiet = Client::tracker(&nodes[0], "NOLOOP");
    for (at, key) in keys("loop").enumerate() {
        quiet.call(&["GET", &key]);
        quiet.call(&["SET", &key, "own"]);
        let other = format!("{{{key}}}other");
        quiet.call(&["GET", &other]);
        writers[at % 3].run(&format!("SET {other} v"));
        assert_eq!(quiet.next(), other);
    }
    quiet.run("MGET a b c d");
    quiet.run("MSET a 1 b 2 c 3 d 4");
    ring::pass(Duration::from_millis(200));
    assert_eq!(quiet.so_far(), Vec::<String>::new());

    // OPTIN and OPTOUT.
    let mut optin = Client::tracker(&nodes[1], "OPTIN");
    let mut optout = Client::tracker(&nodes[2], "OPTOUT");
    for key in keys("opt") {
        let (asked, silent) = (format!("{{{key}}}asked"), format!("{{{key}}}silent"));
        optin.call(&["GET", &silent]);
        optin.run("CLIENT CACHING YES");
        optin.call(&["GET", &asked]);
        optout.run("CLIENT CACHING NO");
        optout.call(&["GET", &silent]);
        optout.call(&["GET", &asked]);
        writers[0].run(&format!("MSET {silent} v {asked} v"));
        assert_eq!((optin.next(), optout.next()), (asked.clone(), asked));
    }

    // All keys with a prefix, read or not.
    let mut prefix = Client::tracker(&nodes[1], "BCAST PREFIX user: PREFIX {user");
    for (at, key) in keys("user").enumerate() {
        writers[at % 3].run(&format!("SET {{{key}}}none v"));
        writers[at % 3].run(&format!("SET none{{{key}}} v"));
        writers[at % 3].run(&format!("SET {key} v"));
        // Those that are told together come in any order.
        let told = BTreeSet::from([prefix.next(), prefix.next()]);
        assert_eq!(told, BTreeSet::from([format!("{{{key}}}none"), key]));
    }
    let mut own = Client::tracker(&nodes[2], "BCAST NOLOOP PREFIX {own");
    for key in keys("own") {
        own.call(&["SET", &format!("{{{key}}}mine"), "v"]);
        writers[2].run(&format!("SET {{{key}}}yours v"));
        assert_eq!(own.next(), format!("{{{key}}}yours"));
    }

    // To another connection, in either protocol.
    let mut redirected = connect(&nodes[0]);
    redirected.run("SUBSCRIBE __redis__:invalidate");
    let id = {
        let mut asking = connect(&nodes[0]);
        let list = asking.run("CLIENT LIST TYPE pubsub").text();
        list.split_whitespace().find_map(|word| word.strip_prefix("id=")).unwrap().to_owned()
    };
    let mut silent = Client::tracker(&nodes[0], &format!("REDIRECT {id}"));
    for (at, key) in keys("redirect").enumerate() {
        silent.call(&["GET", &key]);
        writers[at % 3].run(&format!("SET {key} v"));
        let message = Value::parse(&redirected.read_reply().unwrap()).unwrap();
        assert_eq!(message.items()[1].text(), "__redis__:invalidate");
        assert_eq!(message.items()[2].items()[0].text(), key);
    }
    assert_eq!(silent.so_far(), Vec::<String>::new());

    // All keys at once, for all who track at all nodes.
    writers[1].run("FLUSHALL");
    [&mut quiet, &mut optin, &mut optout, &mut prefix, &mut own]
        .into_iter()
        .for_each(|client| client.await_all(LIMIT));
    let message = Value::parse(&redirected.read_reply().unwrap()).unwrap();
    assert!(matches!(message.items()[2], Value::Null(_)));
}

/// What a client keeps, by what it reads and is told, in the order in which that comes.
struct Copies {
    client: Client,
    values: BTreeMap<String, String>,
}

impl Copies {
    fn obey(&mut self) {
        for told in std::mem::take(&mut self.client.told) {
            if told == ALL { self.values.clear() } else { drop(self.values.remove(&told)) }
        }
    }

    /// Reads all of `names` of which it has no copy, without waiting for one before it asks for the next.
    fn complete(&mut self, names: &[String]) {
        let missing: Vec<String> =
            names.iter().filter(|name| !self.values.contains_key(*name)).cloned().collect();
        let requests = missing.iter().flat_map(|name| encode(&["GET", name])).collect::<Vec<_>>();
        self.client.connection.send(&[requests, encode(&["PING"])].concat()).unwrap();
        for name in missing {
            let value = self.reply();
            self.values.insert(name, value.text());
        }
        assert_eq!(self.reply().text(), "PONG");
    }

    fn reply(&mut self) -> Value {
        loop {
            if let Some(reply) = self.client.read() {
                return reply;
            }
            self.obey();
        }
    }

    /// None is old, or what it is has been told of by now.
    fn check(mut self, truth: &mut Connection) {
        // What was written last is told last.
        ring::pass(Duration::from_millis(300));
        self.complete(&[]);
        for (name, copy) in self.values {
            assert_eq!(truth.run(&format!("GET {name}")).text(), copy, "{name}");
        }
    }
}

/// Reads what it has no copy of, as it is told, while others write as fast as they can. In the end no copy is old.
fn copies_are_good_in_the_end(reads: &str) {
    let nodes = calm_ring(WORKERS);
    let mut truth = connect(&nodes[1]);
    for round in 0..20 {
        let left = AtomicUsize::new(3);
        let names: Vec<String> = keys(&format!("copy{round}")).take(12).collect();
        let mut client = Client::tracker(&nodes[0], "");
        assert_eq!(client.run(&format!("CLIENT CONSISTENCY R {reads}")).text(), "OK");
        let mut copies = Copies { client, values: BTreeMap::new() };
        thread::scope(|scope| {
            for (at, node) in nodes.iter().enumerate() {
                let (names, left) = (&names, &left);
                scope.spawn(move || {
                    let mut writer = connect(node);
                    for count in 0..150 {
                        let key = &names[(count * 7 + at) % names.len()];
                        writer.run(&format!("SET {key} {at}:{count}"));
                    }
                    // Relaxed: one look more does no harm.
                    left.fetch_sub(1, Ordering::Relaxed);
                });
            }
            while left.load(Ordering::Relaxed) > 0 {
                copies.complete(&names);
            }
        });
        copies.check(&mut truth);
    }
}

#[test]
fn copies_of_what_others_write_are_good_in_the_end() {
    copies_are_good_in_the_end("primary");
}

/// A replica answers, which may know less than another node has told of: it is told again when the replica has it too.
#[test]
fn copies_of_what_replicas_answer_are_good_in_the_end() {
    copies_are_good_in_the_end("any");
}

#[test]
fn nodes_that_go_and_come_bring_doubt() {
    let mut nodes = calm_ring(W2);
    let mut tracker = Client::tracker(&nodes[0], "");
    let mut prefix = Client::tracker(&nodes[1], "BCAST");
    // A node that does not answer keeps nobody waiting for long; when it does, what was read before is in doubt.
    assert_eq!(tracker.run("CLIENT TRACKING OFF").text(), "OK");
    ring::pass(Duration::from_millis(200));
    nodes[2].signal(Signal::STOP);
    let start = wait::now();
    assert_eq!(tracker.run("CLIENT TRACKING ON").text(), "OK");
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    assert_eq!(tracker.so_far(), Vec::<String>::new());
    nodes[2].signal(Signal::CONT);
    tracker.await_all(LIMIT);

    // Who dies takes with him what he had still to tell.
    prefix.await_calm();
    tracker.so_far();
    nodes[2].kill();
    tracker.await_all(MAKE_GOOD);
    prefix.await_all(MAKE_GOOD);
    tracker.await_calm();
    let mut writer = connect(&nodes[1]);
    for key in keys("two") {
        tracker.call(&["GET", &key]);
        writer.run("CLIENT CONSISTENCY W 1");
        assert_eq!(writer.run(&format!("SET {key} v")).text(), "OK");
        assert_eq!(tracker.next(), key);
    }

    // Who comes back is told who tracks.
    nodes[2].run();
    nodes[2].await_answer();
    tracker.await_all(MAKE_GOOD);
    await_whole(&nodes, LIMIT);
    tracker.await_calm();
    let mut writer = connect(&nodes[2]);
    for key in keys("back") {
        tracker.call(&["GET", &key]);
        assert_eq!(writer.run(&format!("SET {key} v")).text(), "OK");
        assert_eq!(tracker.next(), key);
    }
    // And so is one that was never there.
    prefix.so_far();
    nodes.push(Node::start(Place::free(), Some(&nodes[0].place), W2));
    nodes[3].await_answer();
    await_whole(&nodes, LIMIT);
    prefix.await_all(LIMIT);
    prefix.await_calm();
    tracker.so_far();
    let mut writer = connect(&nodes[3]);
    for key in keys("fourth") {
        tracker.call(&["GET", &key]);
        assert_eq!(writer.run(&format!("SET {key} v")).text(), "OK");
        assert_eq!(tracker.next(), key);
    }
    let mut told = Vec::new();
    wait::until("all are told of", LIMIT, || {
        told.extend(prefix.so_far());
        keys("fourth").all(|key| told.contains(&key))
    });
    assert!(keys("fourth").all(|key| told.iter().filter(|told| **told == key).count() == 1));
}
