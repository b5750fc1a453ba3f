//! Version vectors: of each tag, the highest version up to which its effects are known without a gap.
//!
//! A version holds its own tag, so an entry is one version and the vector a list of them in the order of their tags; up to three
//! lie inside, without an allocation.
//!
//! **Floor.** Incarnations come and go, and a vector must not remember every tag for ever. It cannot simply forget one either: elements
//! that a departed incarnation wrote may still live, and a dot that the vector does not cover counts as unseen, so that
//! deletes would pass them over. Therefore an entry that is pruned raises the *floor*, and every dot at or below the floor is covered,
//! whatever its tag. A floor is part of the history like an entry: who has not taken part in the agreement that it stands for, such as a
//! node that came back empty, lacks what lies below it and has to sync. See [`super::chain::Chain::settle`].
//!
//! Source: Gonçalves, Almeida, Baquero, Fonte, "DottedDB", SRDS 2017 (server-wide clocks).

use crate::base::version::{Tag, Version};
use std::fmt;
use torc_protocol::peer::wire::{Malformed, Reader, put_varint};

const INLINE: usize = 3;
/// Bits of a version below its time.
const LOW_BITS: u32 = 23;

#[derive(Clone)]
enum Entries {
    Inline(u8, [Version; INLINE]),
    Heap(Vec<Version>),
}

/// See the module's description.
#[derive(Clone)]
pub struct Vector {
    floor: Version,
    entries: Entries,
}

impl Default for Vector {
    fn default() -> Self {
        Vector::new()
    }
}

impl Vector {
    /// Covers nothing.
    pub const fn new() -> Self {
        Vector { floor: Version::ZERO, entries: Entries::Inline(0, [Version::ZERO; INLINE]) }
    }

    /// The entries, in the order of their tags.
    pub fn entries(&self) -> &[Version] {
        match &self.entries {
            Entries::Inline(len, versions) => &versions[..usize::from(*len)],
            Entries::Heap(versions) => versions,
        }
    }

    /// Every dot at or below it is covered.
    pub fn floor(&self) -> Version {
        self.floor
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.floor.is_zero() && self.entries().is_empty()
    }

    /// The entry of `tag`, zero if there is none: where the chain of `tag` must go on.
    #[inline]
    pub fn get(&self, tag: Tag) -> Version {
        match self.place(tag) {
            Ok(index) => self.entries()[index],
            Err(_) => Version::ZERO,
        }
    }

    #[inline]
    fn place(&self, tag: Tag) -> Result<usize, usize> {
        // Vectors are short: as many entries as nodes have written to one slot.
        let entries = self.entries();
        let index = entries.iter().position(|entry| entry.tag() >= tag).unwrap_or(entries.len());
        match entries.get(index) {
            Some(entry) if entry.tag() == tag => Ok(index),
            _ => Err(index),
        }
    }

    /// Whether the effect of `dot` is part of this history.
    pub fn covers(&self, dot: Version) -> bool {
        dot <= self.floor || dot <= self.get(dot.tag())
    }

    /// Whether everything that `other` covers is covered.
    pub fn covers_all(&self, other: &Vector) -> bool {
        self.floor >= other.floor && other.entries().iter().all(|&entry| self.covers(entry))
    }

    /// Whether both cover the same.
    pub fn is_same_history(&self, other: &Vector) -> bool {
        self.covers_all(other) && other.covers_all(self)
    }

    /// The highest version covered.
    pub fn highest(&self) -> Version {
        self.entries().iter().copied().fold(self.floor, Version::max)
    }

    /// Covers `version` and everything of its tag before it; returns whether that is new.
    pub fn raise(&mut self, version: Version) -> bool {
        match self.place(version.tag()) {
            Ok(index) => {
                let entry = match &mut self.entries {
                    Entries::Inline(_, versions) => &mut versions[index],
                    Entries::Heap(versions) => &mut versions[index],
                };
                let higher = version > *entry;
                *entry = version.max(*entry);
                higher
            }
            Err(_) if version.is_zero() => false,
            Err(index) => {
                self.insert(index, version);
                true
            }
        }
    }

    fn insert(&mut self, index: usize, version: Version) {
        match &mut self.entries {
            Entries::Heap(versions) => versions.insert(index, version),
            Entries::Inline(len, versions) if usize::from(*len) < INLINE => {
                versions[index..=usize::from(*len)].rotate_right(1);
                versions[index] = version;
                *len += 1;
            }
            Entries::Inline(_, versions) => {
                let mut moved = versions.to_vec();
                moved.insert(index, version);
                self.entries = Entries::Heap(moved);
            }
        }
    }

    /// Covers what either covers.
    pub fn join(&mut self, other: &Vector) {
        other.entries().iter().for_each(|&entry| {
            // What the other pruned must not come back as an entry that only one side keeps.
            self.raise(entry);
        });
        self.floor = self.floor.max(other.floor);
    }

    /// The entries, and the floor, that rose since `before`: what an effect tells as its `deps`. The floor belongs to it, because who pruned an
    /// entry before telling of it could not tell of it any more.
    #[must_use]
    pub fn since(&self, before: &Vector) -> Vector {
        let mut changed = Vector::new();
        if self.floor > before.floor {
            changed.floor = self.floor;
        }
        let risen = self.entries().iter().filter(|&&entry| entry > before.get(entry.tag()));
        risen.for_each(|&entry| {
            changed.raise(entry);
        });
        changed
    }

    /// Without the entry of `tag`.
    #[must_use]
    pub fn without(&self, tag: Tag) -> Vector {
        let mut kept = Vector { floor: self.floor, ..Vector::new() };
        self.entries().iter().filter(|entry| entry.tag() != tag).for_each(|&entry| {
            kept.raise(entry);
        });
        kept
    }

    /// Covers everything up to `floor`.
    pub fn raise_floor(&mut self, floor: Version) {
        self.floor = self.floor.max(floor);
    }

    /// Forgets entries at or below `horizon` whose tag is `departed` and raises the floor in their place. Returns how many went.
    pub fn prune(&mut self, horizon: Version, departed: impl Fn(Tag) -> bool) -> usize {
        let before = self.entries().len();
        let mut kept = Vector { floor: self.floor, ..Vector::new() };
        for &entry in self.entries() {
            if entry <= horizon && departed(entry.tag()) {
                kept.raise_floor(entry);
            } else {
                kept.raise(entry);
            }
        }
        *self = kept;
        before - self.entries().len()
    }

    /// Without entries that `floor` covers; its own floor stays.
    #[must_use]
    pub fn above(&self, floor: Version) -> Vector {
        let mut kept = Vector { floor: self.floor, ..Vector::new() };
        self.entries().iter().filter(|&&entry| entry > floor).for_each(|&entry| {
            kept.raise(entry);
        });
        kept
    }

    /// Appends it: a count, a floor if there is one, the newest time, and each entry as its low bits and its distance from that time; six to
    /// eight bytes an entry.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        if self.is_empty() {
            out.push(0);
        } else {
            self.encode_entries(out);
        }
    }

    fn encode_entries(&self, out: &mut Vec<u8>) {
        let entries = self.entries();
        put_varint(out, (entries.len() as u64) << 1 | u64::from(!self.floor.is_zero()));
        if !self.floor.is_zero() {
            out.extend_from_slice(&self.floor.get().to_le_bytes());
        }
        let Some(newest) = entries.iter().map(|entry| entry.get() >> LOW_BITS).max() else {
            return;
        };
        put_varint(out, newest);
        for entry in entries {
            put_varint(out, entry.get() & ((1 << LOW_BITS) - 1));
            put_varint(out, newest - (entry.get() >> LOW_BITS));
        }
    }

    /// Reads what [`Vector::encode`] wrote.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Vector, Malformed> {
        let wrong = Malformed::Value("version vector");
        let head = reader.varint()?;
        let (count, has_floor) = (head >> 1, head & 1 == 1);
        // Each entry takes two bytes, so what is allocated is bounded by what was sent too.
        if count > u64::from(Tag::COUNT) || count * 2 > reader.rest().len() as u64 {
            return Err(wrong);
        }
        let mut vector = Vector::new();
        if has_floor {
            vector.floor = Version::from_bits(reader.u64()?);
        }
        let newest = if count > 0 { reader.varint()? } else { 0 };
        if newest >> (u64::BITS - LOW_BITS) != 0 {
            return Err(wrong);
        }
        let mut before = None;
        for _ in 0..count {
            let low = reader.varint()?;
            let time = newest.checked_sub(reader.varint()?).ok_or(wrong)?;
            if low >> LOW_BITS != 0 {
                return Err(wrong);
            }
            let entry = Version::from_bits(time << LOW_BITS | low);
            if entry.is_zero() || before >= Some(entry.tag()) {
                return Err(wrong);
            }
            before = Some(entry.tag());
            vector.insert(vector.entries().len(), entry);
        }
        Ok(vector)
    }
}

impl PartialEq for Vector {
    fn eq(&self, other: &Self) -> bool {
        self.floor == other.floor && self.entries() == other.entries()
    }
}

impl Eq for Vector {}

impl fmt::Debug for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.floor.is_zero() {
            write!(f, "≥{} ", self.floor)?;
        }
        f.debug_list().entries(self.entries()).finish()
    }
}

impl FromIterator<Version> for Vector {
    fn from_iter<I: IntoIterator<Item = Version>>(versions: I) -> Self {
        let mut vector = Vector::new();
        versions.into_iter().for_each(|version| {
            vector.raise(version);
        });
        vector
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::collections::BTreeMap;

    /// A version at time `at` of tag `tag`.
    fn dot(at: u64, tag: u64) -> Version {
        Version::from_bits(at << 12 | tag)
    }

    fn random(rng: &mut Rng) -> Vector {
        let mut vector: Vector =
            (0..rng.below(7)).map(|_| dot(1 + rng.below(1 << 50), rng.below(8))).collect();
        if rng.below(4) == 0 {
            vector.floor = dot(rng.below(1 << 49), 3);
        }
        vector
    }

    #[test]
    fn it_agrees_with_a_map() {
        let mut rng = Rng::seeded(5);
        let mut vector = Vector::new();
        let mut model = BTreeMap::new();
        for _ in 0..5_000 {
            let version = dot(1 + rng.below(500), rng.below(12));
            let entry = model.entry(version.tag()).or_insert(Version::ZERO);
            assert_eq!(vector.raise(version), version > *entry);
            *entry = version.max(*entry);
            assert_eq!(vector.get(version.tag()), *entry);
            assert!(vector.entries().is_sorted_by_key(|entry| entry.tag()));
            let probe = dot(rng.below(500), rng.below(14));
            let known = model.get(&probe.tag()).copied().unwrap_or_default();
            assert_eq!(vector.covers(probe), probe <= known);
            if rng.below(200) == 0 {
                (vector, model) = (Vector::new(), BTreeMap::new());
            }
        }
    }

    #[test]
    fn joining_is_a_least_upper_bound() {
        let mut rng = Rng::seeded(6);
        let join = |a: &Vector, b: &Vector| {
            let mut joined = a.clone();
            joined.join(b);
            joined
        };
        for _ in 0..5_000 {
            let (a, b, c) = (random(&mut rng), random(&mut rng), random(&mut rng));
            assert_eq!(join(&a, &b), join(&b, &a));
            assert_eq!(join(&a, &a), a);
            assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            assert!(join(&a, &b).covers_all(&a) && join(&a, &b).covers_all(&b));
            // What rose, put on top of what was before, is what is now.
            let now = join(&a, &b);
            assert_eq!(join(&a, &now.since(&a)), now);
        }
    }

    #[test]
    fn encoding_comes_back_and_is_compact() {
        let mut rng = Rng::seeded(7);
        for _ in 0..5_000 {
            let vector = random(&mut rng);
            let mut bytes = Vec::new();
            vector.encode(&mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(Vector::decode(&mut reader), Ok(vector));
            assert!(reader.is_empty());
        }
        let now = 1_800_000_000_000;
        let vector: Vector = (1..4)
            .map(|tag| Version::next(now - u64::from(tag) * 5_000, Version::ZERO, Tag::new(tag)))
            .collect();
        let mut bytes = Vec::new();
        vector.encode(&mut bytes);
        assert!(bytes.len() <= 7 + 3 * 5, "{}", bytes.len());
    }

    #[test]
    fn hostile_bytes_are_refused_or_understood() {
        let mut rng = Rng::seeded(8);
        for _ in 0..50_000 {
            let bytes: Vec<u8> =
                (0..rng.below(24)).map(|_| (rng.bits() & rng.bits()) as u8).collect();
            if let Ok(vector) = Vector::decode(&mut Reader::new(&bytes)) {
                let mut again = Vec::new();
                vector.encode(&mut again);
                assert_eq!(Vector::decode(&mut Reader::new(&again)), Ok(vector));
            }
        }
    }

    #[test]
    fn pruned_entries_stay_covered() {
        let old = dot(100, 1);
        let mut vector: Vector = [old, dot(200, 2), dot(90, 3)].into_iter().collect();
        let departed = |tag: Tag| tag.get() == 1;
        assert_eq!(vector.prune(dot(99, 0), departed), 0);
        let unpruned = vector.clone();
        assert_eq!(vector.prune(dot(150, 0), departed), 1);
        assert!(vector.covers(old) && vector.covers(dot(5, 1)) && !vector.covers(dot(101, 1)));
        assert!(vector.covers_all(&unpruned));
        // Whoever has only the entries that are left does not cover what was pruned.
        let stranger: Vector = vector.entries().iter().copied().collect();
        assert!(!stranger.covers_all(&vector));
        // A live tag keeps its entry, which its chain goes on from.
        assert_eq!(vector.get(Tag::new(3)), dot(90, 3));
    }
}
