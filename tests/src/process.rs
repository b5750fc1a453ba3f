//! Servers as child processes: the node under test and the reference `redis-server`.

use crate::resp::Connection;
use crate::wait;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server has this long until it answers, and as long to go.
const START: Duration = Duration::from_secs(20);

/// Another process can take the free port between our looking and the server's binding; so often we look again.
const ATTEMPTS: usize = 5;

/// A running server. Dropping it kills the process and removes its directory.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    dir: PathBuf,
    name: &'static str,
    exited: Option<ExitStatus>,
}

/// What the kernel allows this process.
#[derive(Debug, Clone, Copy)]
pub struct Limits;

impl Limits {
    /// Raises the number of open files to `count` if the hard limit allows; whether that many are allowed now.
    pub fn raise_open_files(count: u64) -> bool {
        let limit = rustix::process::getrlimit(Resource::Nofile);
        if limit.current.is_none_or(|current| current >= count) {
            return true;
        }
        let wanted = Rlimit { current: Some(count), maximum: limit.maximum };
        rustix::process::setrlimit(Resource::Nofile, wanted).is_ok()
    }
}

impl Server {
    /// The node under test with default settings and `arguments`, on a free loopback port.
    ///
    /// `TORC_TEST_NODE` names another server to test in its place; with `redis-server` the suites test themselves.
    pub fn node(binary: &str, arguments: &[&str]) -> Server {
        let other = std::env::var("TORC_TEST_NODE").ok();
        match other.as_deref() {
            Some(path) if path.ends_with("redis-server") => {
                Server::start("node", path, &redis_arguments(arguments))
            }
            Some(path) => Server::start("node", path, &node_arguments(arguments)),
            None => Server::start("node", binary, &node_arguments(arguments)),
        }
    }

    /// The reference: `redis-server` from PATH without persistence.
    pub fn reference(arguments: &[&str]) -> Server {
        Server::start("reference", "redis-server", &redis_arguments(arguments))
    }

    fn start(name: &'static str, binary: &str, arguments: &[String]) -> Server {
        let dir = fresh_dir();
        let mut report = String::new();
        for _ in 0..ATTEMPTS {
            let port = free_port();
            let mut server = spawn(name, binary, arguments, port, &dir);
            if server.answers() {
                return server;
            }
            report = server.log();
        }
        panic!("{name} ({binary} {arguments:?}) does not answer; it said:\n{report}");
    }

    /// Whether it answers within the limit; false at once if the process ended.
    fn answers(&mut self) -> bool {
        let mut ended = false;
        let answered = wait::holds_within(START, || {
            ended = matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
            ended
                || Connection::open(self.address())
                    .and_then(|mut c| c.call(&["PING"]))
                    .is_ok_and(|_| true)
        });
        answered && !ended
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its own directory, empty at the start.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new connection.
    ///
    /// # Panics
    /// If it is refused; the server's own words are part of the message.
    #[track_caller]
    pub fn connect(&self) -> Connection {
        match Connection::open(self.address()) {
            Ok(connection) => connection,
            Err(error) => panic!("{}: {error}; it said:\n{}", self.name, self.log()),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes, as the kernel counts it.
    ///
    /// # Panics
    /// If the process is gone.
    #[track_caller]
    pub fn rss_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .unwrap_or_else(|error| panic!("{} is gone ({error}): {}", self.name, self.log()));
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0 kB");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or_default();
        kib * 1024
    }

    /// CPU time it has used, user and system.
    pub fn cpu(&self) -> Duration {
        cpu_of(&format!("/proc/{}/stat", self.pid()))
    }

    /// Asks it to stop, as `kill` does.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.pid()).ok().and_then(Pid::from_raw) {
            // An error means that it is gone already, which `wait_exit` tells.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// If it runs on beyond `limit`.
    #[track_caller]
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        let mut status = None;
        wait::until("the process ends", limit, || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        self.exited = status;
        status.expect("the wait ended with a status")
    }

    /// Everything that it printed.
    pub fn log(&self) -> String {
        fs::read(self.dir.join("log")).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.exited.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            eprintln!("last lines of {}:", self.name);
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Runs a program to its end and returns its status and everything it printed; for starts that must fail.
///
/// # Panics
/// If it runs on beyond `limit` (it is killed) or cannot be started.
pub fn run_to_end(binary: &str, arguments: &[&str], limit: Duration) -> (ExitStatus, String) {
    let dir = fresh_dir();
    let mut server = Server {
        child: command(binary, &node_arguments(arguments), &dir),
        port: 0,
        dir,
        name: "node",
        exited: None,
    };
    let status = server.wait_exit(limit);
    (status, server.log())
}

/// CPU time of the process or thread whose `stat` file this is.
pub fn cpu_of(stat: &str) -> Duration {
    let text = fs::read_to_string(stat).unwrap_or_default();
    // The second field is the name in parentheses and may hold spaces; counting starts behind it.
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis((ticks(11) + ticks(12)) * 1000 / per_second)
}

/// How long the process or thread whose `schedstat` file this is was ready to run and had no CPU, because others had it.
pub fn waited_for_cpu(schedstat: &str) -> Duration {
    let text = fs::read_to_string(schedstat).unwrap_or_default();
    // Nanoseconds on a CPU, nanoseconds waiting for one, turns.
    let waited = text.split_whitespace().nth(1).and_then(|ns| ns.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

/// How long the host of this virtual machine has given its CPUs to others, all CPUs together; zero where the kernel does not know. No clock of a thread shows it.
pub fn stolen() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = text.split_whitespace().nth(8).and_then(|ticks| ticks.parse::<u64>().ok());
    Duration::from_millis(ticks.unwrap_or(0) * 1000 / rustix::param::clock_ticks_per_second())
}

fn node_arguments(arguments: &[&str]) -> Vec<String> {
    std::iter::once("server").chain(arguments.iter().copied()).map(String::from).collect()
}

fn redis_arguments(arguments: &[&str]) -> Vec<String> {
    let fixed = ["--save", "", "--appendonly", "no", "--enable-debug-command", "yes"];
    fixed.iter().chain(arguments).map(|&s| String::from(s)).collect()
}

fn spawn(name: &'static str, binary: &str, arguments: &[String], port: u16, dir: &Path) -> Server {
    let mut arguments = arguments.to_vec();
    let given = arguments.iter().position(|argument| argument == "--port");
    let given = given.and_then(|at| arguments.get(at + 1)?.parse().ok());
    if given.is_none() {
        arguments.extend([String::from("--port"), port.to_string()]);
    }
    let port = given.unwrap_or(port);
    let child = command(binary, &arguments, dir);
    Server { child, port, dir: dir.to_path_buf(), name, exited: None }
}

fn command(binary: &str, arguments: &[String], dir: &Path) -> Child {
    let _ = fs::create_dir_all(dir);
    let log = File::create(dir.join("log")).expect("the temporary directory is writable");
    let errors = log.try_clone().expect("a file handle can be duplicated");
    let started: io::Result<Child> = Command::new(binary)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn();
    started.unwrap_or_else(|error| panic!("cannot start {binary}: {error}"))
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_or_else(|error| panic!("no free loopback port: {error}"), |address| address.port())
}

fn fresh_dir() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only uniqueness matters.
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("torc-test-{}-{count}", std::process::id()));
    fs::create_dir_all(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    dir
}
