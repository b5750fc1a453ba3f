//! Sockets and event loops: the thin shells that run the pipeline.
//!
//! One acceptor (the main thread) and a fixed set of workers, each with its own poll and its own connections; a connection stays with its
//! worker. Nothing here knows what a command means.

mod acceptor;
mod connection;
mod files;
mod listener;
mod slots;
mod stream;
mod worker;

#[cfg(test)]
mod tests;

use crate::admin::mailbox::Mailbox;
use crate::admin::{Instance, logging};
use crate::base::clock::Clock;
use crate::base::rng;
use crate::command::connection::has_password;
use crate::config::{self, Settings};
use acceptor::{Acceptor, Port};
use listener::Listener;
use mio::{Poll, Waker};
use std::io;
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
    /// Other machines could connect, and there is no password.
    #[error(
        "refusing to listen on {0} without a password: other machines could read and change everything. \
         Set requirepass, or bind loopback addresses alone, or say --protected-mode no if the network is trusted"
    )]
    Unprotected(String),
    /// The log file cannot be opened.
    #[error("cannot open the log file: {0}")]
    Log(io::Error),
    /// The system refused a thread, a poll or a pipe.
    #[error("the system refused what the node needs: {0}")]
    System(#[from] io::Error),
}

/// Runs the command line.
pub fn main() -> ExitCode {
    let settings = match config::from_command_line(std::env::args_os()) {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    match start(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            eprintln!("torc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(settings: Settings) -> Result<(), StartError> {
    logging::start(&settings).map_err(StartError::Log)?;
    let instance = Arc::new(Instance::new(settings, Clock::system(), rng::entropy()));
    check_protection(&instance)?;
    files::raise_limit(&instance);
    let listeners = listener::listen(&instance.settings)?;
    let places: Vec<String> = listeners.iter().map(Listener::place).collect();
    serve(&instance, listeners, || greet(&instance.settings, &places))?;
    tracing::info!("stopped");
    Ok(())
}

/// Refuses what protected mode is there to prevent.
fn check_protection(instance: &Instance) -> Result<(), StartError> {
    let settings = &instance.settings;
    if !settings.protected_mode() || has_password(instance) || settings.port() == 0 {
        return Ok(());
    }
    let addresses = listener::bind_addresses(&settings.bind())?;
    match addresses.iter().find(|address| !address.ip.is_loopback()) {
        Some(open) => Err(StartError::Unprotected(open.ip.to_string())),
        None => Ok(()),
    }
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
    let (ports, workers) = start_workers(instance)?;
    let acceptor = Acceptor::new(Arc::clone(instance), poll, listeners, ports)?;
    ready();
    let accepted = acceptor.run();
    // Also where the acceptor failed: without it the node is of no use.
    instance.request_shutdown();
    for mailbox in instance.clients.mailboxes.workers() {
        mailbox.wake();
    }
    for worker in workers {
        if let Ok(result) = worker.join() {
            result?;
        }
    }
    Ok(accepted?)
}

type Workers = (Vec<Port>, Vec<JoinHandle<io::Result<()>>>);

fn start_workers(instance: &Arc<Instance>) -> Result<Workers, StartError> {
    let mut mailboxes = Vec::new();
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
        desks.push((poll, Desk { accepted, load, mail }));
    }
    instance.clients.mailboxes.attach(mailboxes);
    let mut threads = Vec::new();
    for (index, (poll, desk)) in desks.into_iter().enumerate() {
        let instance = Arc::clone(instance);
        let thread = std::thread::Builder::new().name(format!("worker-{index}"));
        threads.push(thread.spawn(move || {
            let _alarm = Alarm;
            let result = Worker::new(Arc::clone(&instance), index, poll, desk).run();
            if result.is_err() {
                instance.request_shutdown();
            }
            result
        })?);
    }
    Ok((ports, threads))
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

fn greet(settings: &Settings, places: &[String]) {
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(version, workers = settings.worker_count(), listening = ?places, "ready");
    let mut how = "redis-cli".to_owned();
    match settings.port() {
        0 => how.push_str(&format!(" -s {}", settings.unixsocket())),
        6379 => {}
        port => how.push_str(&format!(" -p {port}")),
    }
    if !settings.requirepass().is_empty() {
        how.push_str(" --askpass");
    }
    println!("Torc {version} is ready on {}. Try: {how} ping", places.join(", "));
}
