//! The receiver's side of a slot's chains: effects are applied in the order of each origin, and never before what their origin had seen.
//!
//! Effects of one slot may come over several links, one for each worker of the origin, so the next in the chain may arrive after its
//! successors. Those wait in a [`Stash`] that is bounded by bytes and age. What does not fit is dropped and the slot is *dirty*: something is missing, and only
//! a sync of the state brings it. A dirty slot goes on applying what fits.
//!
//! ```text
//!            version ≤ V[tag] ──────────────→ Duplicate
//! effect ──→ previous = V[tag], deps ≤ V ───→ Apply ──→ caller applies ──→ applied() ──→ take_ready()
//!            more than 5 s ahead ───────────→ Refused                └──→ base missing ──→ miss()
//!            otherwise ─────────────────────→ Stashed, or Dropped where the stash is full
//! ```
//!
//! **While a sync is awaited** ([`Chain::expect`]) whatever comes builds on what it will bring. Nothing is too old then, and where there is no room the newest are kept: it covers what
//! was written before it was made, and the chain has to go on from there, however often the slot is written to meanwhile.
//!
//! **Contexts.** An effect says only what its origin saw since its effect before. The chain adds these up for each origin, because removing takes the whole: a delete
//! removes what its origin had seen, not what the receiver has. Contexts belong to the state: a sync must bring them along
//! with the vector ([`Chain::installed`]), or the effects that the sync took the place of are missing from the sum.
//!
//! Invariant: the vector covers a version only when its effect, and all that it depends on, is in the state. It knows nothing of the state.

use super::effect::Effect;
use super::merge::Context;
use super::stash::{Room, Stash, StashLimits, Waiting};
use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use std::sync::Arc;

/// A version further ahead of the wall clock than this is refused: it would drag every later version of the slot along.
pub const VERSION_AHEAD_MS_MAX: u64 = 5_000;

/// What is to happen with an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is next: apply it, then call [`Chain::applied`], or [`Chain::miss`] if its base is missing.
    Apply,
    /// It is part of the state already.
    Duplicate,
    /// It waits for others.
    Stashed,
    /// It could not wait; the slot is dirty.
    Dropped,
    /// Its version is too far in the future; a clock is wrong. The slot is dirty.
    Refused,
}

/// One slot's vector, contexts and stash.
#[derive(Debug, Default)]
pub struct Chain {
    vector: Vector,
    /// Of each origin that has written: what it had seen when it wrote last. Small and rarely more than one or two.
    contexts: Vec<(Tag, Vector)>,
    stash: Stash,
    /// Until then a sync is awaited; see [`Chain::expect`].
    expects_until: UnixMs,
    dirty: bool,
    /// Up to here nothing is unknown to any current replica, this one included.
    settled: Version,
}

/// What a slot's state is transferred with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// What the state covers.
    pub vector: Vector,
    /// What each origin had seen; see the module's description.
    pub contexts: Vec<(Tag, Vector)>,
}

static NOTHING: Vector = Vector::new();

impl Chain {
    /// A slot that nothing was written to.
    pub fn new() -> Self {
        Chain::default()
    }

    /// As [`Chain::new`], stashing within a room that other slots share.
    pub fn within(room: &Arc<Room>) -> Self {
        Chain { stash: Stash::within(room), ..Chain::default() }
    }

    /// What the state covers.
    pub fn vector(&self) -> &Vector {
        &self.vector
    }

    /// What a sync of this slot carries besides the state; to be taken before the state is read.
    pub fn standing(&self) -> Standing {
        Standing { vector: self.vector.clone(), contexts: self.contexts.clone() }
    }

    /// Whether something is missing that will not come by itself.
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Effects and bytes that wait.
    pub fn stashed(&self) -> (usize, usize) {
        (self.stash.len(), self.stash.bytes())
    }

    /// The next effect of this node's own: its predecessor in the chain and the deps to tell with it. `version` is higher than anything seen; the caller
    /// applies the effect with it.
    pub fn write(&mut self, version: Version) -> (Version, Vector) {
        let tag = version.tag();
        let previous = self.vector.get(tag);
        debug_assert!(version > self.vector.highest());
        let others = self.vector.without(tag);
        let deps = others.since(self.others(tag));
        if !deps.is_empty() {
            self.add_context(tag, &deps);
        }
        self.vector.raise(version);
        (previous, deps)
    }

    /// What the origin of an effect of `version` had seen when it wrote it: for the effect that [`Offer::Apply`] was said to, or one of this node's own.
    pub fn context<'c>(&'c self, version: Version, deps: &'c mut Vector) -> Context<'c> {
        deps.join(self.others(version.tag()));
        Context { version, others: deps }
    }

    /// Whether `version`, an effect whose origin has seen nothing new of others, is next in its chain. What is not may be anything that [`Chain::offer`] says.
    #[inline]
    pub fn is_next(&self, previous: Version, version: Version, now: UnixMs) -> bool {
        let known = self.vector.get(version.tag());
        previous == known
            && version > known.max(self.vector.floor())
            && version.ahead_ms(now) <= VERSION_AHEAD_MS_MAX
    }

    /// As [`Chain::context`], where the effect tells nothing new.
    #[inline]
    pub fn known_context(&self, version: Version) -> Context<'_> {
        Context { version, others: self.others(version.tag()) }
    }

    /// As [`Chain::applied`], of an effect that told nothing new.
    #[inline]
    pub fn applied_next(&mut self, version: Version) {
        self.vector.raise(version);
    }

    fn others(&self, tag: Tag) -> &Vector {
        self.contexts.iter().find(|(of, _)| *of == tag).map_or(&NOTHING, |(_, seen)| seen)
    }

    fn add_context(&mut self, tag: Tag, deps: &Vector) {
        match self.contexts.iter_mut().find(|(of, _)| *of == tag) {
            Some((_, seen)) => seen.join(deps),
            None => {
                self.contexts.push((tag, deps.clone()));
                self.contexts.sort_by_key(|(tag, _)| *tag);
            }
        }
    }

    /// Covers what this node itself has written: effects build on it like on any other's. `version` may be zero.
    pub fn know_own(&mut self, version: Version) {
        self.vector.raise(version);
    }

    /// Says what is to happen with an effect; `bytes` are its own, kept if it has to wait.
    pub fn offer(
        &mut self,
        effect: &Effect<'_>,
        bytes: &[u8],
        now: UnixMs,
        limits: &StashLimits,
    ) -> Offer {
        let known = self.vector.get(effect.tag());
        if effect.version <= known.max(self.vector.floor()) {
            return Offer::Duplicate;
        }
        self.adopt(effect.deps.floor());
        if effect.version.ahead_ms(now) > VERSION_AHEAD_MS_MAX {
            self.dirty = true;
            return Offer::Refused;
        }
        if effect.previous == known && self.vector.covers_all(&effect.deps) {
            return Offer::Apply;
        }
        self.keep_waiting(effect, bytes, now, limits)
    }

    fn keep_waiting(
        &mut self,
        effect: &Effect<'_>,
        bytes: &[u8],
        now: UnixMs,
        limits: &StashLimits,
    ) -> Offer {
        // A chain that does not lead here (another's writes under this tag, or a log that was cut) can never be next.
        let forked = effect.previous < self.vector.get(effect.tag());
        let expects = now < self.expects_until;
        let cost = Waiting::cost(bytes.len());
        let limit = if expects { usize::MAX } else { limits.bytes };
        let mut has_room = self.stash.has_room(cost, limit);
        while expects && !has_room && self.stash.drop_first(effect.tag()) {
            has_room = self.stash.has_room(cost, limit);
        }
        let waits = !forked && has_room && {
            let (version, deps, bytes) = (effect.version, effect.deps.clone(), bytes.into());
            self.stash.insert(effect.previous, Waiting { version, deps, bytes, since: now })
        };
        if waits {
            return Offer::Stashed;
        }
        self.dirty = true;
        Offer::Dropped
    }

    /// The effect that was to be applied is part of the state now.
    pub fn applied(&mut self, effect: &Effect<'_>) {
        debug_assert!(effect.previous == self.vector.get(effect.tag()));
        debug_assert!(self.vector.covers_all(&effect.deps));
        if !effect.deps.is_empty() {
            self.add_context(effect.tag(), &effect.deps);
        }
        self.vector.raise(effect.version);
    }

    /// The effect that was to be applied could not be: its base is missing, or an operation is unknown. Its version stays uncovered, as covering it would claim
    /// that its keys were removed.
    pub fn miss(&mut self) {
        self.dirty = true;
    }

    /// Whether effects wait.
    #[inline]
    pub fn has_waiting(&self) -> bool {
        !self.stash.is_empty()
    }

    /// The bytes of a waiting effect that is next now; call until there is none.
    #[inline]
    pub fn take_ready(&mut self) -> Option<Box<[u8]>> {
        if self.has_waiting() { self.stash.take_next(&self.vector) } else { None }
    }

    /// A sync was asked for, or goes on: what comes in is kept for it until then.
    pub fn expect(&mut self, until: UnixMs) {
        self.expects_until = until;
    }

    /// The sync is over. What it did not make ready has waited in vain only if it still waits a while from `now`.
    pub fn expect_no_more(&mut self, now: UnixMs) {
        self.expects_until = 0;
        self.stash.wait_anew(now);
    }

    /// Drops the stash if its oldest effect has waited too long: what it waits for was lost. Returns whether that made the slot dirty.
    pub fn give_up(&mut self, now: UnixMs, limits: &StashLimits) -> bool {
        if now < self.expects_until || !self.stash.is_late(now, limits.age_ms) {
            return false;
        }
        self.stash.clear();
        self.dirty = true;
        true
    }

    /// A transferred state was joined into this one, as a whole. The slot stays dirty until [`Chain::clean`]; the stash may have become ready.
    pub fn installed(&mut self, standing: &Standing) {
        self.vector.join(&standing.vector);
        for (tag, seen) in &standing.contexts {
            self.add_context(*tag, seen);
        }
    }

    /// All that was known to be missing is there.
    pub fn clean(&mut self) {
        self.dirty = false;
    }

    /// All current replicas were found to cover the same, this one among them, and nothing unknown up to `horizon` can turn up any more: it lies further back than clocks
    /// differ, and every node that is away since before it has to come back empty and under a new tag.
    pub fn settle(&mut self, horizon: Version) {
        self.settled = self.settled.max(horizon);
    }

    /// Takes over a floor that another replica has raised, if this one took part in what it stands for. To be called before vectors are compared; where
    /// it is not taken, the vectors differ and the state has to be synced.
    pub fn adopt(&mut self, floor: Version) {
        if floor <= self.settled {
            self.vector.raise_floor(floor);
        }
    }

    /// Forgets departed tags as far as the slot is settled. Returns how many went.
    pub fn prune(&mut self, departed: impl Fn(Tag) -> bool) -> usize {
        let pruned = self.vector.prune(self.settled, &departed);
        if pruned > 0 {
            let vector = &self.vector;
            // A context is needed while its origin may still write. What it has seen below a floor goes once it has told of that floor itself: this
            // node's own says nothing of what an origin that left late had seen.
            self.contexts.retain(|(tag, _)| !departed(*tag) || !vector.get(*tag).is_zero());
            for (_, seen) in &mut self.contexts {
                *seen = seen.above(seen.floor());
            }
        }
        pruned
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::replication::effect::{Op, encode};
    use torc_protocol::slot::Slot;

    const NOW: UnixMs = 1_800_000_000_000;
    const LIMITS: StashLimits = StashLimits { bytes: 8 * 1024, age_ms: 500 };

    fn effect(previous: Version, version: Version, deps: &Vector) -> Vec<u8> {
        let mut bytes = Vec::new();
        let ops = [Op::Delete { db: 0, key: b"key" }];
        encode(&mut bytes, Slot::new(1).unwrap(), (previous, version), deps, &ops);
        bytes
    }

    /// Offers an effect and applies what becomes ready; returns what was applied.
    fn push(chain: &mut Chain, bytes: &[u8], now: UnixMs) -> (Offer, Vec<Version>) {
        let first = Effect::decode(bytes).unwrap();
        let offer = chain.offer(&first, bytes, now, &LIMITS);
        let mut applied = Vec::new();
        if offer == Offer::Apply {
            chain.applied(&first);
            applied.push(first.version);
            while let Some(bytes) = chain.take_ready() {
                let effect = Effect::decode(&bytes).unwrap();
                chain.applied(&effect);
                applied.push(effect.version);
            }
        }
        (offer, applied)
    }

    /// The chain of one writer, `count` long.
    fn chain_of(tag: u16, count: usize) -> Vec<(Version, Vec<u8>)> {
        let mut origin = Chain::new();
        (0..count)
            .map(|_| {
                let version = Version::next(NOW, origin.vector().highest(), Tag::new(tag));
                let (previous, deps) = origin.write(version);
                (version, effect(previous, version, &deps))
            })
            .collect()
    }

    #[test]
    fn any_order_comes_out_as_the_chain() {
        let mut rng = Rng::seeded(21);
        for _ in 0..500 {
            let chains = [chain_of(1, 15), chain_of(2, 15)];
            let mut all: Vec<&(Version, Vec<u8>)> = chains.iter().flatten().collect();
            // Some twice, in any order.
            for _ in 0..5 {
                all.push(all[rng.below(all.len() as u64) as usize]);
            }
            let mut receiver = Chain::new();
            let mut applied = Vec::new();
            while !all.is_empty() {
                let (_, bytes) = all.swap_remove(rng.below(all.len() as u64) as usize);
                applied.extend(push(&mut receiver, bytes, NOW).1);
            }
            for chain in &chains {
                let of = |v: &&Version| v.tag() == chain[0].0.tag();
                let order: Vec<Version> = applied.iter().filter(of).copied().collect();
                assert_eq!(order, chain.iter().map(|(v, _)| *v).collect::<Vec<_>>());
            }
            assert_eq!(receiver.stashed(), (0, 0));
            assert!(!receiver.is_dirty());
        }
    }

    #[test]
    fn an_effect_waits_for_what_its_origin_had_seen() {
        let (mut a, mut b) = (Chain::new(), Chain::new());
        let first = Version::next(NOW, Version::ZERO, Tag::new(1));
        let (previous, deps) = a.write(first);
        let of_a = effect(previous, first, &deps);
        push(&mut b, &of_a, NOW);
        let second = Version::next(NOW, b.vector().highest(), Tag::new(2));
        let (previous, deps) = b.write(second);
        assert_eq!(deps.entries(), [first]);
        let of_b = effect(previous, second, &deps);
        // Nothing new was seen since, so nothing is told.
        let third = Version::next(NOW, b.vector().highest(), Tag::new(2));
        let (previous, deps) = b.write(third);
        assert!(deps.is_empty());
        let of_b_again = effect(previous, third, &deps);

        let mut receiver = Chain::new();
        assert_eq!(push(&mut receiver, &of_b_again, NOW).0, Offer::Stashed);
        assert_eq!(push(&mut receiver, &of_b, NOW).0, Offer::Stashed);
        assert_eq!(push(&mut receiver, &of_a, NOW), (Offer::Apply, vec![first, second, third]));
        assert_eq!(push(&mut receiver, &of_b, NOW).0, Offer::Duplicate);
        // What the third had seen is the sum of what its chain told.
        assert!(receiver.context(third, &mut Vector::new()).has_seen(first));
    }

    #[test]
    fn the_stash_is_bounded_in_bytes_and_age() {
        let chain = chain_of(1, 100);
        let cost = Waiting::cost(chain[1].1.len());
        let mut receiver = Chain::new();
        let offers: Vec<Offer> =
            chain[1..].iter().map(|(_, bytes)| push(&mut receiver, bytes, NOW).0).collect();
        let stashed = LIMITS.bytes / cost;
        assert!(stashed < chain.len() - 1);
        assert_eq!(offers.iter().filter(|offer| **offer == Offer::Stashed).count(), stashed);
        assert!(receiver.is_dirty() && receiver.stashed() == (stashed, stashed * cost));
        // Dirty or not, what fits is applied.
        assert_eq!(push(&mut receiver, &chain[0].1, NOW).1.len(), stashed + 1);

        let mut receiver = Chain::new();
        push(&mut receiver, &chain[1].1, NOW);
        assert!(!receiver.give_up(NOW + 500, &LIMITS) && !receiver.is_dirty());
        assert!(receiver.give_up(NOW + 501, &LIMITS) && receiver.is_dirty());
        assert_eq!(receiver.stashed(), (0, 0));
    }

    /// However often a slot is written to while a sync is on its way, it goes on from there.
    #[test]
    fn while_a_sync_is_awaited_the_newest_are_kept() {
        let chain = chain_of(1, 100);
        let cost = Waiting::cost(chain[1].1.len());
        let receive = |room: usize, is_expected: bool| {
            let mut receiver = Chain::within(&Arc::new(Room::new(room * cost)));
            if is_expected {
                receiver.expect(NOW + 3_000);
            }
            for (at, (_, bytes)) in chain.iter().enumerate().skip(1) {
                push(&mut receiver, bytes, NOW + 10 * at as u64);
            }
            receiver
        };
        let sync = |receiver: &mut Chain, covered: usize| {
            let vector = [chain[covered - 1].0].into_iter().collect();
            receiver.installed(&Standing { vector, contexts: vec![] });
            receiver.clean();
            let mut applied = 0;
            while let Some(bytes) = receiver.take_ready() {
                receiver.applied(&Effect::decode(&bytes).unwrap());
                applied += 1;
            }
            receiver.expect_no_more(NOW + 1_000);
            applied
        };

        // There is room for the last twenty.
        let mut receiver = receive(20, true);
        assert_eq!(receiver.stashed().0, 20);
        assert!(!receiver.give_up(NOW + 2_999, &LIMITS) && !receiver.is_dirty());
        assert_eq!(sync(&mut receiver, 85), 15);
        assert_eq!(receiver.stashed().0, 0, "what was covered went");
        assert!(!receiver.is_dirty());

        assert!(80 * cost > LIMITS.bytes);
        assert_eq!(receive(80, true).stashed().0, 80, "all of the room is this slot's");

        // One that brings less leaves a gap, which is found a while after it.
        let mut receiver = receive(20, true);
        assert_eq!((sync(&mut receiver, 70), receiver.stashed().0), (0, 20));
        assert!(!receiver.give_up(NOW + 1_500, &LIMITS));
        assert!(receiver.give_up(NOW + 1_501, &LIMITS) && receiver.is_dirty());

        // None that comes is not waited for any longer.
        let mut receiver = receive(20, true);
        assert!(receiver.give_up(NOW + 3_000, &LIMITS) && receiver.is_dirty());

        // Without one, the oldest are kept, and the slot has to be synced.
        let mut receiver = receive(20, false);
        assert!(receiver.is_dirty());
        assert_eq!(sync(&mut receiver, 85), 0);
    }

    #[test]
    fn versions_of_the_future_and_forked_chains_are_refused() {
        let mut receiver = Chain::new();
        let far = Version::next(NOW + 5_001, Version::ZERO, Tag::new(1));
        let bytes = effect(Version::ZERO, far, &Vector::new());
        assert_eq!(push(&mut receiver, &bytes, NOW).0, Offer::Refused);
        assert_eq!(push(&mut receiver, &bytes, NOW + 1).0, Offer::Apply);

        // Another node under the same tag.
        let other = Version::next(NOW + 6_000, far, Tag::new(1));
        let bytes = effect(Version::ZERO, other, &Vector::new());
        assert_eq!(push(&mut receiver, &bytes, NOW + 6_000).0, Offer::Dropped);
        assert!(receiver.is_dirty());
    }

    #[test]
    fn a_sync_brings_contexts_and_frees_the_stash() {
        let (mut a, mut b) = (Chain::new(), Chain::new());
        let (first, _) = &chain_of(1, 1)[0];
        a.write(*first);
        b.installed(&a.standing());
        let second = Version::next(NOW, *first, Tag::new(2));
        b.write(second);
        let third = Version::next(NOW, second, Tag::new(2));
        let standing = b.standing();
        let (previous, deps) = b.write(third);
        let mut receiver = Chain::new();
        let bytes = effect(previous, third, &deps);
        assert_eq!(push(&mut receiver, &bytes, NOW).0, Offer::Stashed);
        receiver.installed(&standing);
        assert_eq!(receiver.take_ready().as_deref(), Some(&bytes[..]));
        receiver.applied(&Effect::decode(&bytes).unwrap());
        assert!(receiver.context(third, &mut Vector::new()).has_seen(*first));
    }

    #[test]
    fn pruning_keeps_what_live_chains_need() {
        let mut chain = Chain::new();
        let old = Version::next(NOW - 100_000, Version::ZERO, Tag::new(1));
        chain.write(old);
        let new = Version::next(NOW, old, Tag::new(2));
        chain.write(new);
        assert_eq!(chain.prune(|tag| tag.get() == 1), 0, "nothing is settled");
        chain.settle(Version::next(NOW - 90_000, Version::ZERO, Tag::new(0)));
        assert_eq!(chain.prune(|tag| tag.get() == 1), 1);
        assert_eq!(chain.vector().get(Tag::new(2)), new);
        assert!(chain.context(new, &mut Vector::new()).has_seen(old));
        // The next effect tells of the floor, which only who has settled takes over.
        let next = Version::next(NOW, new, Tag::new(2));
        let (previous, deps) = chain.write(next);
        assert_eq!(deps.floor(), old);
        let bytes = effect(previous, next, &deps);
        let mut stranger = Chain::new();
        stranger.installed(&Standing { vector: [new].into_iter().collect(), contexts: vec![] });
        assert_eq!(push(&mut stranger, &bytes, NOW).0, Offer::Stashed);
        let mut member = Chain::new();
        member.installed(&Standing { vector: [old, new].into_iter().collect(), contexts: vec![] });
        member.settle(old);
        assert_eq!(push(&mut member, &bytes, NOW).0, Offer::Apply);
    }
}
