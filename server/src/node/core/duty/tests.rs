//! One slot's machines of some nodes, whose views change at different moments, over links that keep order and break.

use super::machine::{Asker, Duty, Scene, Word};
use super::{Action, Around, Duties, wanted};
use crate::base::rng::Rng;
use crate::cluster::member::{Member, MemberState};
use crate::cluster::view::MemberIndex;
use crate::cluster::{NodeId, View};
use crate::node::core::reach::Reach;
use std::collections::VecDeque;
use std::time::Duration;
use torc_protocol::slot::{SLOT_COUNT, Slot};

const NODES: usize = 5;

#[derive(Debug, Clone, Copy)]
enum Letter {
    Ask(u64),
    Word { served: bool, stamp: u64, others: [Option<NodeId>; 2] },
    Pull,
    Pulled,
}

struct Node {
    duty: Duty,
    view: View,
    reach: Reach,
    stamp: u64,
    /// When the batches that run now are over.
    stops_at: Option<u64>,
    settled: bool,
}

struct World {
    rng: Rng,
    now_ms: u64,
    slot: Slot,
    nodes: Vec<Node>,
    /// What the nodes are in truth; views follow one by one.
    truth: Vec<Member>,
    links: Vec<VecDeque<Letter>>,
}

fn member(number: usize) -> Member {
    Member {
        id: NodeId(1 + number as u64),
        incarnation: 1,
        tag: number as u16,
        host: "10.0.0.1".into(),
        port: 0,
        cluster_port: 0,
        peer_port: 0,
        tls_port: 0,
        tls_cluster_port: 0,
        weight: 1,
        zone: "".into(),
        state: MemberState::Active,
        since: number as u64,
        alive: true,
        ready: true,
        features: 0,
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut rng = Rng::seeded(seed);
        let mut truth: Vec<Member> = (0..NODES).map(member).collect();
        truth[NODES - 1].state = MemberState::Joining;
        let slot = Slot::new(rng.below(256) as u16).expect("a slot");
        let nodes = (0..NODES)
            .map(|number| {
                let mut reach = Reach::default();
                (0..NODES).for_each(|other| reach.up(NodeId(1 + other as u64)));
                let view = View::build(truth.clone(), truth[number].id, 3);
                let duty = Duty::NEW;
                Node { duty, view, reach, stamp: 0, stops_at: None, settled: false }
            })
            .collect();
        let links = vec![VecDeque::new(); NODES * NODES];
        World { rng, now_ms: 0, slot, nodes, truth, links }
    }

    /// Lets the machine of a node take a step, and sends what it says.
    fn step(&mut self, at: usize, step: impl FnOnce(&mut Duty, Scene<'_>, &mut Vec<Action>)) {
        let (mut out, slot, now) = (Vec::new(), self.slot, Duration::from_millis(self.now_ms));
        let Node { duty, view, reach, stamp, .. } = &mut self.nodes[at];
        step(duty, Scene { view, reach, now, slot, stamp: *stamp, barred: false }, &mut out);
        for action in out {
            let number = |index: MemberIndex| {
                let member = self.nodes[at].view.member(index).expect("a member");
                member.id.0 as usize - 1
            };
            let id = |index| NodeId(1 + number(index) as u64);
            let (to, letter) = match action {
                Action::Pull { from, .. } => (number(from), Letter::Pull),
                Action::AskBaton { from, stamp, .. } => (number(from), Letter::Ask(stamp)),
                Action::Grant { to, stamp, .. } => {
                    (number(to), Letter::Word { served: true, stamp, others: [None; 2] })
                }
                Action::Yield { to, stamp, others, .. } => {
                    let others = others.map(|it| it.map(id));
                    (number(to), Letter::Word { served: false, stamp, others })
                }
                Action::Stop { .. } => {
                    self.nodes[at].stops_at = Some(self.now_ms + self.rng.below(5));
                    continue;
                }
                Action::Serve { .. } | Action::Synced { .. } => continue,
            };
            assert_ne!(to, at, "a node talks to itself");
            self.links[at * NODES + to].push_back(letter);
        }
    }

    fn receive(&mut self, from: usize, to: usize) {
        let Some(letter) = self.links[from * NODES + to].pop_front() else { return };
        let find = |world: &World, id| world.nodes[to].view.find(id).map(|(index, _)| index);
        let sender = find(self, NodeId(1 + from as u64)).expect("all know all");
        match letter {
            Letter::Ask(stamp) => {
                self.nodes[to].stamp = self.nodes[to].stamp.max(stamp);
                let by = Asker { node: sender, stamp };
                self.step(to, |duty, scene, out| duty.asked(by, scene, out));
            }
            Letter::Word { served, stamp, others } => {
                let others = others.map(|it| it.and_then(|id| find(self, id)));
                let known = self.rng.below(2) == 0;
                let word = Word { stamp, served, known, others };
                self.step(to, |duty, scene, out| duty.answered(sender, word, scene, out));
                if served && !known {
                    // The core finds that out, once the pull that it wants has come.
                    let word = Word { known: true, ..word };
                    self.step(to, |duty, scene, out| duty.answered(sender, word, scene, out));
                }
            }
            Letter::Pull => self.links[to * NODES + from].push_back(Letter::Pulled),
            Letter::Pulled => {
                self.step(to, |duty, scene, out| duty.pulled(sender, scene, out));
            }
        }
    }

    fn break_link(&mut self, a: usize, b: usize) {
        for (from, to) in [(a, b), (b, a)] {
            self.links[from * NODES + to].clear();
        }
        for (me, other) in [(a, b), (b, a)] {
            let slot = self.slot;
            let found = self.nodes[me].view.find(NodeId(1 + other as u64));
            let index = found.map(|(index, _)| index).expect("all know all");
            self.step(me, |duty, scene, out| duty.failed(index, scene, out));
            self.step(me, |duty, _, out| duty.linked(index, slot, out));
        }
    }

    /// Somebody gets ready, or not, joins or leaves; views hear of it one by one. Who moves has done so only when all say that they have synced for it.
    fn change(&mut self) {
        let number = self.rng.below(NODES as u64) as usize;
        let synced = (0..NODES).all(|at| self.nodes[at].settled && self.knows_all(at));
        let serves = self.nodes[number].duty.serves();
        let member = &mut self.truth[number];
        match (self.rng.below(3), member.state) {
            (0, MemberState::Joining) if synced => member.state = MemberState::Active,
            (0, MemberState::Active) if number > 1 => member.state = MemberState::Leaving,
            (0, MemberState::Leaving) if synced && !serves => member.state = MemberState::Joining,
            _ => member.ready = !member.ready,
        }
    }

    fn knows_all(&self, at: usize) -> bool {
        let view = &self.nodes[at].view;
        self.truth.iter().all(|it| view.find(it.id).is_some_and(|(_, known)| known == it))
    }

    fn look(&mut self, at: usize) {
        let view = self.nodes[at].view.successor(self.truth.clone(), 3);
        self.nodes[at].view = view;
    }

    fn review(&mut self, at: usize) {
        self.nodes[at].stamp += 1;
        let mut settled = false;
        self.step(at, |duty, scene, out| settled = duty.review(scene, out));
        self.nodes[at].settled = settled;
        if self.nodes[at].stops_at.is_some_and(|stop| stop <= self.now_ms) {
            self.nodes[at].stops_at = None;
            self.step(at, |duty, scene, out| duty.stopped(scene, out));
        }
    }

    /// Those whose workers may run commands: who stops does until its last batch is over.
    fn servers(&self) -> Vec<usize> {
        let serves = |node: &Node| node.duty.serves() || node.stops_at.is_some();
        (0..NODES).filter(|&at| serves(&self.nodes[at])).collect()
    }

    fn tick(&mut self, with_trouble: bool) {
        self.now_ms += 1;
        let (a, b) = (self.rng.below(5) as usize, self.rng.below(5) as usize);
        if with_trouble && self.rng.below(40) == 0 {
            self.change();
        }
        if with_trouble && a != b && self.rng.below(60) == 0 {
            self.break_link(a, b);
        }
        if self.rng.below(3) == 0 {
            self.look(a);
        }
        (0..20).for_each(|_| {
            let (from, to) = (self.rng.below(5) as usize, self.rng.below(5) as usize);
            self.receive(from, to);
        });
        let at = self.rng.below(NODES as u64) as usize;
        self.review(at);
    }
}

/// While all nodes live and can be reached, a slot never has two servers, however their views differ; and when these agree, it has one, which is the one they name.
#[test]
fn a_slot_has_one_server_at_any_time_and_in_the_end() {
    for seed in 0..100 {
        let mut world = World::new(seed);
        for _ in 0..400 {
            world.tick(true);
            let servers = world.servers();
            assert!(servers.len() < 2, "seed {seed}: {servers:?} at {} ms", world.now_ms);
        }
        for _ in 0..1_500 {
            world.tick(false);
            let servers = world.servers();
            assert!(servers.len() < 2, "seed {seed}: {servers:?} at {} ms", world.now_ms);
        }
        let view = &world.nodes[0].view;
        let named = [wanted::heir(view, world.slot), wanted::acting(view, world.slot)];
        let named = named.map(|it| it.map(|it| view.member(it).expect("a member").id));
        let servers: Vec<_> = world.servers().iter().map(|&at| NodeId(1 + at as u64)).collect();
        let all: Vec<String> = world.nodes.iter().map(|it| format!("{:?}", it.duty)).collect();
        assert_eq!(servers.len(), 1, "seed {seed}: named {named:?}, {all:#?}");
        assert!(named.contains(&Some(servers[0])), "seed {seed}: {servers:?} of {named:?}");
        assert!(world.nodes.iter().all(|node| node.settled), "seed {seed}: {all:#?}");
        // What is at rest need not be looked at again.
        let letters = |world: &World| world.links.iter().map(VecDeque::len).sum::<usize>();
        let before = letters(&world);
        (0..NODES).for_each(|at| world.review(at));
        let again: Vec<String> = world.nodes.iter().map(|it| format!("{:?}", it.duty)).collect();
        assert_eq!((again, letters(&world)), (all, before), "seed {seed}");
    }
}

/// Whatever happens to a slot has all looked at again.
#[test]
fn all_is_at_rest_until_something_happens() {
    let view = View::build(vec![member(0)], NodeId(1), 3);
    let (reach, slot) = (Reach::default(), Slot::new(7).expect("a slot"));
    let around = Around { view: &view, reach: &reach, now: Duration::ZERO };
    let mut duties = Duties::new(1);
    let rest = |duties: &mut Duties| {
        let mut out = Vec::new();
        (0..3).for_each(|_| duties.review(around, &mut out));
        assert!(duties.is_at_rest());
    };
    assert!(!duties.is_at_rest());
    type Happens = fn(&mut Duties, Slot, Around<'_>, &mut Vec<Action>);
    let all: [Happens; 5] = [
        |duties, _, _, _| duties.bar(false),
        |duties, _, _, _| duties.distrust(),
        |duties, slot, _, _| duties.lost_track(slot),
        |duties, slot, around, out| duties.stopped(slot, around, out),
        |duties, slot, around, out| duties.failed(slot, around.view.me(), around, out),
    ];
    for (number, happens) in all.into_iter().enumerate() {
        rest(&mut duties);
        happens(&mut duties, slot, around, &mut Vec::new());
        assert!(!duties.is_at_rest(), "{number}");
    }
}

/// Who could not be pulled from is asked again after a while: a link that broke says nothing of the node. Once he is dead, another is asked, and that at once.
#[test]
fn a_copy_that_the_dead_did_not_give_is_pulled_from_another_at_once() {
    let mut truth: Vec<Member> = (0..3).map(member).collect();
    let (reach, now) = (Reach::default(), Duration::from_secs(1));
    let view = View::build(truth.clone(), NodeId(1), 3);
    let around = Around { view: &view, reach: &reach, now };
    let is_kept = |slot: &Slot| view.acting(*slot).is_some_and(|it| it != view.me());
    let slot = (0..SLOT_COUNT as u16).filter_map(Slot::new).find(is_kept).expect("a slot");
    let server = view.acting(slot).expect("it is served");
    let pulls = |actions: &[Action]| -> Vec<MemberIndex> {
        let from = |action: &Action| match *action {
            Action::Pull { slot: of, from } if of == slot => Some(from),
            _ => None,
        };
        actions.iter().filter_map(from).collect()
    };
    let (mut duties, mut actions) = (Duties::new(1), Vec::new());
    duties.review(around, &mut actions);
    assert_eq!(pulls(&actions), [server]);
    duties.failed(slot, server, around, &mut actions);
    actions.clear();
    duties.review(around, &mut actions);
    assert_eq!(pulls(&actions), [], "he is left alone for a while");
    let dead = view.member(server).expect("a member").id;
    truth[dead.0 as usize - 1].alive = false;
    let view = view.successor(truth, 3);
    duties.review(Around { view: &view, ..around }, &mut actions);
    let [other] = pulls(&actions)[..] else { panic!("one is asked: {actions:?}") };
    assert_ne!(view.member(other).expect("a member").id, dead);
}
