"""Who takes part in a workload: servers with a data set in them, and the targets at which the load is sent.

The first target of a workload is the one that the others are compared with.
"""

import dataclasses
import sys
import tempfile
import time

from measure import goals, load, resp, servers, workloads
from measure.servers import COMMANDS, Cluster, Ring, Server, slot_of

PEERS = ["redis", "valkey", "memcached"]
SETTLE_SECONDS = 2  # after filling, for what servers put off: copies, tables that grow by and by


@dataclasses.dataclass
class Target:
    """What load is sent at: a port and how, and the servers whose CPU time counts."""

    name: str
    servers: list
    port: int
    protocol: str = "redis"
    prefix: str = "key:"
    is_cluster: bool = False  # whether the load generator follows the slots to all nodes
    commands: tuple = ()  # in place of the workload's
    prepare: object = None  # called before each run
    reads_only: bool = False  # for a write would cost it less than it costs the others: it keeps fewer copies

    @property
    def nodes(self):
        return len(self.servers)

    @property
    def port_of_first(self):
        """Tells its servers from those of others."""
        return self.servers[0].port


def rss_bytes(several):
    return sum(server.rss_bytes() for server in several)


def one(name, server, **more):
    return Target(name, [server], server.port, "memcache_text" if name.startswith("memcached") else "redis", **more)


class Fleet:
    """Starts what `data` asks for, and fills it. `rss_bytes_per_key` tells what the servers of each target then take more than they did empty."""

    def __init__(self, data, options, generator):
        self.data, self.options, self.generator = data, options, generator
        self.folder = tempfile.TemporaryDirectory()
        self.filled = {}  # by target: its servers, and their resident bytes while empty
        self.rss_bytes_per_key = {}
        self.floors = []

    def __enter__(self):
        try:
            getattr(self, f"start_{self.data.servers}")()
            time.sleep(SETTLE_SECONDS)
            for name, (filled, before) in self.filled.items():
                self.rss_bytes_per_key[name] = (rss_bytes(filled) - before) / self.data.keys
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        servers.stop_all()
        self.folder.cleanup()

    @property
    def numbers(self):
        """Of the keys of the data set."""
        return range(self.generator.first_key, self.generator.first_key + self.data.keys)

    def start(self, name, *words, threads=1):
        """One of two threads has the server's core and another one: the load's too, if the machine has no third."""
        free = servers.CORES - {self.options.server_core, self.options.load_core}
        second = min(free, default=self.options.load_core)
        cores = str(self.options.server_core) if threads == 1 else f"{self.options.server_core},{second}"
        return Server([*COMMANDS[name], *words], self.folder.name, cores, threads)

    def fill(self, target):
        self.filled[target.name] = target.servers, rss_bytes(target.servers)
        load.fill(target, self.data, self.numbers)
        return target

    def start_peers(self):
        names = ["torc", *[name for name in self.options.peers if self.data.plain or name != "memcached"]]
        self.targets = [self.fill(one(name, self.start(name, *self.data.options))) for name in names]

    def start_replicated(self):
        """Two copies of each key: a ring of two nodes, and servers with a replica each."""
        core = str(self.options.server_core)
        ring = Ring(self.folder.name, count=2, cores=core)
        self.targets = [Target("torc", ring.nodes, ring.nodes[0].port)]
        for name in self.options.peers:
            if name != "memcached":
                primary = self.start(name)
                replica = self.start(name, "--replicaof", "127.0.0.1", str(primary.port))
                servers.wait_for(lambda: b"master_link_status:up" in resp.ask(replica.port, "INFO", "replication"), f"{name}'s replica")
                self.targets.append(Target(name, [primary, replica], primary.port))
        for target in self.targets:
            self.fill(target)
            for server in target.servers:
                servers.wait_for(lambda: int(resp.ask(server.port, "DBSIZE")[1:]) >= self.data.keys, f"the copies of {target.name}")

    def start_workers(self):
        """One and two of Torc's, and each peer with as many threads."""
        self.targets = [one("1 worker", self.start("torc")), one("2 workers", self.start("torc", threads=2))]
        self.targets += [one(workloads.of_two(name), self.start(name, threads=2)) for name in self.options.peers]
        for target in self.targets:
            self.fill(target)

    def start_hot(self):
        server = self.start("torc", threads=2)
        self.targets = [self.fill(one("uniform", server)), one("hot", server, commands=workloads.HOT_MIX)]

    def start_ring(self):
        """All keys: through the cluster port, where a client finds the node that serves a key, and through one node's port for any client."""
        lone, ring = self.start("torc"), Ring(self.folder.name, cores=str(self.options.server_core))
        first = ring.nodes[0]
        self.targets = [
            self.fill(one("lone node", lone)),
            Target("ring, by the cluster port", ring.nodes, first.cluster_port, is_cluster=True),
            self.fill(Target("ring, by one plain port", ring.nodes, first.port)),
        ]
        peer = goals.reference(self.options)
        if peer:
            self.start_cluster(peer)

    def start_cluster(self, name):
        """A Redis Cluster of as many nodes on the same core, and one alone: what so many processes cost whoever they are."""
        cluster = Cluster(COMMANDS[name], self.folder.name, cores=str(self.options.server_core))
        for node, slots in zip(cluster.nodes, cluster.shares):
            here = [number for number in self.numbers if slot_of(f"key:{number}") in slots]
            load.fill(one(name, node), self.data, here)
        self.targets += [
            self.fill(one(f"{name} alone", self.start(name), reads_only=True)),
            Target(f"{name}'s cluster", cluster.nodes, cluster.nodes[0].port, is_cluster=True, reads_only=True),
        ]

    def start_slot(self):
        """Keys of one slot, so that it is known which node serves them: asked itself, or through another node."""
        lone, ring = self.start("torc"), Ring(self.folder.name, cores=str(self.options.server_core))
        tag = ring.served_by(0)
        prefix = "{" + tag + "}:"

        def to(name, node, copies):
            def prepare():
                if not ring.serves(0, tag):
                    sys.exit("the slot that is measured went to another node")
                ring.set_write_consistency(copies)

            return Target(name, ring.nodes, node.port, prefix=prefix, prepare=prepare)

        self.targets = [
            self.fill(one("lone node", lone, prefix=prefix)),
            self.fill(to("local", ring.nodes[0], "one")),
            to("local, W=2", ring.nodes[0], "2"),
            to("forwarded", ring.nodes[1], "one"),
            to("forwarded, W=2", ring.nodes[1], "2"),
        ]

    def of(self, workload):
        """The targets of a workload: those that have it, and the floor with the reply that suits it."""
        is_read = all(words[0] == "GET" for _, words in workload.commands)
        targets = [
            target for target in self.targets
            if self.generator.can(workload, target) and (target.protocol == "redis" or workload.is_plain) and not (is_read and target.name.endswith("W=2")) and (is_read or not target.reads_only)
        ]  # fmt: skip
        while self.floors:
            self.floors.pop().stop()
        for threads in workloads.FLOORS.get(self.data.servers, ()) if self.options.floor else ():
            reply = [] if workload.reply_bytes is None else [str(workload.reply_bytes)]
            self.floors.append(self.start("floor", *reply, threads=threads))
            targets.append(one("floor" if threads == 1 else workloads.of_two("floor"), self.floors[-1]))
        return targets
