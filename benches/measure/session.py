"""The run itself: which workloads, in which order, for how long, and what came of them."""

import dataclasses
import itertools
import pathlib
import sys
import time

from measure import load, workloads
from measure.fleets import SETTLE_SECONDS, Fleet
from measure.servers import cpu_of, idle_rate

OVERHEAD_SECONDS = 0.4  # a run's beyond its load
FILL_BYTES_A_SECOND, FILL_COMMANDS_A_SECOND = 150e6, 250_000
MEMORY_ROUNDS = 3


@dataclasses.dataclass
class Sample:
    """One target in one round. Latencies are None where the load generator does not tell them."""

    cpu_us: float  # of an operation
    rate: float  # operations a second
    p50_ms: float
    p99_ms: float
    p999_ms: float


class Progress:
    """Says on standard error how far the run is, and when it will end, which it learns from how long the past took."""

    def __init__(self, seconds):
        self.expected, self.done, self.began = seconds, 0.0, time.monotonic()

    def took(self, seconds):
        """That something that was expected to take so long is over."""
        self.done += seconds

    def say(self, text):
        elapsed = time.monotonic() - self.began
        pace = max(elapsed / self.done, 0.5) if self.done > 20 else 1.0
        left = max(0.0, self.expected - self.done) * pace
        print(f"[{clock(elapsed)}, {clock(left)} left] {text}", file=sys.stderr, flush=True)


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def available_bytes():
    lines = pathlib.Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


class Session:
    """`samples` of each workload's targets in the order of the rounds, `rss` bytes per key of each data set, and what was `left_out`."""

    def __init__(self, options):
        self.options, self.generator = options, load.tool()
        self.samples, self.rss, self.left_out = {}, {}, []
        self.plan = [(data, list(group)) for data, group in itertools.groupby(self.chosen(), key=lambda workload: workload.data)]

    def chosen(self):
        quick = self.options.quick
        names = self.options.only or (workloads.QUICK if quick else [workload.name for workload in workloads.WORKLOADS])
        named = [workload for workload in workloads.WORKLOADS if workload.name in names]
        return [dataclasses.replace(workload, data=workloads.scaled(workload.data, quick)) for workload in named]

    def holders(self, data):
        """How many servers of a data set are filled."""
        if data.servers == "replicated":
            return 2 * (1 + sum(name != "memcached" for name in self.options.peers))
        if data.servers == "workers":
            return 2 + len(self.options.peers)
        if data.servers != "peers":
            return 2
        return 1 + sum(data.plain or name != "memcached" for name in self.options.peers)

    def data_seconds(self, data):
        commands = data.keys * data.passes
        value_bytes = commands * data.elements * (data.value_bytes + 30)
        slow = 4 if data.servers in ("ring", "slot") else 1  # writes three copies, some of them at another node
        return 1 + SETTLE_SECONDS + self.holders(data) * max(commands / FILL_COMMANDS_A_SECOND, value_bytes / FILL_BYTES_A_SECOND) * slow

    def round_seconds(self, workload):
        who = workload.data.servers
        floors = len(workloads.FLOORS.get(who, ())) * self.options.floor
        targets = {"hot": 2, "ring": 5, "slot": 5}.get(who) or self.holders(workload.data) + floors
        idle = {"ring": 4, "slot": 2}.get(who, 0)
        return targets * (self.options.seconds + workload.settle_seconds + OVERHEAD_SECONDS) + idle

    def expected_seconds(self):
        total = 0
        for data, group in self.plan:
            total += self.data_seconds(data) * (self.memory_rounds if not group[0].commands else 1)
            total += sum(self.round_seconds(workload) * self.options.rounds for workload in group if workload.commands)
        return total

    @property
    def memory_rounds(self):
        return 1 if self.options.quick else MEMORY_ROUNDS

    def run(self):
        self.progress = Progress(self.expected_seconds())
        for data, group in self.plan:
            if data.need_bytes * self.holders(data) > available_bytes():
                self.left_out += [f"{workload.name} (memory)" for workload in group]
                continue
            for _ in range(1 if group[0].commands else self.memory_rounds):
                self.progress.say(f"{data.keys:,} keys for {', '.join(workload.name for workload in group)}")
                with Fleet(data, self.options, self.generator) as fleet:
                    self.progress.took(self.data_seconds(data))
                    weighed = self.rss.setdefault(data, {})
                    for name, per_key in fleet.rss_bytes_per_key.items():
                        weighed.setdefault(name, []).append(per_key)
                    for workload in group:
                        if workload.commands:
                            self.measure(workload, fleet)

    def measure(self, workload, fleet):
        targets = fleet.of(workload)
        if len(targets) < 2 or targets[0] is not fleet.targets[0]:
            self.left_out.append(f"{workload.name} ({self.generator.name} cannot send it)")
            return
        samples = self.samples[workload.name] = {target.name: [] for target in targets}
        for number in range(self.options.rounds):
            idle = {}
            if fleet.data.servers in ("ring", "slot"):
                several = {target.port_of_first: target.servers for target in targets}
                idle = {port: idle_rate(servers) for port, servers in several.items()}
            # Each round begins with another server, so that none always follows the same one.
            first = number % len(targets)
            for target in targets[first:] + targets[:first]:
                samples[target.name].append(self.sample(workload, target, idle.get(target.port_of_first, 0.0)))
            self.progress.took(self.round_seconds(workload))
            shown = "  ".join(f"{name} {taken[-1].cpu_us:.2f}" for name, taken in samples.items())
            self.progress.say(f"{workload.name}, round {number + 1} of {self.options.rounds}, CPU µs per operation: {shown}")

    def sample(self, workload, target, idle):
        if target.prepare:
            target.prepare()
        commands = target.commands or workload.commands
        self.generator.get_ready(target, workload, commands)
        drive = lambda: self.generator.drive(target, workload, commands, self.options.seconds)
        (count, rate, *latencies), cpu = cpu_of(target.servers, drive, idle, workload.settle_seconds)
        return Sample(cpu / count * 1e6, rate, *latencies)
