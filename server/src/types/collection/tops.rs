//! The latest dot of each writer in a collection, so that "does this vector cover all of it" is a question per writer, not per element.

use super::stamp::Stamp;
use crate::base::version::Version;

/// Upper bounds of a collection's dots. A bound is exact for a packed value; a big one raises it with every write and never lowers it when
/// elements go, so a vector that covers the bounds covers the elements, and one that does not may still.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tops {
    /// One for each tag, in the order of tags.
    dots: Vec<Version>,
    unstamped: bool,
    siblings: bool,
}

impl Tops {
    /// The highest dot of each tag.
    pub fn dots(&self) -> &[Version] {
        &self.dots
    }

    /// Whether elements may be there that were written before replication began, and have no dot.
    pub fn has_unstamped(&self) -> bool {
        self.unstamped
    }

    /// Whether elements may have siblings, whose dots are not among [`Tops::dots`].
    pub fn has_siblings(&self) -> bool {
        self.siblings
    }

    /// Takes an element's stamp into account.
    #[inline]
    pub(super) fn note(&mut self, stamp: &Stamp<'_>) {
        self.siblings |= !stamp.siblings.is_empty();
        if stamp.dot.is_zero() {
            self.unstamped = true;
            return;
        }
        match self.dots.binary_search_by_key(&stamp.dot.tag(), |dot| dot.tag()) {
            Ok(index) => self.dots[index] = self.dots[index].max(stamp.dot),
            Err(index) => self.dots.insert(index, stamp.dot),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.dots.capacity() * size_of::<Version>()
    }
}
