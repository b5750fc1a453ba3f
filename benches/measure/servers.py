"""Servers under measurement: how they start, what they take of the machine, and how they end.

Each is a child of this process and ends by its id, in `stop_all` at the latest. None keeps anything, so none is asked politely.
"""

import binascii
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

from measure import resp

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TORC = ROOT / "target/release/torc"
FLOOR = ROOT / "target/release/echo"
REDIS_LIKE = ["--port", "{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--io-threads", "{threads}", "--io-threads-do-reads", "yes"]
# What `Server` may be asked to run, by the name that results give it.
COMMANDS = {
    "torc": [str(TORC), "server", "--port", "{port}", "--workers", "{threads}"],
    "redis": ["redis-server", *REDIS_LIKE],
    "valkey": ["valkey-server", *REDIS_LIKE],
    "memcached": ["memcached", "-u", "nobody", "-t", "{threads}", "-m", "16384", "-c", "2000", "-l", "127.0.0.1", "-p", "{port}"],
    "floor": [str(FLOOR), "{port}", "{threads}"],
}
CORES = os.sched_getaffinity(0)  # before this process takes one of them
RUNNING = []
SLOTS = 16_384


def free_ports(count):
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def wait_for(condition, what, seconds=30):
    """Asks until `condition` holds; one that cannot be asked yet does not hold."""
    end = time.monotonic() + seconds
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        if time.monotonic() > end:
            sys.exit(f"{what} did not happen within {seconds} s")
        time.sleep(0.05)


class Server:
    """A process that serves, with so many `threads`. In `command`, {port}, {peer_port}, {cluster_port}, {threads} and {folder} stand for what is its own."""

    def __init__(self, command, folder=None, cores=None, threads=1):
        self.port, self.peer_port, self.cluster_port = free_ports(3)
        values = {**vars(self), "folder": folder, "threads": threads}
        words = [word.format(**values) for word in command]
        pinned = words if cores is None else ["taskset", "-c", cores, *words]
        self.process = subprocess.Popen(pinned, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
        RUNNING.append(self)
        wait_for(self.listens, f"the start of {words[0]}")

    def listens(self):
        if self.process.poll() is not None:
            sys.exit(f"{' '.join(self.process.args)} ended with {self.process.returncode}")
        socket.create_connection(("127.0.0.1", self.port), 1).close()
        return True

    def cpu_seconds(self):
        """Of all its threads, none of which ends; to the nanosecond, which a short run needs."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def stop(self):
        self.process.kill()
        self.process.wait()
        RUNNING.remove(self)


def stop_all():
    while RUNNING:
        RUNNING[-1].stop()


def end_on_signals():
    """Makes signals that ask for an end raise SystemExit, so that `finally` is reached."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, _: sys.exit(128 + got))


def found(names):
    """Those of `names` whose program is here."""
    return [name for name in names if shutil.which(COMMANDS[name][0])]


def build(*packages):
    """Builds Torc, or what cargo is told by `packages`."""
    subprocess.run(["cargo", "build", "--release", *(packages or ["-p", "torc-server"])], check=True, cwd=ROOT)


class Ring:
    """Nodes of Torc that share the keys: three copies of each, one worker a node."""

    def __init__(self, folder, count=3, cores=None):
        self.nodes = []
        for number in range(count):
            join = ["--join", f"127.0.0.1:{self.nodes[0].peer_port}"] if self.nodes else ["--cluster-enabled", "yes"]
            ports = ["--cluster-port", "{cluster_port}", "--peer-port", "{peer_port}"]
            self.nodes.append(Server([*COMMANDS["torc"], *ports, *join, "--data-dir", f"{folder}/node{number}"], folder, cores))
        wait_for(lambda: all(map(self.is_whole, self.nodes)), "the ring")
        wait_for(self.takes_writes, "service by the ring")

    def is_whole(self, node):
        """Whether all nodes serve, as `node` sees it, and no slot is on its way to another."""
        info = resp.ask(node.port, "CLUSTER", "INFO").split()
        return {b"cluster_size:%d" % len(self.nodes), b"cluster_slots_ok:%d" % SLOTS, b"torc_cluster_members_moving:0"} <= set(info)

    def takes_writes(self):
        return all(resp.ask(node.port, "SET", f"probe{n}", "1") == b"+OK" for node in self.nodes for n in range(30))

    def serves(self, number, key):
        """Whether node `number` serves the slot of `key` now."""
        return not resp.ask(self.nodes[number].cluster_port, "EXISTS", key).startswith(b"-MOVED")

    def served_by(self, number):
        """A name whose slot node `number` serves, for a key or a hash tag."""
        return next(key for key in map("key:{}".format, range(10_000)) if self.serves(number, key))

    def set_write_consistency(self, copies):
        for node in self.nodes:
            got = resp.ask(node.port, "CONFIG", "SET", "default-write-consistency", copies)
            if got != b"+OK":
                sys.exit(f"write consistency {copies} was answered {got!r}")


class Cluster:
    """Nodes of a Redis Cluster, or of Valkey's, that share the slots: one copy of each key."""

    def __init__(self, command, folder, count=3, cores=None):
        self.shares = [range(n * SLOTS // count, (n + 1) * SLOTS // count) for n in range(count)]
        self.nodes = []
        for number, share in enumerate(self.shares):
            options = ["--cluster-enabled", "yes", "--cluster-port", "{cluster_port}", "--cluster-config-file", f"{folder}/cluster{number}"]
            node = Server([*command, *options], folder, cores)
            self.nodes.append(node)
            first = self.nodes[0]
            said = [resp.ask(node.port, "CLUSTER", "ADDSLOTSRANGE", share[0], share[-1])]
            if node is not first:
                said.append(resp.ask(node.port, "CLUSTER", "MEET", "127.0.0.1", first.port, first.cluster_port))
            if set(said) != {b"+OK"}:
                sys.exit(f"a node of a cluster was answered {said!r}")
        wait_for(lambda: all(map(self.is_whole, self.nodes)), "the cluster")

    def is_whole(self, node):
        info = resp.ask(node.port, "CLUSTER", "INFO").split()
        return {b"cluster_state:ok", b"cluster_known_nodes:%d" % len(self.nodes), b"cluster_slots_ok:%d" % SLOTS} <= set(info)


def slot_of(key):
    """The slot of a key without a hash tag: CRC16, as the Redis Cluster specification has it."""
    return binascii.crc_hqx(key.encode(), 0) % SLOTS


def idle_rate(servers):
    """CPU seconds a second that `servers` take while nobody asks anything of them: probes, pings, ticks."""
    began, before = time.perf_counter(), sum(server.cpu_seconds() for server in servers)
    time.sleep(1)
    return (sum(server.cpu_seconds() for server in servers) - before) / (time.perf_counter() - began)


def cpu_of(servers, action, idle=0.0, settle_seconds=0.0):
    """What `action` returns, and the CPU seconds that all `servers` took for it, less what they take idle (`idle` seconds a second).

    They are watched for `settle_seconds` more, in which they do what they put off.
    """
    began, before = time.perf_counter(), sum(server.cpu_seconds() for server in servers)
    result = action()
    time.sleep(settle_seconds)
    taken = sum(server.cpu_seconds() for server in servers) - before - idle * (time.perf_counter() - began)
    return result, taken
