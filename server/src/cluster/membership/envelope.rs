//! The outside of a gossip packet: who may read it, and whether it is meant for this cluster at all.
//!
//! ```text
//! magic 2 │ format 1 │ kind 1 │ layout_algo 1 │ protocol min 2 │ max 2 │ hash of the cluster's name 8     17 bytes, in clear
//!   plain:    checksum 8 │ body
//!   sealed:   nonce 24 │ XChaCha20-Poly1305 of (unix ms 8 │ body), tag 16; the clear part is authenticated with it
//!   refusal:  reason 1                        in clear, believed for a log line and nothing else
//! ```
//!
//! Invariant: a body is handed on only if its sender is of the same cluster, layout and protocol and, where there is a secret, knows it,
//! within 30 s of our clock, once.
//!
//! **Nonces** are node id │ a number drawn at the start │ a counter. The key is shared by all nodes, and XChaCha's 24 bytes have
//! room for what keeps any two packets apart, whatever their generators do; 12 random bytes would meet after some days of a large cluster.
//! The first 16 bytes name the sender's run, the counter is what the replay window checks.
//!
//! Sources: RFC 5869 (HKDF), RFC 8439 and draft-irtf-cfrg-xchacha (the AEAD), RFC 4303 section 3.4.3 (the replay window).

use super::replay::ReplayWindow;
use super::{Now, Why};
use crate::cluster::node_id::NodeId;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use sha2::Sha256;
use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

const MAGIC: [u8; 2] = [0x54, 0xc3];
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 17;
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const TIME_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 8;

/// How far a sender's clock may be from ours.
pub const SKEW_MS_MAX: u64 = 30_000;

/// What the larger of the two forms adds to a body.
pub const OVERHEAD_BYTES: usize = HEADER_BYTES + NONCE_BYTES + TIME_BYTES + TAG_BYTES;

/// Bytes of a datagram at most: it passes an Ethernet of 1,500 with IPv6 and a tunnel's header.
pub const DATAGRAM_BYTES_MAX: usize = 1_400;

/// Bytes of a body that fits a datagram.
pub const BODY_BYTES_MAX: usize = DATAGRAM_BYTES_MAX - OVERHEAD_BYTES;

/// Bytes of a packet on a link at most, where a large record exchange is not cut into datagrams.
pub const PACKET_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Plain = 0,
    Sealed = 1,
    Refusal = 2,
}

/// What sets our packets apart from another cluster's.
#[derive(Debug, Clone)]
pub struct Marks {
    /// The cluster's name.
    pub cluster: String,
    /// What its nodes share, if anything.
    pub secret: Option<Vec<u8>>,
    /// The layout function.
    pub layout_algo: u8,
    /// Lowest and highest version of the peer protocol.
    pub protocol: (u16, u16),
}

/// The hash under which a cluster's name travels. Not secret: it tells clusters apart that met by accident.
pub fn cluster_hash(name: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x746f_7263, 0x6e61_6d65);
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// What a packet turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// A body for us.
    Body(Vec<u8>),
    /// The peer refused one of ours.
    RefusedByPeer(Why),
}

/// Why a packet was not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reject {
    /// It is none of ours, or damaged, or came before: drop it.
    Noise,
    /// It is gossip that must not reach us; both sides should hear why.
    Refused(Why),
}

/// Wraps and unwraps packets.
pub(super) struct Envelope {
    header: [u8; HEADER_BYTES],
    protocol: (u16, u16),
    cipher: Option<XChaCha20Poly1305>,
    run: [u8; 16],
    counter: u64,
    replays: ReplayWindow,
}

impl Envelope {
    /// `draw` is fresh for every start of a process.
    pub fn new(marks: &Marks, node: NodeId, draw: u64) -> Self {
        let mut header = [0; HEADER_BYTES];
        header[..2].copy_from_slice(&MAGIC);
        header[2] = FORMAT;
        header[4] = marks.layout_algo;
        header[5..7].copy_from_slice(&marks.protocol.0.to_be_bytes());
        header[7..9].copy_from_slice(&marks.protocol.1.to_be_bytes());
        header[9..].copy_from_slice(&cluster_hash(&marks.cluster).to_be_bytes());
        let mut run = [0; 16];
        run[..8].copy_from_slice(&node.0.to_be_bytes());
        run[8..].copy_from_slice(&draw.to_be_bytes());
        Envelope {
            header,
            protocol: marks.protocol,
            cipher: marks.secret.as_ref().map(|secret| cipher(secret, &marks.cluster)),
            run,
            counter: 0,
            replays: ReplayWindow::default(),
        }
    }

    fn header(&self, kind: Kind) -> [u8; HEADER_BYTES] {
        let mut header = self.header;
        header[3] = kind as u8;
        header
    }

    /// The packet of a body.
    pub fn wrap(&mut self, body: &[u8], now: Now) -> Vec<u8> {
        let mut packet = Vec::with_capacity(OVERHEAD_BYTES + body.len());
        let Some(cipher) = &self.cipher else {
            packet.extend_from_slice(&self.header(Kind::Plain));
            packet.extend_from_slice(&checksum(&packet, body));
            packet.extend_from_slice(body);
            return packet;
        };
        let header = self.header(Kind::Sealed);
        let mut nonce = [0; NONCE_BYTES];
        nonce[..16].copy_from_slice(&self.run);
        nonce[16..].copy_from_slice(&self.counter.to_be_bytes());
        self.counter += 1;
        packet.extend_from_slice(&header);
        packet.extend_from_slice(&nonce);
        let start = packet.len();
        packet.extend_from_slice(&now.unix_ms.to_be_bytes());
        packet.extend_from_slice(body);
        let tag = cipher
            .encrypt_inout_detached(&XNonce::from(nonce), &header, (&mut packet[start..]).into())
            .expect("only messages of 256 GiB are too long");
        packet.extend_from_slice(&tag);
        packet
    }

    /// The packet that tells a peer why its packet was refused. Shorter than any packet that it answers.
    pub fn refusal(&self, why: Why) -> Vec<u8> {
        let mut packet = self.header(Kind::Refusal).to_vec();
        packet.push(why.code());
        packet
    }

    /// What is in a packet.
    pub fn open(&mut self, packet: &[u8], now: Now) -> Result<Opened, Reject> {
        let (header, rest) = packet.split_first_chunk::<HEADER_BYTES>().ok_or(Reject::Noise)?;
        if header[..2] != MAGIC || packet.len() > PACKET_BYTES_MAX {
            return Err(Reject::Noise);
        }
        // A refusal crosses where nothing else does, so it is read before anything is compared; it is never answered.
        if header[3] == Kind::Refusal as u8 {
            let why = rest.first().and_then(|code| Why::of(*code));
            return why.map(Opened::RefusedByPeer).ok_or(Reject::Noise);
        }
        let kind = match header[3] {
            code if code == Kind::Plain as u8 => Kind::Plain,
            code if code == Kind::Sealed as u8 => Kind::Sealed,
            _ => return Err(Reject::Noise),
        };
        self.compare(header).map_err(Reject::Refused)?;
        match (&self.cipher, kind) {
            (None, Kind::Plain) => open_plain(header, rest).map(Opened::Body),
            (Some(_), Kind::Sealed) => self.open_sealed(header, rest, now).map(Opened::Body),
            // One side has a secret and the other has none.
            _ => Err(Reject::Refused(Why::Secret)),
        }
    }

    /// Whether a sender is of our cluster, as far as the clear part tells.
    fn compare(&self, header: &[u8; HEADER_BYTES]) -> Result<(), Why> {
        let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        if header[9..] != self.header[9..] {
            return Err(Why::ClusterName);
        }
        if header[2] != FORMAT || number(5) > self.protocol.1 || number(7) < self.protocol.0 {
            return Err(Why::Protocol);
        }
        if header[4] != self.header[4] {
            return Err(Why::LayoutAlgo);
        }
        Ok(())
    }

    fn open_sealed(&mut self, header: &[u8], rest: &[u8], now: Now) -> Result<Vec<u8>, Reject> {
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(Reject::Noise)?;
        let (text, tag) = rest.split_last_chunk::<TAG_BYTES>().ok_or(Reject::Noise)?;
        let mut text = text.to_vec();
        let cipher = self.cipher.as_ref().ok_or(Reject::Noise)?;
        cipher
            .decrypt_inout_detached(
                &XNonce::from(*nonce),
                header,
                text.as_mut_slice().into(),
                &Tag::from(*tag),
            )
            .map_err(|_| Reject::Refused(Why::Secret))?;
        let (time, _) = text.split_first_chunk::<TIME_BYTES>().ok_or(Reject::Noise)?;
        if u64::from_be_bytes(*time).abs_diff(now.unix_ms) > SKEW_MS_MAX {
            return Err(Reject::Refused(Why::Clock));
        }
        let (run, counter) = nonce.split_first_chunk::<16>().ok_or(Reject::Noise)?;
        let counter = counter.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        if !self.replays.is_new(*run, counter, now.monotonic) {
            return Err(Reject::Noise);
        }
        text.drain(..TIME_BYTES);
        Ok(text)
    }
}

fn cipher(secret: &[u8], cluster: &str) -> XChaCha20Poly1305 {
    let mut key = [0; 32];
    hkdf::Hkdf::<Sha256>::new(Some(b"torc gossip 1"), secret)
        .expand(cluster.as_bytes(), &mut key)
        .expect("32 bytes are within what HKDF yields");
    XChaCha20Poly1305::new(&key.into())
}

/// Finds damage that UDP's own 16 bits let through. No protection from malice: that needs a secret.
fn checksum(header: &[u8], body: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = SipHasher13::new();
    hasher.write(header);
    hasher.write(body);
    hasher.finish().to_be_bytes()
}

fn open_plain(header: &[u8], rest: &[u8]) -> Result<Vec<u8>, Reject> {
    let (sum, body) = rest.split_first_chunk::<CHECKSUM_BYTES>().ok_or(Reject::Noise)?;
    (*sum == checksum(header, body)).then(|| body.to_vec()).ok_or(Reject::Noise)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use std::time::Duration;

    fn now() -> Now {
        Now { monotonic: Duration::from_secs(5), unix_ms: 1_800_000_000_000 }
    }

    fn marks(secret: Option<&str>) -> Marks {
        Marks {
            cluster: "blue".into(),
            secret: secret.map(|text| text.as_bytes().to_vec()),
            layout_algo: 1,
            protocol: (1, 2),
        }
    }

    fn pair(a: &Marks, b: &Marks) -> (Envelope, Envelope) {
        (Envelope::new(a, NodeId(1), 11), Envelope::new(b, NodeId(2), 22))
    }

    #[test]
    fn bodies_arrive_whole_and_once() {
        for secret in [None, Some("s")] {
            let (mut a, mut b) = pair(&marks(secret), &marks(secret));
            for body in [&b""[..], b"x", &[7; BODY_BYTES_MAX]] {
                let packet = a.wrap(body, now());
                assert!(packet.len() <= DATAGRAM_BYTES_MAX);
                assert_eq!(b.open(&packet, now()), Ok(Opened::Body(body.to_vec())));
                let again = b.open(&packet, now());
                assert_eq!(again.is_err(), secret.is_some(), "replays need a secret to be seen");
            }
        }
    }

    #[test]
    fn strangers_are_told_why() {
        let ours = marks(Some("s"));
        type Change = fn(&mut Marks);
        let cases: [(Change, Why); 6] = [
            (|m| m.cluster = "green".into(), Why::ClusterName),
            (|m| m.secret = None, Why::Secret),
            (|m| m.secret = Some(b"t".to_vec()), Why::Secret),
            (|m| m.layout_algo = 2, Why::LayoutAlgo),
            (|m| m.protocol = (3, 4), Why::Protocol),
            (|m| m.protocol = (0, 0), Why::Protocol),
        ];
        for (change, why) in cases {
            let mut theirs = ours.clone();
            change(&mut theirs);
            let (mut a, mut b) = pair(&theirs, &ours);
            let packet = a.wrap(b"hello", now());
            assert_eq!(b.open(&packet, now()), Err(Reject::Refused(why)));
            let answer = b.refusal(why);
            assert!(answer.len() < packet.len(), "no amplification");
            assert_eq!(a.open(&answer, now()), Ok(Opened::RefusedByPeer(why)));
        }
        let mut theirs = ours.clone();
        theirs.protocol = (2, 9);
        let (mut a, mut b) = pair(&theirs, &ours);
        assert!(b.open(&a.wrap(b"", now()), now()).is_ok(), "ranges that overlap are fine");
    }

    #[test]
    fn clocks_must_agree() {
        let (mut a, mut b) = pair(&marks(Some("s")), &marks(Some("s")));
        for (skew, ok) in [(-30_000, true), (30_000, true), (-30_001, false), (30_001, false)] {
            let then = Now { unix_ms: now().unix_ms.saturating_add_signed(skew), ..now() };
            let opened = b.open(&a.wrap(b"x", then), now());
            assert_eq!(opened.is_ok(), ok, "{skew}");
            if !ok {
                assert_eq!(opened, Err(Reject::Refused(Why::Clock)));
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let mut rng = Rng::seeded(9);
        for secret in [None, Some("s")] {
            let (mut a, mut b) = pair(&marks(secret), &marks(secret));
            for _ in 0..3_000 {
                let mut packet = a.wrap(b"some body of a packet", now());
                match rng.below(3) {
                    0 => packet.truncate(rng.below(packet.len() as u64) as usize),
                    1 => packet = (0..rng.below(120)).map(|_| rng.bits() as u8).collect(),
                    _ => {
                        let at = rng.below(packet.len() as u64) as usize;
                        packet[at] ^= 1 << rng.below(8);
                    }
                }
                // Byte 3 is the kind: a packet turned into a refusal means a log line and no more.
                if let Ok(opened) = b.open(&packet, now()) {
                    assert!(matches!(opened, Opened::RefusedByPeer(_)), "{opened:?}");
                }
            }
        }
    }
}
