//! What a node says about itself, and how it travels.
//!
//! Invariant: a record has one writer, the node it describes. Of two records of one node the one with the higher (incarnation, version)
//! holds, so records merge in any order and any number of times to the same result.
//!
//! It does not know whether the node is alive: that is each observer's own finding (see [`membership`](super::membership)).
//!
//! ```text
//! field = key u8 │ length u8 │ value        integers big-endian, leading zero bytes left out
//! ```
//!
//! Fields come in any order. Unknown keys are skipped by the reader and kept for whoever gets the record from it, so that a node of this
//! version passes on what a later version adds.

use super::node_id::NodeId;
use crate::base::clock::UnixMs;
use std::net::{IpAddr, SocketAddr};

/// Bytes of an encoded record at most. A gossip datagram carries 1,300 bytes, of which foca's own header and updates need some hundred.
pub const RECORD_BYTES_MAX: usize = 800;

/// Hosts of one node at most: a name and an address of either family, and one to spare.
pub const RECORD_HOSTS_MAX: usize = 4;

/// Bytes of a host: what DNS allows a name.
pub const HOST_BYTES_MAX: usize = 253;

/// Bytes of a node's or a zone's name.
pub const NAME_BYTES_MAX: usize = 64;

/// Bits of the tag in a version stamp.
pub const TAG_MAX: u16 = 0x0fff;

/// Where a node stands in its life. Liveness is another matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NodeState {
    /// Gathers its slots' data; not in the layout yet.
    Joining = 1,
    /// In the layout.
    Active = 2,
    /// Hands its slots over; in the layout until it has left.
    Leaving = 3,
    /// Out of the layout for good, unless a later incarnation joins.
    Left = 4,
}

impl NodeState {
    fn of(code: u64) -> Option<Self> {
        [NodeState::Joining, NodeState::Active, NodeState::Leaving, NodeState::Left]
            .into_iter()
            .find(|state| *state as u64 == code)
    }

    /// Whether the layout counts the node.
    pub fn is_placed(self) -> bool {
        matches!(self, NodeState::Active | NodeState::Leaving)
    }
}

/// The ports of a node, the same on each of its hosts. Zero: it does not listen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports {
    /// For clients that leave routing to the node.
    pub client: u16,
    /// For clients that route by themselves.
    pub cluster: u16,
    /// For other nodes: links over TCP, gossip over UDP.
    pub peer: u16,
    /// As `client`, by TLS.
    pub tls_client: u16,
    /// As `cluster`, by TLS.
    pub tls_cluster: u16,
}

/// What a node says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The stable name.
    pub node: NodeId,
    /// Start of the process, in milliseconds since the Unix epoch or one more than the last one's.
    pub incarnation: u64,
    /// Counts the changes of this incarnation.
    pub version: u64,
    /// Tag of the version stamps of this incarnation, at most [`TAG_MAX`].
    pub tag: u16,
    /// Times that this incarnation was declared down and came back.
    pub renewals: u32,
    /// Where its gossip is sent from and to.
    pub gossip: SocketAddr,
    /// The name an operator gave it; empty for none.
    pub name: String,
    /// Names or addresses under which others reach it, preferred one first.
    pub hosts: Vec<String>,
    /// Its ports on each host.
    pub ports: Ports,
    /// Share of the slots it takes, relative to others; at least 1.
    pub weight: u16,
    /// What fails together with it; empty for none.
    pub zone: String,
    /// Where it stands in its life.
    pub state: NodeState,
    /// When it entered that state; orders joins and leaves.
    pub since: UnixMs,
    /// Whether it may serve: it has synced and taken its batons.
    pub ready: bool,
    /// Hash of the next layout that this node has synced for; 0 for none.
    pub synced_layout: u64,
    /// Lowest and highest version of the peer protocol that it speaks.
    pub protocol: (u16, u16),
    /// Optional behaviour that it offers, one bit each; used once every node offers it.
    pub features: u64,
    /// The layout function it computes.
    pub layout_algo: u8,
    /// Hash of the cluster's name.
    pub cluster: u64,
    /// Fields this version does not know, as they came.
    pub extra: Vec<u8>,
}

/// What orders the records of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// The node's incarnation.
    pub incarnation: u64,
    /// The change within it.
    pub version: u64,
}

/// Why bytes are no record, or a record cannot travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It ends within a field.
    #[error("the record is cut short")]
    Cut,
    /// A field that every record has is absent.
    #[error("the record lacks field {0}")]
    Missing(u8),
    /// A field's value is out of its range, or the field comes twice.
    #[error("the record's field {0} is invalid")]
    Invalid(u8),
    /// It would not fit a datagram.
    #[error("the record is longer than {RECORD_BYTES_MAX} bytes")]
    TooLong,
}

mod key {
    pub const NODE: u8 = 1;
    pub const INCARNATION: u8 = 2;
    pub const VERSION: u8 = 3;
    pub const TAG: u8 = 4;
    pub const RENEWALS: u8 = 5;
    pub const GOSSIP: u8 = 6;
    pub const NAME: u8 = 7;
    pub const HOST: u8 = 8;
    pub const PORT_CLIENT: u8 = 9;
    pub const PORT_CLUSTER: u8 = 10;
    pub const PORT_PEER: u8 = 11;
    pub const WEIGHT: u8 = 12;
    pub const ZONE: u8 = 13;
    pub const STATE: u8 = 14;
    pub const SINCE: u8 = 15;
    pub const READY: u8 = 16;
    pub const SYNCED_LAYOUT: u8 = 17;
    pub const PROTOCOL_MIN: u8 = 18;
    pub const PROTOCOL_MAX: u8 = 19;
    pub const FEATURES: u8 = 20;
    pub const LAYOUT_ALGO: u8 = 21;
    pub const CLUSTER: u8 = 22;
    pub const PORT_TLS_CLIENT: u8 = 23;
    pub const PORT_TLS_CLUSTER: u8 = 24;
    pub const KNOWN_MAX: u8 = 24;
}

impl NodeRecord {
    /// What orders it among the records of its node.
    pub fn stamp(&self) -> Stamp {
        Stamp { incarnation: self.incarnation, version: self.version }
    }

    /// The bytes that travel.
    ///
    /// # Errors
    /// If a field is out of its range or the whole is too long: a mistake in the node's own settings, since a decoded record always encodes.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        self.check()?;
        let mut out = Vec::with_capacity(160);
        self.encode_names(&mut out);
        // Nodes without TLS say nothing of it, as those of versions that had none.
        for (key, port) in [
            (key::PORT_TLS_CLIENT, self.ports.tls_client),
            (key::PORT_TLS_CLUSTER, self.ports.tls_cluster),
        ] {
            if port != 0 {
                put_number(&mut out, key, port.into());
            }
        }
        for (key, value) in [
            (key::NODE, self.node.0),
            (key::INCARNATION, self.incarnation),
            (key::VERSION, self.version),
            (key::TAG, self.tag.into()),
            (key::RENEWALS, self.renewals.into()),
            (key::PORT_CLIENT, self.ports.client.into()),
            (key::PORT_CLUSTER, self.ports.cluster.into()),
            (key::PORT_PEER, self.ports.peer.into()),
            (key::WEIGHT, self.weight.into()),
            (key::STATE, self.state as u64),
            (key::SINCE, self.since),
            (key::READY, self.ready.into()),
            (key::SYNCED_LAYOUT, self.synced_layout),
            (key::PROTOCOL_MIN, self.protocol.0.into()),
            (key::PROTOCOL_MAX, self.protocol.1.into()),
            (key::FEATURES, self.features),
            (key::LAYOUT_ALGO, self.layout_algo.into()),
            (key::CLUSTER, self.cluster),
        ] {
            put_number(&mut out, key, value);
        }
        out.extend_from_slice(&self.extra);
        if out.len() > RECORD_BYTES_MAX { Err(RecordError::TooLong) } else { Ok(out) }
    }

    fn encode_names(&self, out: &mut Vec<u8>) {
        let port = self.gossip.port().to_be_bytes();
        match self.gossip.ip() {
            IpAddr::V4(ip) => put(out, key::GOSSIP, &[&ip.octets()[..], &port].concat()),
            IpAddr::V6(ip) => put(out, key::GOSSIP, &[&ip.octets()[..], &port].concat()),
        }
        for (key, text) in [(key::NAME, &self.name), (key::ZONE, &self.zone)] {
            if !text.is_empty() {
                put(out, key, text.as_bytes());
            }
        }
        self.hosts.iter().for_each(|host| put(out, key::HOST, host.as_bytes()));
    }

    /// Reads a record.
    ///
    /// # Errors
    /// For anything that [`NodeRecord::encode`] of this or a later version would not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        if bytes.len() > RECORD_BYTES_MAX {
            return Err(RecordError::TooLong);
        }
        let mut reader = Reader::default();
        let mut rest = bytes;
        while let [key, len, tail @ ..] = rest {
            let (value, next) = tail.split_at_checked((*len).into()).ok_or(RecordError::Cut)?;
            reader.field(*key, value, &rest[..2 + value.len()])?;
            rest = next;
        }
        if !rest.is_empty() {
            return Err(RecordError::Cut);
        }
        let record = reader.finish()?;
        record.check()?;
        Ok(record)
    }

    /// Whether every field is in its range.
    fn check(&self) -> Result<(), RecordError> {
        let names = |text: &str, max: usize| {
            text.len() <= max && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        let hosts = self.hosts.len() <= RECORD_HOSTS_MAX
            && self.hosts.iter().all(|host| !host.is_empty() && names(host, HOST_BYTES_MAX));
        for (valid, key) in [
            (self.tag <= TAG_MAX, key::TAG),
            (names(&self.name, NAME_BYTES_MAX), key::NAME),
            (names(&self.zone, NAME_BYTES_MAX), key::ZONE),
            (hosts, key::HOST),
            (self.weight >= 1, key::WEIGHT),
            (self.protocol.0 <= self.protocol.1, key::PROTOCOL_MAX),
        ] {
            if !valid {
                return Err(RecordError::Invalid(key));
            }
        }
        Ok(())
    }
}

fn put_number(out: &mut Vec<u8>, key: u8, value: u64) {
    put(out, key, &value.to_be_bytes()[(value.leading_zeros() / 8) as usize..]);
}

fn put(out: &mut Vec<u8>, key: u8, value: &[u8]) {
    // Hosts are the longest values, and `check` holds them to 253 bytes.
    let len = u8::try_from(value.len()).expect("every value of a checked record fits");
    out.extend_from_slice(&[key, len]);
    out.extend_from_slice(value);
}

/// The fields of a record while they come in.
#[derive(Default)]
struct Reader {
    numbers: [Option<u64>; key::KNOWN_MAX as usize + 1],
    gossip: Option<SocketAddr>,
    name: Option<String>,
    zone: Option<String>,
    hosts: Vec<String>,
    extra: Vec<u8>,
}

impl Reader {
    fn field(&mut self, key: u8, value: &[u8], whole: &[u8]) -> Result<(), RecordError> {
        let invalid = RecordError::Invalid(key);
        let text = || String::from_utf8(value.to_vec()).map_err(|_| invalid);
        match key {
            key::GOSSIP => set(&mut self.gossip, address_of(value).ok_or(invalid)?).ok_or(invalid),
            key::NAME => set(&mut self.name, text()?).ok_or(invalid),
            key::ZONE => set(&mut self.zone, text()?).ok_or(invalid),
            key::HOST if self.hosts.len() < RECORD_HOSTS_MAX => {
                self.hosts.push(text()?);
                Ok(())
            }
            key::HOST => Err(invalid),
            1..=key::KNOWN_MAX => {
                let number = number_of(value).ok_or(invalid)?;
                set(&mut self.numbers[usize::from(key)], number).ok_or(invalid)
            }
            _ => {
                self.extra.extend_from_slice(whole);
                Ok(())
            }
        }
    }

    fn number<T: TryFrom<u64>>(&self, key: u8) -> Result<T, RecordError> {
        let number = self.numbers[usize::from(key)].ok_or(RecordError::Missing(key))?;
        T::try_from(number).map_err(|_| RecordError::Invalid(key))
    }

    /// A number that records may lack, and 0 then.
    fn number_if_any<T: TryFrom<u64> + Default>(&self, key: u8) -> Result<T, RecordError> {
        match self.numbers[usize::from(key)] {
            None => Ok(T::default()),
            Some(_) => self.number(key),
        }
    }

    fn finish(self) -> Result<NodeRecord, RecordError> {
        let state = NodeState::of(self.number(key::STATE)?);
        Ok(NodeRecord {
            node: NodeId(self.number(key::NODE)?),
            incarnation: self.number(key::INCARNATION)?,
            version: self.number(key::VERSION)?,
            tag: self.number(key::TAG)?,
            renewals: self.number(key::RENEWALS)?,
            gossip: self.gossip.ok_or(RecordError::Missing(key::GOSSIP))?,
            ports: Ports {
                client: self.number(key::PORT_CLIENT)?,
                cluster: self.number(key::PORT_CLUSTER)?,
                peer: self.number(key::PORT_PEER)?,
                tls_client: self.number_if_any(key::PORT_TLS_CLIENT)?,
                tls_cluster: self.number_if_any(key::PORT_TLS_CLUSTER)?,
            },
            weight: self.number(key::WEIGHT)?,
            state: state.ok_or(RecordError::Invalid(key::STATE))?,
            since: self.number(key::SINCE)?,
            ready: match self.number(key::READY)? {
                0u8 => false,
                1 => true,
                _ => return Err(RecordError::Invalid(key::READY)),
            },
            synced_layout: self.number(key::SYNCED_LAYOUT)?,
            protocol: (self.number(key::PROTOCOL_MIN)?, self.number(key::PROTOCOL_MAX)?),
            features: self.number(key::FEATURES)?,
            layout_algo: self.number(key::LAYOUT_ALGO)?,
            cluster: self.number(key::CLUSTER)?,
            name: self.name.unwrap_or_default(),
            zone: self.zone.unwrap_or_default(),
            hosts: self.hosts,
            extra: self.extra,
        })
    }
}

/// Fills a place; `None` if it was filled before.
fn set<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// A big-endian number without leading zeros, so that each number has one form.
fn number_of(bytes: &[u8]) -> Option<u64> {
    if bytes.len() > 8 || bytes.first() == Some(&0) {
        return None;
    }
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn address_of(bytes: &[u8]) -> Option<SocketAddr> {
    let (ip, port) = bytes.split_last_chunk::<2>()?;
    let ip: IpAddr = match ip.len() {
        4 => <[u8; 4]>::try_from(ip).ok()?.into(),
        _ => <[u8; 16]>::try_from(ip).ok()?.into(),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;

    fn text(rng: &mut Rng, bytes_max: u64) -> String {
        (0..rng.below(bytes_max + 1)).map(|_| (b'a' + rng.below(26) as u8) as char).collect()
    }

    /// A number of random magnitude.
    fn number(rng: &mut Rng) -> u64 {
        rng.bits() >> rng.below(64)
    }

    fn any(rng: &mut Rng) -> NodeRecord {
        let ip = if rng.below(2) == 0 {
            IpAddr::from(rng.bits().to_be_bytes().first_chunk::<4>().copied().unwrap())
        } else {
            IpAddr::from((u128::from(rng.bits()) << 64 | u128::from(rng.bits())).to_be_bytes())
        };
        let (low, high) = (number(rng) as u16, number(rng) as u16);
        NodeRecord {
            node: NodeId(rng.bits()),
            incarnation: number(rng),
            version: number(rng),
            tag: number(rng) as u16 & TAG_MAX,
            renewals: number(rng) as u32,
            gossip: SocketAddr::new(ip, rng.bits() as u16),
            name: text(rng, NAME_BYTES_MAX as u64),
            hosts: (0..rng.below(3)).map(|_| format!("h{}", text(rng, 100))).collect(),
            ports: Ports {
                client: number(rng) as u16,
                cluster: 0,
                peer: rng.bits() as u16,
                tls_client: number(rng) as u16,
                tls_cluster: if rng.below(2) == 0 { 0 } else { rng.bits() as u16 },
            },
            weight: (number(rng) as u16).max(1),
            zone: text(rng, NAME_BYTES_MAX as u64),
            state: NodeState::of(1 + rng.below(4)).unwrap(),
            since: number(rng),
            ready: rng.below(2) == 1,
            synced_layout: number(rng),
            protocol: (low.min(high), low.max(high)),
            features: number(rng),
            layout_algo: rng.bits() as u8,
            cluster: number(rng),
            extra: if rng.below(2) == 0 { vec![200, 2, 7, 7, 255, 0] } else { Vec::new() },
        }
    }

    #[test]
    fn comes_back_as_it_went() {
        let mut rng = Rng::seeded(1);
        for _ in 0..2_000 {
            let record = any(&mut rng);
            assert_eq!(NodeRecord::decode(&record.encode().unwrap()), Ok(record));
        }
    }

    #[test]
    fn hostile_bytes_are_errors() {
        let mut rng = Rng::seeded(2);
        let mut accepted = 0;
        for round in 0..60_000 {
            let mut bytes = any(&mut rng).encode().unwrap();
            match round % 4 {
                0 => bytes.truncate(rng.below(bytes.len() as u64) as usize),
                1 => bytes = (0..rng.below(200)).map(|_| rng.bits() as u8).collect(),
                _ => {
                    for _ in 0..=rng.below(4) {
                        let at = rng.below(bytes.len() as u64) as usize;
                        bytes[at] = rng.bits() as u8;
                    }
                }
            }
            // Whatever is accepted is in range and has one meaning.
            if let Ok(record) = NodeRecord::decode(&bytes) {
                accepted += 1;
                assert_eq!(NodeRecord::decode(&record.encode().unwrap()), Ok(record));
            }
        }
        assert!(accepted > 1_000, "the mutations reach past the first check: {accepted}");
    }

    #[test]
    fn every_prefix_is_an_error() {
        let bytes = any(&mut Rng::seeded(3)).encode().unwrap();
        for len in 0..bytes.len() {
            // A cut between two fields loses one that every record has.
            assert!(NodeRecord::decode(&bytes[..len]).is_err() || bytes[len] >= 200, "{len}");
        }
    }

    #[test]
    fn what_is_out_of_range_does_not_travel() {
        let good = any(&mut Rng::seeded(4));
        type Change = fn(&mut NodeRecord);
        let changes: [(Change, RecordError); 7] = [
            (|r| r.tag = TAG_MAX + 1, RecordError::Invalid(key::TAG)),
            (|r| r.weight = 0, RecordError::Invalid(key::WEIGHT)),
            (|r| r.protocol = (2, 1), RecordError::Invalid(key::PROTOCOL_MAX)),
            (|r| r.hosts = vec![String::new()], RecordError::Invalid(key::HOST)),
            (|r| r.hosts = vec!["a".into(); 5], RecordError::Invalid(key::HOST)),
            (|r| r.name = "two words".into(), RecordError::Invalid(key::NAME)),
            (|r| r.hosts = vec!["a".repeat(253); 4], RecordError::TooLong),
        ];
        for (change, error) in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(bad.encode(), Err(error));
        }
    }

    #[test]
    fn a_field_comes_once() {
        let mut bytes = any(&mut Rng::seeded(5)).encode().unwrap();
        bytes.extend_from_slice(&[key::READY, 1, 1]);
        assert_eq!(NodeRecord::decode(&bytes), Err(RecordError::Invalid(key::READY)));
    }
}
