//! What foca needs to be told: who a member is and how it is written down.
//!
//! A member's address, in foca's words, is its [`NodeId`]: the socket address is an attribute that a restart may change. Of two identities of
//! one node the later start wins, then the later renewal.

use crate::base::rng::Rng;
use crate::cluster::node_id::NodeId;
use crate::cluster::record::NodeRecord;
use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};
use rand_core::{Infallible, TryRng};
use std::net::{IpAddr, SocketAddr};

/// A run of a node, as foca knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SwimId {
    pub node: NodeId,
    pub incarnation: u64,
    /// Times that this run was declared down and came back.
    pub renewals: u32,
    pub gossip: SocketAddr,
}

impl SwimId {
    /// The run that a record describes.
    pub fn of(record: &NodeRecord) -> Self {
        SwimId {
            node: record.node,
            incarnation: record.incarnation,
            renewals: record.renewals,
            gossip: record.gossip,
        }
    }

    fn rank(&self) -> (u64, u32, IpAddr, u16) {
        // The address only decides between two that claim the same run, so that all observers agree.
        (self.incarnation, self.renewals, self.gossip.ip(), self.gossip.port())
    }
}

impl foca::Identity for SwimId {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        Some(SwimId { renewals: self.renewals.checked_add(1)?, ..*self })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.rank() > adversary.rank()
    }
}

/// foca draws from our seeded generator.
pub(super) struct SwimRng(pub Rng);

impl TryRng for SwimRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        // The upper half of a wyrand step is as good as the lower.
        Ok((self.0.bits() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.bits())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.bits().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

/// Bytes that are no foca message, or a buffer without room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("the gossip message is cut short or malformed")]
    Malformed,
    #[error("no room for the gossip message")]
    NoRoom,
}

/// Fixed-width fields: identities take 27 bytes with an IPv4 address, 39 with an IPv6 one.
pub(super) struct SwimCodec;

const ID_BYTES_MAX: usize = 8 + 8 + 4 + 1 + 16 + 2;
const MEMBER_BYTES_MAX: usize = ID_BYTES_MAX + 3;
const HEADER_BYTES_MAX: usize = 3 * ID_BYTES_MAX + 2 + 1 + 1;

mod code {
    pub const PING: u8 = 1;
    pub const ACK: u8 = 2;
    pub const PING_REQ: u8 = 3;
    pub const INDIRECT_PING: u8 = 4;
    pub const INDIRECT_ACK: u8 = 5;
    pub const FORWARDED_ACK: u8 = 6;
    pub const ANNOUNCE: u8 = 7;
    pub const FEED: u8 = 8;
    pub const GOSSIP: u8 = 9;
    pub const BROADCAST: u8 = 10;
    pub const TURN_UNDEAD: u8 = 11;
}

fn put_id(id: &SwimId, out: &mut impl BufMut) {
    out.put_u64(id.node.0);
    out.put_u64(id.incarnation);
    out.put_u32(id.renewals);
    match id.gossip.ip() {
        IpAddr::V4(ip) => {
            out.put_u8(4);
            out.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            out.put_u8(6);
            out.put_slice(&ip.octets());
        }
    }
    out.put_u16(id.gossip.port());
}

fn take<const N: usize>(buf: &mut impl Buf) -> Result<[u8; N], CodecError> {
    let mut bytes = [0; N];
    buf.try_copy_to_slice(&mut bytes).map_err(|_| CodecError::Malformed)?;
    Ok(bytes)
}

fn take_u8(buf: &mut impl Buf) -> Result<u8, CodecError> {
    take::<1>(buf).map(|[byte]| byte)
}

fn take_u16(buf: &mut impl Buf) -> Result<u16, CodecError> {
    take(buf).map(u16::from_be_bytes)
}

fn take_id(buf: &mut impl Buf) -> Result<SwimId, CodecError> {
    let node = NodeId(u64::from_be_bytes(take(buf)?));
    let incarnation = u64::from_be_bytes(take(buf)?);
    let renewals = u32::from_be_bytes(take(buf)?);
    let ip: IpAddr = match take_u8(buf)? {
        4 => take::<4>(buf)?.into(),
        6 => take::<16>(buf)?.into(),
        _ => return Err(CodecError::Malformed),
    };
    Ok(SwimId { node, incarnation, renewals, gossip: SocketAddr::new(ip, take_u16(buf)?) })
}

impl foca::Codec<SwimId> for SwimCodec {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<SwimId>,
        mut out: impl BufMut,
    ) -> Result<(), CodecError> {
        if out.remaining_mut() < HEADER_BYTES_MAX {
            return Err(CodecError::NoRoom);
        }
        put_id(&header.src, &mut out);
        out.put_u16(header.src_incarnation);
        put_id(&header.dst, &mut out);
        let (code, number, third) = match &header.message {
            Message::Ping(number) => (code::PING, Some(number), None),
            Message::Ack(number) => (code::ACK, Some(number), None),
            Message::PingReq { target, probe_number } => {
                (code::PING_REQ, Some(probe_number), Some(target))
            }
            Message::IndirectPing { origin, probe_number } => {
                (code::INDIRECT_PING, Some(probe_number), Some(origin))
            }
            Message::IndirectAck { target, probe_number } => {
                (code::INDIRECT_ACK, Some(probe_number), Some(target))
            }
            Message::ForwardedAck { origin, probe_number } => {
                (code::FORWARDED_ACK, Some(probe_number), Some(origin))
            }
            Message::Announce => (code::ANNOUNCE, None, None),
            Message::Feed => (code::FEED, None, None),
            Message::Gossip => (code::GOSSIP, None, None),
            Message::Broadcast => (code::BROADCAST, None, None),
            Message::TurnUndead => (code::TURN_UNDEAD, None, None),
        };
        out.put_u8(code);
        if let Some(number) = number {
            out.put_u8(*number);
        }
        if let Some(third) = third {
            put_id(third, &mut out);
        }
        Ok(())
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<SwimId>, CodecError> {
        let buf = &mut buf;
        let src = take_id(buf)?;
        let src_incarnation = take_u16(buf)?;
        let dst = take_id(buf)?;
        let code = take_u8(buf)?;
        let probe_number = match code {
            code::PING..=code::FORWARDED_ACK => take_u8(buf)?,
            _ => 0,
        };
        let message = match code {
            code::PING => Message::Ping(probe_number),
            code::ACK => Message::Ack(probe_number),
            code::PING_REQ => Message::PingReq { target: take_id(buf)?, probe_number },
            code::INDIRECT_PING => Message::IndirectPing { origin: take_id(buf)?, probe_number },
            code::INDIRECT_ACK => Message::IndirectAck { target: take_id(buf)?, probe_number },
            code::FORWARDED_ACK => Message::ForwardedAck { origin: take_id(buf)?, probe_number },
            code::ANNOUNCE => Message::Announce,
            code::FEED => Message::Feed,
            code::GOSSIP => Message::Gossip,
            code::BROADCAST => Message::Broadcast,
            code::TURN_UNDEAD => Message::TurnUndead,
            _ => return Err(CodecError::Malformed),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(
        &mut self,
        member: &Member<SwimId>,
        mut out: impl BufMut,
    ) -> Result<(), CodecError> {
        if out.remaining_mut() < MEMBER_BYTES_MAX {
            return Err(CodecError::NoRoom);
        }
        put_id(member.id(), &mut out);
        out.put_u16(member.incarnation());
        out.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<SwimId>, CodecError> {
        let buf = &mut buf;
        let (id, incarnation) = (take_id(buf)?, take_u16(buf)?);
        let state = match take_u8(buf)? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            _ => return Err(CodecError::Malformed),
        };
        Ok(Member::new(id, incarnation, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use foca::{Codec as _, Identity as _};

    fn id(node: u64, ip: &str) -> SwimId {
        SwimId {
            node: NodeId(node),
            incarnation: node << 40,
            renewals: 3,
            gossip: format!("{ip}:7946").parse().unwrap(),
        }
    }

    #[test]
    fn messages_come_back_as_they_went_and_no_prefix_does() {
        let (a, b, c) = (id(1, "10.0.0.1"), id(2, "[fe80::1]"), id(3, "[::1]"));
        let messages = [
            Message::Ping(1),
            Message::Ack(255),
            Message::PingReq { target: c, probe_number: 7 },
            Message::IndirectPing { origin: c, probe_number: 7 },
            Message::IndirectAck { target: c, probe_number: 7 },
            Message::ForwardedAck { origin: c, probe_number: 7 },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ];
        for message in messages {
            let header = Header { src: a, src_incarnation: 9, dst: b, message };
            let mut bytes = Vec::new();
            SwimCodec.encode_header(&header, &mut bytes).unwrap();
            assert!(bytes.len() <= HEADER_BYTES_MAX);
            for len in 0..bytes.len() {
                assert!(SwimCodec.decode_header(&bytes[..len]).is_err());
            }
            assert_eq!(SwimCodec.decode_header(&bytes[..]), Ok(header));
        }
        for state in [State::Alive, State::Suspect, State::Down] {
            let member = Member::new(b, 12, state);
            let mut bytes = Vec::new();
            SwimCodec.encode_member(&member, &mut bytes).unwrap();
            assert!(bytes.len() <= MEMBER_BYTES_MAX);
            assert_eq!(SwimCodec.decode_member(&bytes[..]), Ok(member));
        }
    }

    #[test]
    fn the_later_run_wins() {
        let first = id(1, "10.0.0.1");
        let renewed = first.renew().unwrap();
        let restarted = SwimId { incarnation: first.incarnation + 1, renewals: 0, ..first };
        assert!(renewed.win_addr_conflict(&first) && !first.win_addr_conflict(&renewed));
        assert!(restarted.win_addr_conflict(&renewed));
        let elsewhere = SwimId { gossip: "10.0.0.2:7946".parse().unwrap(), ..first };
        assert_ne!(elsewhere.win_addr_conflict(&first), first.win_addr_conflict(&elsewhere));
    }
}
