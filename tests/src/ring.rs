//! Rings of real processes that can be killed, frozen, cut off and started again under their own names.

use crate::{Connection, Value, wait};
use rustix::process::{Pid, Signal};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A node has this long until it answers, and a ring until it is whole.
pub const LIMIT: Duration = Duration::from_secs(30);

/// Lets time pass; for what is to go on for a while, such as a fault.
pub fn pass(time: Duration) {
    let start = wait::now();
    while start.elapsed() < time {
        let left = time.saturating_sub(start.elapsed());
        std::thread::sleep(left.min(Duration::from_millis(20)));
    }
}

/// The node under test. Cargo puts suites into a folder of its own below that of the programs, and tells the path only to the crate of a suite.
fn binary() -> PathBuf {
    let suite = std::env::current_exe().expect("the system knows what it runs");
    let folder = suite.ancestors().nth(2).expect("a suite lies in target/PROFILE/deps");
    folder.join("torc-node")
}

/// Where a node is reached.
#[derive(Debug, Clone)]
pub struct Place {
    /// By any client.
    pub plain: SocketAddr,
    /// By cluster clients.
    pub cluster: SocketAddr,
    /// By other nodes.
    pub peer: SocketAddr,
    /// The network namespace from which to connect.
    pub space: Option<String>,
}

impl Place {
    /// A place with free ports on loopback.
    pub fn free() -> Place {
        let [plain, cluster, peer] = free_ports();
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Place { plain: at(plain), cluster: at(cluster), peer: at(peer), space: None }
    }

    /// A place in a namespace of its own, where every port is free.
    pub fn within(space: &str, ip: IpAddr) -> Place {
        let at = |port| SocketAddr::new(ip, port);
        Place { plain: at(6379), cluster: at(7379), peer: at(8379), space: Some(space.to_owned()) }
    }

    /// A connection to the plain port, on which no reply may take longer than `limit`.
    pub fn open(&self, limit: Duration) -> io::Result<Connection> {
        self.open_at(self.plain, limit)
    }

    /// The same to the port for cluster clients.
    pub fn open_cluster(&self, limit: Duration) -> io::Result<Connection> {
        self.open_at(self.cluster, limit)
    }

    fn open_at(&self, address: SocketAddr, limit: Duration) -> io::Result<Connection> {
        let mut connection = match &self.space {
            None => Connection::open(address)?,
            // A socket stays in the namespace it was opened in; the thread that opened it is not needed any more.
            Some(space) => std::thread::scope(|scope| {
                let opening = scope.spawn(|| {
                    let file = File::open(format!("/run/netns/{space}"))?;
                    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
                    Connection::open(address)
                });
                opening.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
            })?,
        };
        connection.set_timeout(limit)?;
        Ok(connection)
    }

    /// The words of the lines about `about` in TORC STATUS; none if it does not answer.
    pub fn status(&self, about: &str) -> Vec<HashMap<String, String>> {
        let reply = self.open(LIMIT).and_then(|mut it| it.call(&["TORC", "STATUS"]));
        let text = reply.map(|reply| reply.text()).unwrap_or_default();
        let words = |line: &str| {
            let pairs = line.split(' ').skip(1).filter_map(|word| word.split_once(':'));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let prefix = format!("{about} ");
        text.lines().filter(|line| line.starts_with(&prefix)).map(words).collect()
    }

    /// How many nodes it takes for alive.
    pub fn alive(&self) -> usize {
        self.status("node").iter().filter(|node| node["alive"] == "yes").count()
    }

    /// The reply to one command, over a connection of its own.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn ask(&self, line: &str) -> Value {
        self.open(LIMIT)
            .unwrap_or_else(|error| panic!("{line} at {}: {error}", self.plain))
            .run(line)
    }
}

/// Ports that are free for TCP and UDP, and were given to nobody else of this process. Another process can take one before the node does, which then fails to start.
fn free_ports() -> [u16; 3] {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held = Vec::new();
    while held.len() < 3 {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let port = tcp.local_addr().expect("a bound socket has an address").port();
        // What the kernel gives is its ephemeral range, where the next connection may sit; below it nobody is placed by chance.
        let port = port / 2 + 5_000;
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        if let (Ok(tcp), Ok(udp)) = (free, UdpSocket::bind((Ipv4Addr::LOCALHOST, port))) {
            // A node binds its ports after these are let go, and the kernel may name them again before that.
            if given.insert(port) {
                held.push((tcp, udp, port));
            }
        }
    }
    [held[0].2, held[1].2, held[2].2]
}

/// One node: a process, and what it takes to start it again.
#[derive(Debug)]
pub struct Node {
    /// Where it is reached, in every run.
    pub place: Place,
    dir: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
    /// Started so often.
    runs: u32,
}

impl Node {
    /// A node at `place`, started. It joins `seed`, or begins a ring.
    pub fn start(place: Place, seed: Option<&Place>, further: &[&str]) -> Node {
        let dir = fresh_dir();
        let (ip, data) = (place.plain.ip().to_string(), dir.join("data").display().to_string());
        let mut arguments: Vec<String> = vec!["server".into()];
        let mut push =
            |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
        if !further.contains(&"--workers") {
            push("--workers", "1");
        }
        push("--bind", &ip);
        push("--announce-host", &ip);
        push("--port", &place.plain.port().to_string());
        push("--cluster-port", &place.cluster.port().to_string());
        push("--peer-port", &place.peer.port().to_string());
        push("--data-dir", &data);
        match seed {
            Some(seed) => push("--join", &seed.peer.to_string()),
            None => push("--cluster-enabled", "yes"),
        }
        arguments.extend(further.iter().map(|&it| it.to_owned()));
        let mut node = Node { place, dir, arguments, child: None, runs: 0 };
        node.run();
        node
    }

    /// Starts the process, for the first time or again.
    pub fn run(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        self.runs += 1;
        let log = File::create(self.log_path()).expect("the temporary directory is writable");
        let errors = log.try_clone().expect("a file handle can be duplicated");
        let binary = binary();
        let mut command = match &self.place.space {
            None => Command::new(&binary),
            Some(space) => {
                let mut command = Command::new("ip");
                // It becomes the node, so the child's id is the node's.
                command.args(["netns", "exec", space]).arg(&binary);
                command
            }
        };
        command.args(&self.arguments).current_dir(&self.dir).stdin(Stdio::null());
        let child = command.stdout(log).stderr(errors).spawn();
        self.child = Some(
            child.unwrap_or_else(|error| panic!("cannot start {}: {error}", binary.display())),
        );
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Waits until it answers.
    pub fn await_answer(&self) {
        wait::until("the node answers", LIMIT, || {
            let reply = self.place.open(LIMIT).and_then(|mut it| it.call(&["PING"]));
            reply.is_ok_and(|reply| reply.text() == "PONG")
        });
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // An error means that it is gone, which the suite sees soon enough.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Kills the process, as the kernel does when memory is short.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until the process ends by itself.
    pub fn await_exit(&mut self, limit: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("it runs");
        let mut status = None;
        wait::until("the process ends", limit, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        self.child = None;
        status.expect("the wait ended with a status")
    }

    /// What its latest run has logged.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_path(&self) -> PathBuf {
        self.dir.join(format!("log.{}", self.runs))
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        let kept = std::env::var_os("TORC_FAULT_KEEP").is_some();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(25).collect();
            eprintln!("last lines of the node at {}:", self.place.plain);
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        if kept {
            eprintln!("kept: {}", self.dir().display());
        } else {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

/// A ring of `count` nodes on loopback, whole.
pub fn ring(count: usize, further: &[&str]) -> Vec<Node> {
    ring_at((0..count).map(|_| Place::free()), further)
}

/// A ring of a node at each place, whole. The first begins it.
pub fn ring_at(places: impl IntoIterator<Item = Place>, further: &[&str]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for place in places {
        let seed = nodes.first().map(|first| first.place.clone());
        nodes.push(Node::start(place, seed.as_ref(), further));
        if seed.is_none() {
            nodes[0].await_answer();
        }
    }
    nodes.iter().for_each(Node::await_answer);
    await_whole(&nodes, LIMIT);
    nodes
}

/// Where they are.
pub fn places(nodes: &[Node]) -> Vec<Place> {
    nodes.iter().map(|node| node.place.clone()).collect()
}

/// Waits until all nodes agree that all of them serve; how long that took.
pub fn await_whole(nodes: &[Node], limit: Duration) -> Duration {
    let start = wait::now();
    let whole = wait::holds_within(limit, || {
        // Not in the waiting's own rhythm: the answers are long.
        pass(Duration::from_millis(20));
        is_whole(nodes)
    });
    if !whole {
        for node in nodes {
            eprintln!("{}:\n{}", node.place.plain, node.place.ask("CLUSTER NODES").text());
            eprintln!("{}", node.place.ask("CLUSTER INFO").text());
        }
        panic!("not within {limit:?}: all {} nodes serve", nodes.len());
    }
    start.elapsed()
}

/// Whether all nodes agree that all of them serve.
pub fn is_whole(nodes: &[Node]) -> bool {
    let Some(first) = Table::of(&nodes[0].place) else { return false };
    let has_all_copies =
        |place: &Place| place.status("slots").first().is_some_and(|it| it["full"] == "16384");
    first.slots() == 16_384
        && first.serving() == nodes.len()
        && nodes.iter().all(|node| has_all_copies(&node.place))
        && nodes
            .iter()
            .all(|node| Table::of(&node.place).as_ref() == Some(&first) && is_calm(&node.place))
}

/// Whether no member comes or goes, as the node at `place` sees it.
fn is_calm(place: &Place) -> bool {
    let info = place.open(LIMIT).and_then(|mut it| it.call(&["CLUSTER", "INFO"]));
    info.is_ok_and(|info| info.text().contains("torc_cluster_members_moving:0"))
}

/// What CLUSTER SLOTS tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    first: u16,
    last: u16,
    /// The names of the nodes that keep it; who serves it comes first.
    keepers: Vec<String>,
}

impl Table {
    /// As the node at `place` has it; `None` if it gives none.
    pub fn of(place: &Place) -> Option<Table> {
        let reply = place.open(LIMIT).ok()?.call(&["CLUSTER", "SLOTS"]).ok()?;
        let ranges = reply.items().iter().map(|entry| {
            let items = entry.items();
            let number = |at: usize| items.get(at)?.integer()?.try_into().ok();
            let name = |keeper: &Value| Some(keeper.items().get(2)?.text());
            let keepers = items.get(2..)?.iter().map(name).collect::<Option<_>>()?;
            Some(Range { first: number(0)?, last: number(1)?, keepers })
        });
        Some(Table { ranges: ranges.collect::<Option<_>>()? })
    }

    fn slots(&self) -> usize {
        self.ranges.iter().map(|range| usize::from(range.last - range.first) + 1).sum()
    }

    /// How many nodes serve something.
    fn serving(&self) -> usize {
        let mut names: Vec<&String> = self.ranges.iter().map(|range| &range.keepers[0]).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    fn by_slot(&self) -> Vec<&[String]> {
        let mut slots = vec![&[][..]; 16_384];
        for range in &self.ranges {
            let (first, last) = (usize::from(range.first), usize::from(range.last));
            slots[first..=last].iter_mut().for_each(|slot| *slot = &range.keepers);
        }
        slots
    }

    /// Copies that `after` has where this table has none: what had to move. Slots whose copies one of them does not show are left out.
    pub fn moved_to(&self, after: &Table) -> usize {
        let pairs = self.by_slot().into_iter().zip(after.by_slot());
        let shown = pairs.filter(|(old, new)| old.len() > 1 && new.len() > 1);
        shown.map(|(old, new)| new.iter().filter(|name| !old.contains(name)).count()).sum()
    }
}

fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only uniqueness matters.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("torc-faults-{}-{count}", std::process::id()));
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir
}
