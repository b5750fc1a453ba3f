//! The log: structured events to standard error or a file.
//!
//! Redis's levels map onto tracing's: `debug` is trace and debug, `verbose` debug, `notice` info, `warning` warn, `nothing` off.

use crate::config::{LogFormat, LogLevel, Settings};
use std::fs::OpenOptions;
use std::io;
use std::sync::Mutex;
use std::sync::OnceLock;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;

/// The way to the filter of the running log; unset in tests, which start none.
static FILTER: OnceLock<Handle<LevelFilter, Registry>> = OnceLock::new();

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Starts the log as `settings` say. Once a process; a later call is ignored.
///
/// # Errors
/// The log file cannot be opened.
pub fn start(settings: &Settings) -> io::Result<()> {
    let (layer, handle) = reload::Layer::new(filter(settings.loglevel()));
    let path = settings.logfile();
    let (writer, colours) = if path.is_empty() {
        let colours = std::io::IsTerminal::is_terminal(&io::stderr());
        (fmt::writer::BoxMakeWriter::new(io::stderr), colours)
    } else {
        let file = OpenOptions::new().create(true).append(true).open(&*path)?;
        (fmt::writer::BoxMakeWriter::new(Mutex::new(file)), false)
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(colours).with_target(false);
    let started = match settings.log_format() {
        LogFormat::Text => tracing_subscriber::registry().with(layer).with(lines).try_init(),
        LogFormat::Json => tracing_subscriber::registry().with(layer).with(lines.json()).try_init(),
    };
    if started.is_ok() {
        let _ = FILTER.set(handle);
    }
    Ok(())
}

/// Changes the level of the running log, if one was started.
pub(super) fn set_level(level: LogLevel) {
    if let Some(handle) = FILTER.get() {
        // It fails only where the subscriber is gone, at exit.
        let _ = handle.modify(|current| *current = filter(level));
    }
}
