//! Hashes, sets, sorted sets, lists and streams as values: elements in a small packed form or a big one, and what replication keeps of each.
//!
//! **Small** is one block of packed bytes ([`block`]) that lies where its owner puts it, is read in place ([`HashView::packed`] and its like) and
//! replaced by an edited copy. **Big** is a B+tree whose leaves are such blocks and whose nodes are counted references: a clone is a snapshot and costs nothing,
//! an edit changes in place what no snapshot holds and copies the path to it otherwise. Which form a value has is what OBJECT ENCODING says.
//!
//! One style for all four: a `…View` reads either form and hands out what borrows from it; an owned value is made from packed bytes or is big,
//! is edited, and gives packed bytes back or stays big.
//!
//! ```text
//! let view = HashView::packed(bytes);              // read: nothing is copied
//! let mut hash = Hash::from_packed(bytes);         // edit: a copy
//! hash.insert(b"field", b"value", Stamp::NONE, &limits);
//! match hash.packed() { Some(bytes) => …, None => … it has turned big: keep `hash` itself }
//! ```
//!
//! **Replication.** Every element may bear a [`Stamp`]: its dot, and rarely siblings. A block without any has no room for them, so a lone node pays
//! nothing. [`Tops`] answers whether a vector covers all of a value; lists have a [`Position`] for each element besides.
//!
//! Knows no keys, no clock, no deadlines, and of hashes only the function it is given. Packed bytes are its own: they never come from a peer or a client, who
//! send elements.

mod block;
mod discard;
mod edit;
mod hash;
mod integers;
mod item;
mod keyed;
mod limits;
mod list;
mod position;
mod ranks;
mod run;
mod score;
mod sequence;
mod set;
mod sorted;
mod stamp;
pub mod stream;
#[cfg(test)]
mod tests;
mod tops;
mod tree;
mod walk;
mod zset;

pub use discard::Discard;
pub use hash::{Field, Fields, Hash, HashView};
pub use item::{Item, back_len_bytes};
pub use limits::{HashFn, Limits};
pub use list::{Element, Elements, List, ListView};
pub use position::{Crowded, Position};
pub use score::shown_whole;
pub use set::{Member, Members, Set, SetView};
pub use stamp::Stamp;
pub use stream::{Stream, StreamId, StreamView};
pub use tops::Tops;
pub use zset::{Known, Ranked, Scored, Zset, ZsetView};
