//! The clients, each used as its documentation says.

use crate::{Load, floor};
use bytes::Bytes;
use fred::interfaces::{ClientLike, KeysInterface};
use std::time::{Duration, Instant};

/// Keys in use, and the length of their values.
const KEYS: usize = 10_000;
pub const VALUE_BYTES: usize = 64;
/// One SET in so many commands.
const SET_EVERY: usize = 11;

/// A client under test.
#[derive(Clone)]
pub enum Peer {
    Torc(torc_client::Client),
    /// The same, told to look for replies.
    Busy(torc_client::Client),
    Redis(redis::aio::MultiplexedConnection),
    Fred(fred::clients::Client),
    /// No client: see [`floor`].
    Floor(u16),
}

/// For how long [`Peer::Busy`] looks for a reply.
const BUSY_POLL: Duration = Duration::from_micros(50);

/// All of them, Torc's first, those that take part in some loads only last.
pub struct Peers {
    pub all: Vec<Peer>,
}

impl Peers {
    pub async fn connect(port: u16) -> Peers {
        let url = format!("redis://127.0.0.1:{port}");
        let config = || {
            let config = torc_client::Config::from_url(&url).expect("a URL");
            config.mode(torc_client::Mode::Standalone)
        };
        let torc = torc_client::Client::with_config(config()).await.expect("the server answers");
        let busy = torc_client::Client::with_config(config().busy_poll(BUSY_POLL));
        let busy = busy.await.expect("the server answers");
        let redis = redis::Client::open(url.as_str()).expect("a URL");
        let redis = redis.get_multiplexed_async_connection().await.expect("the server answers");
        let config = fred::types::config::Config::from_url(&url).expect("a URL");
        let fred = fred::types::Builder::from_config(config).build().expect("a client");
        fred.init().await.expect("the server answers");
        let peers = Peers {
            all: vec![
                Peer::Torc(torc),
                Peer::Redis(redis),
                Peer::Fred(fred),
                Peer::Busy(busy),
                Peer::Floor(port),
            ],
        };
        peers.fill().await;
        peers
    }

    async fn fill(&self) {
        let Peer::Torc(client) = &self.all[0] else { return };
        let value = vec![b'v'; VALUE_BYTES];
        for key in 0..KEYS {
            client.command("SET").arg(key_of(key)).arg(&value).await.expect("SET");
        }
    }
}

fn key_of(index: usize) -> String {
    format!("key:{:012}", index % KEYS)
}

/// The keys, made before: what making text costs is none of the clients' business.
pub fn keys(offset: usize) -> Vec<String> {
    (0..1024).map(|nth| key_of(offset * 7919 + nth * 613)).collect()
}

impl Peer {
    pub fn name(&self) -> &'static str {
        match self {
            Peer::Torc(_) => "torc-client",
            Peer::Busy(_) => "torc-client, busy_poll",
            Peer::Redis(_) => "redis",
            Peer::Fred(_) => "fred",
            Peer::Floor(_) => "(bare socket)",
        }
    }

    /// Whether it can take part.
    pub fn takes(&self, load: Load) -> bool {
        match self {
            Peer::Torc(_) | Peer::Redis(_) | Peer::Fred(_) => true,
            Peer::Busy(_) => load == Load::Single { callers: 1 },
            Peer::Floor(_) => load != Load::Single { callers: 256 },
        }
    }

    /// Until `end`; how many commands that were.
    pub async fn run(self, load: Load, end: Instant) -> u64 {
        if let Peer::Floor(port) = self {
            let at_a_time = match load {
                Load::Single { callers: 1 } => 1,
                Load::Single { callers } => return floor::together(port, callers, end).await,
                Load::Pipeline { commands } => commands,
            };
            let alone = tokio::spawn(floor::alone(port, at_a_time, end));
            return alone.await.expect("it does not panic");
        }
        match load {
            Load::Single { callers } => {
                let tasks: Vec<_> =
                    (0..callers).map(|nth| tokio::spawn(self.clone().single(nth, end))).collect();
                let mut done = 0;
                for task in tasks {
                    done += task.await.expect("a caller does not panic");
                }
                done
            }
            Load::Pipeline { commands } => {
                tokio::spawn(self.pipeline(commands, end)).await.expect("the caller does not panic")
            }
        }
    }

    async fn single(self, nth: usize, end: Instant) -> u64 {
        let (keys, value) = (keys(nth), vec![b'v'; VALUE_BYTES]);
        let mut done = 0;
        // The clock is looked at now and then.
        while done % 16 != 0 || Instant::now() < end {
            let key = &keys[done as usize % keys.len()];
            let is_set = done as usize % SET_EVERY == 0;
            match &self {
                Peer::Torc(client) | Peer::Busy(client) if is_set => {
                    client.command("SET").arg(key).arg(&value).await.expect("SET");
                }
                Peer::Torc(client) | Peer::Busy(client) => {
                    let found: Option<Vec<u8>> =
                        client.command("GET").arg(key).reply_as().await.expect("GET");
                    assert_eq!(found.map(|it| it.len()), Some(VALUE_BYTES));
                }
                Peer::Redis(connection) => {
                    let mut connection = connection.clone();
                    if is_set {
                        let () = redis::cmd("SET")
                            .arg(key)
                            .arg(&value)
                            .query_async(&mut connection)
                            .await
                            .expect("SET");
                    } else {
                        let found: Option<Vec<u8>> = redis::cmd("GET")
                            .arg(key)
                            .query_async(&mut connection)
                            .await
                            .expect("GET");
                        assert_eq!(found.map(|it| it.len()), Some(VALUE_BYTES));
                    }
                }
                Peer::Fred(client) if is_set => {
                    let () =
                        client.set(key.as_str(), &value[..], None, None, false).await.expect("SET");
                }
                Peer::Floor(_) => break,
                Peer::Fred(client) => {
                    let found: Option<Bytes> = client.get(key.as_str()).await.expect("GET");
                    assert_eq!(found.map(|it| it.len()), Some(VALUE_BYTES));
                }
            }
            done += 1;
        }
        done
    }

    async fn pipeline(self, commands: usize, end: Instant) -> u64 {
        let (keys, value) = (keys(0), vec![b'v'; VALUE_BYTES]);
        let mut done = 0usize;
        while Instant::now() < end {
            let chosen = (0..commands)
                .map(|nth| (&keys[(done + nth) % keys.len()], (done + nth) % SET_EVERY == 0));
            match &self {
                Peer::Torc(client) | Peer::Busy(client) => {
                    let mut pipeline = client.pipeline();
                    for (key, is_set) in chosen {
                        if is_set {
                            pipeline.push(client.command("SET").arg(key).arg(&value));
                        } else {
                            pipeline.push(client.command("GET").arg(key));
                        }
                    }
                    let found: Vec<torc_client::Value> =
                        pipeline.run_as().await.expect("a pipeline");
                    assert_eq!(found.len(), commands);
                }
                Peer::Redis(connection) => {
                    let mut connection = connection.clone();
                    let mut pipeline = redis::Pipeline::with_capacity(commands);
                    for (key, is_set) in chosen {
                        if is_set {
                            pipeline.cmd("SET").arg(key).arg(&value);
                        } else {
                            pipeline.cmd("GET").arg(key);
                        }
                    }
                    let found: Vec<redis::Value> =
                        pipeline.query_async(&mut connection).await.expect("a pipeline");
                    assert_eq!(found.len(), commands);
                }
                Peer::Floor(_) => break,
                Peer::Fred(client) => {
                    let pipeline = client.pipeline();
                    for (key, is_set) in chosen {
                        if is_set {
                            let () = pipeline
                                .set(key.as_str(), &value[..], None, None, false)
                                .await
                                .expect("queued");
                        } else {
                            let () = pipeline.get(key.as_str()).await.expect("queued");
                        }
                    }
                    let found: Vec<fred::types::Value> = pipeline.all().await.expect("a pipeline");
                    assert_eq!(found.len(), commands);
                }
            }
            done += commands;
        }
        done as u64
    }
}
