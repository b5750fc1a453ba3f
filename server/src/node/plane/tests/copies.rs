//! Three nodes that keep copies of the same slots, with replication as it is: majorities, sessions, and what WAIT counts.
//!
//! The test is the network and the control plane: it carries effects, questions and answers where links work, and pulls where a gap was found.

use crate::admin::Instance;
use crate::admin::clients::Endpoint;
use crate::base::clock::Clock;
use crate::base::version::Tag;
use crate::cluster::member::Member;
use crate::cluster::route::Route;
use crate::cluster::{NodeId, View};
use crate::command::Session;
use crate::config::Settings;
use crate::node::plane::Plane;
use crate::node::replicator::Replicator;
use crate::node::standing::{Gap, Question};
use crate::node::{Client, WorkerState, run};
use crate::replication::apply::Applier;
use crate::replication::journal::WorkerJournal;
use crate::replication::slots::Slots;
use crate::replication::transfer::{Incoming, read_part};
use crate::replication::walk::SlotWalk;
use crate::store::Local;
use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::message::{Ack, encode_acks};
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};

const START_MS: u64 = 1_800_000_000_000;

struct Node {
    instance: Arc<Instance>,
    slots: Arc<Slots>,
    worker: WorkerState,
    client: Client,
    out: Vec<u8>,
    incarnation: u64,
}

struct Ring {
    nodes: Vec<Node>,
    /// Pairs between which nothing travels.
    cut: BTreeSet<(usize, usize)>,
    gaps: Vec<(usize, Gap)>,
    now_ms: u64,
}

fn start(number: usize, incarnation: u64, now_ms: u64) -> Node {
    let clock = Clock::manual(START_MS);
    clock.advance(Duration::from_millis(now_ms));
    let instance = Arc::new(Instance::new(Settings::default(), clock, 1));
    let tag = Tag::new((10 * incarnation + number as u64) as u16);
    instance.store.replicate(tag, START_MS + now_ms);
    let slots = Arc::new(Slots::new(tag));
    let mut worker = WorkerState::new(&instance, 0);
    worker.local.set_journal(Some(Box::new(WorkerJournal::new(tag, 1 << 20))));
    let replicator = Replicator::new(Arc::clone(&instance), Arc::clone(&slots));
    worker.join_ring(Plane::new(Box::new(replicator), 1));
    let info = instance.clients.register(Endpoint::default(), 0, START_MS);
    let mut client = Client::new(Session::new(info, true));
    client.place = 0;
    Node { instance, slots, worker, client, out: Vec::new(), incarnation }
}

impl Node {
    fn replication(&mut self) -> (&mut Local, &mut Replicator) {
        let (local, replication) = self.worker.replication().unwrap();
        let replication: &mut dyn Any = replication;
        (local, replication.downcast_mut().unwrap())
    }
}

impl Ring {
    fn new() -> Ring {
        let nodes = (0..3).map(|number| start(number, 1, 0)).collect();
        let mut ring = Ring { nodes, cut: BTreeSet::new(), gaps: Vec::new(), now_ms: 0 };
        ring.publish();
        ring.serve(0);
        ring
    }

    fn publish(&mut self) {
        let incarnations: Vec<u64> = self.nodes.iter().map(|node| node.incarnation).collect();
        for number in 0..3 {
            let member = |index: usize| {
                let incarnation = incarnations[index];
                let tag = (10 * incarnation + index as u64) as u16;
                Member { incarnation, ..Member::on_loopback(NodeId(index as u64 + 1), tag) }
            };
            let view = View::build((0..3).map(member).collect(), NodeId(number as u64 + 1), 3);
            self.nodes[number].instance.cluster.publish(Arc::new(view));
            for peer in (0..3).filter(|&peer| peer != number) {
                let index = self.index(number, peer);
                let (local, replicator) = self.nodes[number].replication();
                replicator.link_up(local, index);
            }
        }
    }

    /// `server` serves all slots.
    fn serve(&mut self, server: usize) {
        for number in 0..3 {
            let index = self.index(number, server);
            let routes = self.nodes[number].instance.cluster.routes();
            for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
                let forward = Route::Forward(index);
                routes.set(slot, if number == server { Route::Serve } else { forward });
                routes.set_readable(slot, true);
            }
        }
    }

    fn index(&self, at: usize, of: usize) -> crate::cluster::view::MemberIndex {
        let view = self.nodes[at].instance.cluster.view().unwrap();
        view.find(NodeId(of as u64 + 1)).unwrap().0
    }

    fn number(&self, at: usize, index: crate::cluster::view::MemberIndex) -> usize {
        let view = self.nodes[at].instance.cluster.view().unwrap();
        view.member(index).unwrap().id.0 as usize - 1
    }

    fn cut_off(&mut self, number: usize) {
        (0..3).filter(|&other| other != number).for_each(|other| {
            self.cut.insert((number.min(other), number.max(other)));
        });
    }

    fn works(&self, a: usize, b: usize) -> bool {
        !self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn say(&mut self, number: usize, text: &str) {
        self.say_all(number, &[text]);
    }

    /// Commands that come together.
    fn say_all(&mut self, number: usize, texts: &[&str]) {
        let mut input = Vec::new();
        for text in texts {
            let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
            super::push_command(words.into_iter(), &mut input);
        }
        let Node { instance, worker, client, out, .. } = &mut self.nodes[number];
        let mut at = 0;
        while at < input.len() {
            let progress = run(client, &mut input[at..], out, worker, instance);
            assert!(progress.consumed > 0, "{progress:?}");
            at += progress.consumed;
        }
        self.deliver(number);
    }

    fn deliver(&mut self, number: usize) {
        let Node { worker, client, out, .. } = &mut self.nodes[number];
        while let Some(answer) = worker.next_answer() {
            client.answer(answer, out);
        }
    }

    fn heard(&mut self, number: usize) -> String {
        std::mem::take(&mut self.nodes[number].out).escape_ascii().to_string()
    }

    fn ask(&mut self, number: usize, text: &str) -> String {
        self.say(number, text);
        self.pass(20);
        self.heard(number)
    }

    /// Time passes, and everything travels that can.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ms += 1;
            for number in 0..3 {
                let node = &mut self.nodes[number];
                node.instance.clock.advance(Duration::from_millis(1));
                node.worker.tick(&node.instance);
                node.worker.on_time(&node.instance);
                let view = node.instance.cluster.view().unwrap();
                let waiters = node.replication().1.look(&view);
                self.acked(number, waiters);
                self.effects(number);
                self.questions(number);
                self.deliver(number);
            }
            for (number, gap) in std::mem::take(&mut self.gaps) {
                let peer = self.number(number, gap.peer);
                if self.works(number, peer) {
                    let (to, from) = if gap.is_here { (number, peer) } else { (peer, number) };
                    self.pull(to, from, gap.slot);
                }
            }
        }
    }

    fn acked(&mut self, number: usize, waiters: Vec<crate::node::plane::Waiter>) {
        let Node { instance, worker, .. } = &mut self.nodes[number];
        worker.on_acked(instance, waiters);
    }

    /// The last version that node 0 gave out.
    fn last_version(&self, slot: Slot) -> u64 {
        let Node { instance, slots, .. } = &self.nodes[0];
        slots.own(&instance.store, slot).get()
    }

    /// Node 0 hears that `peer` has everything of `slot` up to `version`.
    fn acknowledge(&mut self, peer: usize, slot: Slot, version: u64) {
        let ack = Ack { slot, tag: self.nodes[0].slots.tag().get(), version };
        let mut payload = Vec::new();
        encode_acks([ack], &mut payload);
        let index = self.index(0, peer);
        let waiters = self.nodes[0].replication().1.receive_acks(index, &payload).unwrap();
        self.acked(0, waiters);
        self.deliver(0);
    }

    fn effects(&mut self, number: usize) {
        let view = self.nodes[number].instance.cluster.view().unwrap();
        for peer in (0..3).filter(|&peer| peer != number) {
            let index = self.index(number, peer);
            let mut batch = Vec::new();
            let (local, replicator) = self.nodes[number].replication();
            replicator.read_effects(local, &view, index, 1 << 20, &mut batch);
            if batch.is_empty() || !self.works(number, peer) {
                continue;
            }
            let mut acks = Vec::new();
            let (local, replicator) = self.nodes[peer].replication();
            replicator.receive_effects(local, &batch, &mut acks).unwrap();
            if !acks.is_empty() {
                let waiters = self.nodes[number].replication().1.receive_acks(index, &acks);
                self.acked(number, waiters.unwrap());
            }
        }
    }

    fn questions(&mut self, number: usize) {
        let view = self.nodes[number].instance.cluster.view().unwrap();
        for Question { peer: index, round, payload } in
            self.nodes[number].replication().1.questions(&view)
        {
            let peer = self.number(number, index);
            if self.works(number, peer) {
                let mut answer = Vec::new();
                self.nodes[peer].replication().1.answer(&payload, &mut answer).unwrap();
                let replicator = self.nodes[number].replication().1;
                let waiters = replicator.told(&view, index, round, &answer).unwrap();
                self.acked(number, waiters);
            }
        }
        let gaps = self.nodes[number].replication().1.take_gaps();
        self.gaps.extend(gaps.into_iter().map(|gap| (number, gap)));
    }

    fn pull(&mut self, to: usize, from: usize, slot: Slot) {
        let known = self.nodes[to].slots.vector(&self.nodes[to].instance.store, slot);
        let node = &mut self.nodes[from];
        let vector = node.slots.vector(&node.instance.store, slot);
        let mut parts = Vec::new();
        let guard = node.worker.local.pin();
        let now = START_MS + self.now_ms;
        let store = &node.instance.store;
        let mut keyspace = store.keyspace(&mut node.worker.local, &guard, 0, now);
        let mut position = Some(SlotWalk::default());
        while let Some(at) = position {
            position = read_part(&mut keyspace, slot, at, &known, &mut parts);
        }
        let node = &mut self.nodes[to];
        let guard = node.worker.local.pin();
        let mut applier = Applier {
            store: &node.instance.store,
            local: &mut node.worker.local,
            guard: &guard,
            slots: &node.slots,
            now,
        };
        let mut incoming = Incoming::new(slot, vector);
        incoming.part(&parts, &mut applier).unwrap();
        while !incoming.end(64, &mut applier) {}
    }

    /// A node's process is another one, which has nothing; the others hear of it.
    fn restart(&mut self, number: usize) {
        let incarnation = self.nodes[number].incarnation + 1;
        self.nodes[number] = start(number, incarnation, self.now_ms);
        for other in (0..3).filter(|&other| other != number) {
            self.nodes[other].slots.forget_acks(self.index(other, number));
        }
        self.publish();
        self.serve(0);
    }
}

#[test]
fn a_read_of_a_majority_waits_for_it_and_says_so_when_there_is_none() {
    let mut ring = Ring::new();
    assert_eq!(ring.ask(0, "set k v"), r"+OK\r\n");
    assert_eq!(ring.ask(0, "client consistency r quorum"), r"+OK\r\n");
    assert_eq!(ring.ask(0, "get k"), r"$1\r\nv\r\n");
    ring.cut_off(1);
    assert_eq!(ring.ask(0, "get k"), r"$1\r\nv\r\n", "two of three are enough");
    ring.cut_off(2);
    assert_eq!(ring.ask(0, "get k"), "");
    ring.pass(2_900);
    assert_eq!(ring.heard(0), "");
    ring.pass(200);
    assert_eq!(ring.heard(0), r"-NOQUORUM read from 1 of 2\r\n");
    // One comes back while the read waits.
    ring.say(0, "mget k k");
    ring.pass(500);
    ring.cut.clear();
    ring.pass(100);
    assert_eq!(ring.heard(0), r"*2\r\n$1\r\nv\r\n$1\r\nv\r\n");
    // Nodes that are catching up do not count.
    for number in [1, 2] {
        ring.nodes[number].instance.cluster.routes().set_readable(slot_of(b"k"), false);
    }
    assert_eq!(ring.ask(0, "get k"), "");
    ring.nodes[2].instance.cluster.routes().set_readable(slot_of(b"k"), true);
    ring.pass(60);
    assert_eq!(ring.heard(0), r"$1\r\nv\r\n");
    assert!(ring.nodes[0].worker.plane().unwrap().is_idle());
}

#[test]
fn a_read_of_a_majority_brings_what_only_another_has_and_mends_both() {
    let mut ring = Ring::new();
    let slot = slot_of(b"k");
    assert_eq!(ring.ask(0, "set k old"), r"+OK\r\n");
    assert_eq!(ring.ask(0, "incr {k}n"), r":1\r\n");
    // Node 1 serves on its side, where nobody hears of it.
    ring.cut_off(1);
    ring.serve(1);
    for text in ["set k new", "del {k}gone", "set {k}2 x"] {
        ring.say(1, text);
    }
    ring.heard(1);
    assert_eq!(ring.ask(1, "incr {k}n"), r":2\r\n");
    ring.serve(0);
    assert_eq!(ring.ask(0, "incr {k}n"), r":2\r\n");
    ring.pass(1_500);
    assert_eq!(ring.ask(0, "get k"), r"$3\r\nold\r\n");
    // Only node 1 can be asked, so it belongs to the majority.
    ring.cut.clear();
    ring.cut_off(2);
    ring.ask(0, "client consistency r quorum");
    assert_eq!(ring.ask(0, "get k"), r"$3\r\nnew\r\n");
    assert_eq!(ring.ask(0, "get {k}n"), r"$1\r\n3\r\n", "both sides' increments");
    let vector = |ring: &Ring, number: usize| {
        let node = &ring.nodes[number];
        node.slots.vector(&node.instance.store, slot)
    };
    assert!(vector(&ring, 0).is_same_history(&vector(&ring, 1)), "node 1 was mended too");
    assert!(!vector(&ring, 0).is_same_history(&vector(&ring, 2)));
    ring.cut.clear();
    assert_eq!(ring.ask(0, "get {k}2"), r"$1\r\nx\r\n");
    ring.pass(100);
    assert!(vector(&ring, 0).is_same_history(&vector(&ring, 2)), "who was behind pulled");
}

#[test]
fn what_was_read_of_a_majority_and_deleted_does_not_come_back() {
    let mut ring = Ring::new();
    ring.cut_off(1);
    ring.serve(1);
    ring.say(1, "set k v");
    ring.heard(1);
    ring.serve(0);
    ring.cut.clear();
    ring.cut_off(2);
    ring.ask(0, "client consistency r quorum");
    assert_eq!(ring.ask(0, "get k"), r"$1\r\nv\r\n");
    assert_eq!(ring.ask(0, "del k"), r":1\r\n");
    // Whatever way what node 1 knew comes in afterwards.
    ring.pull(0, 1, slot_of(b"k"));
    ring.cut.clear();
    ring.pull(2, 1, slot_of(b"k"));
    ring.pull(0, 2, slot_of(b"k"));
    assert_eq!(ring.ask(0, "get k"), r"$-1\r\n");
}

#[test]
fn wait_counts_a_node_that_was_restarted_once_it_has_synced() {
    let mut ring = Ring::new();
    assert_eq!(ring.ask(0, "set k v"), r"+OK\r\n");
    assert_eq!(ring.ask(0, "wait 2 500"), r":2\r\n");
    ring.restart(2);
    ring.say(0, "wait 2 100");
    ring.pass(120);
    assert_eq!(ring.heard(0), r":1\r\n", "what it had is gone");
    ring.say(0, "wait 2 5000");
    ring.pass(300);
    assert_eq!(ring.heard(0), "");
    ring.pull(2, 0, slot_of(b"k"));
    ring.pass(1_000);
    assert_eq!(ring.heard(0), r":2\r\n");
    // More than there are: the number that there is, when the time is over.
    ring.say(0, "wait 7 100");
    ring.pass(90);
    assert_eq!(ring.heard(0), "");
    ring.pass(20);
    assert_eq!(ring.heard(0), r":2\r\n");
    assert!(ring.nodes[0].worker.plane().unwrap().is_idle());
}

#[test]
fn a_write_whose_acknowledgement_was_lost_is_asked_about() {
    let mut ring = Ring::new();
    ring.cut_off(0);
    ring.ask(0, "client consistency w 2");
    assert_eq!(ring.ask(0, "set k v"), "");
    // The effect is lost with the link; the peer has the write by a pull, of which nobody is told.
    ring.pull(1, 0, slot_of(b"k"));
    ring.cut.clear();
    ring.pass(200);
    assert_eq!(ring.heard(0), r"+OK\r\n");
}

#[test]
fn of_a_batch_only_the_writes_that_lack_copies_are_refused() {
    let mut ring = Ring::new();
    let batch = ["set k v", "get k", "set other w", "set k x", "get other"];
    ring.ask(0, "client consistency w all timeout 100");
    ring.cut_off(0);
    ring.say_all(0, &batch);
    ring.pass(20);
    // One slot's writes are at both others, the other's at one of them.
    for (peer, key) in [(1, "k"), (2, "k"), (1, "other")] {
        let slot = slot_of(key.as_bytes());
        ring.acknowledge(peer, slot, ring.last_version(slot));
    }
    ring.pass(20);
    assert_eq!(ring.heard(0), "");
    ring.pass(100);
    let refused = r"-NOQUORUM applied on 2 of 3\r\n";
    assert_eq!(ring.heard(0), format!(r"+OK\r\n$1\r\nv\r\n{refused}+OK\r\n$1\r\nw\r\n"));
    // Nobody waits any more, and what comes next is answered as ever.
    assert!(ring.nodes[0].worker.plane().unwrap().is_idle());
    ring.cut.clear();
    for (peer, key) in [(1, "k"), (1, "other"), (2, "k"), (2, "other")] {
        ring.pull(peer, 0, slot_of(key.as_bytes()));
    }
    ring.say_all(0, &batch);
    ring.say(0, "client consistency w 2");
    ring.say(0, "set k y");
    ring.pass(200);
    assert_eq!(ring.heard(0), r"+OK\r\n$1\r\nv\r\n+OK\r\n+OK\r\n$1\r\nw\r\n+OK\r\n+OK\r\n");
}

#[test]
fn each_write_of_a_batch_waits_for_what_it_asked_for() {
    let mut ring = Ring::new();
    ring.ask(0, "set k v");
    ring.cut_off(2);
    ring.ask(0, "client consistency w all timeout 60");
    ring.say(0, "client consistency w 2 once");
    ring.say_all(0, &["set k a", "get k", "set k b", "get k"]);
    ring.pass(20);
    assert_eq!(ring.heard(0), r"+OK\r\n+OK\r\n$1\r\na\r\n");
    ring.pass(60);
    assert_eq!(ring.heard(0), r"-NOQUORUM applied on 2 of 3\r\n$1\r\nb\r\n");
}

#[test]
fn a_batch_waits_for_the_last_of_its_writes_to_a_slot() {
    let mut ring = Ring::new();
    ring.ask(0, "client consistency w 2");
    ring.cut_off(0);
    ring.say(0, "client consistency w one once");
    ring.say(0, "set k a");
    let acknowledged = ring.last_version(slot_of(b"k"));
    ring.say_all(0, &["set k b", "set k c"]);
    assert_eq!(ring.heard(0), r"+OK\r\n+OK\r\n");
    let between = acknowledged + (ring.last_version(slot_of(b"k")) - acknowledged) / 2;
    ring.acknowledge(1, slot_of(b"k"), between);
    assert_eq!(ring.heard(0), "");
    ring.acknowledge(1, slot_of(b"k"), ring.last_version(slot_of(b"k")));
    assert_eq!(ring.heard(0), r"+OK\r\n+OK\r\n");
}

#[test]
fn wait_counts_copies_of_what_an_earlier_primary_wrote() {
    let mut ring = Ring::new();
    assert_eq!(ring.ask(0, "set k v"), r"+OK\r\n");
    let token = ring.ask(0, "client token get");
    let token = token.trim_start_matches(r"$20\r\n").trim_end_matches(r"\r\n").to_owned();
    ring.serve(1);
    assert_eq!(ring.ask(1, &format!("client token set {token}")), r"+OK\r\n");
    // By way of a job over all nodes that serve what the session wrote; here that is node 1 itself.
    assert_eq!(ring.ask(1, "wait 2 5000"), r":2\r\n");
    ring.cut_off(2);
    ring.say(1, "wait 2 100");
    ring.pass(120);
    assert_eq!(ring.heard(1), r":1\r\n");
}

#[test]
fn wait_knows_a_session_that_wrote_to_many_slots() {
    let mut ring = Ring::new();
    for n in 0..400 {
        ring.say(0, &format!("set key:{n} v"));
    }
    ring.pass(20);
    ring.heard(0);
    assert!(ring.nodes[0].client.session.seen.bound().is_some());
    assert_eq!(ring.ask(0, "wait 2 5000"), r":2\r\n");
    ring.cut_off(2);
    ring.say(0, "set key:1 w");
    ring.say(0, "wait 2 100");
    ring.pass(120);
    assert_eq!(ring.heard(0), r"+OK\r\n:1\r\n");
}

#[test]
fn a_session_does_not_go_back_behind_what_it_read() {
    let mut ring = Ring::new();
    ring.ask(0, "client consistency r session");
    ring.ask(2, "client consistency r session");
    let slot = slot_of(b"k");
    ring.cut_off(2);
    ring.serve(1);
    assert_eq!(ring.ask(1, "set k v"), r"+OK\r\n");
    // It reads at node 0, which has heard of it, and goes on at node 2, which has not.
    assert_eq!(ring.ask(0, "get k"), r"$1\r\nv\r\n");
    let seen = ring.nodes[0].client.session.seen.clone();
    assert!(seen.of(slot).count() > 0);
    assert_eq!(ring.ask(2, "get k"), r"$-1\r\n", "a session that has seen nothing may see that");
    ring.nodes[2].client.session.seen = seen;
    assert_eq!(ring.ask(2, "get k"), "", "it is sent to whoever serves");
    assert!(ring.nodes[2].worker.next_send().is_some());
}

#[test]
fn what_watches_reads_where_the_keys_are_watched() {
    let mut ring = Ring::new();
    assert_eq!(ring.ask(2, "client consistency r any"), r"+OK\r\n");
    assert_eq!(ring.ask(2, "get k"), r"$-1\r\n");
    assert!(ring.nodes[2].worker.next_send().is_none(), "its own copy answers");
    assert_eq!(ring.ask(2, "watch k"), r"+OK\r\n");
    ring.cut_off(2);
    assert_eq!(ring.ask(2, "get k"), "", "it is sent to whoever serves");
    assert!(ring.nodes[2].worker.next_send().is_some());
}
