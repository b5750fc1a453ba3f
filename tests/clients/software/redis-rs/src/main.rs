//! The `redis` crate: synchronous and asynchronous against one port, and the cluster client. Usage: torc-redis-rs PORT [CLUSTER_PORT]
//!
//! Commands that take several keys as one step name keys of one slot, for the node may be one of a ring.

use redis::{AsyncCommands, Commands, RedisResult, Script};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

fn synchronous(url: &str) -> RedisResult<()> {
    let client = redis::Client::open(url)?;
    let mut con = client.get_connection_with_timeout(Duration::from_secs(5))?;
    redis::cmd("FLUSHALL").exec(&mut con)?;
    let () = con.set_ex("k", "v", 100)?;
    assert_eq!(con.get::<_, Option<String>>("k")?.as_deref(), Some("v"));
    assert_eq!(con.get::<_, Option<String>>("none")?, None);
    assert!((97..=100).contains(&con.ttl::<_, i64>("k")?));
    assert_eq!(con.incr::<_, _, i64>("n", 41)?, 41);
    let () = con.mset(&[("a", 1), ("b", 2)])?;
    assert_eq!(con.mget::<_, Vec<Option<i64>>>(&["a", "b", "c"])?, [Some(1), Some(2), None]);

    let () = con.hset_multiple("h", &[("f", "1"), ("g", "2")])?;
    let hash: BTreeMap<String, i64> = con.hgetall("h")?;
    assert_eq!(hash, BTreeMap::from([("f".into(), 1), ("g".into(), 2)]));
    assert_eq!(con.rpush::<_, _, i64>("l", &["x", "y", "z"])?, 3);
    assert_eq!(con.lrange::<_, Vec<String>>("l", 0, -1)?, ["x", "y", "z"]);
    assert_eq!(con.lpop::<_, Vec<String>>("l", std::num::NonZero::new(2))?, ["x", "y"]);
    assert_eq!(con.sadd::<_, _, i64>("s", &[1, 2, 3])?, 3);
    assert_eq!(con.smembers::<_, HashSet<i64>>("s")?, HashSet::from([1, 2, 3]));
    assert_eq!(con.zadd_multiple::<_, f64, &str, i64>("z", &[(1.0, "one"), (2.5, "more")])?, 2);
    let ranked: Vec<(String, f64)> = con.zrange_withscores("z", 0, -1)?;
    assert_eq!(ranked, [("one".into(), 1.0), ("more".into(), 2.5)]);

    let (first, second): (i64, String) = redis::pipe()
        .atomic()
        .set("{t}a", 1)
        .ignore()
        .incr("{t}a", 1)
        .get("{t}a")
        .query(&mut con)?;
    assert_eq!((first, second.as_str()), (2, "2"));
    let done: (i64,) = redis::transaction(&mut con, &["{t}n"], |con, pipe| {
        let old: Option<i64> = con.get("{t}n")?;
        pipe.set("{t}n", old.unwrap_or(0) + 1).ignore().get("{t}n").query(con)
    })?;
    assert_eq!(done, (1,));
    let sum = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
    assert_eq!(sum.key("sum").arg(5).invoke::<i64>(&mut con)?, 5);
    assert_eq!(sum.key("sum").arg(5).invoke::<i64>(&mut con)?, 10);

    for n in 0..300 {
        let () = con.set(format!("scan:{n}"), n)?;
    }
    let found: HashSet<String> =
        con.scan_match::<_, String>("scan:*")?.collect::<RedisResult<_>>()?;
    assert_eq!(found.len(), 300);

    let mut listening = client.get_connection()?;
    let mut listening = listening.as_pubsub();
    listening.subscribe("news")?;
    assert_eq!(con.publish::<_, _, i64>("news", "hello")?, 1);
    assert_eq!(listening.get_message()?.get_payload::<String>()?, "hello");
    let wrong = con.lpush::<_, _, i64>("k", 1).expect_err("it is a string");
    assert_eq!(wrong.code(), Some("WRONGTYPE"));
    Ok(())
}

async fn asynchronous(url: &str) -> RedisResult<()> {
    let client = redis::Client::open(url)?;
    let mut con = client.get_multiplexed_async_connection().await?;
    redis::cmd("FLUSHALL").exec_async(&mut con).await?;
    // One connection, many tasks.
    let tasks: Vec<_> = (0..50)
        .map(|n| {
            let mut con = con.clone();
            tokio::spawn(async move {
                let () = con.set(format!("k{n}"), n).await?;
                con.incr::<_, _, i64>("counter", 1).await?;
                con.get::<_, i64>(format!("k{n}")).await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("it does not panic")?, n as i64);
    }
    assert_eq!(con.get::<_, i64>("counter").await?, 50);

    let mut waiting = client.get_multiplexed_async_connection().await?;
    let popped = tokio::spawn(async move { waiting.blpop::<_, (String, String)>("queue", 5.0).await });
    con.rpush::<_, _, i64>("queue", "job").await?;
    assert_eq!(popped.await.expect("it does not panic")?, ("queue".into(), "job".into()));

    let mut managed = client.get_connection_manager().await?;
    assert_eq!(managed.hset::<_, _, _, i64>("h", "f", "v").await?, 1);
    let all: HashMap<String, String> = managed.hgetall("h").await?;
    assert_eq!(all.get("f").map(String::as_str), Some("v"));
    Ok(())
}

fn cluster(port: &str) -> RedisResult<()> {
    let client = redis::cluster::ClusterClient::new([format!("redis://127.0.0.1:{port}/")])?;
    let mut con = client.get_connection()?;
    for n in 0..200 {
        let () = con.set(format!("c:{n}"), n)?;
    }
    for n in 0..200 {
        assert_eq!(con.get::<_, i64>(format!("c:{n}"))?, n);
    }
    let () = con.hset_multiple("c:h", &[("f", 1), ("g", 2)])?;
    assert_eq!(con.hlen::<_, i64>("c:h")?, 2);
    let (a, b): (i64, i64) =
        redis::cluster::cluster_pipe().incr("c:x", 1).incr("c:y", 2).query(&mut con)?;
    assert_eq!((a, b), (1, 2));
    Ok(())
}

async fn cluster_asynchronous(port: &str) -> RedisResult<()> {
    let client = redis::cluster::ClusterClient::new([format!("redis://127.0.0.1:{port}/")])?;
    let con = client.get_async_connection().await?;
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let mut con = con.clone();
            tokio::spawn(async move {
                con.zadd::<_, _, _, i64>(format!("z:{n}"), "m", n).await?;
                con.zscore::<_, _, f64>(format!("z:{n}"), "m").await
            })
        })
        .collect();
    for (n, task) in tasks.into_iter().enumerate() {
        assert_eq!(task.await.expect("it does not panic")?, n as f64);
    }
    Ok(())
}

fn main() -> RedisResult<()> {
    let mut args = std::env::args().skip(1);
    let port = args.next().expect("a port");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for url in [format!("redis://127.0.0.1:{port}/"), format!("redis://127.0.0.1:{port}/?protocol=resp3")] {
        synchronous(&url)?;
        runtime.block_on(asynchronous(&url))?;
    }
    if let Some(port) = args.next() {
        cluster(&port)?;
        runtime.block_on(cluster_asynchronous(&port))?;
    }
    Ok(())
}
