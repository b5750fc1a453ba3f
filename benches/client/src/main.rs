//! Torc's client beside the crates `redis` and `fred`: throughput and CPU time of the client's process for each operation, in one run.
//!
//! Each measurement runs one client after the other, in an order that changes from round to round, so that what the machine does meanwhile strikes all alike.
//! Ratios are taken within a round. The table is the medians.
//!
//!     cargo run --release -- REDIS_PORT [TORC_PORT] [--rounds N] [--ms N]

mod floor;
mod peers;

use peers::{Peer, Peers};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Callers that each make one GET or SET after the other, one SET to ten GETs.
    Single { callers: usize },
    /// One caller with pipelines of this many commands, the same mixture.
    Pipeline { commands: usize },
}

impl Load {
    fn name(self) -> String {
        match self {
            Load::Single { callers: 1 } => "1 caller".into(),
            Load::Single { callers } => format!("{callers} callers"),
            Load::Pipeline { commands } => format!("pipeline of {commands}"),
        }
    }
}

const LOADS: [Load; 4] = [
    Load::Single { callers: 1 },
    Load::Single { callers: 16 },
    Load::Single { callers: 256 },
    Load::Pipeline { commands: 64 },
];

/// What one turn of one client came to.
#[derive(Debug, Clone, Copy)]
struct Turn {
    per_second: f64,
    cpu_us: f64,
}

/// CPU time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn turn(runtime: &Runtime, peer: &Peer, load: Load, length: Duration) -> Turn {
    let (begin, used) = (Instant::now(), cpu());
    let done = runtime.block_on(peer.clone().run(load, begin + length));
    let (took, used) = (begin.elapsed(), cpu() - used);
    Turn {
        per_second: done as f64 / took.as_secs_f64(),
        cpu_us: used.as_secs_f64() * 1e6 / done as f64,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: u64| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (rounds, ms) = (option("--rounds", 7), option("--ms", 400));
    let first_option = words.iter().position(|word| word.starts_with("--")).unwrap_or(words.len());
    let ports: Vec<u16> =
        words[..first_option].iter().map(|port| port.parse().expect("a port")).collect();
    let names = ["redis-server", "torc"];
    let runtimes: [(&str, Runtime); 2] = [
        ("one thread", Builder::new_current_thread().enable_all().build().expect("a runtime")),
        (
            "two threads",
            Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"),
        ),
    ];
    println!(
        "| server | runtime | load | client | operations/s | CPU µs/op | throughput × best peer | CPU, best peer ÷ |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for (name, port) in names.iter().zip(&ports) {
        for (flavor, runtime) in &runtimes {
            let peers = runtime.block_on(Peers::connect(*port));
            for load in LOADS {
                measure(
                    runtime,
                    &peers,
                    load,
                    rounds,
                    Duration::from_millis(ms),
                    &format!("{name} | {flavor}"),
                );
            }
        }
    }
}

fn measure(
    runtime: &Runtime,
    peers: &Peers,
    load: Load,
    rounds: u64,
    length: Duration,
    about: &str,
) {
    let peers: Vec<&Peer> = peers.all.iter().filter(|peer| peer.takes(load)).collect();
    let count = peers.len();
    let mut turns: Vec<Vec<Turn>> = vec![Vec::new(); count];
    for peer in &peers {
        turn(runtime, peer, load, length / 4);
    }
    for round in 0..rounds as usize {
        for nth in 0..count {
            let at = (nth + round) % count;
            turns[at].push(turn(runtime, peers[at], load, length));
        }
    }
    let of = |at: usize, get: fn(&Turn) -> f64| median(turns[at].iter().map(get).collect());
    for at in 0..count {
        let (rate, cpu) = (of(at, |turn| turn.per_second), of(at, |turn| turn.cpu_us));
        let mut ratios = String::from(" | ");
        // The first is ours, the next two are clients to compare with.
        if !(1..3).contains(&at) {
            let rounds = 0..turns[at].len();
            let best_rate =
                |round: usize| (1..3).map(|peer| turns[peer][round].per_second).fold(0.0, f64::max);
            let best_cpu = |round: usize| {
                (1..3).map(|peer| turns[peer][round].cpu_us).fold(f64::INFINITY, f64::min)
            };
            let rates = rounds
                .clone()
                .map(|round| turns[at][round].per_second / best_rate(round))
                .collect();
            let cpus = rounds.map(|round| best_cpu(round) / turns[at][round].cpu_us).collect();
            ratios = format!("{:.2} | {:.2}", median(rates), median(cpus));
        }
        println!(
            "| {about} | {} | {} | {rate:.0} | {cpu:.2} | {ratios} |",
            load.name(),
            peers[at].name()
        );
    }
}
