//! The ring: who its nodes are, which slots each keeps, and where a request goes.
//!
//! ```text
//! membership ── record ── member ── layout ── view ── render   the replies of CLUSTER
//!                                    (pure)     └───── route    what becomes of a command     handle   where the threads find both
//! ```
//!
//! But for the handle, which publishes snapshots, everything here is a pure function or an immutable value: no sockets, no clock, no
//! randomness. It knows slots and nodes, never what is stored.

pub mod handle;
pub mod health;
pub mod layout;
pub mod member;
pub mod membership;
mod mix;
pub mod node_id;
pub mod record;
pub mod render;
pub mod route;
#[cfg(test)]
pub(crate) mod testing;
pub mod view;

pub use handle::ClusterHandle;
pub use node_id::NodeId;
pub use view::View;
