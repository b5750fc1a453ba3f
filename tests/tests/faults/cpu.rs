//! How much of the machine other programs left to this suite and its nodes, so that their work does not look like a fault of the ring.

use std::fs;
use std::time::Duration;

/// The unit of the kernel's figures in /proc, on every system that Linux runs on today.
const TICKS_A_SECOND: f64 = 100.0;

/// What was used up to a moment, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// By everybody, the host's other guests included.
    all: u64,
    /// By this process and its children.
    ours: u64,
}

impl Used {
    pub fn now() -> Used {
        Used { all: all().unwrap_or_default(), ours: ours().unwrap_or_default() }
    }

    /// The part of the machine, up to 1, that was there for this suite in the time since. At least a tenth, so that a figure stays one.
    pub fn left_since(self, elapsed: Duration) -> f64 {
        let now = Used::now();
        let ours = now.ours.saturating_sub(self.ours);
        let others = now.all.saturating_sub(self.all).saturating_sub(ours) as f64;
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        (1.0 - others / (elapsed.as_secs_f64() * TICKS_A_SECOND * cores)).clamp(0.1, 1.0)
    }
}

/// Ticks in which some core was not idle.
fn all() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let figures = stat.lines().next()?.split_ascii_whitespace().skip(1);
    let figures: Vec<u64> = figures.filter_map(|figure| figure.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    Some(figures.iter().take(8).sum::<u64>() - figures.get(3)? - figures.get(4)?)
}

/// Ticks of this process, of its children that ended, and of those that run.
fn ours() -> Option<u64> {
    let (_, own, ended) = process("self")?;
    let me = u64::from(std::process::id());
    let running = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let name = entry.ok()?.file_name();
        let (parent, ticks, ended) = process(name.to_str()?)?;
        (parent == me).then_some(ticks + ended)
    });
    Some(own + ended + running.sum::<u64>())
}

/// A process's parent, its ticks, and those of its children that ended.
fn process(name: &str) -> Option<(u64, u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
    // What stands in parentheses is the program's name, whatever that is.
    let (_, rest) = stat.rsplit_once(')')?;
    let figures: Vec<&str> = rest.split_ascii_whitespace().collect();
    let figure = |at: usize| figures.get(at)?.parse::<u64>().ok();
    Some((figure(1)?, figure(11)? + figure(12)?, figure(13)? + figure(14)?))
}
