//! `maxmemory`: choosing victims by sampling, as Redis's policies do.
//!
//! One sample is a bucket: its five or six keys lie in one cache line, so a choice costs one miss for the bucket and one
//! for each entry. Source: redis.io/docs/reference/eviction.

use super::database::NEVER;
use super::entry::Entry;
use super::index::{self, Hit, word};
use super::local::{Local, add};
use super::notices::NoticeKind;
use super::{Guard, Store};
use crate::base::clock::UnixMs;
use crate::base::limits::DATABASE_COUNT;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use torc_protocol::slot::SLOT_COUNT;

/// `maxmemory-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Policy {
    /// Writes fail.
    #[default]
    NoEviction = 0,
    /// The least recently used of all keys.
    AllKeysLru = 1,
    /// The least frequently used of all keys.
    AllKeysLfu = 2,
    /// Any key.
    AllKeysRandom = 3,
    /// The least recently used of the keys with a deadline.
    VolatileLru = 4,
    /// The least frequently used of the keys with a deadline.
    VolatileLfu = 5,
    /// Any key with a deadline.
    VolatileRandom = 6,
    /// The key that expires next.
    VolatileTtl = 7,
}

impl Policy {
    /// Every policy with Redis's name for it.
    pub const ALL: [(&'static str, Policy); 8] = [
        ("noeviction", Policy::NoEviction),
        ("allkeys-lru", Policy::AllKeysLru),
        ("allkeys-lfu", Policy::AllKeysLfu),
        ("allkeys-random", Policy::AllKeysRandom),
        ("volatile-lru", Policy::VolatileLru),
        ("volatile-lfu", Policy::VolatileLfu),
        ("volatile-random", Policy::VolatileRandom),
        ("volatile-ttl", Policy::VolatileTtl),
    ];

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Policy> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, policy)| policy)
    }

    /// Redis's name for it.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Whether entries keep a frequency rather than a time.
    pub fn is_lfu(self) -> bool {
        matches!(self, Policy::AllKeysLfu | Policy::VolatileLfu)
    }

    fn is_volatile(self) -> bool {
        self as u8 >= Policy::VolatileLru as u8
    }
}

/// The settings of this file, changeable while all threads run.
#[derive(Debug)]
pub struct Limits {
    maxmemory: AtomicU64,
    policy: AtomicU8,
    samples: AtomicU32,
    lfu_decay_minutes: AtomicU32,
    lfu_log_factor: AtomicU32,
    /// What is taken down, as bits of `NoticeKind`.
    pub(super) notices: AtomicU8,
    /// Until when keys that have expired stay where they are, unseen.
    keep_expired_until: AtomicU64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            maxmemory: AtomicU64::new(0),
            policy: AtomicU8::new(0),
            samples: AtomicU32::new(5),
            lfu_decay_minutes: AtomicU32::new(1),
            lfu_log_factor: AtomicU32::new(10),
            notices: AtomicU8::new(0),
            keep_expired_until: AtomicU64::new(0),
        }
    }
}

// Relaxed throughout: each is read on its own, and a change may take a batch to be seen.
impl Limits {
    /// Bytes in use beyond which keys are evicted; 0 is no limit.
    pub fn set_maxmemory(&self, bytes: u64) {
        self.maxmemory.store(bytes, Ordering::Relaxed);
    }

    /// How victims are chosen.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(policy as u8, Ordering::Relaxed);
    }

    /// Candidates looked at for a victim, at least.
    pub fn set_samples(&self, samples: u32) {
        self.samples.store(samples.clamp(1, 64), Ordering::Relaxed);
    }

    /// LFU: minutes in which the counter drops by one (0: never), and how much harder each step up is.
    pub fn set_lfu(&self, decay_minutes: u32, log_factor: u32) {
        self.lfu_decay_minutes.store(decay_minutes, Ordering::Relaxed);
        self.lfu_log_factor.store(log_factor, Ordering::Relaxed);
    }

    /// Keeps keys that expire until `until`, or until the end that was set before if that is later: they are absent to all who look, but nobody removes, counts or tells of
    /// them.
    pub fn keep_expired(&self, until: UnixMs) {
        self.keep_expired_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Ends what [`Limits::keep_expired`] began.
    pub fn release_expired(&self) {
        self.keep_expired_until.store(0, Ordering::Relaxed);
    }

    pub(super) fn keeps_expired(&self, now: UnixMs) -> bool {
        self.keep_expired_until.load(Ordering::Relaxed) > now
    }

    pub(super) fn maxmemory(&self) -> u64 {
        self.maxmemory.load(Ordering::Relaxed)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy::ALL[self.policy.load(Ordering::Relaxed) as usize].1
    }

    pub(super) fn lfu(&self) -> (u32, u32) {
        let decay = self.lfu_decay_minutes.load(Ordering::Relaxed);
        (decay, self.lfu_log_factor.load(Ordering::Relaxed))
    }
}

/// Victims of one writer, some 2 ms of them. There is more to evict than what writers brought in only after `maxmemory` was lowered or a value far larger than
/// others came; no single client is to wait for all of that.
const WRITER_VICTIMS_MAX: usize = 2_048;

/// What the smallest key takes; who would write must find so much free. So a limit of a few bytes, by which applications try what they do without memory, refuses
/// writes to an empty store too, as in Redis, which counts its own structures.
const ROOM_BYTES: u64 = 64;

/// Buckets looked at in vain before the store counts as having no victim.
const EMPTY_SAMPLES_MAX: u32 = 4 * SLOT_COUNT as u32;

/// What evicting came to.
#[derive(Debug, PartialEq, Eq)]
enum Evicted {
    /// Memory in use is within the limit.
    Enough,
    /// There is more to evict.
    Some,
    /// There is nothing that may be evicted.
    NoVictim,
}

impl Store {
    /// Evicts until memory in use is within `maxmemory`, or enough for one writer. `false`: it is not, and the policy has no victim (or is
    /// `noeviction`), so the command must fail. What is left, [`Store::shed`] evicts.
    ///
    /// What was removed but may still be read does not count here, or every writer would evict again for the same bytes.
    #[inline]
    pub fn make_room(&self, local: &mut Local, guard: &Guard, now: UnixMs) -> bool {
        let max = self.inner.limits.maxmemory();
        max == 0 || self.has_room_below(max) || self.make_room_below(max, local, guard, now)
    }

    fn has_room_below(&self, max: u64) -> bool {
        self.used_beyond_limbo() + ROOM_BYTES <= max
    }

    fn used_beyond_limbo(&self) -> u64 {
        let totals = &self.inner.totals;
        // Relaxed: statistics; an error of a few 64 KiB is within the limit's meaning.
        let used = totals.used.load(Ordering::Relaxed) - totals.limbo.load(Ordering::Relaxed);
        used.max(0) as u64
    }

    /// Evicts while memory in use is beyond `maxmemory`, the policy has victims and `keep_going` agrees. Returns whether more is to go. For a periodic tick: who lowers
    /// `maxmemory` need not wait for a write to get memory back.
    pub fn shed(
        &self,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
        mut keep_going: impl FnMut() -> bool,
    ) -> bool {
        let (max, policy) = (self.inner.limits.maxmemory(), self.inner.limits.policy());
        if max == 0 || policy == Policy::NoEviction || self.has_room_below(max) {
            return false;
        }
        self.evict_down_to(max, local, guard, now, |_| keep_going()) == Evicted::Some
    }

    #[cold]
    fn make_room_below(&self, max: u64, local: &mut Local, guard: &Guard, now: UnixMs) -> bool {
        let enough = |victims| victims < WRITER_VICTIMS_MAX;
        self.evict_down_to(max, local, guard, now, enough) != Evicted::NoVictim
    }

    /// Evicts while `keep_going`, which is told how many went, agrees.
    fn evict_down_to(
        &self,
        max: u64,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
        mut keep_going: impl FnMut(usize) -> bool,
    ) -> Evicted {
        local.publish_bytes();
        let policy = self.inner.limits.policy();
        let mut goal = (self.used_beyond_limbo() + ROOM_BYTES) as i64 - max as i64;
        let mut victims = 0;
        while goal > 0 {
            if policy == Policy::NoEviction {
                return Evicted::NoVictim;
            }
            if !keep_going(victims) {
                return Evicted::Some;
            }
            match self.evict_one(policy, local, guard, now) {
                Some(bytes) => goal -= bytes as i64,
                None => return Evicted::NoVictim,
            }
            victims += 1;
        }
        Evicted::Enough
    }

    /// Removes the best victim of one sample; the bytes it held.
    fn evict_one(
        &self,
        policy: Policy,
        local: &mut Local,
        guard: &Guard,
        now: UnixMs,
    ) -> Option<usize> {
        let samples = self.inner.limits.samples.load(Ordering::Relaxed);
        let mut empty = 0;
        while empty < EMPTY_SAMPLES_MAX {
            let db = self.pick_database(policy, local, guard)?;
            let roots = self.inner.databases[db].roots(guard)?;
            let mut best: Option<(u64, Hit<'_>)> = None;
            let mut seen = 0;
            let first = local.rng.below(SLOT_COUNT as u64) as usize;
            for slot in (first..SLOT_COUNT).chain(0..first) {
                if seen >= samples || empty >= EMPTY_SAMPLES_MAX {
                    break;
                }
                if !local.may_drop(slot) {
                    empty += 1;
                    continue;
                }
                // Relaxed: a hint. A slot without deadlines has nothing for a volatile policy.
                if policy.is_volatile() && roots.due[slot].load(Ordering::Relaxed) == NEVER {
                    empty += 1;
                    continue;
                }
                let mut from = Some(local.rng.bits());
                let mut wrapped = false;
                while let Some(position) = from {
                    let before = seen;
                    from = index::visit_bucket(&roots.words[slot], position, |hit| {
                        if hit.word & word::LATCH != 0
                            || policy.is_volatile() && hit.word & word::TTL == 0
                        {
                            return;
                        }
                        // SAFETY: a published word read under `guard`.
                        let entry = unsafe { Entry::at(word::pointer(hit.word)) };
                        if entry.is_absent() {
                            return;
                        }
                        seen += 1;
                        let score = self.score(policy, entry, now);
                        if best.as_ref().is_none_or(|&(other, _)| score > other) {
                            best = Some((score, hit));
                        }
                    });
                    empty += (seen == before) as u32;
                    // Keys with a deadline may be rare in their slot: look through all of it. Otherwise one bucket a slot
                    // is the better sample.
                    if seen >= samples || !policy.is_volatile() {
                        break;
                    }
                    if from.is_none() && !wrapped {
                        wrapped = true;
                        from = Some(0);
                    }
                }
            }
            let Some((_, hit)) = best else { continue };
            // SAFETY: as above.
            let entry = unsafe { Entry::at(word::pointer(hit.word)) };
            let bytes = entry.memory_bytes();
            if local.drop_entry(roots, &hit, db as u8, now).is_ok() {
                add(&local.tally().evicted, 1);
                local.notice(NoticeKind::Evicted, db as u8, entry.key());
                return Some(bytes);
            }
        }
        None
    }

    /// The higher, the sooner it goes.
    fn score(&self, policy: Policy, entry: Entry<'_>, now: UnixMs) -> u64 {
        match policy {
            Policy::AllKeysLfu | Policy::VolatileLfu => {
                255 - entry.frequency(now, self.inner.limits.lfu().0) as u64
            }
            Policy::VolatileTtl => u64::MAX - entry.deadline().unwrap_or(UnixMs::MAX),
            Policy::AllKeysRandom | Policy::VolatileRandom => 0,
            _ => entry.idle_seconds(now),
        }
    }

    /// A database with candidates, weighted by how many it has.
    fn pick_database(&self, policy: Policy, local: &mut Local, guard: &Guard) -> Option<usize> {
        let mut weights = [0; DATABASE_COUNT];
        for (weight, database) in weights.iter_mut().zip(&self.inner.databases) {
            *weight = database.roots(guard).map_or(0, |roots| {
                if policy.is_volatile() { roots.with_deadline() } else { roots.keys() }
            });
        }
        let total: u64 = weights.iter().sum();
        if total == 0 {
            return None;
        }
        let mut pick = local.rng.below(total);
        weights.iter().position(|&weight| {
            let here = pick < weight;
            pick = pick.saturating_sub(weight);
            here
        })
    }
}
