"""The load: fills servers with data, and drives them with memtier_benchmark or redis-benchmark.

A target is anything with a port, a protocol ("redis" or "memcache_text"), the prefix of its keys, and whether it is driven as a Redis Cluster.
"""

import csv
import io
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile

from measure.resp import request
from measure.workloads import DATA, FIRST_KEY, KEY, READ, WRITE

CONNECTIONS = 50
FILL_BYTES = 256 * 1024  # sent before replies are awaited


def tool():
    """What drives the servers here."""
    for name, kind in (("memtier_benchmark", Memtier), ("redis-benchmark", RedisBenchmark)):
        if shutil.which(name):
            return kind()
    sys.exit("benches/run needs memtier_benchmark, or redis-benchmark (package redis-tools)")


def fill(target, data, numbers):
    """Puts the keys of these numbers, as the data set has them, into the server."""
    value = b"v" * data.value_bytes
    if target.protocol == "redis":
        key = target.prefix + "%012d"
        template = request([value if word == DATA else word for word in data.fill])
        marked = b"$%d\r\n%s\r\n" % (len(KEY), KEY.encode())
        template = template.replace(b"%", b"%%").replace(marked, b"$%d\r\n%s\r\n" % (len(key % 0), key.encode()))
    else:
        template = b"set %s%%012d 0 0 %d\r\n%s\r\n" % (target.prefix.encode(), len(value), value)
    batch = max(1, FILL_BYTES // len(template % 0))
    with socket.create_connection(("127.0.0.1", target.port), 60) as connection:
        for _ in range(data.passes):
            for start in range(0, len(numbers), batch):
                some = numbers[start : start + batch]
                connection.sendall(b"".join([template % number for number in some]))
                take_lines(connection, len(some))


def take_lines(connection, count):
    """Awaits so many replies of one line; an error among them ends the run."""
    while count > 0:
        got = connection.recv(1 << 20)
        if not got or b"-" in got or b"ERROR" in got:
            sys.exit(f"filling a server was answered {got[:100]!r}")
        count -= got.count(b"\n")


def run(command):
    """The standard output of a load generator that found no fault."""
    with tempfile.TemporaryFile() as complaints:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
        complaints.seek(0)
        said = complaints.read(10_000).decode(errors="replace")
    if done.returncode != 0 or "error response" in said or "rror: " in said:
        sys.exit(f"{' '.join(command)} failed ({done.returncode}):\n{said[-1000:]}")
    return done.stdout


class Memtier:
    """memtier_benchmark: runs for a time, and has every workload."""

    name, first_key = "memtier_benchmark", FIRST_KEY
    leaves_out = ""

    def can(self, workload, target):
        return True

    def get_ready(self, target, workload, commands):
        """Called before what `drive` costs is measured."""

    def drive(self, target, workload, commands, seconds):
        """Operations that were answered, operations a second, and p50, p99 and p99.9 in ms."""
        data = workload.data
        if target.is_cluster:
            connections = -(-CONNECTIONS // target.nodes)  # to each node
        else:
            connections = CONNECTIONS
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            run([
                self.name, "-s", "127.0.0.1", "-p", str(target.port), "--protocol", target.protocol, "-t", "1", "-c", str(connections),
                "--test-time", str(seconds), "--pipeline", str(workload.pipeline), "-d", str(max(1, data.value_bytes)),
                "--key-prefix", target.prefix, "--key-minimum", str(FIRST_KEY), "--key-maximum", str(FIRST_KEY + workload.key_count - 1),
                # Without it all connections ask for the same keys in the same order.
                "--distinct-client-seed", "--randomize", "--print-percentiles", "50,99,99.9", "--hide-histogram", "--json-out-file", out.name,
                *(["--cluster-mode"] if target.is_cluster else []), *self.commands(workload, commands),
                *(["--rate-limiting", str(workload.offered // connections)] if workload.offered else []),
            ])  # fmt: skip
            totals = json.loads(pathlib.Path(out.name).read_text())["ALL STATS"]["Totals"]
        if totals["Count"] == 0 or totals["Connection Errors"]:
            sys.exit(f"{workload.name}: memtier_benchmark was not served: {totals}")
        percentiles = totals["Percentile Latencies"]
        # Not its "Ops/sec": with --cluster-mode that now and then divides by a time of its own.
        return totals["Count"], totals["Count"] / seconds, percentiles["p50.00"], percentiles["p99.00"], percentiles["p99.90"]

    def commands(self, workload, commands):
        """One SET and one GET as --ratio, which memcached has too; whatever else as --command, which costs the load generator more."""
        writes = [(share, words[3:]) for share, words in commands if words[:3] == WRITE]
        reads = [share for share, words in commands if words == READ]
        if len(writes) + len(reads) == len(commands) and len(writes) <= 1 and len(reads) <= 1:
            share, rest = writes[0] if writes else (0, ())
            # `rest` is EX and seconds, which it sends as SETEX, or as memcached has it.
            expiry = ["--expiry-range", f"{rest[1]}-{rest[1]}"] if rest else []
            return ["--ratio", f"{share}:{sum(reads)}", "--key-pattern", f"{workload.pattern}:{workload.pattern}", *expiry]
        options = []
        for share, words in commands:
            options += ["--command", " ".join(words), "--command-ratio", str(share), "--command-key-pattern", workload.pattern]
        return options


class RedisBenchmark:
    """redis-benchmark: sends a number of requests of one kind."""

    name, first_key = "redis-benchmark", 0
    leaves_out = (
        "It sends one command at a time, so of each mix the most frequent command was sent alone. Left out for its sake: memcached, gaussian keys, "
        "the hot key, clients of Redis Cluster, loads of a given rate, p99.9, and what one command alone would make grow or shrink."
    )

    def __init__(self):
        self.rates = {}

    def can(self, workload, target):
        return target.protocol == "redis" and not target.is_cluster and workload.pattern == "R" and workload.alone and not workload.offered and not target.commands

    def get_ready(self, target, workload, commands):
        """The first time a short run tells how fast the target is."""
        if (target.name, workload.name) not in self.rates:
            self.send(target, workload, commands, 20_000 * min(workload.pipeline, 8))

    def drive(self, target, workload, commands, seconds):
        """As Memtier's, with as many requests as took so long the last time."""
        count = max(10_000, int(self.rates[target.name, workload.name] * seconds))
        return count, *self.send(target, workload, commands, count), None

    def send(self, target, workload, commands, count):
        values = {KEY: f"{target.prefix}__rand_int__", DATA: "v" * workload.data.value_bytes}
        words = [values.get(word, word) for word in max(commands)[1]]
        text = run([
            self.name, "-p", str(target.port), "-c", str(CONNECTIONS), "-n", str(count), "-P", str(workload.pipeline), "-r", str(workload.data.keys),
            "--csv", *words,
        ])  # fmt: skip
        # The command, operations a second, then the average, the least, p50, p95, p99 and the greatest latency in ms.
        row = list(csv.reader(io.StringIO(text)))[-1]
        self.rates[target.name, workload.name] = float(row[1])
        return float(row[1]), float(row[4]), float(row[6])
