//! What CLUSTER answers about a view, in Redis's formats.
//!
//! Pure functions of the [`View`]. SLOTS, SHARDS and NODES grow with the ring (1.4 MiB for 100 nodes), and cluster clients ask for them
//! at every redirection, so each view keeps what was rendered for it.
//!
//! Redis knows primaries with replicas; here every node leads some slots and copies others. SLOTS can say so and does. NODES
//! and SHARDS cannot: they show every node as a primary with the slots that it is acting primary of. All addresses are those of
//! the cluster ports, so that cluster clients get there by themselves; who asks by TLS is told those that speak TLS.
//!
//! Source: the replies of Redis 7.0 and 7.2, and what redis-cli reads out of them.

#[cfg(test)]
mod tests;

use super::member::{Member, MemberState, Transport};
use super::view::{MemberIndex, Run, View};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::OnceLock;
use torc_protocol::slot::{SLOT_COUNT, Slot};
use torc_protocol::{Protocol, Reply};

/// Replies that were rendered for a view, those that the protocol version or the client's transport changes in both.
#[derive(Debug, Default)]
pub(super) struct Cached {
    slots: [[OnceLock<Box<[u8]>>; 2]; 2],
    shards: [OnceLock<Box<[u8]>>; 2],
    nodes: [OnceLock<Box<str>>; 2],
}

fn version_index(protocol: Protocol) -> usize {
    match protocol {
        Protocol::Resp2 => 0,
        Protocol::Resp3 => 1,
    }
}

fn transport_index(transport: Transport) -> usize {
    match transport {
        Transport::Plain => 0,
        Transport::Tls => 1,
    }
}

impl View {
    /// The reply to CLUSTER SLOTS: for each range its bounds and the live nodes, the acting primary first.
    pub fn slots_reply(&self, protocol: Protocol, transport: Transport) -> &[u8] {
        self.cached.slots[transport_index(transport)][version_index(protocol)]
            .get_or_init(|| rendered(protocol, |reply| slots(self, transport, reply)))
    }

    /// The reply to CLUSTER SHARDS: for each node the ranges that it is acting primary of.
    pub fn shards_reply(&self, protocol: Protocol) -> &[u8] {
        self.cached.shards[version_index(protocol)]
            .get_or_init(|| rendered(protocol, |reply| shards(self, reply)))
    }

    /// The text of CLUSTER NODES: a line for each node.
    pub fn nodes_text(&self, transport: Transport) -> &str {
        self.cached.nodes[transport_index(transport)].get_or_init(|| nodes(self, transport).into())
    }
}

fn rendered(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> Box<[u8]> {
    let mut out = Vec::new();
    write(&mut Reply::new(&mut out, protocol));
    out.into()
}

/// Those that clients are told of, in the order of their ids, so that all nodes say the same. A node that has left is none of them.
fn shown(view: &View) -> Vec<(MemberIndex, &Member)> {
    let mut shown: Vec<_> =
        view.members().filter(|(_, member)| member.state != MemberState::Left).collect();
    shown.sort_unstable_by_key(|(_, member)| member.id);
    shown
}

/// The ranges in rising order, but that each node leads one slot without copies before all else and one after.
///
/// Clients take a node to be a primary or a replica as a whole, and for a node that is both at different slots some go by its first mention
/// (redis-py's asyncio client) and some by its last (redis-py's other one). Taken for a replica it would be left out of
/// what these clients ask of every primary: DBSIZE, KEYS, SCAN, FLUSHALL. So the first and the last mention are as a primary. The two
/// slots are read from their primary alone.
fn slots(view: &View, transport: Transport, reply: &mut Reply<'_>) {
    let (heads, tails) = singled_out(view);
    let is_singled_out = |slot: u16| heads.contains(&slot) || tails.contains(&slot);
    let mut between: Vec<Run> = Vec::new();
    for run in view.runs() {
        // The slots singled out are the first and the last of their node's ranges, so cutting a range's ends will do.
        let first = run.first + u16::from(is_singled_out(run.first));
        let last = run.last.checked_sub(u16::from(run.last >= first && is_singled_out(run.last)));
        between.extend(last.filter(|&last| first <= last).map(|last| Run { first, last }));
    }
    reply.array(heads.len() + between.len() + tails.len());
    let mut entry = |run, most| slots_entry(view, run, most, transport, reply);
    heads.into_iter().for_each(|slot| entry(Run { first: slot, last: slot }, 1));
    between.into_iter().for_each(|run| entry(run, usize::MAX));
    tails.into_iter().for_each(|slot| entry(Run { first: slot, last: slot }, 1));
}

/// For each node the first slot that it serves, and the last. A node that serves one slot alone has only the last. None at all where no
/// slot has copies.
fn singled_out(view: &View) -> (BTreeSet<u16>, BTreeSet<u16>) {
    let (mut heads, mut tails) = (BTreeSet::new(), BTreeSet::new());
    let has_copies =
        |run: &Run| Slot::new(run.first).is_some_and(|slot| view.live(slot).nth(1).is_some());
    if view.runs().iter().any(has_copies) {
        for ranges in view.acting_ranges() {
            let (Some(head), Some(tail)) = (ranges.first(), ranges.last()) else { continue };
            tails.insert(tail.last);
            if head.first != tail.last {
                heads.insert(head.first);
            }
        }
    }
    (heads, tails)
}

/// One range with up to `most` of its live nodes.
fn slots_entry(view: &View, run: Run, most: usize, transport: Transport, reply: &mut Reply<'_>) {
    let live: Vec<&Member> = Slot::new(run.first)
        .into_iter()
        .flat_map(|slot| view.live(slot))
        .filter_map(|index| view.member(index))
        .take(most)
        .collect();
    reply.array(2 + live.len());
    reply.integer(i64::from(run.first));
    reply.integer(i64::from(run.last));
    for member in live {
        reply.array(4);
        reply.bulk(member.host.as_bytes());
        reply.integer(i64::from(member.port_for(transport)));
        reply.bulk(member.id.text().as_bytes());
        // Further names of the host: there are none.
        reply.map(0);
    }
}

fn shards(view: &View, reply: &mut Reply<'_>) {
    let ranges = view.acting_ranges();
    let shown = shown(view);
    reply.array(shown.len());
    for (index, member) in shown {
        let own = &ranges[usize::from(index.0)];
        reply.map(2);
        reply.bulk(b"slots");
        reply.array(own.len() * 2);
        for run in own {
            reply.integer(i64::from(run.first));
            reply.integer(i64::from(run.last));
        }
        reply.bulk(b"nodes");
        reply.array(1);
        shard_node(member, reply);
    }
}

fn shard_node(member: &Member, reply: &mut Reply<'_>) {
    let health = match () {
        () if !member.alive => "fail",
        () if !member.can_serve() => "loading",
        () => "online",
    };
    let host = member.host.as_bytes();
    // Both kinds of ports, as far as there are any.
    let tls_port = member.port_for(Transport::Tls);
    let ports = [("port", member.cluster_port), ("tls-port", tls_port)];
    let ports =
        ports.into_iter().filter(|&(name, port)| port != 0 || name == "port" && tls_port == 0);
    reply.map(6 + ports.clone().count());
    reply.bulk(b"id");
    reply.bulk(member.id.text().as_bytes());
    for (name, port) in ports {
        reply.bulk(name.as_bytes());
        reply.integer(i64::from(port));
    }
    for name in ["ip", "endpoint"] {
        reply.bulk(name.as_bytes());
        reply.bulk(host);
    }
    reply.bulk(b"role");
    reply.bulk(b"master");
    // Replication counts by slot; there is no one offset.
    reply.bulk(b"replication-offset");
    reply.integer(0);
    reply.bulk(b"health");
    reply.bulk(health.as_bytes());
}

/// `id ip:port@peer-port flags - ping pong epoch link slots…`
fn nodes(view: &View, transport: Transport) -> String {
    let ranges = view.acting_ranges();
    let mut text = String::new();
    for (epoch, (index, member)) in (1..).zip(shown(view)) {
        let mut flags = String::from(if index == view.me() { "myself,master" } else { "master" });
        if !member.alive {
            flags.push_str(",fail");
        }
        let link = if member.alive { "connected" } else { "disconnected" };
        let (host, port, peer_port) = (&member.host, member.port_for(transport), member.peer_port);
        // Writing to a string cannot fail. The epoch of a Redis node is unique; here it is the place in this list.
        let _ =
            write!(text, "{} {host}:{port}@{peer_port} {flags} - 0 0 {epoch} {link}", member.id);
        for &Run { first, last } in &ranges[usize::from(index.0)] {
            let _ = write!(text, " {first}");
            if last != first {
                let _ = write!(text, "-{last}");
            }
        }
        text.push('\n');
    }
    text
}

/// Packets and frames between nodes since the start, for CLUSTER INFO.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BusCounts {
    /// Sent to peers.
    pub sent: u64,
    /// Received from peers.
    pub received: u64,
}

/// The text of CLUSTER INFO.
pub fn info(view: &View, bus: BusCounts) -> String {
    let served: usize = view.runs().iter().map(|run| usize::from(run.last - run.first) + 1).sum();
    let assigned = if view.layout().copies() == 0 { 0 } else { SLOT_COUNT };
    let shown = shown(view);
    let my_epoch = shown.iter().position(|(index, _)| *index == view.me()).map_or(0, |at| at + 1);
    let size = view.acting_ranges().iter().filter(|ranges| !ranges.is_empty()).count();
    let lines: [(&str, u64); 12] = [
        ("cluster_slots_assigned", assigned as u64),
        ("cluster_slots_ok", served as u64),
        ("cluster_slots_pfail", 0),
        ("cluster_slots_fail", (assigned - served) as u64),
        ("cluster_known_nodes", shown.len() as u64),
        ("cluster_size", size as u64),
        ("cluster_current_epoch", shown.len() as u64),
        ("cluster_my_epoch", my_epoch as u64),
        ("cluster_stats_messages_sent", bus.sent),
        ("cluster_stats_messages_received", bus.received),
        ("total_cluster_links_buffer_limit_exceeded", 0),
        // Torc's own, behind Redis's: which of the two layouts of a join or leave is in force.
        ("torc_cluster_members_moving", u64::from(view.transition().is_some())),
    ];
    let state = if served == SLOT_COUNT { "ok" } else { "fail" };
    let mut text = format!("cluster_state:{state}\r\n");
    for (name, value) in lines {
        let _ = write!(text, "{name}:{value}\r\n");
    }
    text
}

/// One link to a peer, for CLUSTER LINKS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The peer.
    pub node: super::NodeId,
    /// Whether this node opened it.
    pub outgoing: bool,
    /// When, in milliseconds since the Unix epoch.
    pub since: u64,
    /// Whether bytes wait to be sent.
    pub is_writing: bool,
    /// Capacity of the send buffer.
    pub allocated_bytes: u64,
    /// Bytes in it.
    pub used_bytes: u64,
}

/// The reply to CLUSTER LINKS.
pub fn links(links: &[Link], reply: &mut Reply<'_>) {
    reply.array(links.len());
    for link in links {
        reply.map(6);
        for (name, value) in [
            ("direction", if link.outgoing { "to" } else { "from" }),
            ("node", link.node.text().as_str()),
        ] {
            reply.bulk(name.as_bytes());
            reply.bulk(value.as_bytes());
        }
        reply.bulk(b"create-time");
        reply.integer(link.since as i64);
        reply.bulk(b"events");
        reply.bulk(if link.is_writing { b"rw" } else { b"r" });
        reply.bulk(b"send-buffer-allocated");
        reply.integer(link.allocated_bytes as i64);
        reply.bulk(b"send-buffer-used");
        reply.integer(link.used_bytes as i64);
    }
}
