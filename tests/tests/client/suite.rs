//! What holds with every server.

use super::{About, connect};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use torc_client::{Client, Config, ErrorKind, Message, ReadFrom, Result, Value};

/// All of it, on a database that is emptied first.
pub async fn run(about: &About) {
    let client = connect(about).await;
    client.flushall().await.unwrap();
    strings(&client).await;
    collections(&client).await;
    pipelines(&client).await;
    transactions(&client).await;
    errors(&client).await;
    many_at_once(&client).await;
    large_values(&client).await;
    blocking(&client).await;
    scans(&client).await;
    publishing(&client).await;
    policies(about).await;
    deadlines(&client).await;
    client.close();
    assert_eq!(client.get("k").await.unwrap_err().kind(), ErrorKind::Closed);
}

pub async fn strings(client: &Client) {
    assert_eq!(client.set("k", "v").await.unwrap(), Value::Ok);
    assert_eq!(client.get("k").await.unwrap().unwrap(), "v");
    assert_eq!(client.get("absent").await.unwrap(), None);
    let text: Option<String> = client.get("k").reply_as().await.unwrap();
    assert_eq!(text.as_deref(), Some("v"));
    assert_eq!(client.set("k", "w").nx().await.unwrap(), Value::Null);
    client.set("k", "w").ex(100).await.unwrap();
    assert!((1..=100).contains(&client.ttl("k").await.unwrap()));
    assert_eq!(client.incrby("n", 5).await.unwrap(), 5);
    assert!((client.incrbyfloat("f", 1.5).await.unwrap() - 1.5).abs() < 1e-9);
    // Keys of many slots, in the caller's order.
    let keys: Vec<String> = (0..50).map(|at| format!("many:{at}")).collect();
    client.mset(keys.iter().enumerate().map(|(at, key)| (key, at))).await.unwrap();
    let values: Vec<Option<usize>> =
        client.mget(keys.iter().chain([&"absent".to_owned()])).reply_as().await.unwrap();
    assert_eq!(values, (0..50).map(Some).chain([None]).collect::<Vec<_>>());
    assert_eq!(client.exists(&keys).await.unwrap(), 50);
    assert_eq!(client.del(&keys).await.unwrap(), 50);
    assert!(client.expire("k", 50).await.unwrap());
    let encoding: String =
        client.command("OBJECT").arg("ENCODING").arg("n").reply_as().await.unwrap();
    assert_eq!(encoding, "int");
    assert_eq!(client.object_encoding("n").await.unwrap().unwrap(), "int");
}

async fn collections(client: &Client) {
    assert_eq!(client.hset("h", [("a", 1), ("b", 2)]).await.unwrap(), 2);
    let all: HashMap<String, i64> = client.hgetall("h").reply_as().await.unwrap();
    assert_eq!((all["a"], all["b"]), (1, 2));
    assert_eq!(client.hget("h", "a").await.unwrap().unwrap(), "1");
    assert_eq!(client.rpush("l", ["a", "b", "c"]).await.unwrap(), 3);
    assert_eq!(client.lrange("l", 0, -1).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(client.sadd("s", ["x", "y"]).await.unwrap(), 2);
    let members: BTreeSet<String> = client.smembers("s").reply_as().await.unwrap();
    assert_eq!(members.len(), 2);
    assert!(client.sismember("s", "x").await.unwrap());
    client.zadd("z").score_member(1.0, "one").score_member(2.5, "more").await.unwrap();
    assert_eq!(client.zscore("z", "more").await.unwrap(), Some(2.5));
    let scores: Vec<(String, f64)> =
        client.zrange("z", 0, -1).withscores().reply_as().await.unwrap();
    assert_eq!(scores, [("one".to_owned(), 1.0), ("more".to_owned(), 2.5)]);
    assert_eq!(client.zcount("z", "(1", "+inf").await.unwrap(), 1);
    let id = client.xadd("x").auto_id().field_value("f", "v").await.unwrap().unwrap();
    assert_eq!(client.xlen("x").await.unwrap(), 1);
    assert!(id.as_str().unwrap().contains('-'));
    let sum: i64 = client
        .eval("return redis.call('incrby', KEYS[1], ARGV[1])", ["script"])
        .arg(7)
        .reply_as()
        .await
        .unwrap();
    assert_eq!(sum, 7);
    client.del(["l", "h", "s", "z", "x"]).await.unwrap();
}

pub async fn pipelines(client: &Client) {
    let mut pipeline = client.pipeline();
    for at in 0..200 {
        pipeline.push(client.set(format!("p:{at}"), at));
        pipeline.push(client.incr(format!("p:{at}")));
    }
    let replies = pipeline.run().await;
    assert_eq!(replies.len(), 400);
    for (at, reply) in replies.into_iter().enumerate() {
        let expected = if at % 2 == 0 { Value::Ok } else { Value::Integer(at as i64 / 2 + 1) };
        assert_eq!(reply.unwrap(), expected, "{at}");
    }
    let mut mixed = client.pipeline();
    mixed.push(client.set("p:text", "abc"));
    mixed.push(client.incr("p:text"));
    mixed.push(client.mget(["p:0", "p:1", "p:2"]));
    let (set, incr, several): (Value, Result<i64>, Vec<i64>) = {
        let replies = mixed.run().await;
        let mut replies = replies.into_iter();
        let set = replies.next().unwrap().unwrap();
        let incr = replies.next().unwrap().map(|value| value.as_i64().unwrap());
        let several = replies.next().unwrap().unwrap().into_elements();
        (set, incr, several.iter().map(|value| value.as_i64().unwrap()).collect())
    };
    assert_eq!(set, Value::Ok);
    assert_eq!(incr.unwrap_err().code(), Some("ERR"));
    assert_eq!(several, [1, 2, 3]);
    assert!(client.pipeline().run().await.is_empty());
    client.del((0..200).map(|at| format!("p:{at}"))).await.unwrap();
}

async fn transactions(client: &Client) {
    let mut transaction = client.transaction();
    transaction.push(client.set("{t}a", 1));
    transaction.push(client.incr("{t}a"));
    let (_, two): (Value, i64) = transaction.run_as().await.unwrap();
    assert_eq!(two, 2);
    // A command that fails leaves the others be.
    let mut transaction = client.transaction();
    transaction.push(client.lpush("{t}a", ["x"]));
    transaction.push(client.incr("{t}a"));
    let replies = transaction.run().await.unwrap();
    assert_eq!(replies[0].as_ref().unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(replies[1].as_ref().unwrap(), &Value::Integer(3));
    // One that is refused refuses all.
    let mut transaction = client.transaction();
    transaction.push(client.incr("{t}a"));
    transaction.push(client.command("GET"));
    let error = transaction.run().await.unwrap_err();
    assert!(!error.maybe_applied() && error.message().contains("wrong number"), "{error:?}");
    // A watched key that changes stops it; one that does not, does not.
    let mut watch = client.watch(["{t}a"]).await.unwrap();
    let seen: i64 = watch.call(client.get("{t}a").reply_as()).await.unwrap();
    client.incr("{t}a").await.unwrap();
    let mut transaction = watch.transaction(client);
    transaction.push(client.set("{t}a", seen + 100));
    let error = transaction.run().await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Aborted, false));
    let mut watch = client.watch(["{t}a"]).await.unwrap();
    let seen: i64 = watch.call(client.get("{t}a").reply_as()).await.unwrap();
    let mut transaction = watch.transaction(client);
    transaction.push(client.set("{t}a", seen + 100));
    transaction.run().await.unwrap();
    assert_eq!(client.get("{t}a").await.unwrap().unwrap(), (seen + 100).to_string().as_str());
    if client.is_cluster() {
        let mut transaction = client.transaction();
        transaction.push(client.incr("a"));
        transaction.push(client.incr("b"));
        assert_eq!(transaction.run().await.unwrap_err().kind(), ErrorKind::CrossSlot);
    }
}

async fn errors(client: &Client) {
    client.rpush("list", ["x"]).await.unwrap();
    let error = client.incr("list").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("WRONGTYPE")));
    assert!(!error.is_retryable() && !error.maybe_applied());
    let error = client.command("NONSENSE").arg("x").await.unwrap_err();
    assert!(error.message().starts_with("ERR unknown command"), "{error}");
    for stateful in ["MULTI", "SUBSCRIBE", "SELECT", "MONITOR"] {
        let error = client.command(stateful).arg("0").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{stateful}");
    }
    client.set("text", "abc").await.unwrap();
    let error = client.get("text").reply_as::<i64>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conversion);
}

async fn many_at_once(client: &Client) {
    client.del(["count"]).await.unwrap();
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let client = client.clone();
            tokio::spawn(async move {
                for turn in 0..50 {
                    client.incr("count").await.unwrap();
                    let key = format!("own:{task}:{turn}");
                    client.set(&key, turn).await.unwrap();
                    let found: Option<i64> = client.get(&key).reply_as().await.unwrap();
                    assert_eq!(found, Some(turn));
                    // Calls that are given up leave the replies of others alone.
                    let _ = tokio::time::timeout(Duration::ZERO, client.get("count").into_future())
                        .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(client.get("count").await.unwrap().unwrap(), "3200");
}

async fn large_values(client: &Client) {
    let value: Vec<u8> = (0..5_000_000u32).map(|at| (at * 31) as u8).collect();
    let (large, small) = (client.clone(), client.clone());
    let copy = value.clone();
    let writing = tokio::spawn(async move {
        for _ in 0..3 {
            large.set("large", &copy).timeout(Duration::from_secs(20)).await.unwrap();
            assert_eq!(large.get("large").await.unwrap().unwrap(), &copy[..]);
        }
    });
    for _ in 0..200 {
        small.set("small", "x").await.unwrap();
    }
    writing.await.unwrap();
    assert_eq!(client.strlen("large").await.unwrap(), value.len() as i64);
    client.del(["large"]).await.unwrap();
}

async fn blocking(client: &Client) {
    let waiting = {
        let client = client.clone();
        tokio::spawn(async move { client.blpop(["queue"], 10.0).await })
    };
    // Others are not held up by one who waits.
    client.set("meanwhile", 1).await.unwrap();
    client.rpush("queue", ["job"]).await.unwrap();
    let (key, job) = waiting.await.unwrap().unwrap().unwrap();
    assert_eq!((key.as_str(), job.as_str()), (Some("queue"), Some("job")));
    assert_eq!(client.blpop(["queue"], 0.05).await.unwrap(), None);
    let error = client.blpop(["queue"], 0.0).timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Timeout, true));
}

async fn scans(client: &Client) {
    let keys: BTreeSet<String> = (0..500).map(|at| format!("scan:{at}")).collect();
    let mut pipeline = client.pipeline();
    keys.iter().for_each(|key| {
        pipeline.push(client.set(key, "x"));
    });
    pipeline.run_as::<Vec<Value>>().await.unwrap();
    let mut found = BTreeSet::new();
    let mut scan = client.scan_keys().matching("scan:*").count(100);
    while let Some(batch) = scan.next().await.unwrap() {
        found.extend(batch.into_iter().map(|key| key.into_string().unwrap()));
    }
    assert_eq!(found, keys);
    assert_eq!(client.keys("scan:*").await.unwrap().len(), 500);
    assert!(client.dbsize().await.unwrap() >= 500);
    assert_eq!(client.unlink(&keys).await.unwrap(), 500);
}

async fn publishing(client: &Client) {
    let mut subscriber = client.subscriber();
    subscriber.subscribe(["news", "other"]).await.unwrap();
    subscriber.psubscribe(["ne?s"]).await.unwrap();
    subscriber.ssubscribe(["shard:a", "shard:b"]).await.unwrap();
    let mut next =
        async || match tokio::time::timeout(Duration::from_secs(5), subscriber.next()).await {
            Ok(Some(Message::Published { channel, pattern, payload, .. })) => {
                let text = |bytes: torc_client::Bytes| bytes.into_string().unwrap();
                (text(channel), pattern.map(text), text(payload))
            }
            other => panic!("no message but {other:?}"),
        };
    client.publish("news", "1").await.unwrap();
    let mut both = [next().await, next().await];
    both.sort();
    assert_eq!(both[0], ("news".into(), None, "1".into()));
    assert_eq!(both[1], ("news".into(), Some("ne?s".into()), "1".into()));
    client.spublish("shard:a", "2").await.unwrap();
    assert_eq!(next().await, ("shard:a".into(), None, "2".into()));
    client.spublish("shard:b", "3").await.unwrap();
    assert_eq!(next().await, ("shard:b".into(), None, "3".into()));
}

/// Clients that are configured otherwise read what was written.
async fn policies(about: &About) {
    let config = || Config::from_url(&about.url).unwrap();
    let writer = connect(about).await;
    let clients = [
        Client::with_config(config().coalesce(true)).await.unwrap(),
        Client::with_config(config().hedge_after(Duration::from_micros(50))).await.unwrap(),
        Client::with_config(config().read_from(ReadFrom::Any)).await.unwrap(),
        Client::with_config(config().read_from(ReadFrom::Session)).await.unwrap(),
        Client::with_config(config().read_from(ReadFrom::Zone("nowhere".into()))).await.unwrap(),
        Client::with_config(config().connections_per_node(3)).await.unwrap(),
    ];
    for client in &clients {
        client.set("policy", "before").await.unwrap();
        writer.set("policy", "after").await.unwrap();
        // Copies may be a moment late.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while client.get("policy").await.unwrap().unwrap() != "after" {
            assert!(tokio::time::Instant::now() < deadline, "it is never seen");
        }
    }
    // Calls that share a flight all see what was acknowledged before.
    let shared = &clients[0];
    for turn in 0..20 {
        shared.set("hot", turn).await.unwrap();
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let client = shared.clone();
                tokio::spawn(async move { client.get("hot").reply_as::<i64>().await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap(), turn);
        }
    }
}

async fn deadlines(client: &Client) {
    let begin = tokio::time::Instant::now();
    let waited =
        client.command("BLPOP").arg("never").arg(0).timeout(Duration::from_millis(200)).await;
    assert_eq!(waited.unwrap_err().kind(), ErrorKind::Timeout);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(2), "{took:?}");
}
