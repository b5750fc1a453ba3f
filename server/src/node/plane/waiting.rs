//! Units that were surely not run, and have nowhere to go for now.
//!
//! ```text
//!   refused, not sent, or nobody serves the slot
//!        │
//!        ▼                      the table names somebody else, or this node ─▶ dispatched
//!   waiting (at whom it failed) ─ he answers again, or a link to him opens ───▶ dispatched
//!        │                      he is dead, and it was a part for him alone ─▶ its job is planned anew
//!        └ deadline ─▶ an error that says that nothing was changed
//! ```
//!
//! A node that cannot be reached is *closed*: what is for it waits at once, and one unit at a time asks whether it is back. So a death costs clients a wait until the
//! ring has noticed it and someone else serves, and costs this node one attempt in [`PROBE`], however many clients there are.
//!
//! **Invariant.** Whatever waits has a timer at its deadline, and until then a way on: the node at which it failed is closed, so that somebody asks whether it is back, or it
//! goes on at the next look. It counts as under way, so `forward-requests-max` and the bound on bytes hold for it too.

use super::forward::unreachable;
use super::unit::{Sink, Target, Trouble, Unit};
use super::{Plane, Timer, member_name};
use crate::admin::Instance;
use crate::cluster::View;
use crate::cluster::route::Route;
use crate::cluster::view::MemberIndex;
use std::collections::BTreeMap;
use std::time::Duration;
use torc_protocol::WireError;

/// A closed node is tried so often. Its link counts failures itself and dials at its own pace, so that an attempt costs next to nothing.
const PROBE: Duration = Duration::from_millis(50);

/// Workers are woken when routes change; the table is looked at so often all the same, for what changed while nobody was told.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) unit: Unit,
    /// The node that could not be reached; none where nobody served the slot.
    at: Option<MemberIndex>,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// The oldest first.
    units: BTreeMap<u64, Waiter>,
    /// Nodes that cannot be reached, and when one is tried again.
    closed: BTreeMap<MemberIndex, Duration>,
    /// When the table is looked at next, while anything waits.
    look_at: Option<Duration>,
}

impl Waiting {
    pub fn len(&self) -> usize {
        self.units.len()
    }

    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }
}

impl Plane {
    /// Lets `unit` wait until somebody serves its slot who can be reached; `at` could not.
    pub(super) fn wait(&mut self, unit: Unit, at: Option<MemberIndex>) {
        let number = self.number();
        self.timers.insert((unit.waits_until(), Timer::Waited(number)));
        self.waiting.units.insert(number, Waiter { unit, at });
        if self.waiting.look_at.is_none() {
            self.look_later();
        }
    }

    fn look_later(&mut self) {
        let time = self.now + LOOK;
        self.waiting.look_at = Some(time);
        self.timers.insert((time, Timer::Look));
    }

    /// `index` cannot be reached.
    pub(super) fn close(&mut self, index: MemberIndex) {
        self.waiting.closed.insert(index, self.now + PROBE);
    }

    /// `index` has answered, or a link to it has opened: what waited for it goes on its way.
    pub(super) fn reopen(&mut self, instance: &Instance, view: &View, index: MemberIndex) {
        if self.waiting.closed.remove(&index).is_none() {
            return;
        }
        let of_index = |waiter: &Waiter| waiter.at == Some(index);
        for unit in self.take_waiting(of_index, usize::MAX) {
            self.dispatch(instance, view, unit);
        }
    }

    /// Whether what is for `index` has to wait.
    pub(super) fn is_closed(&self, index: MemberIndex) -> bool {
        self.waiting.closed.get(&index).is_some_and(|&again| self.now < again + PROBE)
    }

    pub(super) fn take_waiting(
        &mut self,
        wanted: impl Fn(&Waiter) -> bool,
        most: usize,
    ) -> Vec<Unit> {
        let found = self.waiting.units.iter().filter(|(_, waiter)| wanted(waiter));
        let found: Vec<u64> = found.map(|(&number, _)| number).take(most).collect();
        self.remove_waiting(&found)
    }

    fn remove_waiting(&mut self, numbers: &[u64]) -> Vec<Unit> {
        let taken = numbers.iter().filter_map(|number| {
            let unit = self.waiting.units.remove(number)?.unit;
            self.timers.remove(&(unit.waits_until(), Timer::Waited(*number)));
            Some(unit)
        });
        taken.collect()
    }

    /// Looks whether anything that waits may go on. Called when a route has changed, and now and then.
    pub(super) fn look(&mut self, instance: &Instance) {
        if let Some(time) = self.waiting.look_at.take() {
            self.timers.remove(&(time, Timer::Look));
        }
        let Some(view) = instance.cluster.view() else { return };
        self.forget_closed(&view);
        if self.waiting.is_empty() {
            return;
        }
        let routes = instance.cluster.routes();
        let closed = &self.waiting.closed;
        let goes_on = |waiter: &Waiter| match waiter.unit.target {
            Target::Node(index) => !view.is_alive(index) || !closed.contains_key(&index),
            Target::Slot(slot) => match routes.get(slot) {
                Route::Serve | Route::Down => true,
                Route::Wait => false,
                Route::Forward(index) if index == view.me() => false,
                Route::Forward(index) => {
                    let owner = self.hints.resolve(&view, slot, index);
                    let stays = waiter.at == Some(owner)
                        && (closed.contains_key(&owner) || !view.is_alive(owner));
                    view.member(index).is_some() && !stays
                }
            },
        };
        let found = self.waiting.units.iter().filter(|(_, waiter)| goes_on(waiter));
        let found: Vec<u64> = found.map(|(&number, _)| number).collect();
        for unit in self.remove_waiting(&found) {
            match (unit.target, &unit.sink) {
                (Target::Node(index), &Sink::Job(job, _)) if !view.is_alive(index) => {
                    self.ended(&unit);
                    self.plan_anew(instance, job);
                }
                _ => {
                    self.stats.retries += 1;
                    self.dispatch(instance, &view, unit);
                }
            }
        }
        self.probe(&view);
        if !self.waiting.is_empty() {
            self.look_later();
        }
    }

    /// Who is dead will not answer, so nobody need ask; should it come back, it begins anew.
    fn forget_closed(&mut self, view: &View) {
        let Waiting { units, closed, .. } = &mut self.waiting;
        let is_recent = |again: Duration| self.now < again + PROBE;
        // However late this look is: a worker that was held up for longer still has to ask for those who wait.
        let is_awaited = |index| units.values().any(|waiter| waiter.at == Some(index));
        closed.retain(|&index, again| {
            view.is_alive(index) && (is_recent(*again) || is_awaited(index))
        });
    }

    /// Sends one unit to each closed node that is due, to find out whether it is back.
    fn probe(&mut self, view: &View) {
        let due = self.waiting.closed.iter().filter(|(_, again)| **again <= self.now);
        let due: Vec<MemberIndex> = due.map(|(&index, _)| index).collect();
        for index in due {
            self.waiting.closed.insert(index, self.now + PROBE);
            let of_index = |waiter: &Waiter| waiter.at == Some(index);
            // A command that blocks says nothing of a node that takes it.
            let answered = |waiter: &Waiter| of_index(waiter) && waiter.unit.blocked.is_none();
            let mut asks = self.take_waiting(answered, 1);
            if asks.is_empty() {
                asks = self.take_waiting(of_index, 1);
            }
            for unit in asks {
                self.stats.retries += 1;
                self.build(view, index, unit);
            }
        }
    }

    /// The deadline of something that waits has passed.
    pub(super) fn waited(&mut self, view: &View, number: u64) {
        if let Some(Waiter { unit, .. }) = self.waiting.units.remove(&number) {
            self.out_of_time(view, unit);
        }
    }

    /// Nothing of it was run, and there is no time left.
    pub(super) fn out_of_time(&mut self, view: &View, unit: Unit) {
        let over = |until| until <= self.now;
        if unit.blocked.as_ref().is_some_and(|blocked| blocked.until.is_some_and(over)) {
            self.renew(unit);
            return;
        }
        let error = match unit.trouble {
            Trouble::None | Trouble::Moving => {
                WireError::fixed("TRYAGAIN The slot is changing hands; nothing was changed")
            }
            Trouble::Busy => WireError::fixed("TRYAGAIN The node has no room; nothing was changed"),
            Trouble::Lost => {
                WireError::fixed("TIMEOUT The node did not answer in time; nothing was changed")
            }
            Trouble::Unreachable(index) => unreachable(&member_name(view, index)),
        };
        self.fail(unit, &error);
    }
}
