//! What tells a client that keys were changed, on its way to the connection that hears it.
//!
//! ```text
//!   RESP3                 > invalidate, [keys]
//!   RESP2, redirected     * message, __redis__:invalidate, [keys]       where the connection has subscriptions
//!   anything else         nothing
//! ```
//!
//! Which of these it is is decided where it arrives, for the connection may have changed its protocol meanwhile.

use std::sync::Arc;
use torc_protocol::{Protocol, Reply};

/// The channel that RESP2 connections subscribe to.
pub const CHANNEL: &[u8] = b"__redis__:invalidate";

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An array of keys, or the null that stands for all, as it goes out.
    Invalid {
        /// The rendered array or null.
        keys: Arc<[u8]>,
        /// Whether another client than the one that tracks hears it.
        redirected: bool,
    },
    /// The client that was to hear it instead of this one is gone.
    Broken {
        /// Its id.
        redirect: u64,
    },
}

/// One message, for one connection.
#[derive(Debug, Clone)]
pub struct Push {
    /// Where the worker keeps the connection.
    pub place: usize,
    /// The client whose it must still be.
    pub client: u64,
    /// Whether the client's own command caused it: it comes behind the reply, even where that is waited for.
    pub is_own: bool,
    /// What is told.
    pub told: Told,
}

/// What a message needs beyond its bytes, for the bound on what waits.
const OVERHEAD_BYTES: usize = 96;

impl Push {
    /// Bytes that it takes while it waits.
    pub fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + match &self.told {
                Told::Invalid { keys, .. } => keys.len(),
                Told::Broken { .. } => 0,
            }
    }
}

impl Told {
    /// Appends it to `out` for a connection of this protocol, which has subscriptions or not.
    pub fn render(&self, protocol: Protocol, is_subscribed: bool, out: &mut Vec<u8>) {
        let mut reply = Reply::new(out, protocol);
        match self {
            Told::Invalid { keys, .. } if protocol == Protocol::Resp3 => {
                reply.push(2);
                reply.bulk(b"invalidate");
                out.extend_from_slice(keys);
            }
            Told::Invalid { keys, redirected: true } if is_subscribed => {
                reply.push(3);
                reply.bulk(b"message");
                reply.bulk(CHANNEL);
                out.extend_from_slice(keys);
            }
            Told::Broken { redirect } if protocol == Protocol::Resp3 => {
                reply.push(2);
                reply.bulk(b"tracking-redir-broken");
                reply.integer(*redirect as i64);
            }
            Told::Invalid { .. } | Told::Broken { .. } => {}
        }
    }
}

/// An array of keys as it goes out, the same in both protocols.
pub fn keys<'k>(count: usize, keys: impl Iterator<Item = &'k [u8]>) -> Arc<[u8]> {
    let mut out = Vec::new();
    let mut reply = Reply::new(&mut out, Protocol::Resp3);
    reply.array(count);
    keys.for_each(|key| reply.bulk(key));
    out.into()
}

/// The null that stands for all keys, in the protocol of the client that tracks.
pub fn all_keys(protocol: Protocol) -> Arc<[u8]> {
    let mut out = Vec::new();
    Reply::new(&mut out, protocol).null();
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_looks_as_its_connection_reads() {
        let render = |told: &Told, protocol, is_subscribed| {
            let mut out = Vec::new();
            told.render(protocol, is_subscribed, &mut out);
            String::from_utf8(out).unwrap()
        };
        let keys = keys(1, [&b"k"[..]].into_iter());
        let own = Told::Invalid { keys: keys.clone(), redirected: false };
        let redirected = Told::Invalid { keys, redirected: true };
        let push = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
        assert_eq!(render(&own, Protocol::Resp3, false), push);
        assert_eq!(render(&redirected, Protocol::Resp3, true), push);
        assert_eq!(render(&own, Protocol::Resp2, true), "");
        assert_eq!(render(&redirected, Protocol::Resp2, false), "");
        let message = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n";
        assert_eq!(render(&redirected, Protocol::Resp2, true), message);
        let broken = Told::Broken { redirect: 7 };
        assert_eq!(
            render(&broken, Protocol::Resp3, false),
            ">2\r\n$21\r\ntracking-redir-broken\r\n:7\r\n"
        );
        assert_eq!(render(&broken, Protocol::Resp2, true), "");
        assert_eq!(&*all_keys(Protocol::Resp3), b"_\r\n");
        assert_eq!(&*all_keys(Protocol::Resp2), b"$-1\r\n");
    }
}
