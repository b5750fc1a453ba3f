//! Memory of the process as the allocator and the kernel see it.

use super::Instance;
use tikv_jemalloc_ctl::{arenas, epoch, raw, stats};

/// What the allocator tells; all zero where jemalloc is not the program's allocator (unit tests).
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocator {
    /// Bytes given out.
    pub allocated: u64,
    /// Bytes of pages that hold them.
    pub active: u64,
    /// Bytes of pages mapped, those kept for reuse included.
    pub resident: u64,
    /// Bytes of the allocator's own records.
    pub metadata: u64,
}

impl Allocator {
    /// Figures of this moment. Costs some microseconds.
    pub fn now() -> Self {
        // jemalloc's statistics stand still until the epoch is advanced.
        if epoch::advance().is_err() {
            return Allocator::default();
        }
        let read = |value: Result<usize, _>| value.map_or(0, |bytes: usize| bytes as u64);
        Allocator {
            allocated: read(stats::allocated::read()),
            active: read(stats::active::read()),
            resident: read(stats::resident::read()),
            metadata: read(stats::metadata::read()),
        }
    }
}

/// Memory of one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Bytes the allocator has given out.
    pub used: u64,
    /// The most there were at any sample.
    pub peak: u64,
    /// Bytes given out before there was any data.
    pub startup: u64,
    /// Bytes of keys, values and index, what `maxmemory` limits.
    pub dataset: u64,
    /// Of these, removed but not yet freed.
    pub limbo: u64,
    /// All the rest.
    pub overhead: u64,
    /// Bytes of the process in the machine's memory.
    pub rss: u64,
    /// What the allocator tells.
    pub allocator: Allocator,
    /// Keys of all databases.
    pub keys: u64,
}

impl Figures {
    /// Figures of this moment.
    pub fn now(instance: &Instance) -> Self {
        let store = instance.store.stats();
        let mut allocator = Allocator::now();
        if allocator.allocated == 0 {
            // Another allocator, as in unit tests: the store's own count stands for all.
            let bytes = store.used_bytes;
            allocator = Allocator { allocated: bytes, active: bytes, resident: bytes, metadata: 0 };
        }
        let used = allocator.allocated;
        let dataset = store.used_bytes.min(used);
        Figures {
            used,
            peak: instance.stats.memory_peak_bytes(used),
            startup: instance.memory_startup_bytes(),
            dataset,
            limbo: store.limbo_bytes,
            overhead: used - dataset,
            rss: resident_bytes(),
            allocator,
            keys: store.keys.iter().sum(),
        }
    }

    /// Dataset's percentage of what was allocated since the start.
    pub fn dataset_percent(&self) -> f64 {
        percent(self.dataset, self.used.saturating_sub(self.startup).max(self.dataset))
    }

    /// What is given out now, in percent of the most that ever was.
    pub fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
}

/// `part` of `whole` in percent; 0 of nothing.
fn percent(part: u64, whole: u64) -> f64 {
    ratio(part, whole) * 100.0
}

/// `part / whole`; 0 of nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// `a - b`, below 0 too.
pub fn difference(a: u64, b: u64) -> i64 {
    a as i64 - b as i64
}

/// Bytes that the allocator has given out; `None` where it does not tell.
pub fn allocated_bytes() -> Option<u64> {
    Some(Allocator::now().allocated).filter(|&bytes| bytes > 0)
}

/// Resident bytes of the process, or 0 where the kernel does not tell.
pub fn resident_bytes() -> u64 {
    // Second field of statm, in pages; pages are 4 KiB on the platforms that Torc is built for.
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4096
}

/// Bytes of memory that the machine has, or 0 where the kernel does not tell.
pub fn machine_bytes() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// CPU seconds of the process, all its threads: in the kernel and outside of it. In steps of 10 ms.
pub fn cpu_seconds() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in parentheses and may hold spaces.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        |index| after_name.split(' ').nth(index).and_then(|t: &str| t.parse().ok()).unwrap_or(0.0);
    // Linux reports 100 ticks a second to every program, whatever its own rate is.
    (ticks(12) / 100.0, ticks(11) / 100.0)
}

/// Gives pages that hold nothing back to the kernel. Returns whether the allocator took the order.
pub fn purge() -> bool {
    let Ok(arenas) = arenas::narenas::read() else { return false };
    (0..arenas).all(|arena| {
        let name = format!("arena.{arena}.dirty_decay_ms\0");
        // SAFETY: the value of this name is an ssize_t, which isize is, and the name ends in a zero byte.
        let decay_ms = unsafe { raw::read::<isize>(name.as_bytes()) };
        // An arena that nobody has used yet is unknown, and has nothing to give back.
        let Ok(decay_ms) = decay_ms else { return true };
        // Setting the decay time, even to what it was, purges at once.
        // SAFETY: as above.
        unsafe { raw::write::<isize>(name.as_bytes(), decay_ms) }.is_ok()
    })
}
