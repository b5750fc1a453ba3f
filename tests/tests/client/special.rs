//! What concerns single kinds of servers.

use super::cluster::RedisCluster;
use super::{About, connect, threads};
use rustix::process::Signal;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};
use std::time::Duration;
use torc_client::{
    Address, BreakerPolicy, Client, Config, Consistency, ErrorKind, Event, Message, Observer,
    ReadFrom, ReadLevel, TlsConfig, WriteLevel,
};
use torc_protocol::slot::slot_of;
use torc_tests::Server;

/// A slot of a real cluster moves while keys of it are read and written: ASK, then MOVED.
pub async fn slots_move(about: &About, cluster: &RedisCluster) {
    let client = connect(about).await;
    client.set("{moving}a", 1).await.unwrap();
    let slot = slot_of(b"{moving}a").index();
    let owner =
        [0..5461, 5461..10_923, 10_923..16_384].iter().position(|it| it.contains(&slot)).unwrap();
    let taker = (owner + 1) % 3;
    let (from, to) = (cluster.ask(owner, "CLUSTER MYID"), cluster.ask(taker, "CLUSTER MYID"));
    assert_eq!(cluster.ask(taker, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}")), "OK");
    assert_eq!(cluster.ask(owner, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}")), "OK");
    // Absent at the old node: it says ASK.
    assert_eq!(client.incr("{moving}new").await.unwrap(), 1);
    assert_eq!(client.incr("{moving}new").await.unwrap(), 2);
    assert_eq!(client.incr("{moving}a").await.unwrap(), 2, "there still");
    let moved = format!("MIGRATE 127.0.0.1 {} {{moving}}a 0 1000", cluster.port(taker));
    assert_eq!(cluster.ask(owner, &moved), "OK");
    assert_eq!(client.incr("{moving}a").await.unwrap(), 3);
    for at in [taker, owner, (owner + 2) % 3] {
        assert_eq!(cluster.ask(at, &format!("CLUSTER SETSLOT {slot} NODE {to}")), "OK");
    }
    let mut pipeline = client.pipeline();
    for _ in 0..10 {
        pipeline.push(client.incr("{moving}a"));
    }
    let counts: Vec<i64> = pipeline.run_as().await.unwrap();
    assert_eq!(counts, (4..14).collect::<Vec<_>>(), "in order, though they were redirected");
    let mut transaction = client.transaction();
    transaction.push(client.incr("{moving}a"));
    transaction.push(client.incr("{moving}new"));
    assert_eq!(transaction.run_as::<(i64, i64)>().await.unwrap(), (14, 3));
}

/// Reads go to the replica where the client may.
pub async fn replicas_answer_reads(about: &About, cluster: &RedisCluster) {
    let config = Config::from_url(&about.url).unwrap().read_from(ReadFrom::Any);
    let client = Client::with_config(config).await.unwrap();
    // A key of the node that has a replica.
    let key = (0..)
        .map(|at| format!("r:{at}"))
        .find(|key| slot_of(key.as_bytes()).index() < 5461)
        .unwrap();
    let calls = || {
        let stats = cluster.ask(3, "INFO commandstats");
        let line = stats
            .lines()
            .find(|line| line.starts_with("cmdstat_get:"))
            .unwrap_or_default()
            .to_owned();
        line.split(['=', ',']).nth(1).and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    let before = calls();
    for _ in 0..20 {
        client.get(&key).await.unwrap();
    }
    assert!(calls() >= before + 8, "the replica answered {} of 20", calls() - before);
}

/// A session reads its own writes from whatever copy, and carries that to another client.
pub async fn sessions(about: &About) {
    let client = connect(about).await;
    let other = connect(about).await;
    let session = client.session();
    for turn in 0..300 {
        let key = format!("session:{}", turn % 20);
        client.set(&key, turn).within(&session).await.unwrap();
        let read: i64 = client.get(&key).within(&session).reply_as().await.unwrap();
        assert_eq!(read, turn, "own write");
        let carried = torc_client::Session::from_token(&session.token()).unwrap();
        let read: i64 = other.get(&key).within(&carried).reply_as().await.unwrap();
        assert_eq!(read, turn, "another client, same session");
    }
    assert!(!session.token().is_empty());
}

/// The same through nodes that answer for the whole ring: each client has one node, and goes to no other.
pub async fn sessions_through_one_node(nodes: &[About]) {
    let mut clients = Vec::new();
    for node in nodes {
        clients.push(connect(node).await);
    }
    let session = clients[0].session();
    for turn in 0..300usize {
        let key = format!("lone:{}", turn % 20);
        let client = &clients[turn % clients.len()];
        client.set(&key, turn as i64).within(&session).await.unwrap();
        // The next node may have a copy that has not heard of it.
        let client = &clients[(turn + 1) % clients.len()];
        let read: i64 = client.get(&key).within(&session).reply_as().await.unwrap();
        assert_eq!(read, turn as i64, "own write");
        let carried = torc_client::Session::from_token(&session.token()).unwrap();
        let other = format!("lone:{}", (turn + 7) % 20);
        let both = clients[(turn + 2) % clients.len()].mget([&key, &other]).within(&carried);
        let both: (i64, Option<i64>) = both.reply_as().await.unwrap();
        assert_eq!(both.0, turn as i64, "several slots, same session");
        assert_eq!(both.1, (turn >= 13).then(|| turn as i64 - 13), "several slots");
    }
    assert!(!session.token().is_empty());
    // What copies answer is what a session needs the token for: without one they may be late.
    let client =
        Client::with_config(Config::from_url(&nodes[0].url).unwrap().read_from(ReadFrom::Session));
    let client = client.await.unwrap();
    for turn in 0..100i64 {
        client.set("lone:own", turn).await.unwrap();
        assert_eq!(client.get("lone:own").reply_as::<i64>().await.unwrap(), turn);
    }
}

/// Levels reach the server: one that cannot be met is an error that says the write may be there.
pub async fn consistency(about: &About) {
    let client = connect(about).await;
    let all = Consistency::new().write(WriteLevel::All).read(ReadLevel::Quorum);
    client.set("safe", "yes").consistency(all).await.unwrap();
    assert_eq!(client.get("safe").consistency(all).await.unwrap().unwrap(), "yes");
    let too_many =
        Consistency::new().write(WriteLevel::Copies(9)).timeout(Duration::from_millis(50));
    let error = client.set("safe", "no").consistency(too_many).await.unwrap_err();
    assert!(error.maybe_applied(), "{error:?}");
    assert_eq!(error.code(), Some("NOQUORUM"), "{error:?}");
    // It held for that call alone.
    client.set("safe", "again").await.unwrap();
}

/// Against redis-server with a certificate of its own.
pub fn encrypted() {
    let dir = std::env::temp_dir().join(format!("torc-tls-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = |name: &str| dir.join(name).display().to_string();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &file("key.pem"), "-out", &file("cert.pem")])
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        return println!("NOT TESTED: there is no openssl to make a certificate");
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tls_port = port.to_string();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let server = Server::reference(&[
        "--tls-port",
        &tls_port,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &cert,
        "--tls-auth-clients",
        "no",
    ]);
    let pem = std::fs::read(&cert).unwrap();
    threads().block_on(async {
        let config = || Config::from_url(&format!("redis://localhost:{port}")).unwrap();
        let trusting = TlsConfig::default().root_pem(&pem);
        let client = Client::with_config(config().tls(trusting.clone())).await.unwrap();
        let value = vec![b'x'; 300_000];
        let tasks: Vec<_> = (0..16)
            .map(|task| {
                let (client, value) = (client.clone(), value.clone());
                tokio::spawn(async move {
                    for _ in 0..5 {
                        client.set(format!("tls:{task}"), &value).await.unwrap();
                        assert_eq!(
                            client.get(format!("tls:{task}")).await.unwrap().unwrap().len(),
                            value.len()
                        );
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let doubting = config().tls(TlsConfig::default()).call_timeout(Duration::from_millis(500));
        let error = Client::with_config(doubting).await.unwrap_err();
        // Where attempts fail fast, there are enough of them for the breaker.
        let kinds = [ErrorKind::Connection, ErrorKind::CircuitOpen];
        assert!(kinds.contains(&error.kind()), "{error:?}");
        let misnamed = config()
            .tls(trusting.server_name("elsewhere"))
            .call_timeout(Duration::from_millis(500));
        assert!(Client::with_config(misnamed).await.is_err());
    });
    drop(server);
    let _ = std::fs::remove_dir_all(&dir);
}

/// What is asked for is what is spoken, subscriptions included.
pub async fn speaks_the_older_protocol(url: &str) {
    let client = Client::connect(url).await.unwrap();
    let mut subscriber = client.subscriber();
    subscriber.subscribe(["old"]).await.unwrap();
    let list = async || client.command("CLIENT").arg("LIST").reply_as::<String>().await.unwrap();
    let listed = list().await;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines.len() >= 2, "{listed}");
    assert!(lines.iter().all(|line| line.ends_with(" resp=2")), "{listed}");
    assert!(lines.iter().any(|line| line.contains(" sub=1 ") && line.contains(" name=old ")));
    // A sign of life between messages, and unsubscribing from everything, end nothing.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !list().await.lines().any(|line| line.contains(" sub=1 ") && line.contains(" cmd=ping "))
    {
        assert!(tokio::time::Instant::now() < deadline, "the subscriber's link is never asked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    client.publish("old", "1").await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(5), subscriber.next()).await.unwrap();
    assert!(matches!(next, Some(Message::Published { .. })), "{next:?}");
    subscriber.unsubscribe(["old"]);
    subscriber.subscribe(["new"]).await.unwrap();
    client.publish("new", "2").await.unwrap();
    let next = tokio::time::timeout(Duration::from_secs(5), subscriber.next()).await.unwrap();
    assert!(matches!(next, Some(Message::Published { .. })), "{next:?}");
    assert_eq!(subscriber.missed(), 0);
}

/// A call that was polled once and is then held, as by a `select!` whose other branch makes a call, holds up no other: neither while it connects nor when it has sent.
pub async fn a_held_call_holds_nobody_up(url: &str) {
    let client = Client::connect(url).await.unwrap();
    for turn in 0..20 {
        if turn % 2 == 0 {
            let kill = client.command("CLIENT").arg("KILL").arg("TYPE").arg("NORMAL");
            let _ = kill.arg("SKIPME").arg("NO").await;
        }
        let mut held = std::pin::pin!(client.get("k").into_future());
        let begun = std::future::poll_fn(|cx| std::task::Poll::Ready(held.as_mut().poll(cx)));
        let begun = begun.await;
        client.set("k", turn).timeout(Duration::from_secs(2)).await.unwrap();
        match begun {
            std::task::Poll::Ready(outcome) => drop(outcome.unwrap()),
            std::task::Poll::Pending => drop(held.await.unwrap()),
        }
    }
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// As long as `busy_poll` lasts, a call comes back by itself, though the server says nothing.
pub async fn looks_for_its_reply(server: &Server) {
    let long = Duration::from_secs(60);
    let config = Config::new([Address::Tcp("127.0.0.1".to_owned(), server.port())]);
    let config = config.busy_poll(long).attempt_timeout(long).call_timeout(long);
    let client = Client::with_config(config).await.unwrap();
    client.set("k", "v").await.unwrap();
    server.signal(Signal::STOP);
    let mut call = std::pin::pin!(client.get("k").into_future());
    let wakes = Arc::new(Wakes::default());
    let waker = Arc::clone(&wakes).into();
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while wakes.0.load(Ordering::Relaxed) == 0 {
        assert!(tokio::time::Instant::now() < deadline, "it waits for the socket");
        tokio::task::yield_now().await;
    }
    server.signal(Signal::CONT);
    assert_eq!(call.await.unwrap().unwrap(), "v");
}

/// Attempts to connect to nobody fail at once and soon open the breaker, which ended the first call of a client that was started together with its server.
pub async fn waits_for_its_server() {
    struct Opened(AtomicUsize);
    impl Observer for Opened {
        fn observe(&self, event: &Event<'_>) {
            if let Event::BreakerOpened { .. } = event {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    let dir = std::env::temp_dir().join(format!("torc-client-late-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("redis.sock");
    let breaker = BreakerPolicy::default().failures_max(1).open_for_max(Duration::from_millis(50));
    let config = || Config::new([Address::Unix(path.clone())]).breaker(breaker);
    let hasty = Client::with_config(config().call_timeout(Duration::from_millis(300)));
    let error = hasty.await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (ErrorKind::Connection, false), "{error}");
    assert!(error.message().contains("redis.sock: cannot connect"), "{error}");
    let opened = Arc::new(Opened(AtomicUsize::new(0)));
    let patient = config().call_timeout(Duration::from_secs(30)).observer(opened.clone());
    let connecting = tokio::spawn(Client::with_config(patient));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while opened.0.load(Ordering::Relaxed) == 0 {
        assert!(tokio::time::Instant::now() < deadline, "nobody tries to connect");
        tokio::task::yield_now().await;
    }
    let argument = path.display().to_string();
    let server = Server::reference(&["--unixsocket", &argument]);
    connecting.await.unwrap().unwrap().set("k", "v").await.unwrap();
    drop(server);
    let _ = std::fs::remove_dir_all(&dir);
}
