//! Effects to bytes and back, and hostile bytes.

use super::*;
use crate::base::rng::Rng;

fn version(rng: &mut Rng) -> Version {
    Version::from_bits((1 << 40) + rng.below(1 << 60))
}

/// Operations of every kind in bytes of their own; `tail` of them is borrowed by the operations.
fn random_op<'a>(rng: &mut Rng, own: Version, text: &'a [u8]) -> Op<'a> {
    let part = |rng: &mut Rng| {
        let from = rng.below(text.len() as u64) as usize;
        &text[from..from + rng.below((text.len() - from) as u64 + 1) as usize]
    };
    let (key, bytes) = (part(rng), part(rng));
    let db = rng.below(16) as u8;
    let earlier = Version::from_bits(own.get() / 2);
    let deadline = (rng.below(2) == 0).then(|| rng.bits());
    let deadline_version = (rng.below(2) == 0).then_some(earlier);
    match rng.below(7) {
        0 | 1 => Op::Put {
            db,
            key,
            value: match rng.below(3) {
                0 => ValueRef::Integer(rng.bits() as i64 >> rng.below(64)),
                _ => ValueRef::Bytes { bytes, raw: rng.below(2) == 0 },
            },
            value_version: (deadline_version.is_none() && rng.below(2) == 0).then_some(earlier),
            deadline,
            deadline_version,
        },
        2 => Op::Delete { db, key },
        3 => Op::Deadline { db, key, base: version(rng), deadline },
        4 => Op::Count {
            db,
            key,
            epoch: if rng.below(2) == 0 { Version::ZERO } else { earlier },
            sum: match rng.below(2) {
                0 => AmountRef::Integer(rng.bits() as i64),
                _ => AmountRef::Decimal(bytes),
            },
            deadline,
            deadline_version,
        },
        5 => {
            let offset = rng.below(1000);
            let len = offset + bytes.len() as u64 + rng.below(1000);
            Op::Splice { db, key, base: version(rng), len, offset, bytes }
        }
        _ => Op::Flush {
            db: (rng.below(2) == 0).then_some(db),
            seen: (0..rng.below(5)).map(|_| version(rng)).collect(),
        },
    }
}

#[test]
fn effects_come_back() {
    let mut rng = Rng::seeded(11);
    let text: Vec<u8> = (0..20_000).map(|_| rng.bits() as u8).collect();
    for round in 0..2_000 {
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..rng.below(4) {
            let own = version(&mut rng);
            let previous = match rng.below(3) {
                0 => Version::ZERO,
                _ => Version::from_bits(own.get() - (rng.below(own.get() >> 12) << 12)),
            };
            let previous = if previous == own { Version::ZERO } else { previous };
            let deps: Vector = (0..rng.below(5)).map(|_| version(&mut rng)).collect();
            let slot = Slot::new(rng.below(16_384) as u16).unwrap();
            let longest = [20, 300, 20_000][rng.below(3) as usize];
            let short = 1 + rng.below(longest) as usize;
            let ops: Vec<Op<'_>> =
                (0..rng.below(4)).map(|_| random_op(&mut rng, own, &text[..short])).collect();
            let start = batch.len();
            encode(&mut batch, slot, (previous, own), &deps, &ops);
            expected.push((slot, previous, own, deps, ops, start..batch.len()));
        }
        let mut found = Batch::new(&batch);
        for (slot, previous, own, deps, ops, range) in expected {
            let (effect, bytes) = found.next().unwrap().unwrap_or_else(|e| panic!("{round}: {e}"));
            assert_eq!((effect.slot, effect.previous, effect.version), (slot, previous, own));
            assert_eq!(effect.deps, deps);
            assert_eq!(effect.ops().collect::<Vec<_>>(), ops, "round {round}");
            assert_eq!(bytes, &batch[range]);
        }
        assert!(found.next().is_none());
    }
}

/// A small effect and what its bytes are.
fn sample(ops: &[Op<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    let own = Version::from_bits(5 << 30);
    let deps = [Version::from_bits(3 << 30 | 7)].into_iter().collect();
    encode(&mut out, Slot::new(9).unwrap(), (Version::ZERO, own), &deps, ops);
    out
}

/// Wherever lengths take a byte more, and what differs a little from what is commonest.
#[test]
fn common_effects_of_all_lengths_come_back() {
    let own = Version::next(1_800_000_000_000, Version::ZERO, Tag::new(5));
    let text = vec![b'v'; 1 << 15];
    let slot = Slot::new(9).unwrap();
    let put = |key, bytes, raw| Op::Put {
        db: 3,
        key,
        value: ValueRef::Bytes { bytes, raw },
        value_version: None,
        deadline: None,
        deadline_version: None,
    };
    for key in [0, 1, 127, 128, 200] {
        for value in (0..400).chain(16_000..17_000) {
            let put = put(&text[..key], &text[..value], value % 50 == 7);
            let ops = [put, Op::Delete { db: 1, key: b"other" }];
            let ops = if value % 50 == 9 { &ops[..] } else { &ops[..1] };
            let mut out = Vec::new();
            encode(&mut out, slot, (Version::ZERO, own), &Vector::new(), ops);
            let effect = Effect::decode(&out).unwrap();
            assert_eq!(effect.ops().collect::<Vec<_>>(), ops, "{key} {value}");
            // One byte less is no effect, and one database more is none either.
            out[0] = out[0].wrapping_sub(1);
            assert!(Effect::decode(&out[..out.len() - 1]).is_err() || ops.len() > 1);
        }
    }
    let mut out = Vec::new();
    encode(&mut out, slot, (Version::ZERO, own), &Vector::new(), &[put(b"k", b"v", false)]);
    let db = out.iter().rposition(|&byte| byte == 3).unwrap();
    out[db] = 16;
    assert!(Effect::decode(&out).is_err());
}

#[test]
fn the_common_effect_is_small() {
    let own = Version::next(1_800_000_000_000, Version::ZERO, Tag::new(5));
    let mut out = Vec::new();
    let previous = Version::from_bits(own.get() - (1 << 12));
    let put = Op::Put {
        db: 0,
        key: b"0123456789abcdef",
        value: ValueRef::Bytes { bytes: &[b'v'; 32], raw: false },
        value_version: None,
        deadline: None,
        deadline_version: None,
    };
    encode(&mut out, Slot::new(9).unwrap(), (previous, own), &Vector::new(), &[put]);
    assert_eq!(out.len(), 17 + 3 + 2 + 1 + 16 + 1 + 32, "17 for the effect, 7 for the operation");
}

#[test]
fn later_versions_are_skipped_where_that_is_safe() {
    let mut bytes = sample(&[Op::Delete { db: 1, key: b"gone" }]);
    let grow = |bytes: &mut Vec<u8>, more: &[u8]| {
        bytes.extend_from_slice(more);
        let len = bytes.len() as u32 - 4;
        bytes[..4].copy_from_slice(&len.to_le_bytes());
    };
    // An unknown operation that may be skipped, with a field.
    grow(&mut bytes, &[OPTIONAL | 40, 1, 2, 7, 7]);
    let effect = Effect::decode(&bytes).unwrap();
    assert_eq!(effect.ops().count(), 1);
    // A delete with a field that is not known yet.
    grow(&mut bytes, &[kind::DELETE, 1, 5, 0, 1, 1, b'k', 99]);
    let effect = Effect::decode(&bytes).unwrap();
    assert_eq!(effect.ops().last(), Some(Op::Delete { db: 1, key: b"k" }));
    // What cannot be left out is an error, but the next effect can still be read.
    let mut unknown = bytes.clone();
    grow(&mut unknown, &[41, 1, 0]);
    unknown.extend_from_slice(&bytes);
    let mut batch = Batch::new(&unknown);
    let slot = Slot::new(9).unwrap();
    let error = batch.next().unwrap().unwrap_err();
    assert_eq!(error, DecodeError::Unsupported { slot, kind: 41, version: 1 });
    assert!(batch.next().unwrap().is_ok());
    let mut later = bytes.clone();
    grow(&mut later, &[kind::DELETE, 2, 0]);
    let error = Effect::decode(&later).unwrap_err();
    assert_eq!(error, DecodeError::Unsupported { slot, kind: kind::DELETE, version: 2 });
}

#[test]
fn what_would_break_the_merge_is_malformed() {
    let own = Version::from_bits(5 << 30);
    let earlier = Some(Version::from_bits(own.get() - 4096));
    let later = Some(Version::from_bits(own.get() + 4096));
    let put = |value_version, deadline_version| Op::Put {
        db: 0,
        key: b"k",
        value: ValueRef::Integer(1),
        value_version,
        deadline: None,
        deadline_version,
    };
    let splice =
        |len, offset| Op::Splice { db: 0, key: b"k", base: own, len, offset, bytes: b"abc" };
    for op in [
        put(earlier, earlier),
        put(later, None),
        put(None, later),
        splice(2, 0),
        splice(3, 1),
        splice(u64::MAX, 5),
        splice(u64::MAX, u64::MAX),
        Op::Delete { db: 16, key: b"k" },
    ] {
        let result =
            Effect::decode(&sample(std::slice::from_ref(&op))).map(|effect| effect.version);
        assert!(matches!(result, Err(DecodeError::Malformed(_))), "{op:?}: {result:?}");
    }
}

#[test]
fn hostile_bytes_never_panic() {
    let mut rng = Rng::seeded(13);
    let text: Vec<u8> = (0..400).map(|_| rng.bits() as u8).collect();
    for _ in 0..30_000 {
        let own = version(&mut rng);
        let ops: Vec<Op<'_>> =
            (0..1 + rng.below(3)).map(|_| random_op(&mut rng, own, &text)).collect();
        let mut bytes = sample(&ops);
        for _ in 0..1 + rng.below(3) {
            let at = rng.below(bytes.len() as u64) as usize;
            match rng.below(4) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes[at] ^= 1 << rng.below(8),
                2 => bytes[at] = rng.bits() as u8,
                _ => bytes.insert(at, rng.bits() as u8),
            }
        }
        for (effect, source) in Batch::new(&bytes).flatten() {
            assert!(source.len() <= bytes.len());
            assert!(effect.ops().count() <= source.len() / 3);
        }
    }
}
