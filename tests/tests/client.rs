//! The Rust client against the servers it is for: redis-server, a real Redis Cluster of redis-servers, a Torc node, and a Torc ring on either port.
//!
//! One suite for all, where what a server cannot do is left out by name; and what concerns single kinds of servers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "client/cluster.rs"]
mod cluster;
#[path = "client/examples.rs"]
mod examples;
#[path = "client/scopes.rs"]
mod scopes;
#[path = "client/special.rs"]
mod special;
#[path = "client/suite.rs"]
mod suite;

use cluster::RedisCluster;
use tokio::runtime::{Builder, Runtime};
use torc_client::{Client, Config};
use torc_tests::{Server, ring, start_node};

/// What tests of one kind of server need to know of it.
#[derive(Debug, Clone)]
struct About {
    url: String,
    is_cluster: bool,
}

/// Calls that look for their replies do all that others do, on the runtime where they may.
#[test]
fn polling_busily() {
    let server = Server::reference(&[]);
    let about = About { url: format!("{}?busy_poll_us=50", url(server.port())), is_cluster: false };
    one_thread().block_on(suite::run(&about));
    one_thread().block_on(special::a_held_call_holds_nobody_up(&about.url));
    one_thread().block_on(special::looks_for_its_reply(&server));
}

/// A runtime of several threads, where more can go wrong.
fn threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

async fn connect(about: &About) -> Client {
    let client = Client::connect(&about.url).await.unwrap();
    assert_eq!(client.is_cluster(), about.is_cluster, "{about:?}");
    client
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}

fn run_suite(about: &About) {
    one_thread().block_on(suite::run(about));
    threads().block_on(suite::run(about));
}

#[test]
fn redis_server() {
    let server = Server::reference(&[]);
    run_suite(&About { url: url(server.port()), is_cluster: false });
    one_thread().block_on(special::a_held_call_holds_nobody_up(&url(server.port())));
    threads().block_on(special::a_held_call_holds_nobody_up(&url(server.port())));
}

#[test]
fn redis_cluster() {
    let cluster = RedisCluster::start();
    let about = About { url: url(cluster.port(0)), is_cluster: true };
    run_suite(&about);
    threads().block_on(special::slots_move(&about, &cluster));
    threads().block_on(special::replicas_answer_reads(&about, &cluster));
}

#[test]
fn torc_node() {
    let server = start_node!(&[]);
    let about = About { url: url(server.port()), is_cluster: false };
    run_suite(&about);
    examples::run(&about.url);
}

#[test]
fn torc_ring_on_its_cluster_port() {
    let nodes = ring::ring(3, &[]);
    let seeds: Vec<String> = nodes.iter().map(|node| node.place.cluster.to_string()).collect();
    let about = About { url: format!("redis://{}", seeds.join(",")), is_cluster: true };
    run_suite(&about);
    threads().block_on(special::sessions(&about));
    threads().block_on(special::consistency(&about));
    examples::run(&about.url);
}

#[test]
fn torc_ring_on_its_plain_port() {
    let nodes = ring::ring(3, &[]);
    // Asked at its plain port, a ring names its cluster ports, and the client goes there.
    let found = About { url: url(nodes[0].place.plain.port()), is_cluster: true };
    run_suite(&found);
    let config = Config::from_url(&format!("{}?mode=standalone", found.url)).unwrap();
    threads().block_on(async {
        let client = Client::with_config(config).await.unwrap();
        assert!(!client.is_cluster());
        client.flushall().await.unwrap();
        suite::strings(&client).await;
        suite::pipelines(&client).await;
        let lone = |node: &ring::Node| About {
            url: format!("{}?mode=standalone", url(node.place.plain.port())),
            is_cluster: false,
        };
        special::sessions_through_one_node(&nodes.iter().map(lone).collect::<Vec<_>>()).await;
    });
}

/// Servers and proxies that know only the older protocol, and clients that are told to speak it.
#[test]
fn the_older_protocol() {
    let server = Server::reference(&["--rename-command", "HELLO", ""]);
    run_suite(&About { url: url(server.port()), is_cluster: false });
    let server = Server::reference(&["--requirepass", "secret"]);
    let asked = format!("redis://:secret@127.0.0.1:{}?protocol=2&name=old", server.port());
    run_suite(&About { url: asked.clone(), is_cluster: false });
    threads().block_on(special::speaks_the_older_protocol(&asked));
    let nodes = ring::ring(3, &[]);
    let asked = format!("redis://{}?protocol=2", nodes[0].place.cluster);
    run_suite(&About { url: asked, is_cluster: true });
}

/// A ring at its cluster port, and by one node's plain port.
fn either_port(nodes: &[ring::Node]) -> [About; 2] {
    let lone = format!("{}?mode=standalone", url(nodes[0].place.plain.port()));
    let cluster = format!("redis://{}", nodes[0].place.cluster);
    [About { url: cluster, is_cluster: true }, About { url: lone, is_cluster: false }]
}

#[test]
fn levels_hold_however_one_calls() {
    let nodes = ring::ring(3, &[]);
    let abouts = either_port(&nodes);
    for about in &abouts {
        threads().block_on(scopes::configured_levels(about));
        threads().block_on(scopes::own_levels(about));
    }
    threads().block_on(scopes::pipelined_reads(&abouts[0], &nodes));
    let server = Server::reference(&[]);
    let redis = About { url: url(server.port()), is_cluster: false };
    threads().block_on(scopes::servers_without_levels(&redis));
}

#[test]
fn sessions_last_however_one_calls() {
    let nodes = ring::ring(3, &[]);
    for about in &either_port(&nodes) {
        threads().block_on(scopes::sessions_learn(about));
        threads().block_on(scopes::sessions_read_their_pipelines(about));
    }
}

#[test]
fn servers_that_start_late() {
    threads().block_on(special::waits_for_its_server());
}

#[test]
fn encrypted_connections() {
    special::encrypted();
}

#[test]
fn unix_sockets_and_databases() {
    let dir = std::env::temp_dir().join(format!("torc-client-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("redis.sock");
    let server = Server::reference(&["--unixsocket", path.to_str().unwrap()]);
    one_thread().block_on(async {
        let over_unix = format!("unix://{}?db=3", path.display());
        let client = Client::connect(&over_unix).await.unwrap();
        client.set("k", "in 3").await.unwrap();
        let other = Client::connect(&format!("{}/3", url(server.port()))).await.unwrap();
        assert_eq!(other.get("k").await.unwrap().unwrap(), "in 3");
        let first = Client::connect(&url(server.port())).await.unwrap();
        assert_eq!(first.get("k").await.unwrap(), None);
    });
    let _ = std::fs::remove_dir_all(&dir);
}

#[test]
fn passwords_are_told_and_refused() {
    let server = Server::reference(&["--requirepass", "secret"]);
    one_thread().block_on(async {
        let with = |credentials: &str| format!("redis://{credentials}127.0.0.1:{}", server.port());
        let client = Client::connect(&with(":secret@")).await.unwrap();
        client.set("k", "v").await.unwrap();
        let error = Client::connect(&with(":wrong@")).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGPASS"), "{error:?}");
        let client = Client::connect(&with("")).await;
        let error = match client {
            Ok(client) => client.get("k").await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(error.code(), Some("NOAUTH"), "{error:?}");
    });
}

#[test]
fn blocking_facade() {
    let server = Server::reference(&[]);
    let client = torc_client::blocking::Client::connect(&url(server.port())).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    client.call(|client| client.incr("count")).unwrap();
                }
            });
        }
    });
    assert_eq!(client.call(|client| client.get("count")).unwrap().unwrap(), "400");
    let (a, b): (i64, i64) = client
        .wait(|client| {
            let mut pipeline = client.pipeline();
            pipeline.push(client.incr("count"));
            pipeline.push(client.incr("count"));
            pipeline.run_as()
        })
        .unwrap();
    assert_eq!((a, b), (401, 402));
}
