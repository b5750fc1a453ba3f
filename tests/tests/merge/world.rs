//! The world of the model: nodes that each hold one slot, the links between them, and what happens to both.

use crate::oracle::{self, Added, Removes, Step, Written};
use crate::traps::{Trap, drop_losers, later_stays, leave_dots};
use std::collections::BTreeMap;
use torc_protocol::slot::Slot;
use torc_server::base::rng::Rng;
use torc_server::base::version::{Tag, Version};
use torc_server::replication::chain::{Chain, Offer, Standing};
use torc_server::replication::effect::{AmountRef, Effect, Op, ValueRef, encode};
use torc_server::replication::log::Log;
use torc_server::replication::merge::{
    Amount, Cell, Element, KeyState, Merge, Register, SlotState, Ttl, Value,
};
use torc_server::replication::stash::StashLimits;
use torc_server::replication::vector::Vector;

const START: u64 = 1_800_000_000_000;
/// Clocks differ by up to this, to either side.
const SKEW_MS: u64 = 20;
const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
const LIMITS: StashLimits = StashLimits { bytes: 1_000, age_ms: 60 };

/// What kind of world.
#[derive(Debug, Default)]
pub struct Plan {
    pub trap: Option<Trap>,
    /// Nothing but additions, and nobody loses its memory, so that sums can be told.
    pub only_counts: bool,
}

/// How much happened.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    pub writes: u64,
    pub applied: u64,
    pub refused: u64,
    pub bases_missed: u64,
    pub joins: u64,
    pub catch_ups: u64,
    pub scans_disturbed: u64,
    pub restarts: u64,
    pub dropped_alone: u64,
    pub pruned: u64,
    pub hidden: u64,
    pub equal_vectors: u64,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        self.writes += other.writes;
        self.applied += other.applied;
        self.refused += other.refused;
        self.bases_missed += other.bases_missed;
        self.joins += other.joins;
        self.catch_ups += other.catch_ups;
        self.scans_disturbed += other.scans_disturbed;
        self.restarts += other.restarts;
        self.dropped_alone += other.dropped_alone;
        self.pruned += other.pruned;
        self.hidden += other.hidden;
        self.equal_vectors += other.equal_vectors;
    }
}

struct Node {
    tag: Tag,
    /// How far its clock is ahead of the world's, plus `SKEW_MS`.
    skew: u64,
    state: SlotState,
    chain: Chain,
    log: Log,
}

/// A scan of `from` for `to` that is under way.
struct Scan {
    from: usize,
    to: usize,
    from_tag: Tag,
    begin: Standing,
    read: Vec<(&'static [u8], Option<KeyState>)>,
}

pub struct World {
    plan_only_counts: bool,
    trap: Option<Trap>,
    rng: Rng,
    now: u64,
    nodes: Vec<Node>,
    /// Effects on their way: to whom, and their bytes.
    flying: Vec<(usize, Vec<u8>)>,
    scan: Option<Scan>,
    history: Vec<Written>,
    added: i64,
    next_tag: u16,
    /// Up to here all is settled.
    horizon: Version,
    counts: Counts,
}

type Fault = String;

fn slot() -> Slot {
    Slot::new(7).unwrap()
}

impl World {
    fn new(seed: u64, plan: &Plan) -> Self {
        let mut world = World {
            plan_only_counts: plan.only_counts,
            trap: plan.trap,
            rng: Rng::seeded(seed),
            now: START,
            nodes: Vec::new(),
            flying: Vec::new(),
            scan: None,
            history: Vec::new(),
            added: 0,
            next_tag: 1,
            horizon: Version::ZERO,
            counts: Counts::default(),
        };
        for _ in 0..3 {
            let node = world.fresh_node();
            world.nodes.push(node);
        }
        world
    }

    fn fresh_node(&mut self) -> Node {
        self.next_tag += 1;
        Node {
            tag: Tag::new(self.next_tag),
            skew: self.rng.below(2 * SKEW_MS + 1),
            state: SlotState::new(),
            chain: Chain::new(),
            log: Log::new(600),
        }
    }

    /// A world's life and its judgement.
    pub fn run(seed: u64, plan: &Plan) -> Result<Counts, Fault> {
        let mut world = World::new(seed, plan);
        for _ in 0..30 + world.rng.below(70) {
            world.step();
            world.judge_equal_vectors()?;
        }
        world.heal();
        world.judge()?;
        Ok(world.counts)
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.rng.below(one_in) == 0
    }

    fn any_node(&mut self) -> usize {
        self.rng.below(self.nodes.len() as u64) as usize
    }

    fn any_pair(&mut self) -> (usize, usize) {
        let (from, by) = (self.any_node(), 1 + self.rng.below(self.nodes.len() as u64 - 1));
        (from, (from + by as usize) % self.nodes.len())
    }

    fn any_key(&mut self) -> &'static [u8] {
        KEYS[self.rng.below(KEYS.len() as u64) as usize]
    }

    fn clock(&self, node: usize) -> u64 {
        self.now - SKEW_MS + self.nodes[node].skew
    }

    fn step(&mut self) {
        let faults = !self.plan_only_counts;
        match self.rng.below(100) {
            0..=34 => self.write(),
            35..=69 => self.fly(),
            70..=76 => self.now += self.rng.below(40),
            77..=81 => {
                let (from, to) = self.any_pair();
                self.sync(from, to);
            }
            82..=84 => self.catch_up(),
            85..=89 => self.scan_on(),
            90..=91 => self.interrupted_sync(),
            92..=93 => self.give_up(),
            94 if faults => self.drop_expired_alone(),
            95 if faults && self.chance(3) => self.settle(),
            96 if faults && self.chance(2) => self.restart(),
            97 if faults => self.evict_alone(),
            98 if faults => self.prune(),
            _ => self.write(),
        }
    }

    // ---- writing ----

    fn write(&mut self) {
        let node = self.any_node();
        let mut version = Version::ZERO;
        let steps = {
            let now = self.clock(node);
            let highest = self.nodes[node].chain.vector().highest();
            version = version.max(Version::next(now, highest, self.nodes[node].tag));
            let key = self.any_key();
            let mut steps = self.steps_of(node, key, version, now);
            // A transaction: another key in the same effect.
            if self.chance(6) {
                let other = self.any_key();
                if other != key && !steps.iter().any(|(op, _)| matches!(op, Op::Flush { .. })) {
                    steps.extend(self.steps_of(node, other, version, now));
                }
            }
            steps
        };
        let seen = self.nodes[node].chain.vector().clone();
        let (previous, deps) = self.nodes[node].chain.write(version);
        let (ops, steps): (Vec<Op<'_>>, Vec<Step>) = steps.into_iter().unzip();
        let mut bytes = Vec::new();
        encode(&mut bytes, slot(), (previous, version), &deps, &ops);
        self.history.push(Written { version, seen, steps });
        self.counts.writes += 1;
        let effect = Effect::decode(&bytes).unwrap();
        self.apply(node, &effect).expect("a writer holds what it builds on");
        self.nodes[node].log.append(slot(), version, |out| out.extend_from_slice(&bytes));
        let others = (0..self.nodes.len()).filter(|&other| other != node);
        self.flying.extend(others.map(|other| (other, bytes.clone())));
    }

    /// What one command on `key` does at `node`, and the same for the oracle.
    fn steps_of(
        &mut self,
        node: usize,
        key: &'static [u8],
        version: Version,
        now: u64,
    ) -> Vec<(Op<'static>, Step)> {
        let none = KeyState::default();
        let state = self.nodes[node].state.get(0, key).unwrap_or(&none).clone();
        let shown = state.shown(now);
        let counts = state.cells().iter().count() > 0;
        let number = 1 + self.rng.below(1000) as i64;
        let deadline = match self.rng.below(6) {
            0 | 1 => Some(now + 1 + self.rng.below(60)),
            2 => Some(START + 1_000_000 + self.rng.below(1000)),
            _ => None,
        };
        let choice = if self.plan_only_counts { 0 } else { self.rng.below(24) };
        let delete =
            || (Op::Delete { db: 0, key }, Step { key, removes: Removes::Key, adds: None });
        match (choice, shown) {
            (0..=6, shown) => {
                let mut steps = Vec::new();
                if shown.is_none() && !state.is_empty() {
                    steps.push(delete());
                }
                let by = number % 10;
                let value = shown.as_ref().map(|shown| &*shown.value);
                if !matches!(value, None | Some(Value::Integer(_))) {
                    return steps;
                }
                self.added += by;
                let ttl = shown.as_ref().map_or(Ttl::default(), |shown| shown.ttl);
                let epoch = shown.as_ref().map_or(Version::ZERO, |shown| shown.epoch);
                let known = state.cell(version.tag()).filter(|_| shown.is_some());
                let sum = known.map_or(Amount::Integer(0), |cell| cell.sum.clone()).plus(by);
                steps.push(count(key, version, epoch, sum, ttl));
                steps
            }
            (7..=10, _) => vec![put(key, version, number, Ttl { deadline, version }, version)],
            (11, Some(shown)) => vec![put(key, version, number, shown.ttl, version)],
            (12..=15, _) if !state.is_empty() => vec![delete()],
            (16..=19, Some(shown)) => {
                let ttl = Ttl { deadline, version };
                let Some(base) = shown.base else {
                    let known = state.cell(version.tag());
                    let sum = known.map_or(Amount::Integer(0), |cell| cell.sum.clone());
                    return vec![count(key, version, shown.epoch, sum, ttl)];
                };
                let register = state.registers().iter().find(|it| it.dot() == base).unwrap();
                let renewed = Register { ttl, ..register.clone() };
                match &register.value {
                    Value::Integer(value) if !counts && number % 4 == 0 => {
                        vec![put(key, version, *value, ttl, register.version)]
                    }
                    _ => vec![(
                        Op::Deadline { db: 0, key, base, deadline },
                        Step {
                            key,
                            removes: Removes::ForDeadline { epoch: register.version },
                            adds: Some(Added::Register(renewed)),
                        },
                    )],
                }
            }
            (20 | 21, Some(shown)) if shown.base.is_some() && !counts => {
                let base = shown.base.unwrap();
                let register = state.registers().iter().find(|it| it.dot() == base).unwrap();
                let mut text = register.value.to_bytes();
                let offset = text.len() as u64;
                text.extend_from_slice(b"+");
                let value = Value::Bytes { bytes: text.into(), raw: true };
                let register = Register { version, ttl: register.ttl, value };
                vec![(
                    Op::Splice { db: 0, key, base, len: offset + 1, offset, bytes: b"+" },
                    Step { key, removes: Removes::Key, adds: Some(Added::Register(register)) },
                )]
            }
            (22, _) if number % 3 == 0 => {
                let seen = self.nodes[node].chain.vector().clone();
                let step = Step { key, removes: Removes::All, adds: None };
                vec![(Op::Flush { db: None, seen }, step)]
            }
            // A version that was taken and not used.
            _ => Vec::new(),
        }
    }

    // ---- receiving ----

    fn apply(&mut self, node: usize, effect: &Effect<'_>) -> Result<(), ()> {
        let node = &mut self.nodes[node];
        let mut others = effect.deps.clone();
        let context = node.chain.context(effect.version, &mut others);
        let before = (self.trap == Some(Trap::DeadlineLeavesDot)).then(|| node.state.clone());
        node.state.apply(effect, &context).map_err(|_| ())?;
        if let Some(before) = before {
            leave_dots(&mut node.state, &before, effect);
        }
        self.counts.applied += 1;
        drop_losers(self.trap, &mut node.state);
        Ok(())
    }

    fn receive(&mut self, node: usize, bytes: &[u8]) {
        let mut next = Some(Box::from(bytes));
        while let Some(bytes) = next {
            let effect = Effect::decode(&bytes).unwrap();
            let now = self.clock(node);
            if self.trap == Some(Trap::FloorTakenOnTrust) {
                let mut vector = Vector::new();
                vector.raise_floor(effect.deps.floor());
                let contexts = Vec::new();
                self.nodes[node].chain.installed(&Standing { vector, contexts });
            }
            let offer = self.nodes[node].chain.offer(&effect, &bytes, now, &LIMITS);
            let vector = self.nodes[node].chain.vector();
            let forced = match self.trap {
                Some(Trap::ChainNotHeld) => offer != Offer::Apply && offer != Offer::Duplicate,
                Some(Trap::DepsNotHeld) => {
                    offer != Offer::Apply && effect.previous == vector.get(effect.tag())
                }
                _ => false,
            };
            if forced {
                if self.apply(node, &effect).is_ok() {
                    let vector = [effect.version].into_iter().collect();
                    let contexts = vec![(effect.tag(), effect.deps.clone())];
                    self.nodes[node].chain.installed(&Standing { vector, contexts });
                }
            } else if offer == Offer::Apply {
                match self.apply(node, &effect) {
                    Ok(()) => self.nodes[node].chain.applied(&effect),
                    Err(()) => {
                        self.counts.bases_missed += 1;
                        self.nodes[node].chain.miss();
                        if self.trap == Some(Trap::BasePassedOver) {
                            self.nodes[node].chain.applied(&effect);
                        } else {
                            // It would be found ready for ever.
                            return;
                        }
                    }
                }
            } else if offer != Offer::Duplicate {
                self.counts.refused += 1;
            }
            next = self.nodes[node].chain.take_ready();
        }
    }

    fn fly(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let index = match self.chance(3) {
            true => self.rng.below(self.flying.len() as u64) as usize,
            false => 0,
        };
        let (to, bytes) = match self.chance(10) {
            true => self.flying[index].clone(),
            false => self.flying.remove(index),
        };
        if !self.chance(8) {
            self.receive(to, &bytes);
        }
    }

    fn give_up(&mut self) {
        let node = self.any_node();
        let now = self.clock(node);
        self.nodes[node].chain.give_up(now, &LIMITS);
    }

    // ---- syncing ----

    fn sync(&mut self, from: usize, to: usize) {
        let standing = self.nodes[from].chain.standing();
        let state = self.nodes[from].state.clone();
        self.install(to, state, standing);
    }

    fn install(&mut self, to: usize, state: SlotState, mut standing: Standing) {
        self.counts.joins += 1;
        let node = &mut self.nodes[to];
        let own = node.chain.vector().clone();
        let mine = (self.trap == Some(Trap::BothSeenLaterStays)).then(|| node.state.clone());
        let both = mine.map(|mine| (mine, state.clone()));
        node.state.join(&own, state, &standing.vector);
        if let Some((mine, theirs)) = both {
            let seen = (&own, &standing.vector);
            later_stays(&mut node.state, &mine, &theirs, seen);
        }
        drop_losers(self.trap, &mut node.state);
        if self.trap == Some(Trap::NoContexts) {
            standing.contexts.clear();
        }
        node.chain.installed(&standing);
        node.chain.clean();
        if let Some(bytes) = node.chain.take_ready() {
            self.receive(to, &bytes);
        }
    }

    fn catch_up(&mut self) {
        let (from, to) = self.any_pair();
        let known = self.nodes[to].chain.vector().get(self.nodes[from].tag);
        if !self.nodes[from].log.holds_after(slot(), known) {
            return;
        }
        self.counts.catch_ups += 1;
        let (mut bytes, bytes_max) = (Vec::new(), self.rng.below(500) as usize);
        self.nodes[from].log.replay(0, |_, version| version > known, bytes_max, &mut bytes);
        let batch = torc_server::replication::effect::Batch::new(&bytes);
        batch.flatten().for_each(|(_, bytes)| self.receive(to, bytes));
    }

    /// A scan reads key after key, others write meanwhile; it counts only if nothing has changed from its beginning to its end.
    fn scan_on(&mut self) {
        let Some(mut scan) = self.scan.take() else {
            let (from, to) = self.any_pair();
            let begin = self.nodes[from].chain.standing();
            let from_tag = self.nodes[from].tag;
            self.scan = Some(Scan { from, to, from_tag, begin, read: Vec::new() });
            return;
        };
        if self.nodes[scan.from].tag != scan.from_tag {
            return;
        }
        if scan.read.len() < KEYS.len() {
            let key = KEYS[scan.read.len()];
            scan.read.push((key, self.nodes[scan.from].state.get(0, key).cloned()));
            self.scan = Some(scan);
            return;
        }
        let end = self.nodes[scan.from].chain.standing();
        let standing = match self.trap {
            Some(Trap::ScanCountsAsOfItsEnd) => end,
            Some(Trap::ScanCountsAsOfItsBeginning) => scan.begin,
            _ if end == scan.begin => end,
            _ => {
                self.counts.scans_disturbed += 1;
                return;
            }
        };
        let mut state = SlotState::new();
        scan.read.into_iter().for_each(|(key, of_key)| {
            state.set(0, key, of_key.unwrap_or_default());
        });
        self.install(scan.to, state, standing);
    }

    /// State and vector are installed together, so an interruption leaves the receiver as it was.
    fn interrupted_sync(&mut self) {
        let (from, to) = self.any_pair();
        self.nodes[to].chain.miss();
        if self.trap == Some(Trap::TornInstall) {
            let (standing, mut part) = (self.nodes[from].chain.standing(), SlotState::new());
            for key in &KEYS[..1] {
                part.set(0, key, self.nodes[from].state.get(0, key).cloned().unwrap_or_default());
            }
            let mut rest = self.nodes[to].state.clone();
            let own = self.nodes[to].chain.vector().clone();
            let theirs = standing.vector.clone();
            self.install(to, part.clone(), standing);
            // The keys that were not reached stay as they were.
            rest.set(0, KEYS[0], KeyState::default());
            part.join(&own, SlotState::new(), &theirs);
            for (name, state) in rest.iter() {
                self.nodes[to].state.set(name.0, name.1, state.clone());
            }
        }
    }

    // ---- forgetting ----

    fn drop_expired_alone(&mut self) {
        let node = self.any_node();
        let before = self.clock(node) - 2 * SKEW_MS;
        let known = self.nodes[node].state.clone();
        self.nodes[node].state.drop_expired(before);
        self.counts.dropped_alone += u64::from(known != self.nodes[node].state);
    }

    /// A node that loses its memory comes back empty and under a new tag.
    fn restart(&mut self) {
        let node = self.any_node();
        let tag = self.nodes[node].tag;
        self.nodes[node] = self.fresh_node();
        if self.trap == Some(Trap::TagKept) {
            self.nodes[node].tag = tag;
        }
        if self.scan.as_ref().is_some_and(|scan| scan.to == node) {
            self.scan = None;
        }
        self.counts.restarts += 1;
    }

    /// Only the acting primary evicts, as a delete; a replica that must shed data sheds the slot, and is empty. Anything less claims a removal.
    fn evict_alone(&mut self) {
        if self.trap == Some(Trap::EvictedAlone) {
            let (node, key) = (self.any_node(), self.any_key());
            self.nodes[node].state.set(0, key, KeyState::default());
        } else if self.chance(4) {
            self.restart();
        }
    }

    /// A quiet while: all sync with all, and time passes, so that what is old is known to all.
    fn settle(&mut self) {
        for _ in 0..2 {
            for to in 0..self.nodes.len() {
                let others = (0..self.nodes.len()).filter(|&from| from != to);
                others.for_each(|from| self.sync(from, to));
            }
        }
        self.now += 4 * SKEW_MS;
        let vectors: Vec<Vector> =
            self.nodes.iter().map(|node| node.chain.vector().clone()).collect();
        let unknown = |it: &&Written| vectors.iter().any(|vector| !vector.covers(it.version));
        let oldest_unknown = self.history.iter().filter(unknown).map(|it| it.version).min();
        // No clock may still give out what is settled: it must lie further back than clocks differ.
        let past = Version::next(self.now - 3 * SKEW_MS, Version::ZERO, Tag::new(0));
        let horizon = oldest_unknown.map_or(past, |it| past.min(Version::from_bits(it.get() - 1)));
        self.nodes.iter_mut().for_each(|node| node.chain.settle(horizon));
        self.horizon = horizon;
        self.prune();
    }

    /// Departed tags go from a node's vector, as far as all is settled.
    fn prune(&mut self) {
        let node = self.any_node();
        let live: Vec<Tag> = self.nodes.iter().map(|node| node.tag).collect();
        let departed = |tag: Tag| !live.contains(&tag);
        let chain = &mut self.nodes[node].chain;
        if self.trap != Some(Trap::TagForgotten) {
            self.counts.pruned += chain.prune(departed) as u64;
            return;
        }
        let mut standing = chain.standing();
        for entry in standing.vector.clone().entries() {
            if departed(entry.tag()) && *entry <= self.horizon {
                standing.vector = standing.vector.without(entry.tag());
                let forget = |seen: &mut Vector| *seen = seen.without(entry.tag());
                standing.contexts.iter_mut().for_each(|(_, seen)| forget(seen));
            }
        }
        *chain = Chain::new();
        chain.installed(&standing);
    }

    // ---- judging ----

    fn heal(&mut self) {
        // Half of the worlds deliver what is flying first.
        if self.chance(2) {
            for (to, bytes) in std::mem::take(&mut self.flying) {
                self.receive(to, &bytes);
            }
        }
        for _ in 0..4 {
            for to in 0..self.nodes.len() {
                for from in (0..self.nodes.len()).filter(|&from| from != to) {
                    let theirs = self.nodes[from].chain.vector().clone();
                    self.nodes[to].chain.adopt(theirs.floor());
                    let mine = self.nodes[to].chain.vector();
                    // As anti-entropy does: equal vectors are taken for equal states.
                    if !mine.is_same_history(&theirs) {
                        self.sync(from, to);
                    }
                }
            }
        }
        self.now += 500;
        for node in 0..self.nodes.len() {
            let before = self.clock(node) - 2 * SKEW_MS;
            self.nodes[node].state.drop_expired(before);
        }
    }

    /// Whoever covers the same holds the same, at any time, but for elements that have ended and that each may have dropped.
    fn judge_equal_vectors(&mut self) -> Result<(), Fault> {
        for a in 0..self.nodes.len() {
            for b in a + 1..self.nodes.len() {
                let (left, right) = (&self.nodes[a], &self.nodes[b]);
                if left.chain.vector().is_empty()
                    || !left.chain.vector().is_same_history(right.chain.vector())
                {
                    continue;
                }
                self.counts.equal_vectors += 1;
                let (mut one, mut two) = (left.state.clone(), right.state.clone());
                one.drop_expired(self.now);
                two.drop_expired(self.now);
                if self.trap.is_none() && one != two {
                    return Err(format!("equal vectors, different states: {one:?} {two:?}"));
                }
                if visible(&one, self.now) != visible(&two, self.now) {
                    return Err(format!("equal vectors, readers differ: {one:?} {two:?}"));
                }
            }
        }
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Fault> {
        let covered = self.nodes[0].chain.vector().clone();
        if let Some(node) =
            self.nodes.iter().find(|it| !it.chain.vector().is_same_history(&covered))
        {
            return Err(format!("vectors differ: {covered:?} {:?}", node.chain.vector()));
        }
        let mut expected = SlotState::new();
        for key in KEYS {
            expected.set(0, key, oracle::state_of(&self.history, &covered, key));
        }
        expected.drop_expired(self.now + SKEW_MS - 2 * SKEW_MS);
        for node in &self.nodes {
            let mut state = node.state.clone();
            state.drop_expired(self.now + SKEW_MS - 2 * SKEW_MS);
            self.counts.hidden += state.iter().filter(|(_, key)| key.has_hidden()).count() as u64;
            if self.trap.is_none() && state != expected {
                return Err(format!("expected {expected:?}\nbut holds {state:?}"));
            }
            // With a bug put back it is only what clients can notice that counts.
            if visible(&state, self.now) != visible(&expected, self.now) {
                return Err(format!("readers expect {expected:?}\nbut find {state:?}"));
            }
        }
        if self.plan_only_counts {
            let sum: i64 = visible(&self.nodes[0].state, self.now)
                .values()
                .map(|(v, _)| match v {
                    Value::Integer(value) => *value,
                    Value::Bytes { .. } => 0,
                })
                .sum();
            if sum != self.added {
                return Err(format!("{} was added, {sum} is there", self.added));
            }
        }
        Ok(())
    }

    /// See the test. Returns whether copies differed under equal vectors before the reconcile.
    pub fn run_collision(seed: u64) -> Result<bool, Fault> {
        let mut world = World::new(seed, &Plan::default());
        world.nodes[1].tag = world.nodes[0].tag;
        let mut differed = false;
        for _ in 0..20 + world.rng.below(30) {
            let choice = world.rng.below(90);
            match choice {
                0..=39 => world.write(),
                40..=79 => world.fly(),
                _ => {
                    let (from, to) = world.any_pair();
                    world.sync(from, to);
                }
            }
            differed |= world.judge_equal_vectors().is_err();
        }
        // The records that nodes exchange name both owners. The one with the higher id starts a new incarnation; what was sent under the
        // shared tag is refused from now on, and all sync with all, whatever their vectors say.
        world.next_tag += 1;
        world.nodes[1].tag = Tag::new(world.next_tag);
        world.flying.clear();
        for _ in 0..2 {
            for to in 0..3 {
                (0..3).filter(|&from| from != to).for_each(|from| world.sync(from, to));
            }
        }
        let differ = |world: &World| {
            world.nodes.iter().any(|node| {
                node.state != world.nodes[0].state
                    || !node.chain.vector().is_same_history(world.nodes[0].chain.vector())
            })
        };
        if differ(&world) {
            return Err("the reconcile left a difference".into());
        }
        // From here on all is as if nothing had been, but that the oracle knows too much.
        for _ in 0..30 {
            let choice = world.rng.below(2);
            if choice == 0 {
                world.write()
            } else {
                world.fly()
            }
            world.judge_equal_vectors()?;
        }
        world.heal();
        match differ(&world) {
            true => Err("after the reconcile copies came to differ".into()),
            false => Ok(differed),
        }
    }
}

fn put(
    key: &'static [u8],
    version: Version,
    number: i64,
    ttl: Ttl,
    value_version: Version,
) -> (Op<'static>, Step) {
    let register = Register { version: value_version, ttl, value: Value::Integer(number) };
    let op = Op::Put {
        db: 0,
        key,
        value: ValueRef::Integer(number),
        value_version: (value_version != version).then_some(value_version),
        deadline: ttl.deadline,
        deadline_version: (ttl.version != version).then_some(ttl.version),
    };
    (op, Step { key, removes: Removes::Key, adds: Some(Added::Register(register)) })
}

fn count(
    key: &'static [u8],
    version: Version,
    epoch: Version,
    sum: Amount,
    ttl: Ttl,
) -> (Op<'static>, Step) {
    let Amount::Integer(number) = sum else { unreachable!("the model adds integers") };
    let op = Op::Count {
        db: 0,
        key,
        epoch,
        sum: AmountRef::Integer(number),
        deadline: ttl.deadline,
        deadline_version: (ttl.version != version).then_some(ttl.version),
    };
    let cell = Cell { version, epoch, sum, ttl };
    (op, Step { key, removes: Removes::ForCount { epoch }, adds: Some(Added::Cell(cell)) })
}

/// What readers see: value and deadline by key.
fn visible(state: &SlotState, now: u64) -> BTreeMap<Vec<u8>, (Value, Option<u64>)> {
    let shown = state.iter().filter_map(|((_, key), state)| {
        let shown = state.shown(now)?;
        Some((key.to_vec(), (shown.value.into_owned(), shown.ttl.deadline)))
    });
    shown.collect()
}
