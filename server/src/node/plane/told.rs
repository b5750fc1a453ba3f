//! SUBSCRIBE, FUNCTION LOAD and CLIENT TRACKING in a ring: the client hears that it is done once all nodes know it.
//!
//! Else a client could subscribe here, have something done at another node, and miss the message that tells of it, because that node had not heard yet
//! who listens; call a function that the node with its keys does not have yet; or read there what is then changed without a word. A node that does not answer keeps nobody waiting for longer than [`INTEREST_WAIT`].

use super::{Answer, ClientKey, Fill, HoleId, Plane};
use crate::admin::Instance;
use std::time::Duration;

/// The longest wait, after which the client is told all the same. A node that is gone is noticed about as fast.
pub const INTEREST_WAIT: Duration = Duration::from_secs(1);

/// What other nodes are to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum About {
    /// Who listens to what.
    Subscriptions,
    /// Libraries of functions.
    Libraries,
    /// Whether a client tracks what it reads.
    Tracking,
}

impl About {
    /// The latest change that not all nodes have heard of, if anybody is to hear.
    pub(in crate::node) fn unheard(self, instance: &Instance) -> Option<u64> {
        match self {
            About::Subscriptions => instance.pubsub.told().unheard(),
            About::Libraries => instance.scripts.libraries.told().unheard(),
            About::Tracking => instance.tracking.told().unheard(),
        }
    }
}

/// How many of these there are.
pub(super) const ABOUT_COUNT: usize = 3;

/// A reply that waits until other nodes have heard of a change.
#[derive(Debug)]
pub(super) struct Untold {
    /// The number of the change that they must have heard of.
    change: u64,
    deadline: Duration,
    key: ClientKey,
    hole: HoleId,
}

impl Plane {
    /// Holds the reply in `hole` until all nodes have heard of `change`.
    pub(in crate::node) fn hold_untold(
        &mut self,
        about: About,
        change: u64,
        key: ClientKey,
        hole: HoleId,
    ) {
        let deadline = self.now + INTEREST_WAIT;
        self.untold[about as usize].push_back(Untold { change, deadline, key, hole });
    }

    /// All nodes have heard of the changes up to `heard`. Changes and deadlines both rise from front to back. Returns whether a change was not heard in time.
    pub(super) fn release_told(&mut self, about: About, heard: u64) -> bool {
        let mut is_late = false;
        while let Some(front) = self.untold[about as usize].front()
            && (front.change <= heard || front.deadline <= self.now)
        {
            let Some(Untold { key, hole, change, .. }) = self.untold[about as usize].pop_front()
            else {
                break;
            };
            is_late |= change > heard;
            self.answer(Answer::new(key, Some(hole), Fill::Release));
        }
        is_late
    }

    pub(super) fn next_untold(&self) -> Option<Duration> {
        let fronts = self.untold.iter().filter_map(|queue| queue.front());
        fronts.map(|front| front.deadline).min()
    }
}
