//! The short way of the commonest effects against the whole way, which any effect can go.

use super::*;
use crate::base::rng::Rng;
use crate::replication::effect::{AmountRef, Batch, ValueRef, encode};
use crate::replication::journal::WorkerJournal;
use crate::replication::merge::KeyState;
use crate::store::{Expiry, NewValue, StoreOptions};
use torc_protocol::slot::slot_of;

const NOW: UnixMs = 1_800_000_000_000;
const KEYS: [&[u8]; 3] = [b"{tag}1", b"{tag}2", b"{tag}3"];
const OWN: Tag = Tag::new(9);

/// Who keeps a copy.
struct Copy {
    store: Store,
    local: Local,
    slots: Slots,
}

impl Copy {
    fn new() -> Copy {
        let store = Store::new(StoreOptions { threads: 1, ..Default::default() });
        store.replicate(OWN, NOW);
        let local = store.local();
        Copy { store, local, slots: Slots::new(OWN) }
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Applier<'_>) -> R) -> R {
        let (store, slots, guard) = (&self.store, &self.slots, &self.local.pin());
        work(&mut Applier { store, local: &mut self.local, guard, slots, now: NOW })
    }

    /// Prunes what a node wrote that is gone.
    fn forget(&self, tag: Tag, horizon: Version) {
        let mut chain = self.slots.lock(slot_of(KEYS[0]));
        chain.settle(horizon);
        chain.prune(|of| of == tag);
    }

    /// The version of the next write.
    fn next_version(&mut self) -> Version {
        self.local.set_journal(Some(Box::new(WorkerJournal::new(OWN, 1 << 16))));
        self.with(|applier| {
            let mut keyspace = applier.keyspace(0);
            keyspace.set(KEYS[0], NewValue::Integer(1), Expiry::Never);
            keyspace.see(KEYS[0]).entry().and_then(|entry| entry.version()).unwrap()
        })
    }

    /// Everything that an effect may change: the keys, the slot's chains, what waits, and whether the slot has to be pulled.
    fn state(&mut self) -> impl PartialEq + std::fmt::Debug + use<> {
        let slot = slot_of(KEYS[0]);
        let chain = self.slots.lock(slot);
        let known = (chain.standing(), chain.stashed(), chain.is_dirty());
        drop(chain);
        let keys = self.with(|applier| {
            let origin = applier.store.origin_version();
            KEYS.map(|key| -> Option<KeyState> {
                let seen = applier.keyspace(0).see(key);
                seen.entry().map(|entry| key_state(entry, origin))
            })
        });
        (keys, known, self.slots.take_dirty().iter().collect::<Vec<_>>())
    }
}

/// Something that a node may have done to a key: four in five are what goes the short way.
fn random_op<'a>(rng: &mut Rng, key: &'a [u8], text: &'a [u8]) -> Op<'a> {
    let bytes = &text[..rng.below(text.len() as u64) as usize];
    let put = |value, deadline| Op::Put {
        db: 0,
        key,
        value,
        value_version: None,
        deadline,
        deadline_version: None,
    };
    match rng.below(25) {
        0 => Op::Delete { db: 0, key },
        1 => put(ValueRef::Integer(7), None),
        2 => put(ValueRef::Bytes { bytes, raw: true }, None),
        3 => put(ValueRef::Bytes { bytes, raw: false }, Some(NOW + 1_000)),
        4 => {
            let (sum, epoch) = (AmountRef::Integer(rng.below(9) as i64), Version::ZERO);
            let deadline_version = Some(Version::ZERO);
            Op::Count { db: 0, key, epoch, sum, deadline: None, deadline_version }
        }
        _ => put(ValueRef::Bytes { bytes, raw: false }, None),
    }
}

/// What nodes did that heard of each other now and then; each in its order.
fn random_effects(rng: &mut Rng, text: &[u8]) -> Vec<Vec<u8>> {
    let slot = slot_of(KEYS[0]);
    // One of them is who keeps the copy: what it wrote comes back.
    let tags = [Tag::new(3), Tag::new(5), Tag::new(7), OWN];
    let mut origins = [(); 4].map(|()| Chain::new());
    let mut effects = Vec::new();
    for _ in 0..40 {
        let who = rng.below(25) as usize % (tags.len() * 2) % tags.len();
        if rng.below(4) == 0 {
            let heard = origins[rng.below(3) as usize].vector().clone();
            heard.entries().iter().for_each(|&version| origins[who].know_own(version));
        }
        // Some clocks are wrong.
        let now = NOW + if rng.below(400) == 0 { 60_000 } else { rng.below(50) };
        let version = Version::next(now, origins[who].vector().highest(), tags[who]);
        let (previous, deps) = origins[who].write(version);
        let key = KEYS[rng.below(KEYS.len() as u64) as usize];
        let mut bytes = Vec::new();
        let ops = [random_op(rng, key, text)];
        encode(&mut bytes, slot, (previous, version), &deps, &ops);
        effects.push(bytes);
    }
    effects
}

#[test]
fn the_short_way_comes_to_what_the_whole_way_comes_to() {
    let text = vec![b'v'; 200];
    let (mut short_ways, mut dirty, mut waiting, mut whole_rounds) = (0, 0, 0, 0);
    for round in 0..150 {
        let mut rng = Rng::seeded(round);
        let mut effects = random_effects(&mut rng, &text);
        // Some come late, some twice, some never.
        for _ in 0..rng.below(3) * rng.below(5) {
            let count = effects.len() as u64;
            let (from, to) = (rng.below(count) as usize, rng.below(count) as usize);
            match rng.below(3) {
                0 => effects.swap(from, to),
                1 => effects.insert(to, effects[from].clone()),
                _ => drop(effects.remove(from)),
            }
        }
        let (mut short, mut whole) = (Copy::new(), Copy::new());
        for (at, bytes) in effects.iter().enumerate() {
            if rng.below(100) == 0 {
                // The node of that tag is gone.
                let highest = short.slots.lock(slot_of(KEYS[0])).vector().highest();
                [&short, &whole].iter().for_each(|copy| copy.forget(Tag::new(5), highest));
            }
            let (mut acks, mut expected) = (Vec::new(), Vec::new());
            short.with(|applier| applier.batch(bytes, &mut acks)).unwrap();
            let effect = Effect::decode(bytes).unwrap();
            whole.with(|applier| applier.effect(&effect, bytes, KeyHint::none(), &mut expected));
            let (is, should) = (short.state(), whole.state());
            assert_eq!(is, should, "round {round}, effect {at}: {effect:?}");
            assert_eq!(acks, expected, "round {round}, effect {at}: {effect:?}");
            let decoded = Batch::new(bytes).next_decoded();
            short_ways += u32::from(matches!(decoded, Some(Ok((Decoded::LonePut(_), _)))));
        }
        let chain = short.slots.lock(slot_of(KEYS[0]));
        match (chain.is_dirty(), chain.has_waiting()) {
            (true, _) => dirty += 1,
            (false, true) => waiting += 1,
            (false, false) => whole_rounds += 1,
        }
        drop(chain);
        assert_eq!(short.next_version(), whole.next_version(), "round {round}");
    }
    let met = (short_ways > 1_000, dirty > 5, waiting > 5, whole_rounds > 5);
    assert_eq!(met, (true, true, true, true), "{short_ways} {dirty} {waiting} {whole_rounds}");
}
