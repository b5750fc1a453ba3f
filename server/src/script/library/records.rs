//! The libraries of a node as a value that merges: by name, the last word on it.
//!
//! Each word bears a stamp, and the later of two words on one name stands. That a library was deleted is a word like any other and is kept, or a node that was away would bring
//! the library back; a flush is one word on all names that were stamped before it. So merging is commutative, associative and idempotent, as long as nothing is forgotten: of
//! more than [`DELETED_MAX`] names that were deleted the oldest are, and a node that was away for that long brings them back.

use super::Library;
use crate::base::clock::UnixMs;
use crate::base::version::{Tag, Version};
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many deleted names are remembered.
pub const DELETED_MAX: usize = 4096;

/// When a word was said, and by which node. No two words have the same stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// The moment, by the hybrid clock.
    pub version: Version,
    /// The node's id; 0 for a node without a ring.
    pub origin: u64,
}

/// The last word on a name.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was said.
    pub stamp: Stamp,
    /// The library; `None` if it was deleted.
    pub library: Option<Arc<Library>>,
    /// Whether a peer said it, and no client of this node has said the same.
    pub is_hearsay: bool,
}

impl Record {
    /// A word of a client of this node.
    pub fn said(stamp: Stamp, library: Option<Arc<Library>>) -> Self {
        Record { stamp, library, is_hearsay: false }
    }

    /// A word of a peer.
    pub fn heard(stamp: Stamp, library: Option<Arc<Library>>) -> Self {
        Record { stamp, library, is_hearsay: true }
    }

    fn text(&self) -> Option<&[u8]> {
        self.library.as_ref().map(|library| library.text())
    }
}

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub struct Records {
    /// When all libraries were deleted last.
    pub(super) flushed: Stamp,
    pub(super) by_name: BTreeMap<String, Record>,
    highest: Version,
}

impl Records {
    /// A stamp above all that this node has seen.
    pub fn next_stamp(&mut self, now: UnixMs, origin: u64) -> Stamp {
        self.highest = Version::next(now, self.highest, Tag::new(0));
        Stamp { version: self.highest, origin }
    }

    /// The libraries, in the order of their names.
    pub fn libraries(&self) -> impl Iterator<Item = (Stamp, &Arc<Library>)> {
        self.by_name.values().filter_map(|it| Some((it.stamp, it.library.as_ref()?)))
    }

    /// The library of this name.
    pub fn library(&self, name: &str) -> Option<&Arc<Library>> {
        self.by_name.get(name)?.library.as_ref()
    }

    /// Whether a word of this stamp on this name would change anything.
    pub fn is_news(&self, name: &str, stamp: Stamp) -> bool {
        stamp > self.flushed && self.by_name.get(name).is_none_or(|it| it.stamp < stamp)
    }

    /// A client of this node says of this name what a peer has said: that it is this text, or deleted. Returns whether it is the first to say so.
    pub fn repeat(&mut self, name: &str, text: Option<&[u8]>) -> bool {
        let same = self.by_name.get_mut(name).filter(|record| record.text() == text);
        same.is_some_and(|record| std::mem::take(&mut record.is_hearsay))
    }

    /// Takes over a word, unless a later one is known. Returns whether it was news.
    pub fn put(&mut self, name: &str, mut record: Record) -> bool {
        self.highest = self.highest.max(record.stamp.version);
        let is_news = self.is_news(name, record.stamp);
        if is_news {
            let is_deletion = record.library.is_none();
            let said = self.by_name.get(name).filter(|it| !it.is_hearsay);
            record.is_hearsay &= said.is_none_or(|it| it.text() != record.text());
            self.by_name.insert(name.to_owned(), record);
            if is_deletion {
                self.forget_oldest();
            }
        }
        is_news
    }

    /// All libraries were deleted then. Returns whether that was news.
    pub fn flush(&mut self, stamp: Stamp) -> bool {
        self.highest = self.highest.max(stamp.version);
        let is_news = stamp > self.flushed;
        if is_news {
            self.flushed = stamp;
            self.by_name.retain(|_, record| record.stamp > stamp);
        }
        is_news
    }

    fn forget_oldest(&mut self) {
        let deleted = || self.by_name.iter().filter(|(_, it)| it.library.is_none());
        if deleted().count() > DELETED_MAX
            && let Some(oldest) = deleted().min_by_key(|(_, it)| it.stamp)
        {
            let name = oldest.0.clone();
            self.by_name.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Function, Source};
    use super::*;
    use crate::base::rng::Rng;

    /// One word: a library's, a deletion's or a flush's.
    #[derive(Clone)]
    enum Word {
        Said(String, Record),
        Flush(Stamp),
    }

    fn told(words: &[Word]) -> Vec<(String, Stamp, bool)> {
        let mut records = Records::default();
        for word in words {
            match word.clone() {
                Word::Said(name, record) => records.put(&name, record),
                Word::Flush(stamp) => records.flush(stamp),
            };
        }
        let seen = records.by_name.iter();
        seen.map(|(name, it)| (name.clone(), it.stamp, it.library.is_some())).collect()
    }

    #[test]
    fn the_order_in_which_words_are_heard_does_not_matter() {
        for seed in 0..500 {
            let mut rng = Rng::seeded(seed);
            let mut words = Vec::new();
            for number in 0..8 {
                let version = Version::next(0, Version::from_bits(rng.below(4) << 12), Tag::new(0));
                let stamp = Stamp { version, origin: number };
                let name = ["a", "b", "c"][rng.below(3) as usize];
                let source = Source::parse(format!("#!lua name={name}\n").as_bytes()).unwrap();
                let library = Library::new(source, vec![Function::default()]);
                words.push(match rng.below(4) {
                    0 => Word::Flush(stamp),
                    1 => Word::Said(name.into(), Record::said(stamp, None)),
                    _ => Word::Said(name.into(), Record::said(stamp, Some(library))),
                });
            }
            let expected = told(&words);
            for _ in 0..5 {
                let other = rng.below(8) as usize;
                words.swap(0, other);
                // Heard twice is heard once.
                words.push(words[other].clone());
                assert_eq!(told(&words), expected, "seed {seed}");
            }
        }
    }

    #[test]
    fn stamps_rise_above_what_was_heard() {
        let mut records = Records::default();
        let ours = records.next_stamp(2_000_000_000_000, 1);
        let theirs =
            Stamp { version: Version::from_bits(ours.version.get() + (9 << 30)), origin: 2 };
        assert!(records.put("a", Record::said(theirs, None)));
        assert!(records.next_stamp(2_000_000_000_000, 1) > theirs);
        assert!(!records.put("a", Record::said(ours, None)));
        let flushed =
            Stamp { version: Version::from_bits(theirs.version.get() + (9 << 30)), origin: 2 };
        assert!(records.flush(flushed));
        assert!(records.next_stamp(2_000_000_000_000, 1) > flushed);
    }

    #[test]
    fn deletions_are_remembered_up_to_a_bound() {
        let mut records = Records::default();
        for number in 0..DELETED_MAX + 10 {
            let stamp = records.next_stamp(0, 0);
            records.put(&number.to_string(), Record::said(stamp, None));
        }
        assert_eq!(records.by_name.len(), DELETED_MAX);
        assert!(!records.by_name.contains_key("0") && records.by_name.contains_key("10"));
    }
}
