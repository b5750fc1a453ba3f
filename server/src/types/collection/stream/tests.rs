//! Random histories against a model, with leaves of several sizes, stamped and not. A failure prints its seed.

use super::super::{Limits, Stamp};
use super::*;
use crate::base::rng::Rng;
use crate::base::version::Tag;
use std::collections::BTreeMap;

const HASH: super::super::HashFn = |_| 0;

fn limits(entries_max: usize, bytes_max: usize) -> Limits {
    Limits { entries_max, bytes_max, element_bytes_max: usize::MAX, integers_max: 0, hash: HASH }
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn fields(pairs: &Pairs) -> FieldsBuf {
    FieldsBuf::of(pairs.iter().map(|(name, value)| (&name[..], &value[..])))
}

fn pairs(fields: Fields<'_>) -> Pairs {
    fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
}

/// Fields as they come in practice: mostly the same names, numbers and texts as values.
fn random_pairs(rng: &mut Rng) -> Pairs {
    let names: &[&str] = match rng.below(6) {
        0 => &["other"],
        1 => &["sensor", "value", "more"],
        2 => &["12"],
        _ => &["sensor", "value"],
    };
    let value = |rng: &mut Rng| match rng.below(4) {
        0 => Vec::new(),
        1 => vec![b'x'; rng.below(300) as usize],
        _ => rng.below(1 << 40).to_string().into_bytes(),
    };
    names.iter().map(|name| (name.as_bytes().to_vec(), value(rng))).collect()
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<(StreamId, Version), Pairs>,
    pending: BTreeMap<StreamId, (Vec<u8>, i64, u64)>,
}

fn check(stream: &Stream, model: &Model, rng: &mut Rng) {
    let kept: Vec<_> = stream
        .range(StreamId::MIN, StreamId::MAX, false)
        .map(|it| ((it.id, it.stamp.dot), pairs(it.fields)))
        .collect();
    let expected: Vec<_> = model.entries.iter().map(|(at, pairs)| (*at, pairs.clone())).collect();
    assert_eq!(kept, expected);
    assert_eq!(stream.entries_len(), model.entries.len() as u64);
    let (from, to) = (StreamId::new(rng.below(60), 1), StreamId::new(rng.below(60), 2));
    let within = |at: &&(StreamId, Version)| from <= at.0 && at.0 <= to;
    let expected: Vec<StreamId> = model.entries.keys().filter(within).map(|at| at.0).collect();
    let forwards: Vec<StreamId> = stream.range(from, to, false).map(|it| it.id).collect();
    let mut backwards: Vec<StreamId> = stream.range(from, to, true).map(|it| it.id).collect();
    backwards.reverse();
    assert_eq!(forwards, expected);
    assert_eq!(backwards, expected);
    let (start, end) = (stream.rank(from), stream.rank(to.next().expect("far below the last")));
    let stretch = end.saturating_sub(start) as usize;
    let by_index: Vec<StreamId> = stream.by_index(start).take(stretch).map(|it| it.id).collect();
    let mut back: Vec<StreamId> = stream.by_index_back(end).take(stretch).map(|it| it.id).collect();
    back.reverse();
    assert_eq!((&by_index, &back), (&expected, &expected));
    let lower = model.entries.keys().filter(|at| at.0 < from).count() as u64;
    assert_eq!(stream.trimmed(Trim::Id(from), false, 0), lower);
    let Some(group) = stream.group(b"g") else { return assert!(model.pending.is_empty()) };
    let kept: BTreeMap<_, _> = group
        .pending(StreamId::MIN, StreamId::MAX)
        .map(|it| (it.id, (it.consumer.to_vec(), it.delivered_ms, it.deliveries)))
        .collect();
    assert_eq!(kept, model.pending);
    for consumer in group.consumers() {
        let own = |(_, it): &(&StreamId, &(Vec<u8>, i64, u64))| it.0 == consumer.name();
        let expected: Vec<StreamId> = model.pending.iter().filter(own).map(|(id, _)| *id).collect();
        let kept: Vec<StreamId> =
            consumer.pending(StreamId::MIN, StreamId::MAX).map(|it| it.id).collect();
        assert_eq!(kept, expected);
    }
}

fn history(seed: u64, limits: &Limits, stamped: bool) {
    println!("seed {seed}");
    let mut rng = Rng::seeded(seed);
    let (mut stream, mut model) = (Stream::new(), Model::default());
    let mut last = Version::ZERO;
    let mut snapshot = None;
    for step in 0..4_000u64 {
        let dot = match stamped {
            false => Version::ZERO,
            true => {
                last = Version::next(1_800_000_000_000 + step, last, Tag::new(3));
                last
            }
        };
        let id = StreamId::new(rng.below(50) + step / 100, rng.below(4));
        let stamp = Stamp::of(dot);
        match rng.below(20) {
            0..=8 => {
                let pairs = random_pairs(&mut rng);
                stream.put_entry(id, fields(&pairs).fields(), stamp, limits);
                model.entries.insert((id, dot), pairs);
            }
            9..=11 => {
                let at = model.entries.range((id, Version::ZERO)..).next().map(|(at, _)| *at);
                let at = at.unwrap_or((id, dot));
                assert_eq!(stream.take_entry(at.0, at.1), model.entries.remove(&at).is_some());
            }
            12 => {
                let count = rng.below(20).min(model.entries.len() as u64);
                drop(stream.trim(count));
                (0..count).for_each(|_| drop(model.entries.pop_first()));
            }
            13..=16 => {
                let consumer = [&b"one"[..], b"two", b"three"][rng.below(3) as usize];
                let (delivered_ms, deliveries) = (rng.bits() as i64 >> 20, rng.below(300));
                let state = GroupState::default();
                stream.put_group(b"g", state, stamp);
                stream.put_pending(b"g", Pending { id, consumer, delivered_ms, deliveries, stamp });
                model.pending.insert(id, (consumer.to_vec(), delivered_ms, deliveries));
            }
            17..=18 => {
                let at = model.pending.range(id..).next().map(|(at, _)| *at).unwrap_or(id);
                let was = model.pending.remove(&at).is_some();
                assert_eq!(stream.take_pending(b"g", at), was);
            }
            _ => snapshot = Some((stream.clone(), elements(&stream))),
        }
        if step % 50 == 0 {
            check(&stream, &model, &mut rng);
            check_elements(&stream, &mut rng);
        }
        if let Some((snapshot, before)) = &snapshot
            && step % 70 == 0
        {
            assert_eq!(elements(snapshot), *before, "an edit reached a snapshot");
        }
    }
    let bytes = stream.memory_bytes();
    drop(stream.trim(u64::MAX));
    let ids: Vec<StreamId> = model.pending.into_keys().collect();
    ids.into_iter().for_each(|id| assert!(stream.take_pending(b"g", id)));
    assert!(stream.take_group(b"g"));
    assert!(stream.is_empty() && stream.body.groups.by_name.is_empty());
    assert_eq!(stream.body.groups.bytes, 0, "memory is counted up and down alike");
    assert!(stream.memory_bytes() < bytes.min(1_000), "{}", stream.memory_bytes());
}

type Elements = Vec<(Vec<u8>, Version, Vec<u8>)>;

fn elements(stream: &Stream) -> Elements {
    let mut all = Vec::new();
    let next = stream.elements_from(0, u64::MAX, Version::ZERO, |id, stamp, value| {
        all.push((id.to_vec(), stamp.dot, value.to_vec()));
    });
    assert_eq!((next, all.len() as u64), (0, stream.len()));
    all
}

/// Elements in steps are those at once, can be asked for by name, and make the same stream in any order.
fn check_elements(stream: &Stream, rng: &mut Rng) {
    let all = elements(stream);
    let (mut stepped, mut at) = (Vec::new(), 0);
    loop {
        at = stream.elements_from(at, 1 + rng.below(40), Version::ZERO, |id, stamp, value| {
            stepped.push((id.to_vec(), stamp.dot, value.to_vec()));
        });
        if at == 0 {
            break;
        }
    }
    assert_eq!(stepped, all);
    let mut other = Stream::new();
    for (id, dot, value) in all.iter().rev() {
        let (stamp, known) = stream.element(id, Version::ZERO).expect("it was visited");
        assert_eq!((stamp.dot, &known), (*dot, value));
        other.put_element(id, value, Stamp::of(*dot), &limits(7, 4096));
    }
    assert_eq!(elements(&other), all);
    other.pack();
    let unpacked = Stream::from_packed(other.packed().expect("just made"));
    assert_eq!(elements(&unpacked), all);
    for (id, ..) in &all {
        other.take_element(id, Version::ZERO);
    }
    assert!(other.is_empty());
}

#[test]
fn random_histories_agree_with_the_model() {
    for (seed, (entries, bytes)) in
        [(100, 4096), (1, 4096), (3, 200), (usize::MAX, usize::MAX)].into_iter().enumerate()
    {
        for stamped in [false, true] {
            history(seed as u64 * 2 + u64::from(stamped), &limits(entries, bytes), stamped);
        }
    }
}

#[test]
fn entries_that_share_names_take_little_more_than_their_values() {
    let mut stream = Stream::new();
    let value = [b'v'; 16];
    for number in 0..10_000u64 {
        let buf = FieldsBuf::of([(&b"temperature"[..], &value[..])].into_iter());
        let id = StreamId::new(1_700_000_000_000 + number, 0);
        stream.put_entry(id, buf.fields(), Stamp::NONE, &limits(100, 4096));
    }
    let each = stream.memory_bytes() as f64 / 10_000.0;
    // 17 of the value, 5 of the rest, and the slack of leaves.
    println!("{each:.1} bytes an entry");
    assert!(each < 29.0, "{each}");
}

#[test]
fn whole_leaves_are_trimmed_where_that_need_not_be_exact() {
    let mut stream = Stream::new();
    let buf = FieldsBuf::of([(&b"f"[..], &b"v"[..])].into_iter());
    for number in 1..=1_000 {
        stream.put_entry(StreamId::new(number, 0), buf.fields(), Stamp::NONE, &limits(100, 4096));
    }
    assert_eq!(stream.trimmed(Trim::Length(950), true, 0), 0);
    assert_eq!(stream.trimmed(Trim::Length(900), true, 0), 100);
    assert_eq!(stream.trimmed(Trim::Length(250), true, 0), 700);
    assert_eq!(stream.trimmed(Trim::Length(250), true, 250), 200);
    assert_eq!(stream.trimmed(Trim::Id(StreamId::new(350, 0)), true, 0), 300);
    assert_eq!(stream.trimmed(Trim::Id(StreamId::new(350, 0)), false, 0), 349);
    assert_eq!(stream.trimmed(Trim::Length(0), true, 0), 1_000);
    let (keys, nodes) = stream.radix_tree();
    assert_eq!(keys, 10);
    assert!(nodes > keys);
}

/// Ids and lengths of a stream's nodes.
fn nodes(stream: &Stream) -> Vec<(u64, usize)> {
    stream.nodes().map(|node| (node.head().id.ms, node.entries().count())).collect()
}

fn numbered(count: u64, limits: &Limits) -> Stream {
    let mut stream = Stream::new();
    let buf = FieldsBuf::of([(&b"f"[..], &b"v"[..])].into_iter());
    for number in 1..=count {
        stream.put_entry(StreamId::new(number, 0), buf.fields(), Stamp::NONE, limits);
    }
    stream
}

#[test]
fn nodes_end_where_those_of_redis_do() {
    let id = |number| StreamId::new(number, 0);
    let take = |stream: &mut Stream, number| stream.take_entry(id(number), Version::ZERO);
    // Redis: a frame of 7, counts 4, one name 2 + 3, a zero 2, and entries of 11 each, of which 2 are texts.
    assert_eq!(nodes(&numbered(6, &limits(100, 7 + 4 + 7 + 3 * 11 + 2))), [(1, 3), (4, 3)]);
    assert_eq!(nodes(&numbered(6, &limits(100, 7 + 4 + 7 + 3 * 11 + 3))), [(1, 4), (5, 2)]);
    // What was deleted counts, and the first one's id stays the node's.
    let mut stream = numbered(3, &limits(4, 4096));
    assert!(take(&mut stream, 1) && take(&mut stream, 3));
    let buf = FieldsBuf::of([(&b"f"[..], &b"v"[..])].into_iter());
    for number in 4..=6 {
        stream.put_entry(id(number), buf.fields(), Stamp::NONE, &limits(4, 4096));
    }
    assert_eq!(nodes(&stream), [(1, 2), (5, 2)]);
    assert!(take(&mut stream, 4));
    assert_eq!(stream.trimmed(Trim::Id(id(4)), true, 0), 0, "its last id is 4, though deleted");
    assert_eq!(stream.trimmed(Trim::Id(id(5)), true, 0), 1);
    drop(stream.trim(1));
    assert_eq!(nodes(&stream), [(5, 2)]);
}

#[test]
fn nodes_stay_what_they_are() {
    let id = |number| StreamId::new(number, 0);
    let buf = FieldsBuf::of([(&b"f"[..], &b"v"[..])].into_iter());
    let mut stream = numbered(1_000, &limits(10, 4096));
    // One of each ten, which would fit into a few leaves.
    for number in (1..=1_000).filter(|number| number % 10 != 5) {
        assert!(stream.take_entry(id(number), Version::ZERO));
    }
    let expected: Vec<(u64, usize)> = (0..100).map(|node| (node * 10 + 1, 1)).collect();
    assert_eq!(nodes(&stream), expected);
    // What comes between them, as only a side of a partition adds it, divides what has become too long.
    for number in (1..=1_000).filter(|number| number % 10 != 5) {
        stream.put_entry(id(number), buf.fields(), Stamp::NONE, &limits(10, 4096));
        stream.put_entry(StreamId::new(number, 1), buf.fields(), Stamp::NONE, &limits(10, 4096));
    }
    assert!(stream.nodes().all(|node| (1..=10).contains(&node.entries().count())));
    assert_eq!(stream.entries_len(), 1_900);
    // Built with heads, they are those that were given, and know what was deleted.
    let mut copy = Stream::new();
    for (first, left) in [(1, 3), (11, 2)] {
        let mut head = Some(NodeHead { id: id(first), names: buf.fields() });
        for number in 0..left {
            copy.push_entry(id(first + 1 + number), buf.fields(), Stamp::NONE, head.take());
        }
    }
    copy.set_last_node(100, 2, 1, id(14));
    assert_eq!(nodes(&copy), [(1, 3), (11, 2)]);
    assert_eq!(copy.trimmed(Trim::Id(id(14)), true, 0), 3, "14 was deleted of the second");
    copy.put_entry(id(15), buf.fields(), Stamp::NONE, &limits(4, 4096));
    copy.put_entry(id(16), buf.fields(), Stamp::NONE, &limits(4, 4096));
    assert_eq!(nodes(&copy), [(1, 3), (11, 3), (16, 1)]);
}
