//! Counters: what the node has done since it started or was told to count anew.
//!
//! Each worker writes its own counters with a relaxed load and store, on cache lines of its own, so counting costs no lock and no locked
//! instruction. Readers sum over the workers; a sum is of one moment for each counter, not for all together.
//!
//! RESETSTAT cannot write zeros into another thread's counters without racing its stores. It raises a number instead: a worker
//! that sees it clears its own counters before it counts again, and readers take the counters of a worker that has not yet seen it as zero.

use super::histogram::{Distribution, Histogram};
use crate::base::clock::UnixMs;
use crate::base::limits::{ERROR_CODE_BYTES_MAX, ERROR_CODE_COUNT_MAX, WORKER_COUNT_MAX};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use torc_protocol::command::{COMMAND_COUNT, CommandId};

/// What all workers share of the counters' control, read at every count and hardly ever written.
#[derive(Debug)]
struct Control {
    /// How often counting has begun anew.
    resets: AtomicU64,
    /// Whether histograms are kept (`latency-tracking`).
    histograms: AtomicBool,
}

/// A counter that one thread writes.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    #[inline]
    fn add(&self, by: u64) {
        // Relaxed load and store: one writer, and readers want no more than a recent value.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct CommandCounters {
    calls: Counter,
    usec: Counter,
    rejected: Counter,
    failed: Counter,
    histogram: OnceLock<Box<Histogram>>,
}

/// One worker's counters. Only that worker calls the methods that count.
#[derive(Debug)]
#[repr(align(128))]
pub struct WorkerStats {
    control: Arc<Control>,
    /// The value of `Control::resets` that these counters belong to.
    resets_seen: AtomicU64,
    commands: Counter,
    reads: Counter,
    writes: Counter,
    input_bytes: Counter,
    output_bytes: Counter,
    errors_total: Counter,
    by_command: Box<[CommandCounters]>,
    /// Count by error code; its worker alone takes this lock outside of INFO.
    errors: Mutex<Vec<(Box<[u8]>, u64)>>,
}

impl WorkerStats {
    fn new(control: Arc<Control>) -> Self {
        WorkerStats {
            control,
            resets_seen: AtomicU64::new(0),
            commands: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            input_bytes: Counter::default(),
            output_bytes: Counter::default(),
            errors_total: Counter::default(),
            by_command: (0..COMMAND_COUNT).map(|_| CommandCounters::default()).collect(),
            errors: Mutex::new(Vec::new()),
        }
    }

    /// A command ran in `usec` microseconds, with whatever result.
    #[inline]
    pub fn call(&self, command: CommandId, usec: u64) {
        self.calls(command, 1, usec);
    }

    /// A command ran `count` times, in `usec` microseconds together, with whatever results. Each counts as having taken the same time; the first ones take what does
    /// not divide, so that the sum is exact.
    #[inline]
    pub fn calls(&self, command: CommandId, count: u64, usec: u64) {
        self.catch_up();
        let counters = &self.by_command[command.index()];
        self.commands.add(count);
        counters.calls.add(count);
        counters.usec.add(usec);
        if self.control.histograms.load(Ordering::Relaxed) {
            let histogram = counters.histogram.get_or_init(|| Box::new(Histogram::new()));
            let (each, longer) = (usec / count.max(1), usec % count.max(1));
            histogram.count(each, count - longer);
            if longer > 0 {
                histogram.count(each + 1, longer);
            }
        }
    }

    /// A command was refused before it ran (arity, AUTH, memory).
    pub fn rejected(&self, command: CommandId) {
        self.catch_up();
        self.by_command[command.index()].rejected.add(1);
    }

    /// A command ran and answered an error; [`WorkerStats::call`] counts it as well.
    pub fn failed(&self, command: CommandId) {
        self.catch_up();
        self.by_command[command.index()].failed.add(1);
    }

    /// An error whose line begins with `code` was answered.
    pub fn error(&self, code: &[u8]) {
        self.catch_up();
        self.errors_total.add(1);
        // DEBUG ERROR can answer a line without a code.
        let code =
            if code.is_empty() { b"ERR" } else { &code[..code.len().min(ERROR_CODE_BYTES_MAX)] };
        let mut errors = self.errors.lock();
        if let Some((_, count)) = errors.iter_mut().find(|(known, _)| **known == *code) {
            *count += 1;
        } else if errors.len() < ERROR_CODE_COUNT_MAX {
            errors.push((code.into(), 1));
        }
    }

    /// One read from a socket gave `bytes`.
    #[inline]
    pub fn net_in(&self, bytes: u64) {
        self.catch_up();
        self.reads.add(1);
        self.input_bytes.add(bytes);
    }

    /// One write to a socket took `bytes`.
    #[inline]
    pub fn net_out(&self, bytes: u64) {
        self.catch_up();
        self.writes.add(1);
        self.output_bytes.add(bytes);
    }

    #[inline]
    fn catch_up(&self) {
        // Relaxed: a reset that is seen a little later counts a little less.
        let resets = self.control.resets.load(Ordering::Relaxed);
        if self.resets_seen.load(Ordering::Relaxed) != resets {
            self.clear(resets);
        }
    }

    #[cold]
    fn clear(&self, resets: u64) {
        let own = [
            &self.commands,
            &self.reads,
            &self.writes,
            &self.input_bytes,
            &self.output_bytes,
            &self.errors_total,
        ];
        own.into_iter().for_each(Counter::clear);
        for counters in &self.by_command {
            counters.calls.clear();
            counters.usec.clear();
            counters.rejected.clear();
            counters.failed.clear();
            if let Some(histogram) = counters.histogram.get() {
                histogram.clear();
            }
        }
        self.errors.lock().clear();
        // Release pairs with the Acquire in `is_current`: who sees the number sees the cleared counters.
        self.resets_seen.store(resets, Ordering::Release);
    }

    fn is_current(&self) -> bool {
        // Acquire: see `clear`.
        self.resets_seen.load(Ordering::Acquire) == self.control.resets.load(Ordering::Relaxed)
    }
}

/// Sums over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commands that ran.
    pub commands: u64,
    /// Reads from sockets.
    pub reads: u64,
    /// Writes to sockets.
    pub writes: u64,
    /// Bytes read from clients.
    pub input_bytes: u64,
    /// Bytes written to clients.
    pub output_bytes: u64,
    /// Errors answered.
    pub errors: u64,
}

/// Sums of one command over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandTotals {
    /// Times it ran.
    pub calls: u64,
    /// Microseconds it ran, together.
    pub usec: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Times it ran and answered an error.
    pub failed: u64,
}

/// What happens a second, averaged over the last 16 samples.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Commands a second.
    pub commands: u64,
    /// Bytes a second from clients.
    pub input_bytes: u64,
    /// Bytes a second to clients.
    pub output_bytes: u64,
}

const RATE_SAMPLES: usize = 16;

#[derive(Debug, Default)]
struct Sampler {
    last: Option<(UnixMs, Totals)>,
    ring: [Rates; RATE_SAMPLES],
    next: usize,
}

/// All counters of the node.
#[derive(Debug)]
pub struct Stats {
    control: Arc<Control>,
    workers: Box<[WorkerStats]>,
    connections_accepted: AtomicU64,
    connections_rejected: AtomicU64,
    output_limit_closed: AtomicU64,
    query_limit_closed: AtomicU64,
    handshakes_failed: AtomicU64,
    memory_peak_bytes: AtomicU64,
    sampler: Mutex<Sampler>,
}

impl Stats {
    /// Counters for `workers` workers, all zero.
    pub fn new(workers: usize) -> Self {
        let control =
            Arc::new(Control { resets: AtomicU64::new(0), histograms: AtomicBool::new(true) });
        let workers = workers.clamp(1, WORKER_COUNT_MAX);
        Stats {
            workers: (0..workers).map(|_| WorkerStats::new(Arc::clone(&control))).collect(),
            control,
            connections_accepted: AtomicU64::new(0),
            connections_rejected: AtomicU64::new(0),
            output_limit_closed: AtomicU64::new(0),
            query_limit_closed: AtomicU64::new(0),
            handshakes_failed: AtomicU64::new(0),
            memory_peak_bytes: AtomicU64::new(0),
            sampler: Mutex::new(Sampler::default()),
        }
    }

    /// The counters of worker `index`.
    ///
    /// # Panics
    /// If there are fewer workers.
    #[inline]
    pub fn worker(&self, index: usize) -> &WorkerStats {
        &self.workers[index]
    }

    /// A connection was accepted, before any check of it.
    pub fn connection_accepted(&self) {
        self.connections_accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// An accepted connection was refused (`maxclients`).
    pub fn connection_rejected(&self) {
        self.connections_rejected.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was closed for what it left unread.
    pub fn output_limit_closed(&self) {
        self.output_limit_closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A client was closed for the size of its unfinished request.
    pub fn query_limit_closed(&self) {
        self.query_limit_closed.fetch_add(1, Ordering::Relaxed);
    }

    /// A client that came by TLS was gone, or was closed, before both sides knew each other.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was.
    pub fn handshakes_failed(&self) -> u64 {
        self.handshakes_failed.load(Ordering::Relaxed)
    }

    /// Connections accepted, refused, closed for unread output, closed for unfinished input.
    pub fn connections(&self) -> [u64; 4] {
        [
            &self.connections_accepted,
            &self.connections_rejected,
            &self.output_limit_closed,
            &self.query_limit_closed,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
    }

    /// Turns histograms of execution times on or off.
    pub fn track_latency(&self, on: bool) {
        self.control.histograms.store(on, Ordering::Relaxed);
    }

    /// Begins to count anew.
    pub fn reset(&self) {
        self.control.resets.fetch_add(1, Ordering::Relaxed);
        for counter in [
            &self.connections_accepted,
            &self.connections_rejected,
            &self.output_limit_closed,
            &self.query_limit_closed,
            &self.handshakes_failed,
            &self.memory_peak_bytes,
        ] {
            counter.store(0, Ordering::Relaxed);
        }
        *self.sampler.lock() = Sampler::default();
    }

    fn current(&self) -> impl Iterator<Item = &WorkerStats> {
        self.workers.iter().filter(|worker| worker.is_current())
    }

    /// Sums over all workers.
    pub fn totals(&self) -> Totals {
        self.current().fold(Totals::default(), |sum, worker| Totals {
            commands: sum.commands + worker.commands.get(),
            reads: sum.reads + worker.reads.get(),
            writes: sum.writes + worker.writes.get(),
            input_bytes: sum.input_bytes + worker.input_bytes.get(),
            output_bytes: sum.output_bytes + worker.output_bytes.get(),
            errors: sum.errors + worker.errors_total.get(),
        })
    }

    /// Sums of one command over all workers.
    pub fn command(&self, command: CommandId) -> CommandTotals {
        self.current().fold(CommandTotals::default(), |sum, worker| {
            let own = &worker.by_command[command.index()];
            CommandTotals {
                calls: sum.calls + own.calls.get(),
                usec: sum.usec + own.usec.get(),
                rejected: sum.rejected + own.rejected.get(),
                failed: sum.failed + own.failed.get(),
            }
        })
    }

    /// Execution times of one command; `None` if none was kept.
    pub fn distribution(&self, command: CommandId) -> Option<Distribution> {
        let mut sum: Option<Distribution> = None;
        for worker in self.current() {
            if let Some(histogram) = worker.by_command[command.index()].histogram.get() {
                sum.get_or_insert_default().add(histogram);
            }
        }
        sum.filter(|sum| sum.total() > 0)
    }

    /// Errors by code, sorted; codes beyond the bound are counted in [`Totals::errors`] alone.
    pub fn errors(&self) -> Vec<(Box<[u8]>, u64)> {
        let mut sums: BTreeMap<Box<[u8]>, u64> = BTreeMap::new();
        for worker in self.current() {
            for (code, count) in worker.errors.lock().iter() {
                if let Some(sum) = sums.get_mut(code) {
                    *sum += count;
                } else if sums.len() < ERROR_CODE_COUNT_MAX {
                    sums.insert(code.clone(), *count);
                }
            }
        }
        sums.into_iter().collect()
    }

    /// Takes a sample for the rates, and of memory in use for its peak. Called about every 100 ms.
    pub fn sample(&self, now: UnixMs, memory_bytes: u64) {
        self.memory_peak_bytes.fetch_max(memory_bytes, Ordering::Relaxed);
        let totals = self.totals();
        let mut sampler = self.sampler.lock();
        if let Some((then, before)) = sampler.last {
            let elapsed_ms = now.saturating_sub(then).max(1);
            let rate = |now: u64, before: u64| {
                now.saturating_sub(before).saturating_mul(1000) / elapsed_ms
            };
            let next = sampler.next;
            sampler.ring[next] = Rates {
                commands: rate(totals.commands, before.commands),
                input_bytes: rate(totals.input_bytes, before.input_bytes),
                output_bytes: rate(totals.output_bytes, before.output_bytes),
            };
            sampler.next = (next + 1) % RATE_SAMPLES;
        }
        sampler.last = Some((now, totals));
    }

    /// What happens a second.
    pub fn rates(&self) -> Rates {
        let sampler = self.sampler.lock();
        let mean = |of: fn(&Rates) -> u64| {
            sampler.ring.iter().map(of).fold(0, u64::saturating_add) / RATE_SAMPLES as u64
        };
        Rates {
            commands: mean(|r| r.commands),
            input_bytes: mean(|r| r.input_bytes),
            output_bytes: mean(|r| r.output_bytes),
        }
    }

    /// Most memory in use at any sample, or `now_bytes` if that is more.
    pub fn memory_peak_bytes(&self, now_bytes: u64) -> u64 {
        self.memory_peak_bytes.fetch_max(now_bytes, Ordering::Relaxed).max(now_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use torc_protocol::command::COMMANDS;

    #[test]
    fn workers_add_up_and_a_reset_begins_anew() {
        let stats = Stats::new(2);
        let get = COMMANDS[0].id;
        stats.worker(0).call(get, 5);
        stats.worker(1).call(get, 7);
        stats.worker(1).failed(get);
        stats.worker(1).error(b"ERR");
        stats.worker(0).net_in(10);
        let expected = CommandTotals { calls: 2, usec: 12, rejected: 0, failed: 1 };
        assert_eq!(stats.command(get), expected);
        assert_eq!(stats.totals().commands, 2);
        assert_eq!(stats.errors(), [(b"ERR".as_slice().into(), 1)]);
        assert_eq!(stats.distribution(get).unwrap().total(), 2);

        stats.reset();
        assert_eq!(stats.totals(), Totals::default());
        stats.worker(1).call(get, 1);
        // Worker 0 has not counted since: its old counters stay out.
        assert_eq!(stats.command(get).calls, 1);
        assert_eq!(stats.distribution(get).unwrap().total(), 1);
        assert!(stats.errors().is_empty());
    }

    #[test]
    fn error_codes_are_bounded() {
        let stats = Stats::new(1);
        for i in 0..1000 {
            stats.worker(0).error(format!("E{i}").as_bytes());
        }
        assert_eq!(stats.errors().len(), ERROR_CODE_COUNT_MAX);
        assert_eq!(stats.totals().errors, 1000);
    }

    #[test]
    fn rates_are_a_mean_of_samples() {
        let stats = Stats::new(1);
        stats.sample(0, 0);
        for tick in 1..=16 {
            (0..10).for_each(|_| stats.worker(0).call(COMMANDS[0].id, 1));
            stats.sample(tick * 100, tick);
        }
        assert_eq!(stats.rates().commands, 100);
        assert_eq!(stats.memory_peak_bytes(3), 16);
    }
}
