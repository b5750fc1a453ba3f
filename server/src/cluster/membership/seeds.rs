//! Whom to ask when there is no one, or fewer than there were.
//!
//! Seeds are DNS names or addresses with a port. Names are resolved again at every round, since the address behind a name changes
//! when the pod behind it does. While the node is alone, rounds come after 0.5 s, 1 s, 2 s … 10 s; while it sees fewer members than it
//! has records of, every 30 s, which finds the other side of a split that both sides gave up on. Each wait is spread by a quarter, so
//! that a cluster that starts at once does not ask at once.

use crate::base::rng::Rng;
use std::net::SocketAddr;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const ALONE_MAX: Duration = Duration::from_secs(10);
const TOGETHER: Duration = Duration::from_secs(30);

/// Addresses of one name that are kept.
const ADDRESSES_MAX: usize = 32;

/// Addresses that are asked in one round.
const KNOCKS_MAX: usize = 16;

#[derive(Debug)]
struct Seed {
    name: String,
    addresses: Vec<SocketAddr>,
    is_name: bool,
}

/// The seeds and their pace.
#[derive(Debug)]
pub(super) struct Seeds {
    seeds: Vec<Seed>,
    /// Addresses that turned out to be our own.
    own: Vec<SocketAddr>,
    rounds: u32,
}

impl Seeds {
    /// `names` are `host:port`.
    pub fn new(names: &[String], own: SocketAddr) -> Self {
        let seed = |name: &String| {
            let address: Option<SocketAddr> = name.parse().ok();
            Seed {
                name: name.clone(),
                addresses: address.into_iter().collect(),
                is_name: address.is_none(),
            }
        };
        Seeds { seeds: names.iter().map(seed).collect(), own: vec![own], rounds: 0 }
    }

    /// A name was resolved. Returns whether it is a seed's.
    pub fn resolved(&mut self, name: &str, addresses: &[SocketAddr]) -> bool {
        let Some(seed) = self.seeds.iter_mut().find(|seed| seed.is_name && seed.name == name)
        else {
            return false;
        };
        // An empty answer is more often a failing resolver than an empty cluster: keep what we had.
        if !addresses.is_empty() {
            seed.addresses = addresses.iter().copied().take(ADDRESSES_MAX).collect();
        }
        true
    }

    /// `address` reached ourselves.
    pub fn is_own(&mut self, address: SocketAddr) {
        if !self.own.contains(&address) && self.own.len() < ADDRESSES_MAX {
            self.own.push(address);
        }
    }

    /// Names to be resolved in this round.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.seeds.iter().filter(|seed| seed.is_name).map(|seed| seed.name.as_str())
    }

    /// Addresses to ask in this round, together with `others`: a random choice where there are too many.
    pub fn targets(&self, others: &[SocketAddr], rng: &mut Rng) -> Vec<SocketAddr> {
        let known = self.seeds.iter().flat_map(|seed| seed.addresses.iter()).chain(others);
        let mut targets: Vec<SocketAddr> =
            known.copied().filter(|address| !self.own.contains(address)).collect();
        targets.sort_unstable();
        targets.dedup();
        while targets.len() > KNOCKS_MAX {
            targets.swap_remove(rng.below(targets.len() as u64) as usize);
        }
        targets
    }

    /// The wait before the next round.
    pub fn wait(&mut self, alone: bool, rng: &mut Rng) -> Duration {
        let base = if alone {
            let doubled = FIRST * (1 << self.rounds.min(10));
            self.rounds += 1;
            doubled.min(ALONE_MAX)
        } else {
            self.rounds = 0;
            TOGETHER
        };
        // 75% to 125%.
        base * (75 + rng.below(51) as u32) / 100
    }

    /// Starts the pace anew: the node has just become alone.
    pub fn hurry(&mut self) {
        self.rounds = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_resolved_and_addresses_are_not() {
        let own = address("10.0.0.1:7000");
        let names = ["10.0.0.2:7000".to_owned(), "torc.svc:7000".into(), "10.0.0.1:7000".into()];
        let (mut seeds, mut rng) = (Seeds::new(&names, own), Rng::seeded(1));
        assert_eq!(seeds.names().collect::<Vec<_>>(), ["torc.svc:7000"]);
        assert_eq!(seeds.targets(&[], &mut rng), [address("10.0.0.2:7000")]);
        assert!(seeds.resolved("torc.svc:7000", &[address("10.0.0.3:7000")]));
        assert!(!seeds.resolved("other:1", &[address("10.0.0.9:7000")]));
        assert!(seeds.resolved("torc.svc:7000", &[]), "an empty answer changes nothing");
        let expected = [address("10.0.0.2:7000"), address("10.0.0.3:7000")];
        assert_eq!(seeds.targets(&[expected[0]], &mut rng), expected);
        seeds.is_own(expected[1]);
        assert_eq!(seeds.targets(&[], &mut rng), expected[..1]);
        let many: Vec<SocketAddr> = (1..100).map(|port| SocketAddr::new(own.ip(), port)).collect();
        assert_eq!(seeds.targets(&many, &mut rng).len(), KNOCKS_MAX);
    }

    #[test]
    fn waits_grow_and_are_spread() {
        let (mut seeds, mut rng) = (Seeds::new(&[], address("10.0.0.1:1")), Rng::seeded(1));
        for expected_ms in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            let wait = seeds.wait(true, &mut rng).as_millis();
            assert!((expected_ms * 3 / 4..=expected_ms * 5 / 4).contains(&wait), "{wait}");
        }
        assert!(seeds.wait(false, &mut rng) >= TOGETHER * 3 / 4);
        assert!(seeds.wait(true, &mut rng) <= FIRST * 5 / 4);
    }
}
