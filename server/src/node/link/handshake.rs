//! The handshake: who is there, and may it come in.
//!
//! The messages and their order are drawn in [`torc_protocol::peer::hello`]. The end that dials proves itself first: whoever can connect
//! to the port gets nothing out of it that a guessed secret could be tried on.
//!
//! **Invariant.** Done is said only once the peer's proof over both messages was verified, its cluster, layout and revision fit, it is
//! who was expected, and [`Admission`] had nothing against it. Whatever fails has a [`Reason`] that both sides learn and can log; nothing of
//! the node has changed by then. **Does not know** sockets, nor what nodes there are.

use crate::security::cluster::{Authenticator, Side};
use std::fmt;
use std::sync::Arc;
use torc_protocol::peer::hello::{
    Hello, Reason, Refuse, Revisions, Role, decode_proof, encode_proof, transcript,
};
use torc_protocol::peer::{Frame, Head, Kind, frame};

/// Who this node is, to its peers.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The cluster's name, at most 255 bytes.
    pub cluster: Vec<u8>,
    /// The node's id.
    pub node: u64,
    /// Grows with every start of the node.
    pub incarnation: u64,
    /// What revisions of the protocol it speaks: [`Revisions::OURS`], unless a test plays another release.
    pub revisions: Revisions,
    /// Its features, one a bit.
    pub features: u64,
    /// How it lays out slots.
    pub layout_algo: u16,
    /// What proves that it belongs to the cluster.
    pub authenticator: Arc<dyn Authenticator>,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub node: u64,
    /// Its incarnation.
    pub incarnation: u64,
    /// The revision that both will speak.
    pub revision: u16,
    /// The features that both have.
    pub features: u64,
    /// What the link is for.
    pub role: Role,
    /// Its wall clock as it greeted.
    pub wall_us: u64,
}

/// What the node knows of its peers, as far as it decides who may come in.
pub trait Admission {
    /// Why `peer` may not, if so. It has not proven anything yet, so nothing must change.
    fn judge(&self, peer: &Peer) -> Result<(), Reason>;
}

/// What is known of a node's incarnations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The latest one.
    pub incarnation: u64,
    /// Whether it was heard lately.
    pub is_alive: bool,
}

impl Known {
    /// Whether a process of this node's id and of `incarnation` may come in. A restarted node may, once the old process was not heard for a while; while
    /// it is, two processes have the same id, and the newcomer is the wrong one.
    pub fn judge(self, incarnation: u64) -> Result<(), Reason> {
        match incarnation.cmp(&self.incarnation) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Less => Err(Reason::StaleIncarnation),
            std::cmp::Ordering::Greater if self.is_alive => Err(Reason::DuplicateId),
            std::cmp::Ordering::Greater => Ok(()),
        }
    }
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// Whether the peer said so, rather than this node.
    pub by_peer: bool,
    /// The peer's id, where it gave one; not proven.
    pub node: Option<u64>,
    /// The values that differ. Printable.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.by_peer { "refused by the peer" } else { "refused the peer" };
        write!(f, "{by}: {}", self.reason)?;
        if !self.text.is_empty() {
            write!(f, " ({})", self.text)?;
        }
        Ok(())
    }
}

/// How far the handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Hello,
    Reply,
    Proof,
}

/// One end of a handshake.
#[derive(Debug)]
pub struct Handshake {
    side: Side,
    identity: Arc<Identity>,
    /// Who must be at the other end, if that is known.
    expected: Option<u64>,
    /// What the dialling end wants; the other one learns it.
    role: Role,
    challenge: [u8; 32],
    awaits: Awaits,
    /// Our own HELLO's payload, then what is proven.
    transcript: Vec<u8>,
    peer: Option<Peer>,
}

impl Handshake {
    /// The end that connected; appends its HELLO to `out`. `challenge` is random.
    pub fn dial(
        identity: Arc<Identity>,
        role: Role,
        expected: Option<u64>,
        challenge: [u8; 32],
        wall_us: u64,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut handshake = Handshake {
            side: Side::Dials,
            identity,
            expected,
            role,
            challenge,
            awaits: Awaits::Reply,
            transcript: Vec::new(),
            peer: None,
        };
        let revisions = handshake.identity.revisions;
        handshake.transcript = handshake.greet(Kind::Hello, revisions, wall_us, out);
        handshake
    }

    /// The end that was connected to. `challenge` is random.
    pub fn accept(identity: Arc<Identity>, challenge: [u8; 32]) -> Self {
        Handshake {
            side: Side::Accepts,
            identity,
            expected: None,
            role: Role::Control,
            challenge,
            awaits: Awaits::Hello,
            transcript: Vec::new(),
            peer: None,
        }
    }

    /// Takes the peer's next frame, and appends what is to be answered to `out`, a refusal included. Returns the peer once the link is open;
    /// after an error there will be none.
    pub fn receive(
        &mut self,
        frame: Frame<'_>,
        wall_us: u64,
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<Option<Peer>, Refusal> {
        match (frame.header.kind, self.awaits) {
            (Some(Kind::Refuse), _) => Err(self.refused(frame.payload)),
            (Some(Kind::Hello), Awaits::Hello) => {
                self.on_hello(frame.payload, wall_us, admission, out)
            }
            (Some(Kind::HelloReply), Awaits::Reply) => self.on_reply(frame.payload, admission, out),
            (Some(Kind::Proof), Awaits::Proof) => self.on_proof(frame.payload, out),
            (kind, awaits) => Err(self.refuse(
                Reason::Malformed,
                format!("{kind:?} where {awaits:?} was due"),
                out,
            )),
        }
    }

    /// Ends the handshake for `reason`, and appends the frame that says so.
    pub fn refuse(&self, reason: Reason, text: String, out: &mut Vec<u8>) -> Refusal {
        let refuse = Refuse { reason, text: text.as_bytes() };
        // Its text is cut to what fits.
        let _ = frame::encode(Head::of(Kind::Refuse), out, |out| refuse.encode(out));
        Refusal { reason, by_peer: false, node: self.peer.map(|peer| peer.node), text }
    }

    /// Appends who we are; returns the payload.
    fn greet(&self, kind: Kind, revisions: Revisions, wall_us: u64, out: &mut Vec<u8>) -> Vec<u8> {
        let identity = &*self.identity;
        let hello = Hello {
            cluster: &identity.cluster,
            node: identity.node,
            incarnation: identity.incarnation,
            revisions,
            features: identity.features,
            layout_algo: identity.layout_algo,
            role: self.role,
            wall_us,
            challenge: self.challenge,
        };
        let mut payload = Vec::new();
        let encoded = hello.encode(&mut payload).and_then(|()| {
            frame::encode(Head::of(kind), out, |out| {
                out.extend_from_slice(&payload);
                Ok(())
            })
        });
        // The setting bounds a cluster's name; without that the peer would miss a HELLO and refuse.
        debug_assert!(encoded.is_ok());
        payload
    }

    fn on_hello(
        &mut self,
        payload: &[u8],
        wall_us: u64,
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<Option<Peer>, Refusal> {
        let hello = self.read_hello(payload, out)?;
        self.role = hello.role;
        let revision = self.judge(&hello, admission, out)?;
        let chosen = Revisions { min: revision, max: revision };
        let reply = self.greet(Kind::HelloReply, chosen, wall_us, out);
        self.transcript = transcript(payload, &reply);
        self.awaits = Awaits::Proof;
        Ok(None)
    }

    fn on_reply(
        &mut self,
        payload: &[u8],
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<Option<Peer>, Refusal> {
        let hello = self.read_hello(payload, out)?;
        self.judge(&hello, admission, out)?;
        if hello.role != self.role || hello.revisions.min != hello.revisions.max {
            let text = "the reply chose no revision, or another role".to_owned();
            return Err(self.refuse(Reason::Malformed, text, out));
        }
        self.transcript = transcript(&self.transcript, payload);
        self.prove(out);
        self.awaits = Awaits::Proof;
        Ok(None)
    }

    fn on_proof(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<Option<Peer>, Refusal> {
        let is_good = decode_proof(payload).is_ok_and(|proof| {
            let authenticator = &self.identity.authenticator;
            authenticator.verify(self.side.other(), &self.transcript, proof)
        });
        if !is_good {
            let (ours, theirs) = (self.identity.node, self.peer.map_or(0, |peer| peer.node));
            let text = format!("node {ours:016x} does not accept the proof of node {theirs:016x}");
            return Err(self.refuse(Reason::Secret, text, out));
        }
        if self.side == Side::Accepts {
            self.prove(out);
        }
        Ok(self.peer)
    }

    fn prove(&self, out: &mut Vec<u8>) {
        let proof = self.identity.authenticator.prove(self.side, &self.transcript);
        let encoded = frame::encode(Head::of(Kind::Proof), out, |out| encode_proof(&proof, out));
        // An authenticator whose proofs are too long gets no link at all.
        debug_assert!(encoded.is_ok());
    }

    fn read_hello<'a>(&self, payload: &'a [u8], out: &mut Vec<u8>) -> Result<Hello<'a>, Refusal> {
        Hello::decode(payload)
            .map_err(|error| self.refuse(Reason::Malformed, error.to_string(), out))
    }

    /// Whether who says `hello` may come in; returns the revision to speak. Sets the peer, which counts once it has proven itself.
    fn judge(
        &mut self,
        hello: &Hello<'_>,
        admission: &dyn Admission,
        out: &mut Vec<u8>,
    ) -> Result<u16, Refusal> {
        let ours = Arc::clone(&self.identity);
        let revision = ours.revisions.highest_common(hello.revisions);
        let peer = Peer {
            node: hello.node,
            incarnation: hello.incarnation,
            revision: revision.unwrap_or(0),
            features: ours.features & hello.features,
            role: hello.role,
            wall_us: hello.wall_us,
        };
        self.peer = Some(peer);
        let differ = |here: &dyn fmt::Display, there: &dyn fmt::Display| {
            // The one who reads the peer's text stands at the other end: say whose is whose.
            format!("node {:016x} has {here}, node {:016x} has {there}", ours.node, hello.node)
        };
        let (reason, text) = if hello.cluster != ours.cluster {
            let (here, there) = (ours.cluster.escape_ascii(), hello.cluster.escape_ascii());
            (Reason::ClusterName, differ(&here, &there))
        } else if hello.layout_algo != ours.layout_algo {
            (Reason::Layout, differ(&ours.layout_algo, &hello.layout_algo))
        } else if revision.is_none() {
            let range = |range: Revisions| format!("{}..={}", range.min, range.max);
            (Reason::Revision, differ(&range(ours.revisions), &range(hello.revisions)))
        } else if hello.node == ours.node && hello.incarnation == ours.incarnation {
            (Reason::SelfConnection, String::new())
        } else if hello.node == ours.node {
            let (here, there) = (ours.incarnation, hello.incarnation);
            (Reason::DuplicateId, differ(&here, &there))
        } else if let Some(expected) = self.expected.filter(|&expected| expected != hello.node) {
            (Reason::WrongNode, format!("expected {expected:016x}, found {:016x}", hello.node))
        } else if let Err(reason) = admission.judge(&peer) {
            (reason, format!("node {:016x}, incarnation {}", peer.node, peer.incarnation))
        } else {
            return Ok(peer.revision);
        };
        Err(self.refuse(reason, text, out))
    }

    /// What the peer's REFUSE says. It may come from anyone, and ends nothing but this attempt.
    fn refused(&self, payload: &[u8]) -> Refusal {
        let node = self.peer.map(|peer| peer.node);
        match Refuse::decode(payload) {
            Ok(Refuse { reason, text }) => {
                let text = text.escape_ascii().to_string();
                Refusal { reason, by_peer: true, node, text }
            }
            Err(error) => {
                let text = error.to_string();
                Refusal { reason: Reason::Malformed, by_peer: true, node, text }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::cluster::ClusterSecret;
    use torc_protocol::peer::{Decoded, Limits};

    /// Lets everybody in but one incarnation of one node.
    struct But(u64, Result<(), Reason>);

    impl Admission for But {
        fn judge(&self, peer: &Peer) -> Result<(), Reason> {
            if peer.node == self.0 { self.1 } else { Ok(()) }
        }
    }

    const ALL: But = But(0, Ok(()));

    fn identity(node: u64) -> Identity {
        Identity {
            cluster: b"orders".to_vec(),
            node,
            incarnation: 5,
            revisions: Revisions { min: 1, max: 2 },
            features: 0b110,
            layout_algo: 1,
            authenticator: Arc::new(ClusterSecret::new(b"secret")),
        }
    }

    type Ended = Result<Peer, Refusal>;

    /// Passes frames between both ends until neither says anything; `tamper` sees each on its way.
    fn shake(
        a: Identity,
        b: Identity,
        admission: &But,
        expected: Option<u64>,
        mut tamper: impl FnMut(&mut Vec<u8>),
    ) -> (Option<Ended>, Option<Ended>) {
        let role = Role::Data { worker: 3 };
        let mut to_b = Vec::new();
        let mut dial = Handshake::dial(Arc::new(a), role, expected, [1; 32], 100, &mut to_b);
        let mut accept = Handshake::accept(Arc::new(b), [2; 32]);
        let (mut at_a, mut at_b) = (None, None);
        for round in 0..8 {
            tamper(&mut to_b);
            let (end, ended) =
                if round % 2 == 0 { (&mut accept, &mut at_b) } else { (&mut dial, &mut at_a) };
            let mut out = Vec::new();
            let mut pos = 0;
            while let Decoded::Frame(frame) =
                frame::decode(&to_b, &mut pos, &Limits::handshake()).unwrap()
            {
                match end.receive(frame, 200, admission, &mut out) {
                    Ok(None) => (),
                    Ok(Some(peer)) => *ended = Some(Ok(peer)),
                    Err(refusal) => *ended = Some(Err(refusal)),
                }
            }
            to_b = out;
        }
        (at_a, at_b)
    }

    /// Both ends' reasons, and that both know them.
    fn refused(ended: (Option<Ended>, Option<Ended>)) -> Reason {
        let (a, b) = (ended.0.unwrap().unwrap_err(), ended.1.unwrap().unwrap_err());
        assert_eq!(a.reason, b.reason);
        assert_ne!(a.by_peer, b.by_peer);
        assert_eq!(a.text, b.text, "both logs say the same");
        a.reason
    }

    #[test]
    fn two_nodes_of_a_cluster_meet() {
        let newer =
            Identity { revisions: Revisions { min: 2, max: 3 }, features: 0b011, ..identity(2) };
        let (a, b) = shake(identity(1), newer, &ALL, Some(2), |_| ());
        let (a, b) = (a.unwrap().unwrap(), b.unwrap().unwrap());
        assert_eq!((a.node, b.node), (2, 1));
        assert_eq!((a.revision, b.revision), (2, 2));
        assert_eq!((a.features, b.features), (0b010, 0b010));
        assert_eq!((a.role, b.role), (Role::Data { worker: 3 }, Role::Data { worker: 3 }));
        assert_eq!((a.wall_us, b.wall_us), (200, 100));
    }

    #[test]
    fn strangers_are_refused_by_name() {
        let check = |b: Identity, expected| {
            assert_eq!(refused(shake(identity(1), b.clone(), &ALL, None, |_| ())), expected);
            assert_eq!(refused(shake(b, identity(1), &ALL, None, |_| ())), expected);
        };
        check(Identity { cluster: b"carts".to_vec(), ..identity(2) }, Reason::ClusterName);
        check(Identity { layout_algo: 2, ..identity(2) }, Reason::Layout);
        let revisions = Revisions { min: 3, max: 4 };
        check(Identity { revisions, ..identity(2) }, Reason::Revision);
        check(identity(1), Reason::SelfConnection);
        check(Identity { incarnation: 6, ..identity(1) }, Reason::DuplicateId);
        for secret in [&b"guess"[..], b""] {
            let authenticator = Arc::new(ClusterSecret::new(secret));
            check(Identity { authenticator, ..identity(2) }, Reason::Secret);
        }
    }

    #[test]
    fn the_node_may_have_objections_of_its_own() {
        let reason = Err(Reason::DuplicateId);
        let ends = shake(identity(1), identity(2), &But(1, reason), None, |_| ());
        assert_eq!(refused(ends), Reason::DuplicateId);
        let ends = shake(identity(1), identity(2), &But(2, reason), None, |_| ());
        assert_eq!(refused(ends), Reason::DuplicateId);
        let ends = shake(identity(1), identity(2), &ALL, Some(3), |_| ());
        assert_eq!(refused(ends), Reason::WrongNode);
    }

    #[test]
    fn incarnations_follow_each_other() {
        let check = |incarnation, is_alive, expected| {
            assert_eq!(Known { incarnation: 5, is_alive }.judge(incarnation), expected);
        };
        check(5, true, Ok(()));
        check(4, false, Err(Reason::StaleIncarnation));
        check(6, false, Ok(()));
        check(6, true, Err(Reason::DuplicateId));
    }

    #[test]
    fn no_message_can_be_changed_on_its_way() {
        // Each byte of each of the first two payloads in turn: no end opens the link.
        let mut changed = 0;
        for (target, at) in (0..2).flat_map(|target| (16..256).map(move |at| (target, at))) {
            let (mut message, before) = (0, changed);
            let (a, b) = shake(identity(1), identity(2), &ALL, None, |bytes| {
                if message == target
                    && let Some(byte) = bytes.get_mut(at)
                {
                    *byte ^= 1;
                    changed += 1;
                }
                message += usize::from(!bytes.is_empty());
            });
            let opened = |end: &Option<Ended>| matches!(end, Some(Ok(_)));
            assert!(changed == before || (!opened(&a) && !opened(&b)), "{target} {at}");
        }
        assert!(changed > 150, "both payloads were gone through");
    }

    #[test]
    fn a_stranger_learns_no_proof() {
        let mut out = Vec::new();
        let mut accept = Handshake::accept(Arc::new(identity(2)), [2; 32]);
        let mut hello = Vec::new();
        Handshake::dial(Arc::new(identity(1)), Role::Sync, None, [1; 32], 0, &mut hello);
        let step = |bytes: &[u8], end: &mut Handshake, out: &mut Vec<u8>| match frame::decode(
            bytes,
            &mut 0,
            &Limits::handshake(),
        ) {
            Ok(Decoded::Frame(frame)) => end.receive(frame, 0, &ALL, out),
            other => panic!("{other:?}"),
        };
        step(&hello, &mut accept, &mut out).unwrap();
        let mut proof = Vec::new();
        frame::encode(Head::of(Kind::Proof), &mut proof, |out| encode_proof(&[0; 32], out))
            .unwrap();
        out.clear();
        let refusal = step(&proof, &mut accept, &mut out).unwrap_err();
        assert_eq!(refusal.reason, Reason::Secret);
        assert_eq!(out[4], Kind::Refuse as u8);
        // Nor does anything else open the link.
        for kind in [Kind::Gossip, Kind::HelloReply, Kind::Ping] {
            let mut stray = Vec::new();
            frame::encode(Head::of(kind), &mut stray, |_| Ok(())).unwrap();
            let refusal =
                step(&stray, &mut Handshake::accept(Arc::new(identity(2)), [2; 32]), &mut out);
            assert_eq!(refusal.unwrap_err().reason, Reason::Malformed);
        }
    }
}
