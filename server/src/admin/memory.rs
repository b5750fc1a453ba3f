//! Memory of the process as the allocator and the kernel see it.

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
