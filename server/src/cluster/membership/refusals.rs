//! How often a refusal is spoken of: once in ten seconds for each peer and reason, so that a misconfigured node fills no log and is no
//! lever against others.

use super::{Via, Why};
use std::collections::BTreeMap;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(10);

/// Peers and reasons that are remembered; past it, new ones go unmentioned for a while.
const REMEMBERED_MAX: usize = 256;

/// What was said when. Received and given refusals are counted apart.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    said: BTreeMap<(Via, Why, bool), Duration>,
}

impl Refusals {
    /// Whether this refusal should be spoken of now.
    pub fn may_say(&mut self, peer: Via, why: Why, by_peer: bool, now: Duration) -> bool {
        let key = (peer, why, by_peer);
        if self.said.get(&key).is_some_and(|last| now.saturating_sub(*last) < INTERVAL) {
            return false;
        }
        if self.said.len() >= REMEMBERED_MAX {
            self.said.retain(|_, last| now.saturating_sub(*last) < INTERVAL);
            if self.said.len() >= REMEMBERED_MAX {
                return false;
            }
        }
        self.said.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, SocketAddr};

    #[test]
    fn once_in_ten_seconds_and_bounded() {
        let via = |port| Via::Address(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port));
        let (mut refusals, at) = (Refusals::default(), Duration::from_secs);
        assert!(refusals.may_say(via(1), Why::Secret, false, at(0)));
        assert!(!refusals.may_say(via(1), Why::Secret, false, at(9)));
        assert!(refusals.may_say(via(1), Why::Secret, true, at(9)));
        assert!(refusals.may_say(via(1), Why::Protocol, false, at(9)));
        assert!(refusals.may_say(via(1), Why::Secret, false, at(10)));
        let said =
            (2..1_000).filter(|port| refusals.may_say(via(*port), Why::Secret, false, at(10)));
        assert!(said.count() < REMEMBERED_MAX);
        assert!(refusals.may_say(via(999), Why::Secret, false, at(21)));
    }
}
