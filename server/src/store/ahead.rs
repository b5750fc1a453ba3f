//! Asking memory for many keys ahead of their look-ups, so that the waits overlap.
//!
//! A look-up follows up to four addresses, each found where the one before leads: the slot's root word, the bucket, the bucket's overflow line, the entry. Each is asked
//! for for all keys before the next is. With a million keys, a stage that is left out costs up to a tenth of all the time of a GET; the root words too, which are
//! 128 KiB.

use super::big::Big;
use super::database::Roots;
use super::entry::Entry;
use super::hash::KeyHash;
use super::index;
use crate::base::limits::BATCH_COMMANDS_MAX;

/// The look-ups to come in one database.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'g> {
    pub(super) roots: &'g Roots,
}

impl<'g> Ahead<'g> {
    /// Asks for everything that look-ups of keys which live at `places` will read.
    #[inline]
    pub fn ask<I: Iterator<Item = KeyHash>>(self, places: impl Fn() -> I) {
        let root = |place: KeyHash| &self.roots.words[place.slot];
        places().for_each(|place| index::prefetch_root(root(place)));
        places().for_each(|place| index::prefetch_bucket(root(place), place.hash));
        places().for_each(|place| index::prefetch_overflow(root(place), place.hash));
        places().for_each(|place| index::prefetch_entry(root(place), place.hash));
    }

    /// Asks for what look-ups in collections will read beyond that, where they are large: the value, then its root.
    #[inline]
    pub fn ask_collections(self, places: impl Iterator<Item = KeyHash>) {
        let mut found: [Option<&Big>; BATCH_COMMANDS_MAX] = [None; BATCH_COMMANDS_MAX];
        let mut before = None;
        for (place, found) in places.zip(&mut found) {
            // Many commands of a batch may be about one collection.
            if before.replace(place.hash) == Some(place.hash) {
                continue;
            }
            *found = self.large(place);
            if let Some(big) = found {
                big.prefetch();
            }
        }
        found.into_iter().flatten().for_each(Big::prefetch_root);
    }

    fn large(self, place: KeyHash) -> Option<&'g Big> {
        let address = index::candidate(&self.roots.words[place.slot], place.hash)?;
        // SAFETY: the table had it while the guard was held, whose lifetime is that of the roots; so it is not freed before that ends.
        unsafe { Entry::at(address) }.big()
    }
}
