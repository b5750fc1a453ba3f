//! Connections whose command is to have the store for itself, as scripts that take long do, and what becomes of the worker's others meanwhile.
//!
//! ```text
//!   turn ─▶ alone ─▶ run_alone: the worker, all but its state, is lent to the session ─▶ the script runs ─▶ it is taken back
//!                                                                                          │ ▲ once the node is busy, now and then
//!                                                                                          ▼ │
//!                                                                 attend: events, turns, newcomers
//! ```
//!
//! **Invariant.** Whoever is attended to is refused (`node/busy.rs`), so that nothing looks into the store, and a second state will do, which holds no key and has no part in the ring.
//!
//! Connections that wait for something, and links to other nodes, are known to the first state alone. Their events are kept until it is back.

use super::{WAKE, Worker};
use crate::command::Attendant;
use crate::net::ring::data;
use crate::node::WorkerState;
use mio::event::Event;
use mio::{Events, Token};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Events taken from the kernel at once while a script runs.
const EVENTS_MAX: usize = 64;

/// A worker whose state runs a script.
struct Lent {
    worker: Worker,
    /// Where the script's own connection belongs.
    slot: usize,
    /// Events to be looked at later: the last of each token and kind, for they say only that there is something to look at.
    kept: BTreeMap<(Token, [bool; 5]), Event>,
    woken: bool,
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent").field("slot", &self.slot).finish_non_exhaustive()
    }
}

impl Attendant for Lent {
    fn attend(&mut self) {
        let mut events = Events::with_capacity(EVENTS_MAX);
        // A poll that fails does so again when the script is over, which ends the worker.
        if self.worker.poll(&mut events, Duration::ZERO).is_err() {
            return;
        }
        self.worker.now = self.worker.state.tick(&self.worker.instance);
        let mut woken = false;
        for event in &events {
            match event.token() {
                WAKE => woken = true,
                token => self.take(token, event),
            }
        }
        self.worker.take_due();
        self.worker.take_turns();
        if woken {
            self.woken = true;
            if let Some(mailbox) = self.worker.mailbox() {
                mailbox.rearm();
            }
            self.worker.welcome_all();
        }
    }
}

impl Lent {
    fn take(&mut self, token: Token, event: &Event) {
        let slot = token.0 - 1;
        let is_link = token.0 >= data::TOKENS;
        let is_awaited = match self.worker.slots.get(slot) {
            _ if is_link || slot == self.slot => true,
            Some(connection) => connection.parked.is_some() || connection.client.is_owed(),
            // It ended in this round.
            None => return,
        };
        if !is_awaited {
            return self.worker.on_event(slot, event);
        }
        let kind = [
            event.is_readable(),
            event.is_writable(),
            event.is_read_closed(),
            event.is_write_closed(),
            event.is_error(),
        ];
        self.kept.insert((token, kind), event.clone());
    }
}

impl Worker {
    /// Runs what the connection in `slot` has sent, if that is still to have the store for itself.
    pub(super) fn run_alone(mut self, slot: usize) -> Self {
        let backlog_max = self.backlog_max;
        let connection = self.slots.get(slot);
        if !connection.is_some_and(|it| it.is_to_run_alone() && it.can_go_on(backlog_max)) {
            return self;
        }
        let Some(mut connection) = self.slots.lend(slot) else { return self };
        if std::mem::take(&mut connection.queued) {
            self.queue.retain(|&other| other != slot);
        }
        let instance = Arc::clone(&self.instance);
        let second = self.second.take();
        let second = second.unwrap_or_else(|| WorkerState::new(&instance, self.state.index));
        let mut state = std::mem::replace(&mut self.state, second);
        let mut output = std::mem::take(&mut self.output);

        let lent = Lent { worker: self, slot, kept: BTreeMap::new(), woken: false };
        let lent = Rc::new(RefCell::new(lent));
        connection.client.session.attendant = Some(Rc::<RefCell<Lent>>::clone(&lent));
        let progress = connection.run_kept(&mut output, &mut state, &instance);
        connection.client.session.attendant = None;
        let lent = Rc::into_inner(lent).expect("the session alone had it, and has given it back");
        let Lent { mut worker, kept, woken, .. } = lent.into_inner();

        worker.second = Some(std::mem::replace(&mut worker.state, state));
        worker.output = output;
        worker.slots.give_back(slot, connection);
        let obeyed = worker.obey(slot, progress);
        worker.end_turn(slot, obeyed);
        kept.values().for_each(|event| worker.dispatch(event));
        worker.take_due();
        if let Some(mailbox) = worker.mailbox().filter(|_| woken) {
            mailbox.wake();
        }
        worker
    }
}
