//! Expected bytes and counts are recorded from redis-server 7.0.15. Long values are compared by their CRC-64.

use super::*;
use crate::base::rng::Rng;
use crate::types::rdb::crc64::crc64;

const SPARSE_BYTES_MAX: usize = 3000;

fn with(elements: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let mut bytes = empty();
    for element in elements {
        add(&mut bytes, element.to_string().as_bytes(), SPARSE_BYTES_MAX).unwrap();
    }
    forget_count(&mut bytes);
    bytes
}

fn union(values: &[&[u8]]) -> Union {
    let mut union = Union::default();
    values.iter().for_each(|value| union.include(value).unwrap());
    union
}

#[test]
fn values_are_those_of_redis_to_the_byte() {
    let mut bytes = empty();
    let mut added = 0;
    let mut check = |upto: u64, len, crc, expected, encoded| {
        for element in added..upto {
            if add(&mut bytes, element.to_string().as_bytes(), SPARSE_BYTES_MAX).unwrap() {
                forget_count(&mut bytes);
            }
        }
        added = upto;
        assert_eq!((bytes.len(), crc64(0, &bytes)), (len, crc), "bytes of {upto} elements");
        assert_eq!(encoding(&bytes), Ok(encoded));
        assert_eq!(count(&bytes), Ok(expected), "count of {upto} elements");
        assert_eq!(union(&[&bytes]).count(), expected, "count of {upto} elements in a union");
        // PFCOUNT keeps its result in the value, where the next step's bytes show it.
        keep_count(&mut bytes, expected);
        assert_eq!(kept_count(&bytes), Some(expected));
    };
    check(1, 21, 0x6300_45c4_e631_7a70, 1, Encoding::Sparse);
    check(2, 24, 0xd524_19d1_c95b_4e3a, 2, Encoding::Sparse);
    check(10, 48, 0x9537_a8e1_32c7_7a04, 10, Encoding::Sparse);
    check(100, 287, 0xb943_0e17_755e_04b8, 100, Encoding::Sparse);
    check(1000, 1923, 0x64b9_8bd7_b8db_50fc, 1001, Encoding::Sparse);
    check(1500, 2766, 0xf5e0_839a_1121_6755, 1512, Encoding::Sparse);
    check(3000, 12304, 0x2e94_5c56_77be_bd17, 3004, Encoding::Dense);
    check(20_000, 12304, 0x7234_ce60_6e75_64d4, 19_891, Encoding::Dense);
    check(200_000, 12304, 0xa05a_eb99_73fa_fad1, 200_305, Encoding::Dense);
}

#[test]
fn sparse_and_dense_hold_the_same_registers() {
    let mut sparse = empty();
    let mut dense = empty();
    make_dense(&mut dense).unwrap();
    let mut rng = Rng::seeded(3);
    for _ in 0..1500 {
        let element = rng.below(3000).to_le_bytes();
        let grew = add_dense(&mut dense, &element);
        assert_eq!(add(&mut sparse, &element, usize::MAX), Ok(grew));
    }
    let mut turned = sparse.clone();
    make_dense(&mut turned).unwrap();
    assert_eq!(turned, dense);
    assert_eq!(count(&sparse), count(&dense));
}

#[test]
fn union_is_commutative_associative_and_idempotent() {
    let (a, b, c) = (with(0..500), with(300..4000), with(3000..3100));
    let merged = |values: &[&[u8]]| {
        let mut bytes = empty();
        union(values).write_to(&mut bytes, SPARSE_BYTES_MAX).unwrap();
        bytes
    };
    assert_eq!(merged(&[&a, &b]), merged(&[&b, &a]));
    assert_eq!(merged(&[&merged(&[&a, &b]), &c]), merged(&[&a, &merged(&[&b, &c])]));
    assert_eq!(merged(&[&a, &a]), merged(&[&a]));
    assert_eq!(union(&[&a, &b, &c]).count(), count(&merged(&[&a, &b, &c])).unwrap());
    assert_eq!(encoding(&merged(&[&a, &c])), Ok(Encoding::Sparse));
    assert_eq!(encoding(&merged(&[&a, &b])), Ok(Encoding::Dense));
}

#[test]
fn headers_of_other_values_are_refused() {
    let dense = {
        let mut bytes = empty();
        make_dense(&mut bytes).unwrap();
        bytes
    };
    let check = |bytes: &[u8]| assert_eq!(encoding(bytes), Err(Invalid::NotHyperLogLog));
    check(b"");
    check(b"HYLL\x01");
    check(b"HYLX\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    check(b"HYLL\x02\0\0\0\0\0\0\0\0\0\0\0\x7f\xff");
    check(&dense[..dense.len() - 1]);
    check(&[&dense[..], b"\0"].concat());
}

#[test]
fn registers_must_be_covered_exactly() {
    let check = |registers: &[u8]| {
        let bytes = [b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80", registers].concat();
        assert_eq!(count(&bytes), Err(Invalid::Corrupted), "{registers:?}");
        assert_eq!(Union::default().include(&bytes), Err(Invalid::Corrupted), "{registers:?}");
        assert_eq!(make_dense(&mut bytes.clone()), Err(Invalid::Corrupted), "{registers:?}");
    };
    check(b"");
    check(b"\x00");
    check(b"\x7f\xfe");
    check(b"\x7f\xff\x00");
    check(b"\x7f\xff\x80");
    check(b"\x7f");
    check(&[0x7f, 0xff].repeat(1000));
}

#[test]
fn forged_ranks_count_as_redis_counts_them() {
    // Every register above what a hash can have: Redis answers with its processor's notion of infinity.
    let mut bytes = empty();
    make_dense(&mut bytes).unwrap();
    bytes[HEADER_BYTES..].fill(0xff);
    assert_eq!(count(&bytes), Ok(i64::MIN as u64));
}

#[test]
fn any_bytes_are_survived() {
    let mut rng = Rng::seeded(17);
    for _ in 0..3000 {
        let seed = rng.below(400);
        let mut bytes = with(seed..seed + rng.below(300));
        if rng.below(4) == 0 {
            make_dense(&mut bytes).unwrap();
        }
        for _ in 0..rng.below(4) {
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.bits() as u8;
        }
        if rng.below(4) == 0 {
            bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
        }
        let _ = (count(&bytes), kept_count(&bytes), Union::default().include(&bytes));
        if encoding(&bytes) == Ok(Encoding::Sparse) {
            let _ = describe_sparse(&bytes);
        }
        let _ = add(&mut bytes, &rng.bits().to_le_bytes(), 100);
        let _ = make_dense(&mut bytes);
    }
}

#[test]
fn the_self_test_passes() {
    assert_eq!(self_test(), Ok(()));
}
