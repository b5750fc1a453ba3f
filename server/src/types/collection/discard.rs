//! The memory of big values that nobody needs any more, to be freed in pieces.

/// What remains of a big value. Dropping it frees all at once; [`Discard::free_some`] frees a little.
#[derive(Debug, Default)]
#[must_use]
pub struct Discard {}

impl Discard {
    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        true
    }

    /// Frees about `nodes` pieces of up to a few KiB each: some tens of nanoseconds a piece. Whether nothing is left.
    pub fn free_some(&mut self, nodes: usize) -> bool {
        nodes == 0 || self.is_done()
    }
}
