//! A node of the ring, as a view shows it.

use super::NodeId;

/// Where a member stands in its life: `Joining → Active → Leaving → Left`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// Known, and fetching the slots that the next layout gives it.
    Joining,
    /// Keeps its slots.
    Active,
    /// Still keeps its slots, and hands them over.
    Leaving,
    /// Keeps nothing any more.
    Left,
}

impl MemberState {
    /// The state in a word, for people and for what watches the ring.
    pub fn name(self) -> &'static str {
        match self {
            MemberState::Joining => "joining",
            MemberState::Active => "active",
            MemberState::Leaving => "leaving",
            MemberState::Left => "left",
        }
    }
}

/// How a client came, which decides what ports it is told of: by TLS it goes on by TLS, and without it goes on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// TCP, or a Unix socket.
    #[default]
    Plain,
    /// TLS over TCP.
    Tls,
}

/// One member. All but `alive` was said by the member itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name for life.
    pub id: NodeId,
    /// One more each time it starts anew.
    pub incarnation: u64,
    /// The tag of the versions that this incarnation gives out, below 4096.
    pub tag: u16,
    /// The host that clients and peers reach it at, as it is shown to clients. Empty if it is not known.
    pub host: Box<str>,
    /// The port that forwards.
    pub port: u16,
    /// The port that speaks Redis Cluster's protocol, which every reply about the cluster names.
    pub cluster_port: u16,
    /// The port for peers.
    pub peer_port: u16,
    /// As `port`, by TLS; 0 for none.
    pub tls_port: u16,
    /// As `cluster_port`, by TLS; 0 for none.
    pub tls_cluster_port: u16,
    /// Its share of the slots relative to others'.
    pub weight: u16,
    /// What it fails together with; empty if that was not said.
    pub zone: Box<str>,
    /// Where it stands.
    pub state: MemberState,
    /// When it came to that state, in milliseconds since the Unix epoch by its own clock. Orders joins and leaves.
    pub since: u64,
    /// Whether this node takes it for running. Of itself every node does.
    pub alive: bool,
    /// Whether it may serve: its slots are in sync since it started.
    pub ready: bool,
    /// The features that it understands, one bit each.
    pub features: u64,
}

impl Member {
    /// An active member on loopback, alive and ready, with ports that come from its tag. Only tests and benchmarks know a member by so little.
    pub fn on_loopback(id: NodeId, tag: u16) -> Member {
        let port = 7000 + tag;
        Member {
            id,
            incarnation: 1,
            tag,
            host: "127.0.0.1".into(),
            port,
            cluster_port: port + 1000,
            peer_port: port + 2000,
            tls_port: 0,
            tls_cluster_port: 0,
            weight: 1,
            zone: "".into(),
            state: MemberState::Active,
            since: 0,
            alive: true,
            ready: true,
            features: 0,
        }
    }

    /// The port that a cluster client is told of which came by `transport`; 0 for none.
    ///
    /// A node with TLS that has no TLS port for cluster clients has one that forwards, where any key is served as well.
    pub fn port_for(&self, transport: Transport) -> u16 {
        match (transport, self.tls_cluster_port) {
            (Transport::Plain, _) => self.cluster_port,
            (Transport::Tls, 0) => self.tls_port,
            (Transport::Tls, port) => port,
        }
    }

    /// Whether the layout in force counts it.
    pub fn is_placed(&self) -> bool {
        matches!(self.state, MemberState::Active | MemberState::Leaving)
    }

    /// Whether it may run commands on slots that it keeps.
    pub fn can_serve(&self) -> bool {
        self.alive && self.ready && self.is_placed()
    }
}
