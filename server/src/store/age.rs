//! The slow walk that keeps the access times of idle keys from wrapping around; see [`access`](super::access).

use super::entry::Entry;
use super::index::{self, word};
use super::local::Local;
use super::maintain::Share;
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use torc_protocol::slot::SLOT_COUNT;

/// Time a slot takes: a round over all slots takes 2.3 hours, which the forms of the access field allow. 100 M keys then cost a thousandth of a core.
const SLOT_MS: u64 = 500;

/// Slots of one call at most, after a time in which nobody called.
const SLOTS_MAX: u64 = 64;

impl Store {
    /// Ages the keys of those slots of `share` whose turn has come. For a periodic tick.
    pub fn age(&self, local: &mut Local, guard: &Guard, now: UnixMs, share: Share) {
        let turn = now / SLOT_MS;
        // After a clock that was set back, the walk goes on from where it would be.
        let first = local.sweep.aged.filter(|first| *first <= turn).unwrap_or(turn);
        let end = turn.min(first + SLOTS_MAX);
        local.sweep.aged = Some(end);
        if local.is_lfu() {
            return;
        }
        let slots = (first..end).map(|turn| turn as usize % SLOT_COUNT);
        for slot in slots.filter(|slot| slot % share.of == share.index) {
            for roots in self.inner.databases.iter().filter_map(|database| database.roots(guard)) {
                let mut from = Some(0);
                while let Some(position) = from {
                    from = index::visit_bucket(&roots.words[slot], position, |hit| {
                        // SAFETY: a published word read under the caller's guard.
                        unsafe { Entry::at(word::pointer(hit.word)) }.age(now);
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expiry, NewValue, StoreOptions};

    /// Sixteen bits of seconds wrapped around: a key untouched for 19 hours counted as one of an hour, and outlived keys in use.
    #[test]
    fn a_key_idle_for_days_stays_older_than_one_in_use() {
        const START: UnixMs = 1_700_000_000_000;
        let store = Store::new(StoreOptions { seed: 1, threads: 1, ..StoreOptions::default() });
        let mut local = store.local();
        let mut now = START;
        let set = |local: &mut Local, key: &[u8], now| {
            let guard = local.pin();
            store.keyspace(local, &guard, 0, now).set(key, NewValue::Integer(1), Expiry::Never);
        };
        let idle = |local: &mut Local, key: &[u8], now| {
            let guard = local.pin();
            let found = store.keyspace(local, &guard, 0, now).peek(key);
            found.expect("it is there").idle_seconds(now)
        };
        set(&mut local, b"old", now);
        for hour in 1..24 * 30 {
            while now < START + hour * 3_600_000 {
                now += SLOT_MS * SLOTS_MAX;
                let guard = local.pin();
                store.age(&mut local, &guard, now, Share { index: 0, of: 1 });
            }
            set(&mut local, b"used", now - 1_800_000);
            assert_eq!(idle(&mut local, b"used", now), 1_800);
            let old = idle(&mut local, b"old", now);
            let seconds = (now - START) / 1000;
            assert!(old >= seconds.min(20 * 24 * 3600), "{old} after {seconds} s");
            assert!(old <= seconds + 63, "{old} after {seconds} s");
        }
    }
}
