//! A ring whose clients come by TLS: each is told of ports by which it can go on as it came.

use super::{LIMIT, NODE, Node, ok};
use rustls::ClientConfig;
use std::process::Command;
use std::sync::Arc;
use torc_client::{Client, Config, TlsConfig};
use torc_protocol::slot::slot_of;
use torc_tests::tls::{Keys, free_port, open};
use torc_tests::{Connection, Server, start_node, wait};

const NODES: usize = 3;

/// Ports of one node.
#[derive(Clone, Copy)]
struct Ports {
    tls: u16,
    tls_cluster: u16,
    cluster: u16,
    peer: u16,
}

struct Ring {
    keys: Keys,
    config: Arc<ClientConfig>,
    nodes: Vec<(Server, Ports)>,
}

impl Ring {
    fn start() -> Self {
        let keys = Keys::new();
        let config = keys.client();
        let mut ring = Ring { keys, config, nodes: Vec::new() };
        for _ in 0..NODES {
            let [tls, tls_cluster, cluster, peer] = [(); 4].map(|()| free_port());
            let ports = Ports { tls, tls_cluster, cluster, peer };
            let mut settings = ring.keys.settings(tls, "no");
            let mut add = |name: &str, value: String| settings.extend([format!("--{name}"), value]);
            add("cluster-port", cluster.to_string());
            add("tls-cluster-port", tls_cluster.to_string());
            add("peer-port", peer.to_string());
            add("workers", "1".to_owned());
            match ring.nodes.first() {
                None => add("cluster-enabled", "yes".to_owned()),
                Some((_, first)) => add("join", format!("127.0.0.1:{}", first.peer)),
            }
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            ring.nodes.push((start_node!(&settings), ports));
        }
        wait::until("the ring is whole", 3 * LIMIT, || {
            ring.nodes.iter().all(|(server, _)| {
                let text = server.connect().run("TORC STATUS").text();
                let ready =
                    text.lines().filter(|line| line.contains(" state:active alive:yes ready:yes"));
                ready.count() == NODES && text.contains("slots full:16384 ")
            })
        });
        ring
    }

    fn open(&self, port: u16) -> Connection {
        open(port, &self.config).unwrap()
    }

    fn ports(&self, of: impl Fn(&Ports) -> u16) -> Vec<i64> {
        let mut ports: Vec<i64> =
            self.nodes.iter().map(|(_, ports)| i64::from(of(ports))).collect();
        ports.sort_unstable();
        ports
    }
}

/// The ports that CLUSTER SLOTS names.
fn named(connection: &mut Connection) -> Vec<i64> {
    let reply = connection.run("CLUSTER SLOTS");
    let mut ports: Vec<i64> = reply
        .items()
        .iter()
        .flat_map(|entry| entry.items()[2..].iter().map(|node| node.items()[1].integer().unwrap()))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[test]
fn who_came_by_tls_goes_on_by_tls() {
    let ring = Ring::start();
    let (server, first) = &ring.nodes[0];
    let secure = ring.ports(|ports| ports.tls_cluster);
    for port in [first.tls, first.tls_cluster] {
        assert_eq!(named(&mut ring.open(port)), secure);
        let nodes = ring.open(port).run("CLUSTER NODES").text();
        assert!(secure.iter().all(|port| nodes.contains(&format!(":{port}@"))), "{nodes}");
    }
    assert_eq!(named(&mut server.connect()), ring.ports(|ports| ports.cluster));
    let shards = server.connect().run("CLUSTER SHARDS");
    for shard in shards.items() {
        let node = &shard.items()[3].items()[0];
        let words: Vec<String> = node.items().iter().step_by(2).map(|it| it.text()).collect();
        assert_eq!(words[1..3], ["port", "tls-port"]);
    }

    // The cluster port redirects to a port that takes the same client, and that one serves the key.
    let mut followed = 0;
    for index in 0..50 {
        let key = format!("key:{index}");
        let asked = ring.open(first.tls_cluster).call(&["SET", &key, "v"]).unwrap();
        if asked == ok() {
            continue;
        }
        let said = asked.text();
        let start = format!("MOVED {} 127.0.0.1:", slot_of(key.as_bytes()).index());
        let port: u16 = said.strip_prefix(&start).and_then(|port| port.parse().ok()).expect(&said);
        assert!(secure.contains(&i64::from(port)), "{said}");
        assert_eq!(ring.open(port).call(&["SET", &key, "v"]).unwrap(), ok());
        // The port that forwards serves it from anywhere.
        assert_eq!(ring.open(first.tls).call(&["GET", &key]).unwrap().text(), "v");
        followed += 1;
    }
    assert!(followed > 10, "{followed} of 50 keys are elsewhere");
}

/// The Rust client finds its way by TLS, to one node and through the whole ring.
#[test]
fn the_rust_client_comes_by_tls() {
    let ring = Ring::start();
    let pem = std::fs::read(ring.keys.file("ca.pem")).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (_, ports) = &ring.nodes[1];
        for port in [ports.tls, ports.tls_cluster] {
            let tls = TlsConfig::default().root_pem(&pem);
            let config = Config::from_url(&format!("rediss://127.0.0.1:{port}")).unwrap().tls(tls);
            let client = Client::with_config(config).await.unwrap();
            let value = vec![b'x'; 300_000];
            for index in 0..50 {
                let key = format!("rust:{port}:{index}");
                client.set(&key, &value).await.unwrap();
                assert_eq!(client.get(&key).await.unwrap().unwrap().len(), value.len());
            }
            let doubts = Config::from_url(&format!("rediss://127.0.0.1:{port}")).unwrap();
            let doubts = doubts.call_timeout(std::time::Duration::from_millis(500));
            assert!(Client::with_config(doubts).await.is_err(), "an authority of nobody's");
        }
    });
}

/// `torc status` and `torc leave` speak TLS to a node that wants certificates, as a user of theirs.
#[test]
fn people_ask_by_tls() {
    let [cluster, peer] = [(); 2].map(|()| free_port().to_string());
    let mut node = Node::start(
        "yes",
        &[
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &cluster,
            "--peer-port",
            &peer,
            "--user",
            "watcher on >secret +torc",
        ],
    );
    let client = node.keys.authority.client();
    let (cert, key) =
        (node.keys.write("c.pem", &client.certificate), node.keys.write("c.key", &client.key));
    let (ca, address) = (node.keys.file("ca.pem"), format!("127.0.0.1:{}", node.port));
    let shown = ["--cert", &cert, "--key", &key];
    let ask = |command: &str, user: &str, shown: &[&str]| {
        let words = [command, &address, "--tls", "--cacert", &ca, "--user", user];
        let words = [&words[..], &["--password", "secret"], shown].concat();
        let ended = Command::new(NODE).args(words).output().unwrap();
        let said = [ended.stdout, ended.stderr].concat();
        (ended.status.success(), String::from_utf8(said).unwrap())
    };
    wait::until("the ring of one begins", LIMIT, || {
        let (_, said) = ask("status", "watcher", &shown);
        said.contains("of 16384 slots 16384 have all copies")
    });
    for (user, shown, why) in [
        ("watcher", &[][..], "the node wants a certificate"),
        ("nobody", &shown, "WRONGPASS"),
        ("watcher", &["--cert", &key, "--key", &key], "holds no certificate in PEM form"),
    ] {
        let (succeeded, said) = ask("status", user, shown);
        assert!(!succeeded && said.contains(why), "{said}");
    }
    let (succeeded, said) = ask("leave", "watcher", &shown);
    assert!(succeeded && said.contains("hands its keys over"), "{said}");
    assert!(node.server.wait_exit(LIMIT).success(), "{}", node.server.log());
}
