"""The goals, and whether a run held them.

A goal holds if the median holds it. Where it does not but part of the spread does, the run is too noisy to say.
"""

import dataclasses
import statistics

from measure.workloads import KEY_BYTES, MEMORY, of_two


@dataclasses.dataclass
class Spread:
    """The median of the rounds, the lowest and the highest."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values):
        return Spread(statistics.median(values), min(values), max(values)) if values else None

    def text(self, digits=2):
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f}–{self.high:,.{digits}f})"


def ratios(samples, over, under, what="cpu_us"):
    """Paired: of each round, what the target `over` took ÷ what `under` took. None if one of them was not measured."""
    pairs = zip(samples.get(over, []), samples.get(under, []))
    return Spread.of([getattr(a, what) / getattr(b, what) for a, b in pairs if getattr(a, what) and getattr(b, what)])


@dataclasses.dataclass
class Goal:
    """`measured` is to be at least `limit`, or at most. None is what this run did not measure."""

    text: str
    measured: Spread
    limit: float
    at_least: bool
    digits: int = 2
    remark: str = ""

    @property
    def verdict(self):
        if self.measured is None:
            return "not measured"
        keeps = lambda value: value >= self.limit if self.at_least else value <= self.limit
        if keeps(self.measured.median):
            return "yes"
        return "no, but within the spread" if keeps(self.measured.low) or keeps(self.measured.high) else "no"

    def row(self):
        measured = "–" if self.measured is None else self.measured.text(self.digits) + self.remark
        return f"| {self.text} | {measured} | {self.verdict} |"


def reference(options):
    """The peer that goals are about."""
    return next((name for name in ("valkey", "redis") if name in options.peers), None)


def all_of(session):
    samples, peer = session.samples, reference(session.options) or "valkey"
    ratio = lambda workload, over, under, what="cpu_us": ratios(samples.get(workload, {}), over, under, what)
    goals = []
    for pipeline, limit in ((1, 1.35), (16, 2.5), (64, 4)):
        goals.append(Goal(f"CPU per operation, {peer} ÷ Torc, mix-{pipeline}: ≥ {limit}", ratio(f"mix-{pipeline}", peer, "torc"), limit, True))
    against = {name: ratios(taken, peer, "torc") for name, taken in samples.items()}
    against = {name: spread for name, spread in against.items() if spread}
    worst = min(against, key=lambda name: against[name].median, default=None)
    goals.append(Goal(f"the same in every workload: ≥ 1; the lowest of {len(against)}", against.get(worst), 1, True, remark=f", {worst}"))
    for name in samples:
        if name.startswith("load-"):
            goals.append(Goal(f"p99.9 at the same offered load, Torc ÷ {peer}, {name}: ≤ 1", ratio(name, "torc", peer, "p999_ms"), 1, False))
    weighed = lambda servers: next((taken for data, taken in session.rss.items() if data.value_bytes == MEMORY.value_bytes and data.servers == servers), {})
    memory, copies = weighed("peers"), weighed("replicated")
    torc, other = Spread.of(memory.get("torc")), Spread.of(memory.get(peer))
    goals.append(Goal(f"RSS per key, B, of {KEY_BYTES} B and {MEMORY.value_bytes} B: < 105", torc, 105, False, 1))
    goals.append(Goal(f"the same: < {peer}'s" + (f" {other.median:.1f}" if other else ""), torc, other.median if other else 0, False, 1))
    torc, other = Spread.of(copies.get("torc")), Spread.of(copies.get(peer))
    goals.append(Goal(f"the same, two copies: < {peer}'s with one replica" + (f" {other.median:.1f}" if other else ""), torc, other.median if other else 0, False, 1))
    for pipeline in (1, 16):
        cluster = ratio(f"ring-get-{pipeline}", "ring, by the cluster port", "lone node")
        others = ratio(f"ring-get-{pipeline}", f"{peer}'s cluster", f"{peer} alone")
        remark = f", {peer}'s cluster of three ÷ {peer} alone {others.text()}" if others else ""
        goals.append(Goal(f"CPU per read by the cluster port, ring ÷ lone node, ring-get-{pipeline}: ≤ 1.1", cluster, 1.1, False, remark=remark))
        forwarded = ratio(f"slot-get-{pipeline}", "forwarded", "lone node")
        goals.append(Goal(f"CPU per forwarded read, ring ÷ lone node, slot-get-{pipeline}: ≤ 2.5", forwarded, 2.5, False))
        written = ratio(f"slot-set-{pipeline}", "local, W=2", "lone node")
        goals.append(Goal(f"CPU per local write with W=2, ring ÷ lone node, slot-set-{pipeline}: ≤ 2.2", written, 2.2, False))
    goals.append(Goal("CPU per operation, two workers ÷ one, workers-16: ≤ 1.1", ratio("workers-16", "2 workers", "1 worker"), 1.1, False))
    rates = {name: ratio("workers-16", "2 workers", of_two(name), "rate") for name in session.options.peers}
    rates = {name: spread for name, spread in rates.items() if spread}
    best = min(rates, key=lambda name: rates[name].median, default=None)
    goals.append(Goal("operations a second, two workers ÷ each peer's two threads, workers-16: ≥ 1; the lowest", rates.get(best), 1, True, remark=f", {best}"))
    goals.append(Goal("operations a second, a hot key ÷ uniform, hot-16: ≥ 1", ratio("hot-16", "hot", "uniform", "rate"), 1, True))
    return goals
