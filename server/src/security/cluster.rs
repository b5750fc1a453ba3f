//! Who belongs to the cluster: proofs between peers.
//!
//! A link's two ends send each other a challenge and their identity; each proves that it knows the cluster's secret by an HMAC-SHA256 over
//! both messages. The proof does not protect what follows on the connection: over a network that others can write to, let an
//! [`Authenticator`] for mTLS take the place of [`ClusterSecret`].
//!
//! Source: RFC 2104 for HMAC; the sides are part of what is proven, against reflection.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;

/// Which end of a link somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that connected.
    Dials,
    /// The end that was connected to.
    Accepts,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::Dials => Side::Accepts,
            Side::Accepts => Side::Dials,
        }
    }
}

/// What proves that a peer belongs to the cluster.
///
/// Where the transport proves it (mTLS), a proof is empty and `verify` says whether the transport did.
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// The proof of the end `side` over `transcript`, at most [`torc_protocol::peer::hello::PROOF_BYTES_MAX`] bytes.
    fn prove(&self, side: Side, transcript: &[u8]) -> Vec<u8>;

    /// Whether `proof` is that of the end `side` over `transcript`. Takes the same time wherever it differs.
    fn verify(&self, side: Side, transcript: &[u8], proof: &[u8]) -> bool;
}

/// The secret that all nodes of a cluster share. Without one it is empty: such nodes take each other, and nobody who has one.
pub struct ClusterSecret {
    keyed: Hmac<Sha256>,
}

/// Sets these proofs apart from every other use of the secret.
const CONTEXT: &[u8] = b"torc peer link 1\0";

impl ClusterSecret {
    /// The secret of these bytes, of any length.
    pub fn new(secret: &[u8]) -> Self {
        let keyed = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        ClusterSecret { keyed }
    }

    fn mac(&self, side: Side, transcript: &[u8]) -> Hmac<Sha256> {
        let side: &[u8] = match side {
            Side::Dials => b"dials\0",
            Side::Accepts => b"accepts\0",
        };
        self.keyed.clone().chain_update(CONTEXT).chain_update(side).chain_update(transcript)
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret")
    }
}

impl Authenticator for ClusterSecret {
    fn prove(&self, side: Side, transcript: &[u8]) -> Vec<u8> {
        self.mac(side, transcript).finalize().into_bytes().to_vec()
    }

    fn verify(&self, side: Side, transcript: &[u8], proof: &[u8]) -> bool {
        self.mac(side, transcript).verify_slice(proof).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_hold_for_their_side_and_transcript_alone() {
        let secret = ClusterSecret::new(b"orders");
        let proof = secret.prove(Side::Dials, b"hello");
        assert_eq!(proof.len(), 32);
        assert!(secret.verify(Side::Dials, b"hello", &proof));
        assert!(!secret.verify(Side::Accepts, b"hello", &proof), "a reflected proof");
        assert!(!secret.verify(Side::Dials, b"hullo", &proof));
        assert!(!secret.verify(Side::Dials, b"hello", &proof[..31]));
        assert!(!secret.verify(Side::Dials, b"hello", b""));
        assert!(!ClusterSecret::new(b"").verify(Side::Dials, b"hello", &proof));
        assert!(!format!("{secret:?}").contains("orders"));
    }

    #[test]
    fn it_is_hmac_sha256() {
        // RFC 4231, test case 2, to be sure of the algorithm behind the crates.
        let mac = Hmac::<Sha256>::new_from_slice(b"Jefe").unwrap();
        let bytes = mac.chain_update(b"what do ya want for nothing?").finalize().into_bytes();
        assert_eq!(bytes[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
