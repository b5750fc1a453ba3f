//! Merging two states of a slot, so that replicas which have seen the same effects hold the same, whatever the order in which
//! effects and states reached them.
//!
//! A key is a set of *elements*, each with its dot, the version of the effect that wrote it. An operation removes the elements that its
//! origin had seen and adds its own. The state after a history is then a function of that history alone:
//!
//! ```text
//! state(H) = { e written in H : no operation in H that had seen e removed it }
//!
//! join of (S1, V1) and (S2, V2) = (S1 ∩ S2) ∪ { e ∈ S1 : dot ∉ V2 } ∪ { e ∈ S2 : dot ∉ V1 }, covering V1 ∪ V2
//! ```
//!
//! Laws, held by tests: the join is commutative, associative and idempotent; equal vectors mean equal elements. An element that is
//! absent and covered was removed, so there are no tombstones and nothing comes back.
//!
//! **What wins is decided when reading, not when merging.** Elements that did not see each other stay side by side; a reader sees the one
//! with the latest stamp. Dropping the loser at once looks like the same and is not: let both sides of a partition SET a key, and the side
//! of the later SET delete it. Where the later SET is applied to the earlier one first, dropping leaves nothing; where the delete came first,
//! the earlier SET remains: equal vectors, different keys, for ever. Losers are few (one for each other writer of a partition) and go with
//! the next write to their key, because its origin has seen them; [`KeyState::has_hidden`] tells the acting primary that it may write one.
//!
//! **Types.** A key's state is the product of its string and of the elements of its collections, each of which holds what a string holds. A collection as the store
//! keeps it brings its own structure with the same operations.
//!
//! Knows nothing of the store, of links or of time but what it is given.
//!
//! Source: Almeida, Shoker, Baquero, "Delta state replicated data types", 2018 (causal CRDTs); Gonçalves et al., "DottedDB", SRDS 2017.

mod codec;
mod counter;
mod deadline;
mod field;
mod key;
mod slot;
mod string;
#[cfg(test)]
mod tests;

pub use codec::encode_plain;
pub use counter::{Amount, Cell, score_bytes, score_of, total};
pub use deadline::Ttl;
pub use field::{Field, Shown};
pub use key::{BaseMissing, ElementId, Head, KeyState, Part};
pub use slot::SlotState;
pub use string::{Register, Value};

use super::vector::Vector;
use crate::base::clock::UnixMs;
use crate::base::version::Version;

/// What an effect's origin had seen when it wrote: its own chain up to the effect, and of others what its vector covered.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The effect's version.
    pub version: Version,
    /// What the origin had seen of other tags; see [`super::chain::Chain::context`].
    pub others: &'a Vector,
}

impl Context<'_> {
    /// Whether the origin had seen `dot`, or wrote it in this very effect.
    pub fn has_seen(&self, dot: Version) -> bool {
        match dot.tag() == self.version.tag() {
            true => dot <= self.version,
            false => self.others.covers(dot),
        }
    }
}

/// What a type's state must be able to do to be replicated.
pub trait Merge {
    /// Joins `other` into this state; `own` and `theirs` are the vectors that the two belong to.
    fn join(&mut self, own: &Vector, other: Self, theirs: &Vector);

    /// Drops every element whose dot is `removed`.
    fn forget(&mut self, removed: &dyn Fn(Version) -> bool);

    /// Drops every element whose own deadline lies at or before `before`: what a replica may do without being told, once that is two clock skews ago.
    /// Judged for each element alone, or it would depend on which others have arrived.
    fn drop_expired(&mut self, before: UnixMs);

    /// Calls `visit` with each element's dot.
    fn dots(&self, visit: &mut dyn FnMut(Version));

    /// Whether no element is left.
    fn is_empty(&self) -> bool;
}

/// An element of a [`Dots`] set.
pub trait Element: Clone + Eq {
    /// Its name in version vectors.
    fn dot(&self) -> Version;

    /// Its deadline.
    fn ttl(&self) -> Ttl;

    /// Which of two elements of *one* dot stays. Dots name one write, unless two nodes use one tag; then all must at least come to the same.
    fn tie(self, other: Self) -> Self;
}

/// A small set of elements, in the order of their dots. A tag has one at most: who writes has seen what it wrote before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dots<E>(Vec<E>);

impl<E> Default for Dots<E> {
    fn default() -> Self {
        Dots(Vec::new())
    }
}

impl<E: Element> Dots<E> {
    /// The elements.
    pub fn iter(&self) -> std::slice::Iter<'_, E> {
        self.0.iter()
    }

    /// Adds an element. One of the same tag with an earlier dot goes; one with a later dot stays instead.
    pub fn insert(&mut self, element: E) {
        let dot = element.dot();
        let same = self.0.iter().position(|known| known.dot().tag() == dot.tag());
        let element = match same.map(|index| self.0.remove(index)) {
            Some(known) if known.dot() > dot => known,
            Some(known) if known.dot() == dot => known.tie(element),
            _ => element,
        };
        let place = self.0.partition_point(|known| known.dot() < element.dot());
        self.0.insert(place, element);
    }

    /// Takes out the element of `dot`.
    pub fn take(&mut self, dot: Version) -> Option<E> {
        let index = self.0.iter().position(|known| known.dot() == dot)?;
        Some(self.0.remove(index))
    }

    /// Keeps the elements that `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&E) -> bool) {
        self.0.retain(keep);
    }
}

impl<E: Element> Merge for Dots<E> {
    fn join(&mut self, own: &Vector, other: Self, theirs: &Vector) {
        self.0.retain(|mine| {
            let both = other.0.iter().any(|element| element.dot() == mine.dot());
            both || !theirs.covers(mine.dot())
        });
        for element in other.0 {
            let both = self.0.iter().any(|mine| mine.dot() == element.dot());
            if both || !own.covers(element.dot()) {
                self.insert(element);
            }
        }
    }

    fn forget(&mut self, removed: &dyn Fn(Version) -> bool) {
        self.0.retain(|element| !removed(element.dot()));
    }

    fn drop_expired(&mut self, before: UnixMs) {
        self.0.retain(|element| !element.ttl().is_over(before));
    }

    fn dots(&self, visit: &mut dyn FnMut(Version)) {
        self.0.iter().for_each(|element| visit(element.dot()));
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
