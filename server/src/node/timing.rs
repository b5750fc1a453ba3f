//! What commands cost: the call counters, the slow log and latency events of one batch.
//!
//! A clock read costs as much as a tenth of a GET, so commands that are always quick (flag FAST) share one measurement: the time of all that
//! ran between two reads is split evenly among them. Any other command gets a measurement of its own, and so does every command while
//! the slow log's threshold is below a millisecond.

use crate::admin::Instance;
use crate::base::clock::Clock;
use crate::base::limits::BATCH_COMMANDS_MAX;
use torc_protocol::command::{CommandId, CommandSpec, Flags};

/// Below this threshold of the slow log, in microseconds, sharing a measurement would hide what it asks for.
const SHARED_THRESHOLD_US: i64 = 1_000;

/// The measurements of one batch.
pub(super) struct Timing<'a> {
    instance: &'a Instance,
    worker: usize,
    /// Nanoseconds that earlier commands took beyond whole microseconds, so that sums stay true.
    carry_ns: &'a mut u64,
    last_ns: u64,
    slowlog_us: i64,
    latency_ms: u64,
    sharing: [Option<CommandId>; BATCH_COMMANDS_MAX],
    sharing_count: usize,
}

fn nanoseconds(clock: &Clock) -> u64 {
    // 2^64 ns are 584 years.
    clock.monotonic().as_nanos() as u64
}

impl<'a> Timing<'a> {
    /// Starts the batch's clock.
    pub fn start(instance: &'a Instance, worker: usize, carry_ns: &'a mut u64) -> Self {
        Timing {
            instance,
            worker,
            carry_ns,
            last_ns: nanoseconds(&instance.clock),
            slowlog_us: instance.settings.slowlog_log_slower_than(),
            latency_ms: instance.settings.latency_monitor_threshold(),
            sharing: [None; BATCH_COMMANDS_MAX],
            sharing_count: 0,
        }
    }

    /// Called before a command runs; whether it is measured on its own.
    pub fn begin(&mut self, spec: &CommandSpec) -> bool {
        let threshold = 0..SHARED_THRESHOLD_US;
        let alone = !spec.flags.contains(Flags::FAST) || threshold.contains(&self.slowlog_us);
        if alone {
            self.settle();
        }
        alone
    }

    /// Counts a command that shares its measurement with its neighbours.
    pub fn share(&mut self, id: CommandId) {
        if let Some(place) = self.sharing.get_mut(self.sharing_count) {
            *place = Some(id);
            self.sharing_count += 1;
        }
    }

    /// Counts a command that is measured on its own. Returns its microseconds, if they belong in the slow log.
    pub fn alone(&mut self, spec: &CommandSpec) -> Option<u64> {
        let us = self.lap_us();
        self.instance.stats.worker(self.worker).call(spec.id, us);
        let event = if spec.flags.contains(Flags::FAST) { "fast-command" } else { "command" };
        self.record_latency(event, us);
        (self.slowlog_us >= 0 && us >= self.slowlog_us as u64).then_some(us)
    }

    /// Measures what shares a measurement so far. Without such commands, costs nothing.
    pub fn settle(&mut self) {
        if self.sharing_count == 0 {
            return;
        }
        let us = self.lap_us();
        self.record_latency("fast-command", us);
        let count = self.sharing_count as u64;
        let stats = self.instance.stats.worker(self.worker);
        for (index, id) in self.sharing[..self.sharing_count].iter().flatten().enumerate() {
            // The first ones take what does not divide, so that the sum is exact.
            let extra = u64::from((index as u64) < us % count);
            stats.call(*id, us / count + extra);
        }
        self.sharing_count = 0;
    }

    /// Whole microseconds since the last read; the rest is carried on.
    fn lap_us(&mut self) -> u64 {
        let now = nanoseconds(&self.instance.clock);
        let elapsed = now.saturating_sub(self.last_ns) + *self.carry_ns;
        self.last_ns = now;
        *self.carry_ns = elapsed % 1_000;
        elapsed / 1_000
    }

    fn record_latency(&self, event: &'static str, us: u64) {
        let ms = us / 1_000;
        if self.latency_ms != 0 && ms >= self.latency_ms {
            let unix_seconds = self.instance.clock.unix_ms() / 1_000;
            self.instance.latency.record(event, ms, unix_seconds);
        }
    }
}
