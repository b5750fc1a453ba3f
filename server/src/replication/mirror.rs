//! Several threads write with journals; what their logs say, in any order that links may bring it, must rebuild the store exactly.
//!
//! This holds the claim that the order of a key's changes is the order of their versions, that an effect tells all of what it did, and that a transfer
//! stands in for the effects that were missed.

use super::apply::Applier;
use super::journal::WorkerJournal;
use super::scan::digest;
use super::slots::Slots;
use super::stash::StashLimits;
use super::stored::key_state;
use super::transfer::{Incoming, read_part};
use super::walk::SlotWalk;
use crate::base::clock::UnixMs;
use crate::base::rng::Rng;
use crate::base::version::Tag;
use crate::store::*;
use crate::types::collection::stream::{ConsumerState, FieldsBuf, GroupState, Meta, StreamId};
use crate::types::collection::{Hash, List, Set, Stream, Zset};
use std::collections::BTreeMap;
use std::sync::Barrier;
use torc_protocol::peer::message::Ack;
use torc_protocol::slot::{SLOT_COUNT, Slot, slot_of};

const NOW: UnixMs = 1_800_000_000_000;
const THREADS: usize = 4;
const PEER: u64 = 1;

fn random_write(keyspace: &mut Keyspace<'_, '_>, rng: &mut Rng) {
    let key = format!("{{tag{}}}{}", rng.below(2), rng.below(4)).into_bytes();
    let other = format!("{{tag{}}}{}", rng.below(2), rng.below(4)).into_bytes();
    // One in five has passed already: the key is there for those that replicate, and for nobody who reads.
    let at = NOW - 20_000 + rng.below(100_000);
    match rng.below(22) {
        0 => {
            keyspace.set(&key, NewValue::Bytes(b"text"), Expiry::Never);
        }
        1 => {
            keyspace.set(&key, NewValue::Integer(rng.below(9) as i64), Expiry::At(at));
        }
        2 => {
            keyspace.set(&key, NewValue::Bytes(b"kept"), Expiry::Keep);
        }
        3 | 4 => {
            keyspace.remove(&key);
        }
        12..=21 => drop(random_edit(keyspace, &key, rng)),
        5..=7 => {
            let by = rng.below(100) as i64;
            let _: Result<(), ()> = keyspace.update(&key, |found| {
                let before = match found.map(|entry| entry.string()) {
                    None => 0,
                    Some(Ok(StringView::Integer(value))) => value,
                    Some(_) => return Err(()),
                };
                Ok((Change::Add { sum: before + by, by }, ()))
            });
        }
        8 => {
            let expiry = if rng.below(2) == 0 { Expiry::At(at) } else { Expiry::Never };
            let _: Result<(), ()> = keyspace.update(&key, |_| Ok((Change::Expire(expiry), ())));
        }
        9 => {
            let _: Result<(), WrongType> = keyspace.edit_string(&key, |edit| {
                edit.append(&[b'a'; 700]);
                Ok(())
            });
        }
        10 => {
            let offset = rng.below(6000) as usize;
            let _: Result<(), WrongType> = keyspace.edit_string(&key, |edit| {
                edit.grow(offset + 5);
                edit.range_mut(offset..offset + 5).copy_from_slice(b"patch");
                Ok(())
            });
        }
        _ => {
            let mut transaction = keyspace
                .transaction_across([(0, &key[..]), (1, &key[..]), (0, &other[..])].into_iter());
            if let Some(entry) = transaction.read_in(0, &key) {
                transaction.put_entry_in(1, &key, entry, Expiry::Keep);
            }
            if rng.below(2) == 0 {
                transaction.put(&other, NewValue::Bytes(b"both"), Expiry::Never);
            } else {
                transaction.delete_in(0, &other);
            }
            transaction.commit();
        }
    }
}

/// A change to a collection. One in eight is of so many elements that it becomes a large one.
fn random_edit(
    keyspace: &mut Keyspace<'_, '_>,
    key: &[u8],
    rng: &mut Rng,
) -> Result<(), WrongType> {
    let kind = rng.below(5);
    let count = if rng.below(8) == 0 { 300 } else { 1 + rng.below(3) };
    let (what, first) = (rng.below(8), rng.below(400));
    // Fields that count have no other values: on both sides of a partition they are counters.
    let fields = (first..first + count).map(|n| (n, format!("field{}", n % 400).into_bytes()));
    match kind {
        0 => keyspace.edit(key, |hash: &mut Edit<'_, Hash>| {
            for (n, field) in fields.clone() {
                let before = hash.view().get(&field).map(|value| value.to_vec());
                match what {
                    0 | 1 => drop(hash.remove(&field)),
                    2 | 3 => {
                        let number = before
                            .map_or(Some(0), |text| String::from_utf8(text).ok()?.parse().ok());
                        if let Some(number) = number {
                            hash.add(&field, number + 3, 3);
                        }
                    }
                    _ => drop(hash.set(&field, format!("value{n}").as_bytes())),
                }
            }
            Ok(())
        }),
        1 => keyspace.edit(key, |set: &mut Edit<'_, Set>| {
            for (n, member) in fields.clone() {
                let number = n.to_string().into_bytes();
                match what {
                    0 | 1 => drop(set.remove(&member)),
                    2 => drop(set.remove(&number)),
                    3 => drop(set.add(&number)),
                    _ => drop(set.add(&member)),
                }
            }
            Ok(())
        }),
        2 => keyspace.edit(key, |zset: &mut Edit<'_, Zset>| {
            for (n, member) in fields.clone() {
                let score = zset.view().score(&member).unwrap_or(0.0);
                match what {
                    0 | 1 => drop(zset.remove(&member)),
                    2 | 3 => zset.add(&member, score + 1.5, 1.5),
                    4 => drop(zset.remove_ranks(0, count.min(zset.view().len()))),
                    _ => drop(zset.set(&member, n as f64)),
                }
            }
            Ok(())
        }),
        3 => keyspace.edit(key, |list: &mut Edit<'_, List>| {
            let len = list.view().len();
            for (n, value) in fields.clone() {
                let len = list.view().len();
                match what {
                    0 if len > 0 => list.insert(n % len, &value, n % 2 == 0),
                    1 if len > 0 => drop(list.set(n % len, &value)),
                    2 | 3 if len > 0 => list.remove(len - 1, len),
                    4 | 5 => list.push_front(&value),
                    _ => list.push_back(&value),
                }
            }
            if what == 3 && len > 2 {
                list.remove(1, len - 1);
            }
            Ok(())
        }),
        _ => {
            let steps = (what, first, count);
            keyspace.edit(key, |stream: &mut Edit<'_, Stream>| {
                edit_stream(stream, steps);
                Ok(())
            })
        }
    }
}

/// Entries, a group and what is pending in it, few enough of each that sides of a partition meet.
fn edit_stream(stream: &mut Edit<'_, Stream>, (what, first, count): (u64, u64, u64)) {
    let consumer = if first % 2 == 0 { &b"one"[..] } else { b"two" };
    let mut meta = stream.view().meta();
    let mut state = stream.view().group(b"g").map(|group| group.state()).unwrap_or_default();
    for n in first..first + count {
        let id = StreamId::new(1 + n % 400, n % 2);
        match what {
            0 => drop(stream.remove(id)),
            1 if n % 3 == 0 => stream.trim(1 + n % 3),
            2 => {
                stream.set_pending(b"g", id, consumer, (n as i64, n));
                state.last_id = state.last_id.max(id);
            }
            3 => drop(stream.remove_pending(b"g", id)),
            4 if n % 40 == 0 => drop(stream.remove_group(b"g")),
            5 if n % 40 == 0 => drop(stream.remove_consumer(b"g", consumer)),
            _ => {
                let text = format!("value{n}").into_bytes();
                let fields = FieldsBuf::of([(&b"field"[..], &text[..])].into_iter());
                stream.add(id, fields.fields());
                meta.last_id = meta.last_id.max(id);
                meta.entries_added += 1;
            }
        }
    }
    // As commands do: whatever is put brings along what it belongs to.
    match what {
        0 | 6.. => stream.set_meta(&meta),
        2 => {
            let seen = ConsumerState { seen_ms: first as i64, active_ms: Some(first as i64) };
            stream.set_consumer(b"g", consumer, &seen);
            stream.set_group(b"g", &state);
            stream.set_meta(&meta);
        }
        _ => {}
    }
}

fn keys_in_use() -> Vec<(u8, Vec<u8>)> {
    let names = (0..2).flat_map(|tag| (0..4).map(move |n| format!("{{tag{tag}}}{n}").into_bytes()));
    names.flat_map(|name| [(0, name.clone()), (1, name)]).collect()
}

fn slots_in_use() -> [Slot; 2] {
    [slot_of(b"{tag0}"), slot_of(b"{tag1}")]
}

/// Everything that replicas must agree on.
fn contents(store: &Store, local: &mut Local) -> BTreeMap<(u8, Vec<u8>), super::merge::KeyState> {
    let mut all = BTreeMap::new();
    for db in 0..2 {
        let guard = local.pin();
        let mut keyspace = store.keyspace(local, &guard, db, NOW);
        for slot in (0..SLOT_COUNT as u16).filter_map(Slot::new) {
            let mut from = Some(0);
            while let Some(position) = from {
                from = keyspace.visit_slot(slot, position, 10, |entry| {
                    let state = key_state(entry, store.origin_version());
                    all.insert((db, entry.key().to_vec()), state);
                });
            }
        }
    }
    all
}

/// One side of the test.
struct Node {
    store: Store,
    local: Local,
    slots: Slots,
}

impl Node {
    fn new(tag: u16, seed: u64) -> Node {
        let options = StoreOptions { seed, threads: 8 * THREADS + 1, ..Default::default() };
        let store = Store::new(options);
        let local = store.local();
        // On a machine with few cores one thread may be done before another begins.
        let limits = StashLimits { bytes: 1 << 30, age_ms: 500 };
        Node { store, local, slots: Slots::with_limits(Tag::new(tag), limits) }
    }

    fn with<R>(&mut self, work: impl FnOnce(&mut Applier<'_>) -> R) -> R {
        let guard = self.local.pin();
        work(&mut Applier {
            store: &self.store,
            local: &mut self.local,
            guard: &guard,
            slots: &self.slots,
            now: NOW,
        })
    }

    /// Brings every slot up to what `from` knows.
    fn pull(&mut self, from: &mut Node) {
        self.pull_while(from, |_| {});
    }

    /// As [`Node::pull`]; calls `meanwhile` for each slot, once all of its keys are here and before the transfer has ended.
    fn pull_while(&mut self, from: &mut Node, mut meanwhile: impl FnMut(&mut Node)) {
        for slot in slots_in_use() {
            let known = self.slots.vector(&self.store, slot);
            let theirs = from.slots.vector(&from.store, slot);
            let mut incoming = Incoming::new(slot, theirs);
            let mut position = Some(SlotWalk::default());
            while let Some(at) = position {
                let mut part = Vec::new();
                let guard = from.local.pin();
                let mut keyspace = from.store.keyspace(&mut from.local, &guard, 0, NOW);
                position = read_part(&mut keyspace, slot, at, &known, &mut part);
                self.with(|applier| incoming.part(&part, applier)).unwrap();
            }
            meanwhile(self);
            // As in a core, in steps.
            while !self.with(|applier| incoming.end(64, applier)) {}
        }
    }
}

impl Node {
    /// Applies what a node's threads logged.
    fn replay(&mut self, mut logs: Vec<Vec<Vec<u8>>>, round: u64) -> Vec<Ack> {
        let acks = self.replay_some(&mut logs, usize::MAX, round);
        assert!(self.slots.take_dirty().is_empty(), "round {round}");
        acks
    }

    /// Takes `count` batches off what a node's threads logged and applies them. Each link keeps its order; between links there is none.
    fn replay_some(&mut self, logs: &mut [Vec<Vec<u8>>], count: usize, round: u64) -> Vec<Ack> {
        let mut rng = Rng::seeded(round ^ 0xabc);
        let mut acks = Vec::new();
        for _ in 0..count {
            let open: Vec<usize> = (0..THREADS).filter(|&link| !logs[link].is_empty()).collect();
            if open.is_empty() {
                break;
            }
            let link = open[rng.below(open.len() as u64) as usize];
            let batch = logs[link].remove(0);
            self.with(|applier| applier.batch(&batch, &mut acks)).unwrap();
        }
        acks
    }
}

/// Lets threads write to `node`; returns what each log says, cut into batches.
fn write(node: &Node, round: u64) -> Vec<Vec<Vec<u8>>> {
    let barrier = Barrier::new(THREADS);
    let (store, tag) = (&node.store, node.slots.tag());
    let run = |thread: u64| {
        let mut local = store.local();
        let mut journal = WorkerJournal::new(tag, 64 << 20);
        journal.log().attach(PEER);
        local.set_journal(Some(Box::new(journal)));
        let mut rng = Rng::seeded(round * 100 + thread);
        let mut batches = Vec::new();
        barrier.wait();
        for _ in 0..300 {
            // Several writes as one step, with the keys held or with nobody else in the store, or one alone.
            let kind = rng.below(24);
            if kind == 0 {
                store.hold_everything(&mut local);
            }
            {
                let guard = local.pin();
                if (1..8).contains(&kind) {
                    let keys = keys_in_use();
                    let keys = keys.iter().map(|(db, key)| (*db, &key[..]));
                    store.hold(&mut local, &guard, NOW, keys);
                }
                for _ in 0..if kind < 8 { rng.below(6) } else { 1 } {
                    random_write(&mut store.keyspace(&mut local, &guard, 0, NOW), &mut rng);
                }
                store.release(&mut local, &guard, NOW);
            }
            let journal = local.journal().unwrap().as_any().downcast_mut::<WorkerJournal>();
            let mut batch = Vec::new();
            journal.unwrap().log().read(PEER, |_| true, usize::MAX / 2, &mut batch);
            batches.push(batch);
        }
        batches
    };
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS as u64).map(|i| scope.spawn(move || run(i))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn check_equal(a: &mut Node, b: &mut Node, round: u64) {
    let (here, there) = (contents(&a.store, &mut a.local), contents(&b.store, &mut b.local));
    for (key, state) in &here {
        assert_eq!(Some(state), there.get(key), "round {round}, {}", key.1.escape_ascii());
    }
    assert_eq!(here.len(), there.len(), "round {round}");
    for slot in slots_in_use() {
        let digest_of = |node: &mut Node| {
            let guard = node.local.pin();
            digest((&node.store, &mut node.local, &guard), slot, NOW)
        };
        assert_eq!(digest_of(a), digest_of(b), "round {round}");
        assert!(a.slots.vector(&a.store, slot).is_same_history(&b.slots.vector(&b.store, slot)));
    }
}

/// How often to try: what goes wrong depends on when threads meet.
fn rounds() -> u64 {
    std::env::var("TORC_STRESS_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40)
}

#[test]
fn logs_in_any_order_rebuild_the_store() {
    let mut abandoned = 0;
    for round in 0..rounds() {
        let mut origin = Node::new(3, round);
        {
            // Written before replication began.
            let guard = origin.local.pin();
            let mut keyspace = origin.store.keyspace(&mut origin.local, &guard, 0, NOW);
            keyspace.set(b"{tag0}0", NewValue::Integer(5), Expiry::Never);
        }
        origin.store.replicate(Tag::new(3), NOW);
        let mut mirror = Node::new(9, round + 1);
        mirror.store.replicate(Tag::new(9), NOW);
        mirror.pull(&mut origin);

        let logs = write(&origin, round);
        abandoned += origin.store.abandoned_versions();
        let acks = mirror.replay(logs, round);
        check_equal(&mut origin, &mut mirror, round);
        for slot in slots_in_use() {
            let last = acks.iter().rev().find(|ack| ack.slot == slot).expect("both were written");
            assert_eq!(last.version, origin.store.last_version(slot).get());
        }
    }
    assert!(abandoned > 0, "threads never met, so nothing was tested");
}

/// A link that was slow brings effects of what a transfer, which went by another, has brought already.
#[test]
fn what_waits_in_vain_is_given_up_once() {
    let (origin, mut mirror) = (Node::new(3, 1), Node::new(9, 2));
    origin.store.replicate(Tag::new(3), NOW);
    mirror.store.replicate(Tag::new(9), NOW);
    let mut logs = write(&origin, 1);
    // Some are empty.
    logs[0].drain(..10);
    mirror.replay_some(&mut logs, usize::MAX, 1);
    let given_up = |now| {
        let slots = slots_in_use().into_iter();
        slots.filter(|&slot| mirror.slots.give_up(slot, now)).count()
    };
    let patience = mirror.slots.limits().age_ms;
    assert_eq!(given_up(NOW + patience), 0);
    assert!(given_up(NOW + patience + 1) > 0);
    assert_eq!(given_up(NOW + patience + 1), 0);
}

#[test]
fn effects_that_a_transfer_overtook_take_nothing_back() {
    for round in 0..rounds() {
        let (mut origin, mut mirror) = (Node::new(3, round), Node::new(9, round + 1));
        origin.store.replicate(Tag::new(3), NOW);
        mirror.store.replicate(Tag::new(9), NOW);
        let mut logs = write(&origin, round);
        let mut rng = Rng::seeded(round);
        mirror.pull_while(&mut origin, |mirror| {
            let count = rng.below(200) as usize;
            mirror.replay_some(&mut logs, count, round);
        });
        // What builds on a value that the transfer has taken the place of could not be applied.
        mirror.slots.take_dirty();
        check_equal(&mut origin, &mut mirror, round);
        mirror.replay(logs, round);
        check_equal(&mut origin, &mut mirror, round);
    }
}

#[test]
fn two_sides_that_wrote_without_each_other_come_to_the_same() {
    for round in 0..rounds() {
        let mut sides = [Node::new(3, round), Node::new(9, round + 1)];
        for side in &sides {
            side.store.replicate(side.slots.tag(), NOW);
        }
        for step in 0..3 {
            let round = round * 10 + step;
            let _ = write(&sides[0], round);
            let _ = write(&sides[1], round + 5_000);
            let [a, b] = &mut sides;
            a.pull(b);
            b.pull(a);
            check_equal(a, b, round);
            // What each wrote apart is there still, side by side, and one of them goes on.
            let logs = write(a, round + 10_000);
            b.replay(logs, round);
            check_equal(a, b, round);
        }
    }
}

/// One edit of a stream by a thread of the node's own.
fn edit_alone(node: &Node, key: &[u8], edit: impl Fn(&mut Edit<'_, Stream>)) {
    let mut local = node.store.local();
    let mut journal = WorkerJournal::new(node.slots.tag(), 64 << 20);
    journal.log().attach(PEER);
    local.set_journal(Some(Box::new(journal)));
    let guard = local.pin();
    let edited = node.store.keyspace(&mut local, &guard, 0, NOW).edit(key, |stream| {
        edit(stream);
        Ok::<_, WrongType>(())
    });
    assert!(edited.is_ok());
}

/// Both sides of a partition add an entry under one id and read on, one acknowledges what the other does not touch: both entries are there afterwards, the group is
/// where the one that read further was, and what was acknowledged stays so.
#[test]
fn what_both_sides_did_to_a_stream_is_there() {
    let key = b"{tag0}stream";
    let id = |ms| StreamId::new(ms, 0);
    let add = |stream: &mut Edit<'_, Stream>, at: u64, text: &[u8]| {
        let meta = stream.view().meta();
        let fields = FieldsBuf::of([(&b"field"[..], text)].into_iter());
        stream.set_meta(&Meta { last_id: meta.last_id.max(id(at)), ..meta });
        stream.add(id(at), fields.fields());
    };
    let read_to = |stream: &mut Edit<'_, Stream>, at: u64, consumer: &[u8]| {
        stream.set_pending(b"g", id(at), consumer, (at as i64, 1));
        stream.set_consumer(b"g", consumer, &ConsumerState::default());
        stream.set_group(b"g", &GroupState { last_id: id(at), entries_read: None });
    };
    let mut sides = [Node::new(3, 1), Node::new(9, 2)];
    for side in &sides {
        side.store.replicate(side.slots.tag(), NOW);
    }
    let [a, b] = &mut sides;
    edit_alone(a, key, |stream| {
        (1..4).for_each(|at| add(stream, at, b"before"));
        read_to(stream, 1, b"one");
        read_to(stream, 2, b"one");
    });
    b.pull(a);
    edit_alone(a, key, |stream| {
        stream.remove_pending(b"g", id(1));
        add(stream, 7, b"a");
        read_to(stream, 7, b"two");
    });
    edit_alone(b, key, |stream| {
        add(stream, 7, b"b");
        add(stream, 5, b"b");
        read_to(stream, 3, b"three");
        stream.remove(id(2));
    });
    a.pull(b);
    b.pull(a);
    check_equal(a, b, 0);
    for side in [a, b] {
        let guard = side.local.pin();
        let mut keyspace = side.store.keyspace(&mut side.local, &guard, 0, NOW);
        let found = keyspace.read(key).expect("it was written").collection(Kind::Stream);
        let found = found.expect("it is a stream");
        let stream = found.stream();
        let entries: Vec<u64> = stream.front(10).map(|entry| entry.id.ms).collect();
        assert_eq!(entries, [1, 3, 5, 7, 7]);
        assert_eq!(stream.meta().last_id, id(7));
        let group = stream.group(b"g").expect("nobody destroyed it");
        assert_eq!(group.state().last_id, id(7));
        let pending: Vec<(u64, &[u8])> =
            group.pending(StreamId::MIN, StreamId::MAX).map(|it| (it.id.ms, it.consumer)).collect();
        assert_eq!(pending, [(2, &b"one"[..]), (3, b"three"), (7, b"two")]);
        assert_eq!(group.consumers().count(), 3);
    }
}
