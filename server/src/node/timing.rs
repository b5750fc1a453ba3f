//! What commands cost: the call counters, the slow log and latency events of one batch.
//!
//! A clock read costs as much as a tenth of a GET, so commands that are always quick (flag FAST, and what the table calls so while its arguments are short) share one measurement, up to [`SHARING_MAX`] of them: the time
//! of all that ran between two reads is split evenly among them. Any other command gets a measurement of its own, and so does every command while
//! the slow log's threshold is below a millisecond.

use crate::admin::Instance;
use crate::base::clock::{Clock, UnixMs};
use crate::base::limits::BATCH_COMMANDS_MAX;
use std::time::Duration;
use torc_protocol::Args;
use torc_protocol::command::{COMMANDS, CommandId, CommandSpec, Flags};

/// Below this threshold of the slow log, in microseconds, sharing a measurement would hide what it asks for.
const SHARED_THRESHOLD_US: i64 = 1_000;

/// Beyond so many bytes of arguments what is not flagged FAST may take its time.
const SHORT_BYTES_MAX: usize = 16 * 1024;

/// Commands from which on a measurement that they share is taken at the end of a batch. Until then the batches live at one time, which is some tens of microseconds.
const SHARING_MAX: u64 = 64;

/// A worker's idea of the time: where wall time stood when the monotonic clock was last compared with it, so that a batch needs but one
/// of the two.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    unix_us: u64,
    monotonic_ns: u64,
    /// Nanoseconds that commands took beyond whole microseconds, so that the sums stay true.
    carry_ns: u64,
}

fn nanoseconds(clock: &Clock) -> u64 {
    // 2^64 ns are 584 years.
    clock.monotonic().as_nanos() as u64
}

impl Timeline {
    /// Compares the two clocks. Steps of the wall clock are seen here.
    pub fn anchor(&mut self, clock: &Clock) -> UnixMs {
        self.unix_us = clock.unix_us();
        self.monotonic_ns = nanoseconds(clock);
        self.unix_us / 1_000
    }

    fn unix_ms(&self, monotonic_ns: u64) -> UnixMs {
        (self.unix_us + monotonic_ns.saturating_sub(self.monotonic_ns) / 1_000) / 1_000
    }
}

/// The measurements of the batches of one run.
pub(super) struct Timing<'a> {
    instance: &'a Instance,
    worker: usize,
    line: &'a mut Timeline,
    last_ns: u64,
    slowlog_us: i64,
    /// Commands that share a measurement: runs of the same one, and how long each is. Small, for it is cleared for each read of a socket.
    sharing: [(CommandId, u32); BATCH_COMMANDS_MAX],
    runs: usize,
    /// How many they are in all.
    sharing_count: u64,
}

impl<'a> Timing<'a> {
    /// Starts the clock.
    #[inline(always)] // once for each read of a socket
    pub fn start(instance: &'a Instance, worker: usize, line: &'a mut Timeline) -> Self {
        Timing {
            instance,
            worker,
            line,
            last_ns: nanoseconds(&instance.clock),
            slowlog_us: instance.settings.slowlog_log_slower_than(),
            sharing: [(CommandId::default(), 0); BATCH_COMMANDS_MAX],
            runs: 0,
            sharing_count: 0,
        }
    }

    /// Wall time when the clock was last read.
    pub fn now(&self) -> UnixMs {
        self.line.unix_ms(self.last_ns)
    }

    /// Monotonic time when the clock was last read.
    pub fn monotonic(&self) -> Duration {
        Duration::from_nanos(self.last_ns)
    }

    /// Called before a command runs; whether it is measured on its own.
    pub fn begin(&mut self, spec: &CommandSpec, args: Args<'_>) -> bool {
        let quick = is_fast(spec) || (spec.quick && args.extent() <= SHORT_BYTES_MAX);
        let alone = !quick || (0..SHARED_THRESHOLD_US).contains(&self.slowlog_us);
        if alone && self.sharing_count != 0 {
            self.settle();
        }
        alone
    }

    /// Counts a command that shares its measurement with its neighbours.
    pub fn share(&mut self, id: CommandId) {
        if let Some((last, count)) = self.sharing[..self.runs].last_mut()
            && *last == id
        {
            *count += 1;
        } else {
            if self.runs == self.sharing.len() {
                self.settle();
            }
            if let Some(place) = self.sharing.get_mut(self.runs) {
                *place = (id, 1);
                self.runs += 1;
            }
        }
        self.sharing_count += 1;
    }

    /// Called at the end of each batch: measures what shares a measurement so far, if it is much. What is left is measured behind the last batch.
    pub fn end_batch(&mut self) {
        if self.sharing_count >= SHARING_MAX {
            self.settle();
        }
    }

    /// Counts a command that is measured on its own, and `toil_us` microseconds that it has yet to sleep as if they were over: what others see of it
    /// is early by them, and what its own client sees is not. Returns its microseconds, if they belong in the slow log.
    pub fn alone(&mut self, spec: &CommandSpec, toil_us: u64) -> Option<u64> {
        let us = self.lap_us() + toil_us;
        // The command itself may have set it.
        self.slowlog_us = self.instance.settings.slowlog_log_slower_than();
        self.instance.stats.worker(self.worker).call(spec.id, us);
        self.record_latency(|| is_fast(spec), us);
        let slow = self.slowlog_us >= 0 && us >= self.slowlog_us as u64;
        (slow && !spec.flags.contains(Flags::SKIP_SLOWLOG)).then_some(us)
    }

    /// Measures what shares a measurement so far.
    pub fn settle(&mut self) {
        let mut all = self.sharing_count;
        if all == 0 {
            return;
        }
        let mut us = self.lap_us();
        let mut ids = self.sharing[..self.runs].iter().map(|(id, _)| id.index());
        self.record_latency(|| ids.all(|id| is_fast(&COMMANDS[id])), us);
        let stats = self.instance.stats.worker(self.worker);
        for &(id, count) in &self.sharing[..self.runs] {
            let count = u64::from(count);
            // Of what is left, so that the sum is exact.
            let share = us * count / all;
            stats.calls(id, count, share);
            (us, all) = (us - share, all - count);
        }
        (self.runs, self.sharing_count) = (0, 0);
    }

    /// Whole microseconds since the last read; the rest is carried on.
    fn lap_us(&mut self) -> u64 {
        let now = nanoseconds(&self.instance.clock);
        let elapsed = now.saturating_sub(self.last_ns) + self.line.carry_ns;
        self.last_ns = now;
        self.line.carry_ns = elapsed % 1_000;
        elapsed / 1_000
    }

    #[inline]
    fn record_latency(&self, are_fast: impl FnOnce() -> bool, us: u64) {
        // The log compares with its threshold itself; below a millisecond nothing ever counts.
        if us >= 1_000 {
            let event = if are_fast() { "fast-command" } else { "command" };
            self.instance.latency.record(event, us / 1_000, self.now() / 1_000);
        }
    }
}

/// Whether Redis tells of its latency among those of fast commands.
fn is_fast(spec: &CommandSpec) -> bool {
    spec.flags.contains(Flags::FAST)
}
