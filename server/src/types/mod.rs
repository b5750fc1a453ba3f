//! Values: no I/O, no clock.
//!
//! Each module works on the bytes of one kind of value: pure functions that a handler runs on what the store holds.
//! Nothing here knows keys, clients or the store.

pub mod bitfield;
pub mod bitmap;
pub mod collection;
pub mod geo;
pub mod hyperloglog;
pub mod lcs;
pub mod long_double;
pub mod rdb;
