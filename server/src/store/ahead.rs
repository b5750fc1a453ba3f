//! Asking memory for many keys ahead of their look-ups, so that the waits overlap.
//!
//! A look-up follows up to four addresses, each found where the one before leads: the slot's root word, the bucket, the bucket's overflow line, the entry. Each is asked
//! for for all keys before the next is. With a million keys, a stage that is left out costs up to a tenth of all the time of a GET; the root words too, which are
//! 128 KiB.

use super::database::Roots;
use super::hash::KeyHash;
use super::index;

/// The look-ups to come in one database.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'g> {
    pub(super) roots: &'g Roots,
}

impl Ahead<'_> {
    /// Asks for everything that look-ups of keys which live at `places` will read.
    #[inline]
    pub fn ask<I: Iterator<Item = KeyHash>>(self, places: impl Fn() -> I) {
        let root = |place: KeyHash| &self.roots.words[place.slot];
        places().for_each(|place| index::prefetch_root(root(place)));
        places().for_each(|place| index::prefetch_bucket(root(place), place.hash));
        places().for_each(|place| index::prefetch_overflow(root(place), place.hash));
        places().for_each(|place| index::prefetch_entry(root(place), place.hash));
    }
}
