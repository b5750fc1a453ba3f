//! Typed commands: a method for each row of the command table, and a marker type that carries what its calls can be given besides.
//!
//! Awaited, a call answers the command's natural type; [`Call::reply_as`](crate::Call::reply_as) reads it as another.

#[rustfmt::skip]
mod generated;
pub use generated::*;
