//! What nodes say to each other: frames, and the messages that every link needs.
//!
//! ```text
//!   a link's bytes:   [ frame ][ frame ][ frame … ]
//!   a frame:          [ header, 16 bytes ][ payload ]                                        frame
//!   a payload:        [ version ][ length of the fields ][ fields: tag, length, value … ][ body ]   wire
//!                                                          e.g. consistency, deadline      RESP, as the client sent it
//! ```
//!
//! [`frame`] finds frames in received bytes and writes them, [`wire`] holds the primitives that all payloads are made of, and
//! that the layers which own the other payloads (effects, sync, gossip …) use for theirs. [`hello`] are the messages of the handshake,
//! [`request`] a forwarded command and its response, [`publish`] messages of channels,
//! [`libraries`] those of functions, [`changes`] what client-side caching needs, [`message`] the small ones: acks, pings, credit.
//!
//! **Invariant.** Bytes of a peer cause an error or a value, never a panic, and reserve no memory for what they only declare.
//! **Does not know** who may connect, what an effect holds, or when to send anything: the server's `node::link` does.
//!
//! **Versions.** [`REVISION_MAX`] counts the forms of the whole protocol; two nodes speak the highest that both know. Within a revision a
//! payload grows by new fields, which older readers skip, and by new kinds, which they ignore; what would change the meaning of a field takes
//! a new version of that kind and a new revision.

pub mod changes;
pub mod frame;
pub mod hello;
mod level;
pub mod libraries;
pub mod message;
pub mod publish;
pub mod request;
pub mod wire;

#[cfg(test)]
mod tests;

pub use frame::{Class, Decoded, Frame, FrameError, Head, Header, Kind, Limits};
pub use wire::{Malformed, Reader, TooLong};

/// The newest revision of the peer protocol that this code speaks.
pub const REVISION_MAX: u16 = 1;

/// The oldest revision of the peer protocol that this code speaks.
pub const REVISION_MIN: u16 = 1;

// A rolling upgrade mixes neighbouring releases: whoever raises the newest revision keeps the one before it.
const _: () = assert!(REVISION_MIN >= 1 && (REVISION_MAX == 1 || REVISION_MIN < REVISION_MAX));
