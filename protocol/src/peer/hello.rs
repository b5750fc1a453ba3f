//! The handshake's messages: HELLO and its reply, proofs, refusals; and the choice of a revision.
//!
//! ```text
//!   dials                                                   accepts
//!     │ HELLO  who I am, my range of revisions, challenge a    │
//!     │ ─────────────────────────────────────────────────────▶ │
//!     │      HELLO_REPLY  who I am, the revision, challenge b  │   or REFUSE
//!     │ ◀───────────────────────────────────────────────────── │
//!     │ PROOF  over both messages, as the one who dials        │   or REFUSE
//!     │ ─────────────────────────────────────────────────────▶ │
//!     │              PROOF  over both, as the one who accepts  │   or REFUSE
//!     │ ◀───────────────────────────────────────────────────── │
//!   open                                                     open
//! ```
//!
//! A proof covers both messages byte for byte, so that nobody in between can change a range of revisions, an id or a feature. What a proof
//! is, whoever holds the secret decides: it is a string of bytes here.

use super::wire::{
    Malformed, Reader, TooLong, put_bytes, put_field, put_field_varint, put_section, put_u64,
};
use std::fmt;

/// What a HELLO begins with, so that whatever else connects is told apart at once.
pub const MAGIC: [u8; 4] = *b"TORC";

/// Bytes of a cluster's name at most.
pub const CLUSTER_NAME_BYTES_MAX: usize = 255;

/// Bytes of a proof at most: twice the hash in use.
pub const PROOF_BYTES_MAX: usize = 64;

/// Bytes of the text that explains a refusal.
pub const REFUSAL_TEXT_BYTES_MAX: usize = 200;

/// The version of HELLO and its reply.
const VERSION: u8 = 1;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Membership, fences, batons: one a pair of nodes.
    Control,
    /// Requests and effects of the dialler's worker of this number.
    Data {
        /// The worker.
        worker: u16,
    },
    /// The transfer of slots.
    Sync,
}

impl Role {
    /// Control 0, sync 1, then the workers: one varint.
    fn number(self) -> u64 {
        match self {
            Role::Control => 0,
            Role::Sync => 1,
            Role::Data { worker } => 2 + u64::from(worker),
        }
    }

    fn from_number(number: u64) -> Result<Role, Malformed> {
        match number {
            0 => Ok(Role::Control),
            1 => Ok(Role::Sync),
            _ => u16::try_from(number - 2)
                .map(|worker| Role::Data { worker })
                .map_err(|_| Malformed::Value("role")),
        }
    }
}

/// The revisions of the protocol that a node speaks, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revisions {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

impl Revisions {
    /// What this code speaks.
    pub const OURS: Revisions = Revisions { min: super::REVISION_MIN, max: super::REVISION_MAX };

    /// The newest revision that both speak, if there is one.
    pub fn highest_common(self, other: Revisions) -> Option<u16> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

/// Who opens or answers a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The name of its cluster, up to [`CLUSTER_NAME_BYTES_MAX`] bytes.
    pub cluster: &'a [u8],
    /// The node's id.
    pub node: u64,
    /// Grows with every start of the node.
    pub incarnation: u64,
    /// The revisions that it speaks; in a reply the chosen one alone, as both ends of the range.
    pub revisions: Revisions,
    /// Its features, one a bit; both use those that both have.
    pub features: u64,
    /// How it lays slots out on nodes.
    pub layout_algo: u16,
    /// What the link is for; a reply repeats it.
    pub role: Role,
    /// Its wall clock, in microseconds since the Unix epoch.
    pub wall_us: u64,
    /// Random bytes that the other side's proof must cover.
    pub challenge: [u8; 32],
}

mod tag {
    pub const CLUSTER: u8 = 1;
    pub const NODE: u8 = 2;
    pub const INCARNATION: u8 = 3;
    pub const REVISION_MIN: u8 = 4;
    pub const REVISION_MAX: u8 = 5;
    pub const FEATURES: u8 = 6;
    pub const LAYOUT_ALGO: u8 = 7;
    pub const ROLE: u8 = 8;
    pub const WALL: u8 = 9;
    pub const CHALLENGE: u8 = 10;
}

impl<'a> Hello<'a> {
    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        if self.cluster.len() > CLUSTER_NAME_BYTES_MAX {
            return Err(TooLong);
        }
        out.extend_from_slice(&MAGIC);
        put_section(out, VERSION, |out| {
            put_field(out, tag::CLUSTER, self.cluster);
            put_field(out, tag::NODE, &self.node.to_le_bytes());
            put_field_varint(out, tag::INCARNATION, self.incarnation);
            put_field_varint(out, tag::REVISION_MIN, self.revisions.min.into());
            put_field_varint(out, tag::REVISION_MAX, self.revisions.max.into());
            put_field_varint(out, tag::FEATURES, self.features);
            put_field_varint(out, tag::LAYOUT_ALGO, self.layout_algo.into());
            put_field_varint(out, tag::ROLE, self.role.number());
            put_field_varint(out, tag::WALL, self.wall_us);
            put_field(out, tag::CHALLENGE, &self.challenge);
        })
    }

    /// Reads a payload. Everything but features and wall time must be there.
    pub fn decode(payload: &'a [u8]) -> Result<Hello<'a>, Malformed> {
        let mut reader = Reader::new(payload);
        if reader.array()? != MAGIC {
            return Err(Malformed::Value("magic"));
        }
        let mut fields = reader.section(VERSION)?;
        let (mut cluster, mut node, mut incarnation) = (None, None, None);
        let (mut min, mut max, mut layout_algo) = (None, None, None);
        let (mut role, mut challenge) = (None, None);
        let (mut features, mut wall_us) = (0, 0);
        while let Some((tag, mut value)) = fields.next_field()? {
            match tag {
                tag::CLUSTER if value.rest().len() > CLUSTER_NAME_BYTES_MAX => {
                    return Err(Malformed::TooLong("cluster name"));
                }
                tag::CLUSTER => cluster = Some(value.take(value.rest().len())?),
                tag::NODE => node = Some(value.u64()?),
                tag::INCARNATION => incarnation = Some(value.varint()?),
                tag::REVISION_MIN => min = Some(short(&mut value, "revision")?),
                tag::REVISION_MAX => max = Some(short(&mut value, "revision")?),
                tag::FEATURES => features = value.varint()?,
                tag::LAYOUT_ALGO => layout_algo = Some(short(&mut value, "layout")?),
                tag::ROLE => role = Some(Role::from_number(value.varint()?)?),
                tag::WALL => wall_us = value.varint()?,
                tag::CHALLENGE => challenge = Some(value.array()?),
                _ => continue,
            }
            value.end()?;
        }
        reader.end()?;
        let revisions = Revisions {
            min: min.ok_or(Malformed::Missing("revision"))?,
            max: max.ok_or(Malformed::Missing("revision"))?,
        };
        if revisions.min > revisions.max {
            return Err(Malformed::Value("revision"));
        }
        Ok(Hello {
            cluster: cluster.ok_or(Malformed::Missing("cluster name"))?,
            node: node.ok_or(Malformed::Missing("node id"))?,
            incarnation: incarnation.ok_or(Malformed::Missing("incarnation"))?,
            revisions,
            features,
            layout_algo: layout_algo.ok_or(Malformed::Missing("layout"))?,
            role: role.ok_or(Malformed::Missing("role"))?,
            wall_us,
            challenge: challenge.ok_or(Malformed::Missing("challenge"))?,
        })
    }
}

/// A varint that must fit 16 bits.
fn short(value: &mut Reader<'_>, what: &'static str) -> Result<u16, Malformed> {
    // The bound makes the cast lossless.
    value.varint_max(u16::MAX.into(), what).map(|value| value as u16)
}

/// Appends `proof` as a payload.
pub fn encode_proof(proof: &[u8], out: &mut Vec<u8>) -> Result<(), TooLong> {
    if proof.len() > PROOF_BYTES_MAX {
        return Err(TooLong);
    }
    put_bytes(out, proof);
    Ok(())
}

/// Reads a proof.
pub fn decode_proof(payload: &[u8]) -> Result<&[u8], Malformed> {
    let mut reader = Reader::new(payload);
    let proof = reader.bytes(PROOF_BYTES_MAX, "proof")?;
    reader.end()?;
    Ok(proof)
}

/// Why a link is refused. Both sides log it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The peer's cluster has another name.
    ClusterName,
    /// The peer does not know the cluster's secret.
    Secret,
    /// The peer lays slots out by another algorithm.
    Layout,
    /// There is no revision of the protocol that both speak.
    Revision,
    /// The node reached itself.
    SelfConnection,
    /// Another process of that id is alive.
    DuplicateId,
    /// A later incarnation of that id is known.
    StaleIncarnation,
    /// Another node was expected at that address.
    WrongNode,
    /// What was sent is no handshake.
    Malformed,
    /// There are too many links, or the node is stopping.
    Unavailable,
    /// One that a later revision knows.
    Other(u8),
}

impl Reason {
    /// Those that have a number of their own, in its order, from 1.
    const NUMBERED: [Reason; 10] = [
        Reason::ClusterName,
        Reason::Secret,
        Reason::Layout,
        Reason::Revision,
        Reason::SelfConnection,
        Reason::DuplicateId,
        Reason::StaleIncarnation,
        Reason::WrongNode,
        Reason::Malformed,
        Reason::Unavailable,
    ];

    fn number(self) -> u8 {
        match self {
            Reason::Other(number) => number,
            known => {
                let index = Self::NUMBERED.iter().position(|&reason| reason == known);
                // Ten of them; zero would be one that was forgotten in the list, which a test looks for.
                index.map_or(0, |index| index as u8 + 1)
            }
        }
    }

    fn from_number(number: u8) -> Reason {
        let index = usize::from(number).checked_sub(1);
        let known = index.and_then(|index| Self::NUMBERED.get(index));
        known.copied().unwrap_or(Reason::Other(number))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::ClusterName => "the cluster has another name",
            Reason::Secret => "the cluster's secret differs",
            Reason::Layout => "the layout of slots differs",
            Reason::Revision => "no common revision of the peer protocol",
            Reason::SelfConnection => "the node reached itself",
            Reason::DuplicateId => "another live process has that node id",
            Reason::StaleIncarnation => "a later incarnation of that node is known",
            Reason::WrongNode => "another node was expected at that address",
            Reason::Malformed => "the bytes are no handshake of Torc",
            Reason::Unavailable => "the node takes no more links",
            Reason::Other(number) => return write!(f, "reason {number}"),
        })
    }
}

/// A refusal, with what its reader's log should say beside the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refuse<'a> {
    /// Why.
    pub reason: Reason,
    /// The values that differ, say; cut to [`REFUSAL_TEXT_BYTES_MAX`]. Not trusted: escape it before printing.
    pub text: &'a [u8],
}

impl<'a> Refuse<'a> {
    /// Appends it as a payload.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), TooLong> {
        out.push(self.reason.number());
        put_bytes(out, &self.text[..self.text.len().min(REFUSAL_TEXT_BYTES_MAX)]);
        Ok(())
    }

    /// Reads a payload.
    pub fn decode(payload: &'a [u8]) -> Result<Refuse<'a>, Malformed> {
        let mut reader = Reader::new(payload);
        let reason = Reason::from_number(reader.u8()?);
        let text = reader.bytes(REFUSAL_TEXT_BYTES_MAX, "text")?;
        reader.end()?;
        Ok(Refuse { reason, text })
    }
}

/// What a proof is computed over: both messages, each behind its length so that no byte can move from one to the other.
pub fn transcript(hello: &[u8], reply: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + hello.len() + reply.len());
    for message in [hello, reply] {
        put_u64(&mut bytes, message.len() as u64);
        bytes.extend_from_slice(message);
    }
    bytes
}
