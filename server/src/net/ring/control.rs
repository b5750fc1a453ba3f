//! The control thread: drives the core with packets, frames of control links and time, and carries out what it says.
//!
//! Of two nodes the one with the lower id dials the control link, so that a pair has one. Data links of peers are accepted here too, and handed to a worker once their
//! peer has proven itself.

mod links;

use super::conn::Conn;
use super::resolver;
use super::shared::{Mail, Shared};
use super::start::Memory;
use crate::base::rng::Rng;
use crate::cluster::handle::ControlRequest;
use crate::cluster::member::{Member, MemberState};
use crate::cluster::membership::{self, Event as Notice};
use crate::cluster::render;
use crate::cluster::{NodeId, View};
use crate::node::core::{Core, Input, Output};
use crossbeam_channel::{Receiver, Sender};
use mio::net::{TcpListener, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use torc_protocol::peer::{Class, Head};

/// Token of the waker.
pub(in crate::net) const WAKE: Token = Token(0);
const UDP: usize = 0x100;
const TCP: usize = 0x200;
const LINKS: usize = 0x1000;

/// Datagrams taken in a row before links have their turn.
const DATAGRAMS_MAX: usize = 256;

/// Connections that may be open without having proven who they are.
const STRANGERS_MAX: usize = 256;

/// Bytes of a sync that may wait for a link before the core is told to make no more. What a link's own queue holds comes on top of it.
const BACKLOG_BYTES_FULL: usize = 256 << 10;

/// Bytes of a sync that may wait at all: the core stops at the end of what it reads in one step. More is dropped, and asked for again; one frame, a large value, always
/// has room.
const BACKLOG_BYTES_MAX: usize = 8 << 20;

/// Shutdowns and requests are looked for at least so often.
const POLL_MAX: Duration = Duration::from_millis(100);

/// What is shown of links is renewed so often.
const PUBLISH: Duration = Duration::from_secs(1);

/// A misfit is told of once in so long, for each reason.
const MISFIT_EVERY: Duration = Duration::from_secs(10);

/// So many misfits are remembered; past it, all are forgotten, and may be told of once more.
const MISFITS_MAX: usize = 64;

/// The thread counts as late from here on; a poll's own granularity lies below.
const LAG_MIN: Duration = Duration::from_millis(20);

/// The sockets for peers.
#[derive(Debug)]
pub(super) struct Sockets {
    pub tcp: Vec<TcpListener>,
    pub udp: Vec<(UdpSocket, SocketAddr)>,
    /// The address by which others reach this node, unless another is announced.
    pub ip: IpAddr,
}

impl Sockets {
    /// Where this node listens for peers, for the log.
    pub fn place(&self) -> String {
        self.udp.first().map_or_else(String::new, |(_, address)| address.to_string())
    }
}

/// One connection of a peer.
struct ControlLink {
    conn: Conn,
    /// Who is, or should be, at the other end.
    node: Option<NodeId>,
    is_own: bool,
    is_up: bool,
    /// Since when it is up.
    since_ms: u64,
    wake: Option<Duration>,
    /// Frames of a sync that the link had no room for.
    backlog: VecDeque<(Head, Vec<u8>)>,
    backlog_bytes: usize,
    /// Whether the core was told that the backlog is full.
    is_clogged: bool,
}

/// See the module.
pub(super) struct Control {
    shared: Arc<Shared>,
    core: Core,
    poll: Poll,
    sockets: Sockets,
    letters: Receiver<Mail>,
    questions: Sender<String>,
    memory: Memory,
    rng: Rng,
    links: Vec<Option<Box<ControlLink>>>,
    /// Links that this node dials.
    own: HashMap<NodeId, usize>,
    /// Links that are open.
    up: HashMap<NodeId, usize>,
    out: Vec<Output>,
    buffer: Box<[u8]>,
    wake_at: Option<Duration>,
    leave_by: Option<Duration>,
    publish_at: Duration,
    /// Hosts of members that are names, and what they stand for.
    names: HashMap<String, SocketAddr>,
    /// Which UDP sockets and listeners may have more.
    more: Vec<usize>,
    deliveries: usize,
    misfits: HashMap<String, Duration>,
    peers_known: Vec<String>,
}

impl Control {
    pub(super) fn new(
        shared: Arc<Shared>,
        core: Core,
        poll: Poll,
        mut sockets: Sockets,
        letters: Receiver<Mail>,
        memory: Memory,
        rng: Rng,
    ) -> io::Result<Control> {
        for (index, socket) in sockets.tcp.iter_mut().enumerate() {
            poll.registry().register(socket, Token(TCP + index), Interest::READABLE)?;
        }
        for (index, (socket, _)) in sockets.udp.iter_mut().enumerate() {
            poll.registry().register(socket, Token(UDP + index), Interest::READABLE)?;
        }
        let questions = resolver::start(Arc::clone(&shared))?;
        Ok(Control {
            shared,
            core,
            poll,
            sockets,
            letters,
            questions,
            memory,
            rng,
            links: Vec::new(),
            own: HashMap::new(),
            up: HashMap::new(),
            out: Vec::new(),
            buffer: vec![0; 128 * 1024].into_boxed_slice(),
            wake_at: None,
            leave_by: None,
            publish_at: Duration::ZERO,
            names: HashMap::new(),
            more: Vec::new(),
            deliveries: 0,
            misfits: HashMap::new(),
            peers_known: Vec::new(),
        })
    }

    /// Drives the node until the process is asked to stop.
    ///
    /// # Errors
    /// The poll fails, which means that the process is broken.
    pub fn run(mut self, ready: &Sender<()>) -> io::Result<()> {
        self.step(Input::Start);
        // Whoever waited may have given up.
        let _ = ready.send(());
        let mut events = Events::with_capacity(1024);
        while !self.shared.instance.is_shutdown_requested() {
            let timeout = self.timeout();
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    WAKE => {}
                    Token(token) if token >= LINKS => self.on_link_event(token - LINKS, event),
                    Token(token) => self.want_more(token),
                }
            }
            for token in std::mem::take(&mut self.more) {
                match token {
                    at if at >= LINKS => self.read(at - LINKS),
                    at if at >= TCP => self.accept(at - TCP),
                    at => self.receive(at - UDP),
                }
            }
            self.read_mail();
            self.on_time();
            self.flush();
        }
        Ok(())
    }

    fn want_more(&mut self, token: usize) {
        if !self.more.contains(&token) {
            self.more.push(token);
        }
    }

    fn timeout(&self) -> Duration {
        if !self.more.is_empty() {
            return Duration::ZERO;
        }
        let links = self.links.iter().flatten().filter_map(|link| link.wake);
        let wake = links.chain(self.wake_at).chain(self.leave_by).min();
        let now = self.shared.instance.clock.monotonic();
        wake.map_or(POLL_MAX, |wake| wake.saturating_sub(now).min(POLL_MAX))
    }

    // --- The core -------------------------------------------------------------------------------------------------------

    fn step(&mut self, input: Input<'_>) {
        handle(&mut self.core, input, &self.shared, &mut self.out);
        self.carry_out();
    }

    /// Carries out what the core said, in order.
    fn carry_out(&mut self) {
        let mut changed = false;
        for output in std::mem::take(&mut self.out) {
            match output {
                Output::Packet { to, bytes } => self.send_packet(to, &bytes),
                Output::Frame { to, kind, slot, payload } => {
                    self.send_frame(to, Head { slot, ..Head::of(kind) }, payload);
                }
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Resolve(name) => {
                    // A full queue drops it; the core asks again in its turn.
                    let _ = self.questions.try_send(name);
                }
                Output::ViewChanged => {
                    self.match_members();
                    changed = true;
                }
                Output::RoutesChanged => changed = true,
                Output::Placed(placed) => self.memory.set_placed(placed),
                Output::Left => {
                    tracing::info!("left the ring");
                    self.flush();
                    self.shared.instance.request_shutdown();
                }
                Output::Notice(notice) => self.notice(notice),
            }
        }
        if changed {
            self.shared.wake_workers();
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Rejoined { incarnation } => {
                tracing::warn!(incarnation, "this node was taken for dead, and is back");
                self.shared.set_incarnation(incarnation);
                self.match_members();
                self.shared.wake_workers();
            }
            Notice::Refused { why, peer, by_peer } => {
                let what = format!("{why:?} {by_peer}");
                if self.is_news(what) {
                    let by = if by_peer { "refused by a node" } else { "refused a node" };
                    tracing::warn!(?peer, reason = %why, "{by}");
                }
            }
            Notice::TagTaken(other) => self.tag_taken(other),
            other => tracing::info!(?other, "membership"),
        }
    }

    /// Two nodes drew the same tag for their versions, one time in 4,096 for a pair. The one with the higher id starts anew, under another.
    fn tag_taken(&mut self, other: NodeId) {
        let identity = self.shared.identity();
        if identity.node < other.0 {
            return;
        }
        tracing::warn!(%other, "another node drew the same tag: starting anew under another one");
        let mut arguments = std::env::args_os();
        let Some(program) = arguments.next() else { return };
        use std::os::unix::process::CommandExt as _;
        // Its sockets are closed by that, and only a failure returns.
        let error = std::process::Command::new(program).args(arguments).exec();
        tracing::error!(%error, "cannot start anew");
        self.shared.instance.request_shutdown();
    }

    /// Whether `what` was not told of for a while. What comes again and again is told of again and again, if seldom: silence would look like a mended mistake.
    fn is_news(&mut self, what: String) -> bool {
        let now = self.shared.instance.clock.monotonic();
        if self.misfits.get(&what).is_some_and(|&last| now < last + MISFIT_EVERY) {
            return false;
        }
        if self.misfits.len() >= MISFITS_MAX {
            self.misfits.clear();
        }
        self.misfits.insert(what, now);
        true
    }

    // --- Datagrams ------------------------------------------------------------------------------------------------------

    fn send_packet(&mut self, to: SocketAddr, bytes: &[u8]) {
        let fits = |own: &SocketAddr| {
            let any = own.ip().is_unspecified();
            own.is_ipv4() == to.is_ipv4()
                && (any || own.ip().is_loopback() == to.ip().is_loopback())
        };
        let udp = &self.sockets.udp;
        let found = udp.iter().find(|(_, own)| fits(own));
        let found = found.or_else(|| udp.iter().find(|(_, own)| own.is_ipv4() == to.is_ipv4()));
        let Some((socket, _)) = found else {
            tracing::debug!(%to, "no socket for this address");
            return;
        };
        // Gossip copes with loss, of which a full buffer or an unreachable host is one.
        if let Err(error) = socket.send_to(bytes, to) {
            tracing::trace!(%to, %error, "a datagram was not sent");
        }
        self.shared.instance.cluster.count_bus(1, 0);
    }

    fn receive(&mut self, index: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..DATAGRAMS_MAX {
            let Some((socket, _)) = self.sockets.udp.get(index) else { break };
            match socket.recv_from(&mut buffer) {
                Ok((count, from)) => {
                    self.shared.instance.cluster.count_bus(0, 1);
                    self.step(Input::Packet { from, bytes: &buffer[..count] });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.buffer = buffer;
                    return;
                }
                // A peer's port that is closed is reported here, once.
                Err(_) => {}
            }
        }
        self.buffer = buffer;
        self.want_more(UDP + index);
    }

    // --- Mail and time --------------------------------------------------------------------------------------------------

    fn read_mail(&mut self) {
        for _ in 0..self.letters.len() {
            match self.letters.try_recv() {
                Ok(Mail::DataLinkUp(node)) => self.step(Input::DataLinkUp(node)),
                Ok(Mail::FellOff(node)) => self.step(Input::FellOff(node)),
                Ok(Mail::Heard(node)) => self.step(Input::Heard(node)),
                Ok(Mail::Resolved(name, addresses)) => self.resolved(&name, &addresses),
                Ok(Mail::Gap { slot, node, is_here }) => {
                    self.step(Input::Gap { slot, node, is_here });
                }
                Ok(Mail::Leave) => self.leave(),
                Err(_) => break,
            }
        }
        while let Some(request) = self.shared.instance.cluster.next_request() {
            match request {
                ControlRequest::Forget(node) => self.step(Input::Forget(node)),
                ControlRequest::Leave => self.leave(),
            }
        }
    }

    fn leave(&mut self) {
        if self.leave_by.is_some() {
            return;
        }
        let limit = self.shared.instance.settings.leave_timeout().max(0) as u64;
        tracing::info!(limit_ms = limit, "leaving the ring");
        let now = self.shared.instance.clock.monotonic();
        self.leave_by = Some(now + Duration::from_millis(limit));
        self.step(Input::Leave);
    }

    fn resolved(&mut self, name: &str, addresses: &[SocketAddr]) {
        if let Some(&address) = addresses.first() {
            self.names.insert(name.to_owned(), address);
            self.match_members();
            self.shared.wake_workers();
        }
        self.step(Input::Resolved { seed: name, addresses });
    }

    fn on_time(&mut self) {
        let now = self.shared.now();
        if let Some(at) = self.wake_at.filter(|&at| at <= now.monotonic) {
            self.wake_at = None;
            let lag = now.monotonic - at;
            if lag >= LAG_MIN {
                self.step(Input::LoopLag(lag));
            }
            self.step(Input::Timer);
        }
        let is_due = |link: &ControlLink| link.wake.is_some_and(|at| at <= now.monotonic);
        for at in 0..self.links.len() {
            if self.links[at].as_deref().is_some_and(is_due) {
                self.tick(at, now);
            }
        }
        if self.leave_by.is_some_and(|at| at <= now.monotonic) {
            tracing::warn!("the keys could not be handed over in time: stopping");
            self.shared.instance.request_shutdown();
        }
        if self.publish_at <= now.monotonic {
            self.publish_at = now.monotonic + PUBLISH;
            self.publish_links();
        }
    }

    /// What CLUSTER LINKS shows.
    fn publish_links(&self) {
        let links = self.links.iter().flatten().filter(|link| link.is_up).filter_map(|link| {
            let used: usize =
                Class::ALL.iter().map(|&class| link.conn.link.queued_bytes(class)).sum();
            Some(render::Link {
                node: link.node?,
                outgoing: link.is_own,
                since: link.since_ms,
                is_writing: used > 0,
                allocated_bytes: used as u64,
                used_bytes: used as u64,
            })
        });
        self.shared.instance.cluster.publish_links(links.collect());
    }

    // --- Control links --------------------------------------------------------------------------------------------------

    fn renew_directory(&mut self, view: &View) {
        let mut directory = HashMap::new();
        for (_, member) in view.members() {
            match self.address_of(member) {
                Some(address) => drop(directory.insert(member.id, address)),
                None => {
                    // Full: the next view asks again.
                    let _ = self.questions.try_send(place_of(member));
                }
            }
        }
        self.shared.set_directory(directory);
    }

    fn address_of(&self, member: &Member) -> Option<SocketAddr> {
        match member.host.parse::<IpAddr>() {
            Ok(ip) => Some(SocketAddr::new(ip, member.peer_port)),
            Err(_) => self.names.get(&place_of(member)).copied(),
        }
    }

    fn remember_peers(&mut self, view: &View) {
        let others = view.members().filter(|(index, member)| {
            *index != view.me() && member.state != MemberState::Left && !member.host.is_empty()
        });
        let mut peers: Vec<String> = others.map(|(_, member)| place_of(member)).collect();
        peers.sort_unstable();
        // A node that sees nobody keeps what it knew.
        if !peers.is_empty() && peers != self.peers_known {
            self.memory.set_peers(&peers);
            self.peers_known = peers;
        }
    }
}

/// Lets the core take a step, and tells it how long that took.
fn handle(core: &mut Core, input: Input<'_>, shared: &Shared, out: &mut Vec<Output>) {
    let now = moment(shared);
    core.handle(input, now, out);
    core.took(shared.instance.clock.monotonic() - now.monotonic);
}

/// The time as the core takes it.
fn moment(shared: &Shared) -> membership::Now {
    let clock = &shared.instance.clock;
    membership::Now { monotonic: clock.monotonic(), unix_ms: clock.unix_ms() }
}

/// Where a member's peers reach it.
fn place_of(member: &Member) -> String {
    match member.host.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, member.peer_port).to_string(),
        Err(_) => format!("{}:{}", member.host, member.peer_port),
    }
}
