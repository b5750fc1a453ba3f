//! The memory of big values that nobody needs any more, to be freed in pieces.

use std::fmt;

/// Something that can be freed a little at a time.
pub(super) trait Free {
    /// Frees up to `nodes` nodes. Whether nothing is left.
    fn free_some(&mut self, nodes: usize) -> bool;
}

/// What remains of a big value. Dropping it frees all at once; [`Discard::free_some`] frees a little. It may go to another thread.
#[derive(Default)]
#[must_use]
pub struct Discard(Vec<Box<dyn Free + Send + Sync>>);

impl Discard {
    pub(super) fn of(part: impl Free + Send + Sync + 'static) -> Self {
        Discard(vec![Box::new(part)])
    }

    /// Takes in what is left of another.
    pub fn add(&mut self, other: Discard) {
        self.0.extend(other.0);
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Frees about `nodes` pieces of up to a few KiB each: some tens of nanoseconds a piece. Whether nothing is left.
    pub fn free_some(&mut self, nodes: usize) -> bool {
        if let Some(part) = self.0.last_mut()
            && part.free_some(nodes)
        {
            self.0.pop();
        }
        self.is_done()
    }
}

impl fmt::Debug for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Discard").field("parts", &self.0.len()).finish()
    }
}
