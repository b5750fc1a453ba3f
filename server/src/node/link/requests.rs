//! The requests that wait for an outcome, and their deadlines.
//!
//! ```text
//!              begin            sent to the peer           response
//!   (free) ─────────▶ Waiting ───────────────────▶ Waiting ───────▶ outcome, (free)
//!                     unsent                        sent
//!                       │ deadline, or given up       │ deadline, or given up: outcome
//!                       ▼ : outcome                   ▼
//!                     Abandoned ── left out ─▶ (free) Abandoned ── late response, or the connection ended ─▶ (free)
//!   id = generation 16 │ place 16
//! ```
//!
//! **Invariant.** A request has exactly one outcome. Its place is not used again while its frame waits in the queue or its response may
//! still come, so that no late response is taken for another's: ids need not be unique for longer than that, and the generation
//! only guards against a peer that answers twice.

use crate::base::limits::RESPONSE_PART_TIMEOUT;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Why a request has no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Its deadline passed before it was sent.
    TimedOutUnsent,
    /// Its deadline passed without a response.
    TimedOut,
    /// The connection ended after it was sent.
    Lost,
    /// The breaker opened, or the link was closed for good, before it was sent.
    Unreachable,
}

impl Why {
    /// Whether the peer may have run it. If not, it may be sent elsewhere.
    pub fn may_have_run(self) -> bool {
        matches!(self, Why::TimedOut | Why::Lost)
    }
}

/// A request that ended without a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Failed {
    /// Its id.
    pub id: u32,
    /// Why.
    pub why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Waiting { deadline: Option<Duration>, blocking: bool, sent: bool },
    Abandoned { sent: bool },
}

#[derive(Debug, Clone, Copy)]
struct Place {
    generation: u16,
    state: State,
}

/// What a response met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matched {
    /// A request that waited for it.
    Waiting,
    /// One that was given up.
    Late,
    /// None.
    Unknown,
}

/// The table of requests.
#[derive(Debug)]
pub struct Requests {
    places: Vec<Place>,
    free: Vec<u16>,
    /// Deadlines, among them those of requests that have ended since.
    deadlines: BinaryHeap<Reverse<(Duration, u32)>>,
    places_max: usize,
    waiting: usize,
}

impl Requests {
    /// A table of at most `places_max` requests, and 65,536.
    pub fn new(places_max: usize) -> Self {
        Requests {
            places: Vec::new(),
            free: Vec::new(),
            deadlines: BinaryHeap::new(),
            places_max: places_max.min(super::config::REQUESTS_IN_FLIGHT_MAX),
            waiting: 0,
        }
    }

    /// Requests without an outcome.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether there is no place for another.
    pub fn is_full(&self) -> bool {
        self.free.is_empty() && self.places.len() >= self.places_max
    }

    /// A new request; `None` if there is no place.
    pub fn begin(&mut self, deadline: Option<Duration>, blocking: bool) -> Option<u32> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if self.places.len() < self.places_max => {
                self.places.push(Place { generation: 0, state: State::Free });
                // Fits: there are at most 65,536 places.
                (self.places.len() - 1) as u16
            }
            None => return None,
        };
        let place = &mut self.places[usize::from(index)];
        place.generation = place.generation.wrapping_add(1);
        place.state = State::Waiting { deadline, blocking, sent: false };
        let id = u32::from(place.generation) << 16 | u32::from(index);
        self.waiting += 1;
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, id)));
        }
        Some(id)
    }

    /// Takes a request back that [`Requests::begin`] gave an id, as if it had never been.
    pub fn cancel(&mut self, id: u32) {
        if let Some(State::Waiting { .. }) = self.state(id) {
            self.waiting -= 1;
            self.release(id);
        }
    }

    /// Its frame is to be sent now. False if it was given up: the frame is to be left out.
    pub fn send(&mut self, id: u32) -> bool {
        match self.state(id) {
            Some(State::Waiting { deadline, blocking, .. }) => {
                self.set(id, State::Waiting { deadline, blocking, sent: true });
                true
            }
            Some(State::Abandoned { sent: false }) => {
                self.release(id);
                false
            }
            _ => false,
        }
    }

    /// Part of a response to `id` came; the rest is waited for until `until` at least.
    pub fn go_on(&mut self, id: u32, until: Duration) -> Matched {
        match self.state(id) {
            Some(State::Waiting { deadline, blocking, sent: true }) => {
                let later = deadline.filter(|&deadline| deadline < until);
                if later.is_some() {
                    // With every part the time rises by as little as parts lie apart: deadlines are not to pile up.
                    let until = until + RESPONSE_PART_TIMEOUT;
                    self.set(id, State::Waiting { deadline: Some(until), blocking, sent: true });
                    self.deadlines.push(Reverse((until, id)));
                }
                Matched::Waiting
            }
            Some(State::Abandoned { sent: true }) => Matched::Late,
            _ => Matched::Unknown,
        }
    }

    /// The rest of a response to `id` is waited for as long as it takes.
    pub fn linger(&mut self, id: u32) {
        if let Some(State::Waiting { blocking, sent: true, .. }) = self.state(id) {
            self.set(id, State::Waiting { deadline: None, blocking, sent: true });
        }
    }

    /// A response to `id` came.
    pub fn complete(&mut self, id: u32) -> Matched {
        match self.state(id) {
            Some(State::Waiting { sent: true, .. }) => {
                self.waiting -= 1;
                self.release(id);
                Matched::Waiting
            }
            Some(State::Abandoned { sent: true }) => {
                self.release(id);
                Matched::Late
            }
            // A peer that answers what was not sent.
            _ => Matched::Unknown,
        }
    }

    /// Nobody waits for `id` any more; it has no outcome. False if it had one.
    pub fn abandon(&mut self, id: u32) -> bool {
        let Some(State::Waiting { sent, .. }) = self.state(id) else { return false };
        self.waiting -= 1;
        self.set(id, State::Abandoned { sent });
        true
    }

    /// Appends the requests whose deadline has passed. Returns whether one of them had been sent and was not expected to wait: the peer failed it.
    pub fn expire(&mut self, now: Duration, failed: &mut Vec<Failed>) -> bool {
        let mut peer_failed = false;
        while let Some(&Reverse((deadline, id))) = self.deadlines.peek()
            && deadline <= now
        {
            self.deadlines.pop();
            let Some(State::Waiting { deadline: current, blocking, sent }) = self.state(id) else {
                continue;
            };
            // Another request may have the id by now, after 65,536 others of that place.
            if current != Some(deadline) {
                continue;
            }
            self.waiting -= 1;
            self.set(id, State::Abandoned { sent });
            peer_failed |= sent && !blocking;
            failed.push(Failed { id, why: if sent { Why::TimedOut } else { Why::TimedOutUnsent } });
        }
        peer_failed
    }

    /// The connection ended: all that was sent is lost. What was not sent stays.
    pub fn disconnected(&mut self, failed: &mut Vec<Failed>) {
        self.end_all(|sent| sent, true, Why::Lost, failed);
    }

    /// What was not sent will not be: each such request ends. Its frame stays to be left out.
    pub fn unreachable(&mut self, failed: &mut Vec<Failed>) {
        self.end_all(|sent| !sent, false, Why::Unreachable, failed);
    }

    fn end_all(
        &mut self,
        ends: impl Fn(bool) -> bool,
        release: bool,
        why: Why,
        failed: &mut Vec<Failed>,
    ) {
        for index in 0..self.places.len() {
            let place = self.places[index];
            let id = u32::from(place.generation) << 16 | index as u32;
            let sent = match place.state {
                State::Waiting { sent, .. } if ends(sent) => {
                    self.waiting -= 1;
                    failed.push(Failed { id, why });
                    sent
                }
                State::Abandoned { sent } if ends(sent) => sent,
                _ => continue,
            };
            if release {
                self.release(id);
            } else {
                self.set(id, State::Abandoned { sent });
            }
        }
    }

    /// The first deadline of all. It may belong to a request that has ended: then a look changes nothing.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.peek().map(|Reverse((deadline, _))| *deadline)
    }

    fn state(&self, id: u32) -> Option<State> {
        let place = self.places.get((id & 0xffff) as usize)?;
        (u32::from(place.generation) == id >> 16).then_some(place.state)
    }

    fn set(&mut self, id: u32, state: State) {
        self.places[(id & 0xffff) as usize].state = state;
    }

    fn release(&mut self, id: u32) {
        self.set(id, State::Free);
        // Lossless: the mask leaves 16 bits.
        self.free.push((id & 0xffff) as u16);
        // Long deadlines of requests that were answered at once must not pile up.
        if self.deadlines.len() > 64 + 4 * self.waiting {
            let mut deadlines = std::mem::take(&mut self.deadlines).into_vec();
            deadlines.retain(|Reverse((deadline, id))| {
                matches!(self.state(*id), Some(State::Waiting { deadline: Some(current), .. }) if current == *deadline)
            });
            self.deadlines = deadlines.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn ids(failed: &[Failed], why: Why) -> Vec<u32> {
        failed.iter().filter(|failed| failed.why == why).map(|failed| failed.id).collect()
    }

    #[test]
    fn each_request_has_one_outcome() {
        let mut requests = Requests::new(4);
        let mut failed = Vec::new();
        let [a, b, c, d] = [10, 20, 20, 30].map(|ms| requests.begin(Some(ms * MS), false).unwrap());
        assert!(requests.is_full() && requests.begin(None, false).is_none());
        assert!([a, b, c].into_iter().all(|id| requests.send(id)));
        assert_eq!(requests.go_on(a, MS), Matched::Waiting);
        assert_eq!(requests.complete(a), Matched::Waiting);
        assert_eq!(requests.go_on(a, MS), Matched::Unknown, "more of what was whole");
        assert_eq!(requests.complete(a), Matched::Unknown, "a second answer");
        assert_eq!(requests.complete(d), Matched::Unknown, "it was not sent");
        assert!(requests.expire(30 * MS, &mut failed));
        assert_eq!(ids(&failed, Why::TimedOut), [b, c]);
        assert_eq!(ids(&failed, Why::TimedOutUnsent), [d]);
        failed.clear();
        assert!(!requests.expire(99 * MS, &mut failed) && failed.is_empty());
        assert_eq!(requests.go_on(b, MS), Matched::Late);
        assert_eq!(requests.complete(b), Matched::Late);
        assert_eq!(requests.complete(b), Matched::Unknown);
        assert!(!requests.send(d), "its frame is left out");
        requests.disconnected(&mut failed);
        assert!(failed.is_empty() && requests.waiting() == 0);
        assert_eq!(requests.free.len(), 4, "all places are free again");
    }

    #[test]
    fn parts_of_a_response_put_its_deadline_off() {
        let mut requests = Requests::new(1);
        let id = requests.begin(Some(10 * MS), false).unwrap();
        requests.send(id);
        for part in 1..1_000 {
            let now = 5 * part * MS;
            assert!(!requests.expire(now, &mut Vec::new()));
            assert_eq!(requests.go_on(id, now + RESPONSE_PART_TIMEOUT), Matched::Waiting);
        }
        assert!(requests.deadlines.len() < 10, "{}", requests.deadlines.len());
        let mut failed = Vec::new();
        assert!(requests.expire(5_000 * MS + 2 * RESPONSE_PART_TIMEOUT, &mut failed));
        assert_eq!(ids(&failed, Why::TimedOut), [id]);
    }

    #[test]
    fn a_place_waits_for_its_late_response() {
        let mut requests = Requests::new(1);
        let first = requests.begin(Some(MS), false).unwrap();
        requests.send(first);
        requests.expire(MS, &mut Vec::new());
        assert!(requests.begin(None, false).is_none());
        assert_eq!(requests.complete(first), Matched::Late);
        let second = requests.begin(None, false).unwrap();
        assert_ne!(first, second);
    }

    #[test]
    fn a_lost_connection_ends_what_was_sent_and_nothing_else() {
        let mut requests = Requests::new(8);
        let mut failed = Vec::new();
        let [sent, kept, gone] = [(); 3].map(|()| requests.begin(None, false).unwrap());
        requests.send(sent);
        assert!(requests.abandon(gone) && !requests.abandon(gone));
        requests.disconnected(&mut failed);
        assert_eq!(failed, [Failed { id: sent, why: Why::Lost }]);
        failed.clear();
        requests.unreachable(&mut failed);
        assert_eq!(failed, [Failed { id: kept, why: Why::Unreachable }]);
        assert!(!requests.send(kept) && !requests.send(gone));
        assert_eq!(requests.free.len(), 3);
    }

    #[test]
    fn a_blocking_request_that_times_out_is_no_failure_of_the_peer() {
        let mut requests = Requests::new(8);
        let id = requests.begin(Some(MS), true).unwrap();
        requests.send(id);
        let mut failed = Vec::new();
        assert!(!requests.expire(MS, &mut failed));
        assert_eq!(failed.len(), 1);
    }

    #[test]
    fn deadlines_of_ended_requests_do_not_pile_up() {
        let mut requests = Requests::new(8);
        for _ in 0..10_000 {
            let id = requests.begin(Some(3600 * 1000 * MS), false).unwrap();
            requests.send(id);
            requests.complete(id);
        }
        assert!(requests.deadlines.len() <= 128);
    }
}
