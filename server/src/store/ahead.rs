//! Asking memory for many keys ahead of their look-ups, so that the waits overlap.
//!
//! A look-up follows up to four addresses, each found where the one before leads: the slot's root word, the bucket, the bucket's overflow line, the entry. Each is asked
//! for for all keys before the next is. With a million keys, a stage that is left out costs up to a tenth of all the time of a GET; the root words too, which are
//! 128 KiB.
//!
//! A large collection takes two addresses more, its value and the root of its tree. From there on the ways part; of hashes of a kilobyte, the root is all there is.

use super::database::Roots;
use super::entry::Entry;
use super::hash::KeyHash;
use super::index;
use crate::base::limits::BATCH_COMMANDS_MAX;
use crate::base::sync::AtomicU64;

/// The look-ups to come in one database.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'g> {
    pub(super) roots: &'g Roots,
}

impl<'g> Ahead<'g> {
    /// Asks for everything that look-ups of keys which live at `places` (at most [`BATCH_COMMANDS_MAX`]) will read.
    #[inline]
    pub fn ask<I: Iterator<Item = KeyHash>>(self, places: impl Fn() -> I) {
        self.ask_buckets(&places);
        places().for_each(|place| {
            self.entry(place);
        });
    }

    /// The same where some of them are looked up for what is in a collection: if that is large, its value and the root of that are read too.
    pub fn ask_collections<I: Iterator<Item = KeyHash>>(self, places: impl Fn() -> I) {
        self.ask_buckets(&places);
        let mut entries = [None; BATCH_COMMANDS_MAX];
        let mut count = 0;
        for (place, entry) in places().zip(&mut entries) {
            (*entry, count) = (self.entry(place), count + 1);
        }
        let mut before = None;
        let mut values = [None; BATCH_COMMANDS_MAX];
        for (&entry, value) in entries[..count].iter().zip(&mut values) {
            // Many commands of a batch may be about one collection.
            if let Some(address) = entry
                && before.replace(address) != Some(address)
            {
                // SAFETY: the table had it while the guard was held, whose lifetime is that of the roots; so it is not freed before that ends.
                *value = unsafe { Entry::at(address) }.big();
                value.inspect(|big| big.prefetch());
            }
        }
        values[..count].iter().flatten().for_each(|big| big.prefetch_root());
    }

    #[inline]
    fn ask_buckets<I: Iterator<Item = KeyHash>>(self, places: &impl Fn() -> I) {
        places().for_each(|place| index::prefetch_root(self.root(place)));
        places().for_each(|place| index::prefetch_bucket(self.root(place), place.hash));
        places().for_each(|place| index::prefetch_overflow(self.root(place), place.hash));
    }

    #[inline]
    fn root(self, place: KeyHash) -> &'g AtomicU64 {
        &self.roots.words[place.slot]
    }

    /// Asks for the entry of a key, and says where it most likely is.
    #[inline]
    fn entry(self, place: KeyHash) -> Option<u64> {
        index::prefetch_entry(self.root(place), place.hash)
    }
}
