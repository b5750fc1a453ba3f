//! What callers demand of Torc holds however they call: alone, in pipelines, in transactions, while keys are watched.

use super::{About, connect};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use torc_client::{
    Client, Config, Consistency, Error, ErrorKind, Event, Observer, ReadFrom, ReadLevel, Session,
    Value, WriteLevel,
};
use torc_tests::ring::Node;

/// More copies than there are nodes, so that a write says whether the level has reached the server.
fn too_many() -> Consistency {
    Consistency::new().write(WriteLevel::Copies(9)).timeout(Duration::from_millis(50))
}

fn config(about: &About) -> Config {
    Config::from_url(&about.url).unwrap()
}

fn is_short(error: &Error) {
    assert_eq!(error.code(), Some("NOQUORUM"), "{error:?}");
    assert!(error.maybe_applied(), "{error:?}");
}

/// The configuration's level was left out of the first attempt of pipelines, of transactions, of blocking commands, and of all that a watch sends.
pub async fn configured_levels(about: &About) {
    let client = Client::with_config(config(about).consistency(too_many())).await.unwrap();
    let plain = connect(about).await;
    is_short(&client.set("level:0", "x").await.unwrap_err());
    let mut pipeline = client.pipeline();
    for at in 0..20 {
        pipeline.push(client.set(format!("level:{at}"), at));
        pipeline.push(client.get(format!("level:{at}")));
    }
    for (at, outcome) in pipeline.run().await.into_iter().enumerate() {
        match at % 2 {
            0 => is_short(&outcome.unwrap_err()),
            _ => assert_eq!(outcome.unwrap(), Value::Bulk((at / 2).to_string().into())),
        }
    }
    let mut pipeline = client.pipeline();
    pipeline.push(client.set("level:0", "lone"));
    is_short(&pipeline.run_as::<(bool,)>().await.unwrap_err());

    let mut transaction = client.transaction();
    transaction.push(client.set("level:0", "step"));
    transaction.push(client.get("level:0"));
    is_short(&transaction.run().await.unwrap_err());
    assert_eq!(plain.get("level:0").await.unwrap().unwrap(), "step");
    let mut transaction = client.transaction();
    transaction.push(client.get("level:0"));
    assert_eq!(transaction.run_as::<(String,)>().await.unwrap().0, "step", "it writes nothing");

    let mut watch = client.watch(["level:0"]).await.unwrap();
    assert_eq!(watch.call(client.get("level:0")).await.unwrap().unwrap(), "step");
    is_short(&watch.call(client.set("{level:0}", "besides")).await.unwrap_err());
    let mut transaction = watch.transaction(&client);
    transaction.push(client.set("level:0", "watched"));
    is_short(&transaction.run().await.unwrap_err());
    assert_eq!(plain.get("level:0").await.unwrap().unwrap(), "watched");

    plain.rpush("level:list", ["1"]).await.unwrap();
    let popped = client.command("BLPOP").arg("level:list").arg(1).await;
    is_short(&popped.unwrap_err());
}

/// Counts connections that are made.
#[derive(Default)]
struct Connected(AtomicUsize);

impl Observer for Connected {
    fn observe(&self, event: &Event<'_>) {
        if let Event::Connected { .. } = event {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A level that one command names holds for it and for no neighbour, in the same pipeline or behind it, and costs no connection.
pub async fn own_levels(about: &About) {
    let connected = Arc::new(Connected::default());
    let one = config(about).connections_per_node(1).observer(connected.clone());
    let client = Client::with_config(one).await.unwrap();
    // All nodes are known and connected to.
    let mut pipeline = client.pipeline();
    for at in 0..100 {
        pipeline.push(client.set(format!("own:{at}"), 0));
    }
    pipeline.run_as::<Vec<bool>>().await.unwrap();
    let mut transaction = client.transaction();
    transaction.push(client.set("own:0", "step"));
    transaction.run().await.unwrap();
    let connections = connected.0.load(Ordering::Relaxed);
    for _ in 0..3 {
        let mut pipeline = client.pipeline();
        let demanding = |at: usize| matches!(at % 10, 1 | 4 | 5 | 6);
        for at in 0..100 {
            // One slot, so that all of it is one node's.
            let set = client.set(format!("{{own}}:{at}"), at);
            pipeline.push(if demanding(at) { set.consistency(too_many()) } else { set });
        }
        for (at, outcome) in pipeline.run().await.into_iter().enumerate() {
            match outcome {
                Ok(reply) => assert!(!demanding(at) && reply == Value::Ok, "{at}: {reply:?}"),
                Err(error) => {
                    assert!(demanding(at), "{at}: {error:?}");
                    is_short(&error);
                }
            }
        }
        client.set("{own}:7", "behind a pipeline").await.unwrap();
        let mut transaction = client.transaction();
        transaction.push(client.set("{own}:1", "step").consistency(too_many()));
        transaction.push(client.set("{own}:2", "step"));
        is_short(&transaction.run().await.unwrap_err());
        client.set("{own}:7", "behind a transaction").await.unwrap();
    }
    assert_eq!(connected.0.load(Ordering::Relaxed), connections, "the levels were taken back");
    let mut transaction = client.transaction();
    transaction.push(client.set("{own}:1", 1).consistency(too_many()));
    transaction.push(client.set("{own}:2", 2).consistency(too_many().write(WriteLevel::All)));
    assert_eq!(transaction.run().await.unwrap_err().kind(), ErrorKind::Usage);
}

/// How many GETs each node has run.
fn gets(nodes: &[Node]) -> Vec<u64> {
    let of = |node: &Node| {
        let torc_tests::Value::Bulk(stats) = node.place.ask("INFO commandstats") else {
            panic!("INFO is text")
        };
        let stats = String::from_utf8_lossy(&stats).into_owned();
        let calls = stats.split_once("cmdstat_get:calls=").map(|(_, rest)| rest);
        calls.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
    };
    nodes.iter().map(of).collect()
}

/// Reads of a pipeline go where their level lets them, and no further.
pub async fn pipelined_reads(about: &About, nodes: &[Node]) {
    let client = connect(about).await;
    let all = Consistency::new().write(WriteLevel::All);
    client.set("read", "everywhere").consistency(all).await.unwrap();
    let answerers = async |level: ReadLevel, from: ReadFrom| {
        let level = Consistency::new().read(level);
        let client = Client::with_config(config(about).consistency(level).read_from(from));
        let client = client.await.unwrap();
        let before = gets(nodes);
        let mut pipeline = client.pipeline();
        for _ in 0..60 {
            pipeline.push(client.get("read"));
        }
        let read: Vec<String> = pipeline.run_as().await.unwrap();
        assert_eq!(read, vec!["everywhere"; 60]);
        let after = gets(nodes);
        after.iter().zip(before).filter(|(after, before)| **after > *before).count()
    };
    assert!(answerers(ReadLevel::Any, ReadFrom::Primary).await > 1);
    assert_eq!(answerers(ReadLevel::Primary, ReadFrom::Any).await, 1, "the level goes first");
}

/// What a session writes by a pipeline or a transaction was not part of it, so a read from a copy could miss it.
pub async fn sessions_learn(about: &About) {
    let client = connect(about).await;
    let of = |session: &Session| session.token().len();
    let session = client.session();
    let mut pipeline = client.pipeline();
    for at in 0..300 {
        pipeline.push(client.set(format!("learn:{at}"), at).within(&session));
    }
    pipeline.run_as::<Vec<bool>>().await.unwrap();
    let slots: BTreeSet<_> =
        (0..300).map(|at| torc_protocol::slot::slot_of(format!("learn:{at}").as_bytes())).collect();
    assert!(of(&session) >= slots.len() * 20, "every slot is told apart: {}", session.token());

    // More than a server takes in one token.
    let both: Vec<i64> =
        client.mget(["learn:1", "learn:2"]).within(&session).reply_as().await.unwrap();
    assert_eq!(both, [1, 2]);

    let (session, other) = (client.session(), client.session());
    let mut pipeline = client.pipeline();
    pipeline.push(client.set("learn:1", "one").within(&session));
    pipeline.push(client.set("learn:2", "nobody's"));
    pipeline.push(client.set("learn:3", "three").within(&other));
    pipeline.run_as::<Vec<bool>>().await.unwrap();
    assert_eq!((of(&session), of(&other)), (20, 20), "each its own");

    let session = client.session();
    let mut transaction = client.transaction();
    transaction.push(client.set("{learn}:1", 1).within(&session));
    transaction.push(client.set("{learn}:2", 2));
    transaction.run().await.unwrap();
    assert_eq!(of(&session), 20, "one step, one session");

    let session = client.session();
    let mut watch = client.watch(["learn:1"]).await.unwrap();
    watch.call(client.set("{learn:1}:besides", 1).within(&session)).await.unwrap();
    let before = session.token();
    assert_eq!(before.len(), 20);
    let mut transaction = watch.transaction(&client);
    transaction.push(client.set("learn:1", 2).within(&session));
    transaction.run().await.unwrap();
    assert!(session.token().len() == 20 && session.token() != before, "{before}");

    let session = client.session();
    client.rpush("learn:list", ["1"]).await.unwrap();
    let pop = client.command("BLPOP").arg("learn:list").arg(1).within(&session);
    pop.await.unwrap();
    assert_eq!(of(&session), 20, "what blocks writes too");
}

/// A client whose every call is of one session reads what its pipelines and transactions wrote, from whatever copy. The values are long, so that copies have them late.
pub async fn sessions_read_their_pipelines(about: &About) {
    let client = Client::with_config(config(about).read_from(ReadFrom::Session)).await.unwrap();
    let long = "x".repeat(200_000);
    let key = |at: usize| format!("mine:{at}");
    for turn in (1_000..1_060).step_by(3) {
        let value = |turn: i32| format!("{turn}{long}");
        let start = |key: &str| client.command("GETRANGE").arg(key).arg(0).arg(3);
        let mut pipeline = client.pipeline();
        for at in 0..20 {
            pipeline.push(client.set(key(at), value(turn)));
        }
        pipeline.run_as::<Vec<bool>>().await.unwrap();
        let read: i32 = start(&key(19)).reply_as().await.unwrap();
        assert_eq!(read, turn, "behind a pipeline");
        let mut pipeline = client.pipeline();
        for at in 0..20 {
            pipeline.push(client.set(key(at), value(turn + 1)));
            if at % 2 == 0 {
                pipeline.push(start(&key(at)));
            }
        }
        let replies: Vec<Value> = pipeline.run_as().await.unwrap();
        let read: Vec<_> = replies.into_iter().filter(|reply| *reply != Value::Ok).collect();
        assert_eq!(read, vec![Value::Bulk((turn + 1).to_string().into()); 10], "behind the writes");
        let mut pipeline = client.pipeline();
        for at in 0..20 {
            pipeline.push(start(&key(at)));
        }
        let read: Vec<i32> = pipeline.run_as().await.unwrap();
        assert_eq!(read, [turn + 1; 20], "in the next pipeline");
        let mut transaction = client.transaction();
        transaction.push(client.set(key(0), value(turn + 2)));
        transaction.run().await.unwrap();
        let read: i32 = start(&key(0)).reply_as().await.unwrap();
        assert_eq!(read, turn + 2, "behind a transaction");
    }
}

/// A server without levels says so of each command, and the connection goes on.
pub async fn servers_without_levels(about: &About) {
    let client = Client::with_config(config(about).consistency(too_many())).await.unwrap();
    let check = |error: Error| {
        assert_eq!(error.code(), Some("ERR"), "{error:?}");
        assert!(error.message().contains("CONSISTENCY"), "{error:?}");
        assert!(error.maybe_applied(), "{error:?}");
    };
    check(client.set("a", 1).await.unwrap_err());
    let mut pipeline = client.pipeline();
    for at in 0..3 {
        pipeline.push(client.set("a", at));
    }
    pipeline.push(client.incr("a"));
    let outcomes = pipeline.run().await;
    assert_eq!(outcomes.len(), 4);
    outcomes.into_iter().for_each(|outcome| check(outcome.unwrap_err()));
    let mut transaction = client.transaction();
    transaction.push(client.set("a", 7));
    check(transaction.run().await.unwrap_err());
    assert_eq!(client.get("a").await.unwrap().unwrap(), "7", "nothing is demanded of reads");
    // A session is the server's own affair there: nothing is said of it.
    let client = connect(about).await;
    let session = client.session();
    let mut pipeline = client.pipeline();
    pipeline.push(client.set("a", 8).within(&session));
    pipeline.push(client.get("a").within(&session));
    assert_eq!(pipeline.run_as::<(bool, i64)>().await.unwrap().1, 8);
    assert_eq!(session.token(), "");
}
