//! What a worker does by the clock rather than for a request: limits that time enforces, and the store's sweeping.

use super::turn::output_limit;
use super::{End, Worker, pace};
use crate::admin::pubsub::Publisher;
use crate::base::limits::{OUTPUT_BACKLOG_BYTES, TLS_HANDSHAKE_MAX_MS};
use crate::config::OutputLimit;
use crate::store::Share;
use std::time::Duration;

/// Longest stretch of sweeping between two polls, so that no request waits longer for it.
const SWEEP_STRETCH: Duration = Duration::from_micros(500);

impl Worker {
    /// What is done `hz` times a second.
    pub(super) fn tick(&mut self) {
        self.now = self.state.tick(&self.instance);
        let settings = &self.instance.settings;
        let hz = settings.hz().clamp(1, 500) as u64;
        let interval_ms = 1_000 / hz;
        let backlog_max = backlog_max(settings.output_limit_normal());
        self.next_tick = self.now + interval_ms;
        self.pace.tick(pace::processor_time(), self.instance.clock.monotonic());
        if self.state.index == 0 {
            self.instance.sample(self.now);
        }
        if self.backlog_max != backlog_max {
            self.change_backlog(backlog_max);
        }
        if !self.held.is_empty() && self.instance.clients.paused(self.now).is_none() {
            self.resume_held();
        }
        // The whole walk takes a second.
        let share = self.slots.len() / hz as usize + 1;
        for _ in 0..share.min(self.slots.len()) {
            self.checked = (self.checked + 1) % self.slots.len();
            if let Some(end) = self.check(self.checked) {
                self.close(self.checked, end);
            }
        }
        // Once a second: messages of a slot that moved reach its subscribers here all the same.
        if self.now >= self.follow_slots_at {
            self.follow_slots_at = self.now + 1_000;
            self.follow_slots();
        }
        self.state.follow_waits(&self.instance);
        self.state.look_after_tracking(&self.instance);
        let share = self.share();
        self.instance.store.tidy(&mut self.state.local, share);
        // While a script has the store for itself, its clients are to be heard.
        let Some(guard) = self.state.local.pin_unless(|| true) else { return };
        self.instance.store.age(&mut self.state.local, &guard, self.now, share);
        drop(guard);
        if self.instance.is_active_expire() {
            // Redis's figures: 25 % of the time, and 2 % more for each further degree of effort.
            let percent =
                23 + 2 * self.instance.settings.active_expire_effort().clamp(1, 10) as u64;
            self.sweep_left = Duration::from_millis(interval_ms) * percent as u32 / 100;
        }
    }

    /// Lets those go on who were left alone under the old bound and are not under the new one: no event will tell.
    fn change_backlog(&mut self, backlog_max: usize) {
        self.backlog_max = backlog_max;
        for slot in self.slots.select(|connection| connection.can_go_on(backlog_max)) {
            self.turn(slot);
        }
    }

    fn share(&self) -> Share {
        let workers = self.instance.clients.mailboxes.workers().len().max(1);
        Share { index: self.state.index, of: workers }
    }

    /// Whether the connection in `slot` has to go.
    fn check(&mut self, slot: usize) -> Option<End> {
        let now = self.now;
        let settings = &self.instance.settings;
        let connection = self.slots.get(slot)?;
        let session = &connection.client.session;
        if session.info.is_killed() {
            return Some(End::Killed);
        }
        let age_ms = now.saturating_sub(session.info.created_ms);
        if age_ms > TLS_HANDSHAKE_MAX_MS && connection.stream.is_handshaking() {
            return Some(End::Handshake);
        }
        let idle_seconds = now.saturating_sub(session.info.last_ms()) / 1_000;
        let timeout = settings.timeout() as u64;
        let subscribes = session.is_subscribed();
        let waits = connection.parked.is_some() || session.is_monitoring() || subscribes;
        if timeout != 0 && idle_seconds > timeout && !waits {
            return Some(End::Idle);
        }
        let limit = output_limit(connection, &self.instance);
        if limit.soft_bytes == 0 || (connection.unread_bytes() as u64) < limit.soft_bytes {
            connection.over_soft_limit_since = None;
            return None;
        }
        let since = *connection.over_soft_limit_since.get_or_insert(now);
        if now.saturating_sub(since) / 1_000 <= limit.soft_seconds {
            return None;
        }
        self.instance.stats.output_limit_closed();
        Some(End::Limit)
    }

    /// Sweeps expired keys for a moment, and evicts where there is still too much.
    pub(super) fn sweep(&mut self) {
        if self.instance.clients.paused(self.now).is_some() {
            // A pause holds the data still.
            self.sweep_left = Duration::ZERO;
            return;
        }
        let share = self.share();
        let Worker { instance, state, sweep_left, now, .. } = self;
        let clock = &instance.clock;
        let start = clock.monotonic();
        let budget = SWEEP_STRETCH.min(*sweep_left);
        let Some(guard) = state.local.pin_unless(|| true) else {
            *sweep_left = Duration::ZERO;
            return;
        };
        let keep_going = || clock.monotonic().saturating_sub(start) < budget;
        let more = instance.store.sweep(&mut state.local, &guard, *now, share, keep_going)
            || instance.store.shed(&mut state.local, &guard, *now, keep_going);
        drop(guard);
        if state.local.has_notices() {
            let notices = state.local.take_notices();
            let publisher = Publisher { worker: state.index, client: None };
            instance.pubsub.notify_noticed(&instance.clients.mailboxes, publisher, notices);
        }
        state.tell_changes(instance);
        let spent = clock.monotonic().saturating_sub(start);
        *sweep_left = if more { sweep_left.saturating_sub(spent) } else { Duration::ZERO };
    }
}

/// How much unsent output a client may have before its commands are left alone. Where `client-output-buffer-limit` closes clients, it is to be
/// reached: whoever set it wants them closed rather than kept waiting.
fn backlog_max(limit: OutputLimit) -> usize {
    let reached_at = limit.hard_bytes.max(limit.soft_bytes);
    usize::try_from(reached_at).unwrap_or(usize::MAX).max(OUTPUT_BACKLOG_BYTES)
}
