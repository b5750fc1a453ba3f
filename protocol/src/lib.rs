//! The Redis protocol as Torc speaks it.
//!
//! Framing ([`request`]), replies ([`reply`] writes them, [`response`] reads them), the command table ([`command`]), slots ([`slot`]), numbers as Redis reads
//! and writes them ([`number`]), glob patterns ([`glob`]), the wording of errors ([`error`]) and what nodes
//! say to each other ([`peer`]). No I/O, no async, no unsafe; nothing here knows a
//! server, so the client library shares it.
#![forbid(unsafe_code)]

pub mod command;
pub mod error;
pub mod glob;
pub mod number;
pub mod peer;
pub mod reply;
pub mod request;
pub mod response;
pub mod slot;

pub use error::{ProtocolError, WireError};
pub use reply::{Protocol, Reply};
pub use request::Args;
