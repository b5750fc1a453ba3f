//! What elements may take: no more than Redis's structures would for the same data.

use super::super::{Hash, List, Set, Zset};
use super::{BIG, SMALL, Stamp};

const COUNT: usize = 20_000;
const LENGTHS: [usize; 4] = [8, 16, 32, 64];

fn text(number: usize, length: usize) -> Vec<u8> {
    format!("k{:0width$}", number * 7_919 % COUNT, width = length - 1).into_bytes()
}

/// What Redis's allocator hands out for a string: its header of 1 (or 3) bytes, and a zero behind it.
fn sds(length: usize) -> usize {
    let bytes = length + if length < 32 { 2 } else { 4 };
    if bytes <= 32 { bytes.next_multiple_of(8) } else { bytes.next_multiple_of(16) }
}

/// An entry of a dict, and its share of the buckets at three quarters full.
const DICT: usize = 24 + 10;
/// A node of a skip list: 24 bytes and 16 for each of 1.33 levels.
const SKIPLIST: usize = 48;

#[test]
fn big_collections_take_less_than_redis() {
    for length in LENGTHS {
        let (mut hash, mut set) = (Hash::new(), Set::new());
        let (mut zset, mut list) = (Zset::new(), List::new());
        for number in 0..COUNT {
            let text = text(number, length);
            hash.insert(&text, &text, Stamp::NONE, &BIG);
            set.insert(&text, Stamp::NONE, &BIG);
            zset.insert(&text, number as f64 * 0.37, Stamp::NONE, &BIG);
            list.push_back(&text, Stamp::NONE, &BIG);
        }
        let listpack = length + 2 + if length > 63 { 1 } else { 0 };
        let bounds = [
            ("hash", hash.view().memory_bytes(), DICT + 2 * sds(length)),
            ("set", set.view().memory_bytes(), DICT + sds(length)),
            ("zset", zset.view().memory_bytes(), DICT + sds(length) + SKIPLIST),
            // Nodes of 8 KiB cost little besides their elements.
            ("list", list.view().memory_bytes(), listpack + 1),
        ];
        for (name, bytes, redis) in bounds {
            let each = bytes as f64 / COUNT as f64;
            println!("{name} of {length} bytes: {each:.1}, Redis {redis}");
            assert!(each <= redis as f64, "{name} of {length} bytes: {each:.1} > {redis}");
        }
    }
}

#[test]
fn small_collections_take_their_formula() {
    for length in LENGTHS {
        let (mut hash, mut zset, mut list) = (Hash::new(), Zset::new(), List::new());
        for number in 0..100 {
            let text = text(number, length);
            hash.insert(&text, &text, Stamp::NONE, &SMALL);
            zset.insert(&text, number as f64, Stamp::NONE, &SMALL);
            list.push_back(&text, Stamp::NONE, &SMALL);
        }
        let each = length + if length > 63 { 2 } else { 1 };
        assert_eq!(hash.packed().unwrap().len(), 8 + 100 * 2 * each);
        assert_eq!(zset.packed().unwrap().len(), 8 + 100 * (each + 1));
        assert_eq!(list.packed().unwrap().len(), 8 + 100 * each);
    }
}
