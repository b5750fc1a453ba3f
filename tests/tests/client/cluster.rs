//! A real Redis Cluster: three primaries, one of them with a replica.

use std::net::TcpListener;
use std::time::Duration;
use torc_tests::{Connection, Server, wait};

pub struct RedisCluster {
    servers: Vec<Server>,
}

/// A cluster takes some seconds to agree.
const LIMIT: Duration = Duration::from_secs(40);

/// A free port whose bus port, 10,000 above, is free too; below the ephemeral range.
fn free_port() -> u16 {
    loop {
        let held = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = held.local_addr().unwrap().port() % 18_000 + 10_000;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

impl RedisCluster {
    pub fn start() -> RedisCluster {
        let servers: Vec<Server> = (0..4)
            .map(|_| {
                let port = free_port().to_string();
                Server::reference(&[
                    "--port",
                    &port,
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    "2000",
                    "--cluster-replica-validity-factor",
                    "0",
                ])
            })
            .collect();
        let cluster = RedisCluster { servers };
        for (at, (first, last)) in
            [(0, 5460), (5461, 10_922), (10_923, 16_383)].into_iter().enumerate()
        {
            cluster.ask(at, &format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
        }
        for at in 1..4 {
            cluster.ask(0, &format!("CLUSTER MEET 127.0.0.1 {}", cluster.port(at)));
        }
        let id = cluster.ask(0, "CLUSTER MYID");
        let known = || (0..4).all(|at| cluster.ask(at, "CLUSTER NODES").lines().count() == 4);
        wait::until("all nodes know each other", LIMIT, known);
        wait::until("the replica follows", LIMIT, || {
            cluster.ask(3, &format!("CLUSTER REPLICATE {id}")) == "OK"
        });
        wait::until("the cluster serves", LIMIT, || {
            (0..4).all(|at| cluster.ask(at, "CLUSTER INFO").contains("cluster_state:ok"))
                && cluster.ask(3, "INFO replication").contains("master_link_status:up")
                && (0..4).all(|at| cluster.ask(at, "CLUSTER NODES").contains("slave"))
        });
        cluster
    }

    pub fn port(&self, at: usize) -> u16 {
        self.servers[at].port()
    }

    fn connect(&self, at: usize) -> Connection {
        self.servers[at].connect()
    }

    /// The reply's text.
    pub fn ask(&self, at: usize, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.connect(at).call(&words).map(|reply| reply.text()).unwrap_or_default()
    }
}
