//! Sockets and event loops: the thin shells that run the pipeline.
//!
//! One acceptor (the main thread) and a fixed set of workers, each with its own poll and its own connections; a connection stays with its
//! worker. Nothing here knows what a command means.

mod acceptor;
mod connection;
mod files;
mod http;
mod listener;
mod people;
mod ring;
mod slots;
mod stream;
mod tls;
mod worker;

#[cfg(test)]
mod tests;

use crate::admin::mailbox::Mailbox;
use crate::admin::{Instance, logging};
use crate::base::clock::Clock;
use crate::base::limits::STACK_BYTES;
use crate::base::rng;
use crate::cluster::membership::identity::IdentityError;
use crate::cluster::record::RecordError;
use crate::config::{self, Order, Settings};
use crate::security::tls::TlsError;
use acceptor::{Acceptor, Port};
use http::Http;
use listener::Listener;
use mio::{Poll, Waker};
use ring::shared::Shared;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use worker::{Desk, Worker};

/// Why the node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// `bind` holds something that is no address.
    #[error("bind: '{0}' is not an IP address, '*' or '::*'")]
    Address(String),
    /// An address cannot be listened on.
    #[error("cannot listen on {at}: {source}")]
    Listen {
        /// The address or path.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to listen on.
    #[error("nothing to listen on: set a port, or a unixsocket")]
    Nowhere,
    /// The log file cannot be opened.
    #[error("cannot open the log file: {0}")]
    Log(io::Error),
    /// The users that the settings define, or their file, are wrong.
    #[error("{0}")]
    Users(String),
    /// Clients are to speak TLS, and cannot.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// `data-dir` cannot be made.
    #[error("cannot make the data directory {at}: {source}")]
    DataDir {
        /// Where.
        at: String,
        /// Why.
        source: io::Error,
    },
    /// The node's name cannot be read or written.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// What the node would say of itself to others is too long.
    #[error("the node's settings do not fit into what it tells others: {0}")]
    Record(#[from] RecordError),
    /// The system refused a thread, a poll or a pipe.
    #[error("the system refused what the node needs: {0}")]
    System(#[from] io::Error),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let settings = match config::from_command_line(std::env::args_os()) {
        Ok(Order::Serve(settings)) => *settings,
        Ok(Order::Status { node, json }) => return people::status(&node, json),
        Ok(Order::Leave { node }) => return people::leave(&node),
        Ok(Order::LocalCluster { nodes, port, rest }) => {
            return people::local_cluster(nodes, port, &rest);
        }
        Err(code) => return code,
    };
    let logs_to_file = !settings.logfile().is_empty();
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Otherwise the line below is in the log's place already.
            if logs_to_file {
                tracing::error!(%error, "stopped");
            }
            eprintln!("torc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> Result<(), StartError> {
    logging::start(&settings).map_err(StartError::Log)?;
    let instance = Arc::new(Instance::new(settings, Clock::system(), rng::entropy()));
    instance.acl.start(&instance.settings).map_err(StartError::Users)?;
    files::raise_limit(&instance);
    if instance.settings.has_tls_port() {
        instance.tls.load(&instance.settings)?;
    }
    let listeners = listener::listen(&instance.settings)?;
    let places: Vec<String> = listeners.iter().map(Listener::place).collect();
    serve(&instance, listeners, || greet(&instance, &places))?;
    tracing::info!("stopped");
    Ok(())
}

/// Serves on `listeners` until the process is asked to stop; calls `ready` once clients can connect.
fn serve(
    instance: &Arc<Instance>,
    listeners: Vec<Listener>,
    ready: impl FnOnce(),
) -> Result<(), StartError> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), acceptor::WAKE)?;
    // A lost wake-up would need a broken eventfd.
    instance.on_shutdown(move || drop(waker.wake()));
    // Before the workers, who take versions for what they write.
    let mut threads = Vec::new();
    let mut shared = None;
    if let Some(prepared) = ring::start::prepare(instance)? {
        tracing::info!(at = prepared.place, "listening for other nodes");
        shared = Some(Arc::clone(&prepared.shared));
        let (ready, is_ready) = crossbeam_channel::bounded(1);
        let run = move || prepared.run(&ready);
        threads.push(start_thread(instance, "control".to_owned(), run)?);
        // An error means that the thread ended, which asks everybody to stop.
        let _ = is_ready.recv();
    }
    let ports = start_workers(instance, shared.as_ref(), &mut threads)?;
    let watched = http::listen(&instance.settings)?;
    let mut http_waker = None;
    if !watched.is_empty() {
        let (http, waker) = Http::new(instance, watched)?;
        http_waker = Some(waker);
        threads.push(start_thread(instance, "http".to_owned(), || http.run())?);
    }
    let acceptor = Acceptor::new(Arc::clone(instance), poll, listeners, ports, shared.clone())?;
    ready();
    let accepted = acceptor.run();
    // Also where the acceptor failed: without it the node is of no use.
    instance.request_shutdown();
    for mailbox in instance.clients.mailboxes.workers() {
        mailbox.wake();
    }
    if let Some(shared) = shared {
        shared.wake_control();
    }
    if let Some(waker) = http_waker {
        waker.wake()?;
    }
    for thread in threads {
        if let Ok(result) = thread.join() {
            result?;
        }
    }
    Ok(accepted?)
}

type Thread = JoinHandle<io::Result<()>>;

fn start_workers(
    instance: &Arc<Instance>,
    ring: Option<&Arc<Shared>>,
    threads: &mut Vec<Thread>,
) -> Result<Vec<Port>, StartError> {
    let mut mailboxes = Vec::new();
    let mut arrivals = Vec::new();
    let mut ports = Vec::new();
    let mut desks = Vec::new();
    for _ in 0..instance.settings.worker_count() {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), worker::WAKE)?;
        let (mailbox, mail) = Mailbox::new(Box::new(move || drop(waker.wake())));
        // Unbounded, but `maxclients` bounds what can be in it.
        let (sender, accepted) = crossbeam_channel::unbounded();
        let load = Arc::new(AtomicUsize::new(0));
        mailboxes.push(mailbox);
        ports.push(Port { sender, load: Arc::clone(&load) });
        let ring = ring.map(|shared| {
            let (sender, receiver) = Shared::arrivals();
            arrivals.push(sender);
            (Arc::clone(shared), receiver)
        });
        desks.push((poll, ring, Desk { accepted, load, mail }));
    }
    if let Some(shared) = ring {
        shared.attach_workers(arrivals);
    }
    instance.clients.mailboxes.attach(mailboxes);
    for (index, (poll, ring, desk)) in desks.into_iter().enumerate() {
        let own = Arc::clone(instance);
        let run = move || Worker::new(own, index, poll, desk, ring).run();
        threads.push(start_thread(instance, format!("worker-{index}"), run)?);
    }
    Ok(ports)
}

/// Starts a thread without which the node is of no use.
fn start_thread(
    instance: &Arc<Instance>,
    name: String,
    run: impl FnOnce() -> io::Result<()> + Send + 'static,
) -> io::Result<Thread> {
    let instance = Arc::clone(instance);
    std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(move || {
        let _alarm = Alarm;
        let result = run();
        if result.is_err() {
            instance.request_shutdown();
        }
        result
    })
}

/// Ends the process when its thread panics: a node that lost a worker would leave that worker's clients hanging for ever.
struct Alarm;

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

fn greet(instance: &Instance, places: &[String]) {
    let settings = &instance.settings;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, workers = settings.worker_count(), listening = ?places, "ready");
    let mut how = "redis-cli".to_owned();
    // redis-cli asks 127.0.0.1 unless told otherwise. The first place is the one that `bind` names first.
    let first = places.first().and_then(|place| place.parse::<SocketAddr>().ok());
    let is_found = |ip: IpAddr| ip.is_unspecified() || ip == Ipv4Addr::LOCALHOST;
    if let Some(first) = first.filter(|first| !is_found(first.ip())) {
        how.push_str(&format!(" -h {}", first.ip()));
    }
    match settings.port() {
        0 if settings.tls_port() != 0 => {
            how.push_str(&format!(" --tls --cacert FILE -p {}", settings.tls_port()));
        }
        0 => how.push_str(&format!(" -s {}", settings.unixsocket())),
        6379 => {}
        port => how.push_str(&format!(" -p {port}")),
    }
    if instance.acl.requires_login() {
        how.push_str(" --askpass");
    }
    println!("Torc {version} is ready on {}. Try: {how} ping", places.join(", "));
}
