//! From settings to a node of a ring that has not started yet: who it is, where it is reached, its sockets for peers, its core.
//!
//! In `data-dir` lie the node's name, whether it keeps slots (then it comes back into its place instead of joining anew), and where its peers were last, so that it
//! finds them without seeds.

use super::control::{Control, Sockets};
use super::shared::{Mail, Shared};
use crate::admin::Instance;
use crate::base::limits::TAG_RETENTION;
use crate::base::rng::{self, Rng};
use crate::base::version::Tag;
use crate::cluster::NodeId;
use crate::cluster::layout::LAYOUT_ALGO;
use crate::cluster::membership::identity::{self, Identity};
use crate::cluster::membership::{self, Gossip, cluster_hash};
use crate::cluster::record::{NodeRecord, NodeState, Ports};
use crate::config::Settings;
use crate::net::StartError;
use crate::net::listener::{BindAddress, bind_addresses, is_missing, listen_tcp};
use crate::node::core::{Core, Options};
use crate::node::link;
use crate::node::plane::GOES_BY_RULES;
use crate::replication::slots::Slots;
use crate::security::cluster::ClusterSecret;
use crossbeam_channel::{Receiver, Sender};
use mio::{Poll, Waker};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::Limits;
use torc_protocol::peer::hello::Revisions;

/// Whether the node keeps slots, in `data-dir`.
const PLACED_FILE: &str = "placed";

/// Where its peers were, in `data-dir`.
const PEERS_FILE: &str = "peers";

/// Peers that are remembered.
const PEERS_MAX: usize = 64;

/// What is kept in `data-dir`, if there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    directory: Option<PathBuf>,
}

impl Memory {
    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.directory.as_ref()?.join(file)).ok()
    }

    fn write(&self, file: &str, text: &str) {
        let Some(directory) = &self.directory else { return };
        if let Err(error) = fs::write(directory.join(file), text) {
            tracing::warn!(directory = %directory.display(), file, %error, "cannot write");
        }
    }

    fn was_placed(&self) -> bool {
        self.read(PLACED_FILE).is_some_and(|text| text.trim() == "yes")
    }

    /// Remembers whether the node keeps slots.
    pub fn set_placed(&self, placed: bool) {
        self.write(PLACED_FILE, if placed { "yes\n" } else { "no\n" });
    }

    fn peers(&self) -> Vec<String> {
        let text = self.read(PEERS_FILE).unwrap_or_default();
        text.lines().take(PEERS_MAX).map(str::to_owned).collect()
    }

    /// Remembers where peers are, as `host:port`.
    pub fn set_peers(&self, peers: &[String]) {
        let mut text = peers.iter().take(PEERS_MAX).cloned().collect::<Vec<_>>().join("\n");
        text.push('\n');
        self.write(PEERS_FILE, &text);
    }
}

/// A node of a ring whose control thread does not run yet.
pub(in crate::net) struct Prepared {
    /// What the other threads need of it.
    pub shared: Arc<Shared>,
    /// Where it listens for peers.
    pub place: String,
    options: Options,
    gossip: Gossip,
    poll: Poll,
    sockets: Sockets,
    letters: Receiver<Mail>,
    memory: Memory,
    rng: Rng,
}

impl Prepared {
    /// Drives the node until the process is asked to stop; to be called in a thread of its own. Says `ready` once view and routes are there.
    ///
    /// # Errors
    /// The poll fails, which means that the process is broken.
    pub fn run(self, ready: &Sender<()>) -> io::Result<()> {
        let instance = &self.shared.instance;
        let now = membership::Now {
            monotonic: instance.clock.monotonic(),
            unix_ms: instance.clock.unix_ms(),
        };
        // A thread's part of the store stays in that thread, and the core with it.
        let core = Core::new(
            self.options,
            Arc::clone(instance),
            Arc::clone(&self.shared.slots),
            instance.store.local(),
            Box::new(self.gossip),
            now,
        );
        let Prepared { shared, poll, sockets, letters, memory, rng, .. } = self;
        Control::new(shared, core, poll, sockets, letters, memory, rng)?.run(ready)
    }
}

/// A node of a ring, as the settings have it, and its sockets. `None` if they name no ring.
///
/// # Errors
/// The data directory cannot be used, or a port cannot be listened on.
pub(in crate::net) fn prepare(instance: &Arc<Instance>) -> Result<Option<Prepared>, StartError> {
    let settings = &instance.settings;
    if !settings.is_in_ring() {
        return Ok(None);
    }
    let mut rng = Rng::seeded(rng::entropy());
    let memory = open_memory(&settings.data_dir())?;
    let who = who(settings, &memory, instance.clock.unix_ms(), rng.bits())?;
    let sockets = open_sockets(settings)?;
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), super::control::WAKE)?;

    let tag = Tag::new((rng.bits() % u64::from(Tag::COUNT)) as u16);
    let now = instance.clock.unix_ms();
    let record = record(instance, &memory, who, tag, sockets.ip);
    tracing::info!(node = %who.node, incarnation = who.incarnation, tag = tag.get(), host = record.hosts[0], gossip = %record.gossip, state = ?record.state, "part of a ring");
    instance.store.replicate(tag, now);
    let slots = Arc::new(Slots::new(tag));
    let may_begin = is_among_seeds(settings, &record.hosts);
    let gossip = gossip(settings, &memory, record, rng.bits())?;

    let identity = link_identity(settings, who);
    let config = link::Config {
        limits: Limits::established(settings.proto_max_bulk_len()),
        ..link::Config::default()
    };
    let (shared, letters) = Shared::new(Arc::clone(instance), slots, config, identity, waker);
    let options = Options {
        node: who.node,
        copies: settings.copies() as usize,
        may_begin,
        tag_retention: TAG_RETENTION,
    };
    let place = sockets.place();
    let shared = Arc::new(shared);
    Ok(Some(Prepared { shared, place, options, gossip, poll, sockets, letters, memory, rng }))
}

fn open_memory(directory: &str) -> Result<Memory, StartError> {
    if directory.is_empty() {
        return Ok(Memory::default());
    }
    let directory = Path::new(directory);
    fs::create_dir_all(directory)
        .map_err(|source| StartError::DataDir { at: directory.display().to_string(), source })?;
    Ok(Memory { directory: Some(directory.to_owned()) })
}

fn who(settings: &Settings, memory: &Memory, now: u64, draw: u64) -> Result<Identity, StartError> {
    let given = NodeId::parse(settings.node_id().as_bytes());
    match &memory.directory {
        Some(directory) => Ok(identity::load_or_create(directory, given, now, draw)?),
        None => Ok(identity::next(None, given, now, draw)),
    }
}

fn link_identity(settings: &Settings, who: Identity) -> link::Identity {
    link::Identity {
        cluster: settings.cluster_name().as_bytes().to_vec(),
        node: who.node.0,
        incarnation: who.incarnation,
        revisions: Revisions::OURS,
        features: GOES_BY_RULES,
        layout_algo: LAYOUT_ALGO,
        authenticator: Arc::new(ClusterSecret::new(settings.cluster_secret().as_bytes())),
    }
}

/// What the node says of itself at first. One that kept slots before keeps its place; one that joins nobody begins a ring.
fn record(instance: &Instance, memory: &Memory, who: Identity, tag: Tag, ip: IpAddr) -> NodeRecord {
    let settings = &instance.settings;
    let begins = settings.join().is_empty();
    let host = match &*settings.announce_host() {
        "" => ip.to_string(),
        host => host.to_owned(),
    };
    // Gossip needs an address, not a name; where only a name is announced, it goes by the machine's own.
    let ip = host.parse().unwrap_or(ip);
    let ports = Ports {
        client: settings.port() as u16,
        cluster: settings.cluster_port() as u16,
        peer: settings.peer_port() as u16,
        tls_client: settings.tls_port() as u16,
        tls_cluster: settings.tls_cluster_port() as u16,
    };
    NodeRecord {
        node: who.node,
        incarnation: who.incarnation,
        version: 1,
        tag: tag.get(),
        renewals: 0,
        gossip: SocketAddr::new(ip, ports.peer),
        name: String::new(),
        hosts: vec![host],
        ports,
        weight: settings.weight() as u16,
        zone: settings.zone().to_string(),
        state: if begins || memory.was_placed() { NodeState::Active } else { NodeState::Joining },
        since: instance.clock.unix_ms(),
        ready: false,
        synced_layout: 0,
        protocol: (Revisions::OURS.min, Revisions::OURS.max),
        features: GOES_BY_RULES,
        layout_algo: LAYOUT_ALGO as u8,
        cluster: cluster_hash(&settings.cluster_name()),
        extra: Vec::new(),
    }
}

fn gossip(
    settings: &Settings,
    memory: &Memory,
    record: NodeRecord,
    seed: u64,
) -> Result<Gossip, StartError> {
    let secret = settings.cluster_secret();
    let join = settings.join();
    let mut seeds: Vec<String> = join.split_whitespace().map(str::to_owned).collect();
    for peer in memory.peers() {
        if !peer.is_empty() && !seeds.contains(&peer) {
            seeds.push(peer);
        }
    }
    let options = membership::Options {
        record,
        cluster: settings.cluster_name().to_string(),
        secret: (!secret.is_empty()).then(|| secret.as_bytes().to_vec()),
        seeds,
        forget_after: Duration::from_secs(settings.node_forget_after() as u64),
        seed,
    };
    Ok(Gossip::new(options)?)
}

/// Whether this node may be one of those that it is to join: its own address is among them, or a name, which may stand for all nodes.
fn is_among_seeds(settings: &Settings, hosts: &[String]) -> bool {
    let port = settings.peer_port().to_string();
    let join = settings.join();
    let mut seeds = join.split_whitespace().filter_map(|seed| seed.rsplit_once(':'));
    seeds.any(|(host, of)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name = host.parse::<IpAddr>().is_err() && host != "localhost";
        let is_own = hosts.iter().any(|own| own == host)
            || host == "localhost" && hosts.iter().any(|own| own == "127.0.0.1" || own == "::1");
        of == port && (is_name || is_own)
    })
}

/// Listens for peers wherever the node listens for clients.
fn open_sockets(settings: &Settings) -> Result<Sockets, StartError> {
    let port = settings.peer_port() as u16;
    let backlog = settings.tcp_backlog() as i32;
    let mut sockets = Sockets { tcp: Vec::new(), udp: Vec::new(), ip: Ipv4Addr::LOCALHOST.into() };
    let addresses = bind_addresses(&settings.bind())?;
    for &BindAddress { ip, optional } in &addresses {
        let address = SocketAddr::new(ip, port);
        let opened = listen_tcp(address, backlog).and_then(|tcp| Ok((tcp, open_udp(address)?)));
        match opened {
            Ok((tcp, udp)) => {
                sockets.tcp.push(tcp);
                sockets.udp.push((udp, address));
            }
            Err(error) if optional && is_missing(&error) => {
                tracing::info!(%address, %error, "not listening on an optional address");
            }
            Err(source) => return Err(StartError::Listen { at: address.to_string(), source }),
        }
    }
    let Some((_, first)) = sockets.udp.first() else { return Err(StartError::Nowhere) };
    sockets.ip = match first.ip() {
        ip if ip.is_unspecified() => outward_ip(ip).unwrap_or(sockets.ip),
        ip => ip,
    };
    Ok(sockets)
}

fn open_udp(address: SocketAddr) -> io::Result<mio::net::UdpSocket> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(mio::net::UdpSocket::from_std(socket.into()))
}

/// The machine's address as others see it, most likely: that from which it would send to the world. Nothing is sent.
fn outward_ip(any: IpAddr) -> Option<IpAddr> {
    // Addresses that are set aside for documentation (RFC 5737, RFC 3849): no route of their own leads to them.
    let (own, world): (SocketAddr, SocketAddr) = match any {
        IpAddr::V4(ip) => ((ip, 0).into(), (Ipv4Addr::new(192, 0, 2, 1), 9).into()),
        IpAddr::V6(ip) => {
            let world = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            ((ip, 0).into(), (world, 9).into())
        }
    };
    let socket = UdpSocket::bind(own).ok()?;
    socket.connect(world).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}
