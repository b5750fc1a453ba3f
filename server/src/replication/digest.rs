//! Digests of a slot: whether two copies are the same, and in which of 256 parts of the slot they differ.
//!
//! The digest is a sum, so that the order in which a scan finds the keys does not count and two writers' changes commute. It covers keys, elements of
//! collections, dots and deadlines, not values: a dot names one write. A slot's scan fills the 256 sub-buckets, by the key's hash; their sum is the slot's digest.
//!
//! **Hash.** Nodes must agree on it for ever, so it is not the store's, which is keyed by the process. It is written here rather than taken from a
//! crate because 30 lines, frozen by a test, are less to trust than a dependency that may not change its output: eight bytes at a time are folded in by
//! a 64×64→128-bit multiplication (as wyhash and rapidhash do), and splitmix64's finaliser ends it. Sums of good hashes collide by chance once in 2^64. Clients who choose
//! keys to collide on purpose could hide a divergence, which they cannot cause.

use super::merge::{Cell, Element, Field, KeyState, Part, Register};
use crate::base::clock::UnixMs;
use crate::base::version::Version;

/// Sub-buckets of a slot: at 12,000 keys a slot, 47 keys each, so that naming one differing key costs 2 KiB of digests and a few hundred bytes of versions.
pub const BUCKET_COUNT: usize = 256;

/// A slot's digests by sub-bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests(Box<[u64; BUCKET_COUNT]>);

impl Default for Digests {
    fn default() -> Self {
        Digests(Box::new([0; BUCKET_COUNT]))
    }
}

impl Digests {
    /// Of a slot without keys.
    pub fn new() -> Self {
        Digests::default()
    }

    /// Those that a peer sent.
    pub fn from_sums(sums: [u64; BUCKET_COUNT]) -> Self {
        Digests(Box::new(sums))
    }

    /// The sums, by sub-bucket.
    pub fn sums(&self) -> &[u64; BUCKET_COUNT] {
        &self.0
    }

    /// Adds one write that a part of a key holds: its dot, the version of its value, or the epoch, and its deadline. One that ends by `as_of` is left out, as one
    /// side may have dropped it already; the side that asks chooses `as_of`. `hash` is the key's ([`key_hash`]).
    pub fn add(
        &mut self,
        (hash, part): (u64, Part<'_>),
        (dot, version, deadline): (Version, Version, Option<UnixMs>),
        as_of: UnixMs,
    ) {
        // A collection goes when its primary says so.
        if part != Part::String || deadline.is_none_or(|deadline| deadline > as_of) {
            let words = [dot.get(), version.get(), deadline.unwrap_or(u64::MAX)];
            let begin = part_hash(hash, part);
            let sum = &mut self.0[bucket(hash)];
            *sum = sum.wrapping_add(words.iter().fold(begin, |hash, &word| fold(hash, word)));
        }
    }

    /// Adds what a string or an element holds.
    pub fn add_field(&mut self, (hash, part): (u64, Part<'_>), field: &Field, as_of: UnixMs) {
        let of_register = |it: &Register| (it.dot(), it.version, it.ttl.deadline);
        let of_cell = |it: &Cell| (it.version, it.epoch, it.ttl.deadline);
        field.registers().iter().for_each(|it| self.add((hash, part), of_register(it), as_of));
        field.cells().iter().for_each(|it| self.add((hash, part), of_cell(it), as_of));
    }

    /// Adds a key's whole state.
    pub fn add_state(&mut self, hash: u64, state: &KeyState, as_of: UnixMs) {
        self.add_field((hash, Part::String), state.string(), as_of);
        for head in state.heads().iter() {
            let ttl = head.ttl;
            self.add((hash, Part::Heads), (ttl.version, ttl.version, ttl.deadline), as_of);
        }
        for (id, field) in state.elements() {
            self.add_field((hash, Part::Element(id.kind, &id.id)), field, as_of);
        }
    }

    /// The slot's digest.
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |total, sum| total.wrapping_add(*sum))
    }

    /// The sub-buckets in which the two differ, ascending.
    pub fn differing<'d>(&'d self, other: &'d Digests) -> impl Iterator<Item = u8> + 'd {
        let both = self.0.iter().zip(other.0.iter()).enumerate();
        both.filter(|(_, (mine, theirs))| mine != theirs).map(|(index, _)| index as u8)
    }
}

/// The sub-bucket of a key.
pub fn bucket_of(db: u8, key: &[u8]) -> u8 {
    bucket(key_hash(db, key)) as u8
}

fn bucket(hash: u64) -> usize {
    (hash >> 56) as usize
}

/// The fixed hash of a key in a database.
pub fn key_hash(db: u8, key: &[u8]) -> u64 {
    bytes_hash(u64::from(db), key)
}

/// The fixed hash of a part of a key.
pub fn part_hash(key: u64, part: Part<'_>) -> u64 {
    match part {
        Part::String => key,
        Part::Heads => fold(key, u64::MAX),
        Part::Element(kind, id) => bytes_hash(fold(key, u64::from(kind.code())), id),
    }
}

/// The fixed name of one write in a part of a key.
pub fn write_hash(key: u64, part: Part<'_>, dot: Version) -> u64 {
    finish(fold(part_hash(key, part), dot.get()))
}

fn bytes_hash(seed: u64, bytes: &[u8]) -> u64 {
    // The length begins it, so that zeros which fill the last word up count for nothing.
    let mut hash = fold(seed, bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = fold(hash, u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    finish(fold(hash, u64::from_le_bytes(last)))
}

/// One step: both halves of a product count, and neither factor can be zero for all inputs of the other.
fn fold(hash: u64, word: u64) -> u64 {
    let a = hash ^ 0x9e37_79b9_7f4a_7c15;
    let b = finish(word) ^ 0xd1b5_4a32_d192_ed03;
    let product = u128::from(a) * u128::from(b);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(hash.rotate_left(23))
}

/// splitmix64's finaliser (Steele, Lea, Flood, OOPSLA 2014): every bit of the input reaches every bit of the result.
fn finish(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::collections::HashSet;

    type Key = (Vec<u8>, Version, Option<UnixMs>);

    fn digests(keys: &[Key], as_of: UnixMs) -> Digests {
        let mut digests = Digests::new();
        for (key, dot, deadline) in keys {
            digests.add((key_hash(0, key), Part::String), (*dot, *dot, *deadline), as_of);
        }
        digests
    }

    fn keys(rng: &mut Rng, count: u64) -> Vec<Key> {
        (0..count)
            .map(|i| (format!("key:{i}").into_bytes(), Version::from_bits(rng.bits()), None))
            .collect()
    }

    #[test]
    fn the_order_does_not_count_and_any_change_does() {
        let mut rng = Rng::seeded(31);
        let all = keys(&mut rng, 2_000);
        let mut shuffled = all.clone();
        shuffled.reverse();
        let original = digests(&all, 0);
        assert_eq!(original, digests(&shuffled, 0));
        for _ in 0..300 {
            let mut changed = all.clone();
            let at = rng.below(all.len() as u64) as usize;
            match rng.below(3) {
                0 => changed[at].1 = Version::from_bits(all[at].1.get() ^ (1 << rng.below(64))),
                1 => changed[at].2 = Some(rng.bits() | 1),
                _ => drop(changed.remove(at)),
            }
            let changed = digests(&changed, 0);
            let differing: Vec<u8> = original.differing(&changed).collect();
            assert_eq!(differing, [bucket_of(0, &all[at].0)]);
            assert_ne!(original.total(), changed.total());
        }
    }

    #[test]
    fn what_ends_is_left_out_on_both_sides() {
        let dot = Version::from_bits(1 << 30);
        let key = |deadline| (b"k".to_vec(), dot, deadline);
        assert_eq!(digests(&[key(Some(50))], 50), digests(&[], 50));
        assert_ne!(digests(&[key(Some(51))], 50), digests(&[], 50));
    }

    #[test]
    fn keys_spread_and_do_not_collide() {
        let mut seen = HashSet::new();
        let mut buckets = [0u32; BUCKET_COUNT];
        for i in 0..100_000u32 {
            assert!(seen.insert(key_hash(0, format!("user:{i}").as_bytes())), "{i}");
            buckets[usize::from(bucket_of(0, format!("user:{i}").as_bytes()))] += 1;
        }
        // 390 ± 5 standard deviations.
        assert!(buckets.iter().all(|&count| (290..490).contains(&count)), "{buckets:?}");
        // Zeros at the end, and databases, make a difference.
        assert!((0..40).all(|len| seen.insert(key_hash(0, &vec![0; len]))));
        assert!((1..16).all(|db| seen.insert(key_hash(db, b"user:1"))));
    }

    #[test]
    fn one_bit_of_a_key_changes_half_of_the_hash() {
        let mut rng = Rng::seeded(33);
        let mut flips = 0u32;
        for round in 0..4_000u64 {
            let mut key: Vec<u8> = (0..1 + round % 40).map(|_| rng.bits() as u8).collect();
            let before = key_hash(0, &key);
            let bit = rng.below(key.len() as u64 * 8);
            key[(bit / 8) as usize] ^= 1 << (bit % 8);
            let flipped = (before ^ key_hash(0, &key)).count_ones();
            assert!(flipped >= 8, "{flipped} bits");
            flips += flipped;
        }
        let mean = f64::from(flips) / 4_000.0;
        assert!((31.0..33.0).contains(&mean), "{mean}");
    }

    #[test]
    fn the_hash_is_frozen() {
        let known = [(0, &b""[..]), (0, b"a"), (3, b"a"), (0, b"0123456789abcdef0")]
            .map(|(db, key)| key_hash(db, key));
        assert_eq!(known, FROZEN);
    }

    const FROZEN: [u64; 4] = [
        8_225_564_815_271_792_029,
        1_296_831_493_149_191_035,
        578_145_806_386_026_101,
        7_218_691_929_575_188_207,
    ];
}
