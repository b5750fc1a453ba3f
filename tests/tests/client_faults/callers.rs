//! Callers that note what each call told them.
//!
//! Some set keys of their own to rising numbers and read them back: these calls are idempotent and have to succeed. Some count: each increment that was acknowledged, or
//! that may have been applied, is noted, and the counter has to lie between.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use torc_client::{Client, Config};
use torc_tests::wait;

const SETTERS: usize = 8;
const COUNTERS: usize = 8;

/// What callers were told.
#[derive(Debug, Default)]
pub struct Told {
    pub calls: u64,
    pub longest: Duration,
    /// Calls that should have succeeded and did not.
    pub idempotent_errors: Vec<String>,
    /// What counters hold and may not.
    pub wrong: Vec<String>,
    /// Failed increments by their error.
    pub errors: BTreeMap<String, u64>,
    acknowledged: u64,
    doubtful: u64,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls, longest {:?}; {} increments acknowledged, {} doubtful; {} idempotent calls failed; {:?}",
            self.calls,
            self.longest,
            self.acknowledged,
            self.doubtful,
            self.idempotent_errors.len(),
            self.errors
        )
    }
}

impl Told {
    fn add(&mut self, other: Told) {
        self.calls += other.calls;
        self.longest = self.longest.max(other.longest);
        self.idempotent_errors.extend(other.idempotent_errors);
        self.wrong.extend(other.wrong);
        self.acknowledged += other.acknowledged;
        self.doubtful += other.doubtful;
        for (error, count) in other.errors {
            *self.errors.entry(error).or_default() += count;
        }
    }
}

/// Callers at work.
pub struct Callers {
    runtime: Runtime,
    client: Client,
    over: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Told>>,
}

impl Callers {
    pub fn begin(url: &str, deadline: Duration) -> Callers {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let config = Config::from_url(url).unwrap().call_timeout(deadline);
        let client = runtime.block_on(Client::with_config(config)).unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for at in 0..SETTERS {
            tasks.push(runtime.spawn(set(client.clone(), at, Arc::clone(&over))));
        }
        for at in 0..COUNTERS {
            tasks.push(runtime.spawn(count(client.clone(), at, Arc::clone(&over))));
        }
        Callers { runtime, client, over, tasks }
    }

    /// Ends them, and looks at what the counters hold.
    pub fn end(self) -> Told {
        self.over.store(true, Ordering::Relaxed);
        let mut told = Told::default();
        for task in self.tasks {
            told.add(self.runtime.block_on(task).expect("a caller does not panic"));
        }
        self.client.close();
        told
    }
}

/// A rest between calls, so that the nodes are not the ones who are tested.
async fn rest() {
    tokio::time::sleep(Duration::from_millis(3)).await;
}

async fn set(client: Client, at: usize, over: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    for turn in 0u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let key = format!("faults:set:{at}:{}", turn % 64);
        let begin = wait::now();
        let outcome = client.set(&key, turn).await;
        told.longest = told.longest.max(begin.elapsed());
        if let Err(error) = outcome {
            told.idempotent_errors.push(format!("SET after {:?}: {error:?}", begin.elapsed()));
        }
        let begin = wait::now();
        let outcome = client.get(&key).await;
        told.longest = told.longest.max(begin.elapsed());
        if let Err(error) = outcome {
            told.idempotent_errors.push(format!("GET after {:?}: {error:?}", begin.elapsed()));
        }
        told.calls += 2;
        rest().await;
    }
    told
}

async fn count(client: Client, at: usize, over: Arc<AtomicBool>) -> Told {
    let mut told = Told::default();
    let keys: Vec<String> = (0..16).map(|nth| format!("faults:count:{at}:{nth}")).collect();
    let mut bounds = vec![(0i64, 0i64); keys.len()];
    for turn in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let nth = turn % keys.len();
        let begin = wait::now();
        let outcome = client.incr(&keys[nth]).await;
        told.longest = told.longest.max(begin.elapsed());
        told.calls += 1;
        match outcome {
            Ok(_) => {
                told.acknowledged += 1;
                bounds[nth].0 += 1;
                bounds[nth].1 += 1;
            }
            Err(error) => {
                if error.maybe_applied() {
                    told.doubtful += 1;
                    bounds[nth].1 += 1;
                }
                let text: String = error.to_string().chars().take(70).collect();
                *told.errors.entry(text).or_default() += 1;
            }
        }
        rest().await;
    }
    for (key, (least, most)) in keys.iter().zip(bounds) {
        let count = client.get(key).reply_as::<Option<i64>>().await;
        match count {
            Ok(count) if (least..=most).contains(&count.unwrap_or(0)) => {}
            other => told.wrong.push(format!("{key}: {other:?}, not {least}..={most}")),
        }
    }
    told
}
