"""What a run found, as Markdown with plots beside it."""

import datetime

from measure import goals, plot
from measure.goals import Spread, ratios
from measure.load import CONNECTIONS
from measure.machine import commit, first_line, machine
from measure.servers import COMMANDS
from measure.workloads import KEY, KEY_BYTES, WORKLOADS

MEANING = {workload.name: workload.meaning for workload in WORKLOADS}


def versions(names):
    told = [first_line(COMMANDS[name][0], "--version").split(" sha=")[0] for name in ["torc", *names]]
    return "; ".join(told)


def head(session):
    options, generator = session.options, session.generator
    missing = [name for name in ("redis", "valkey", "memcached") if name not in options.peers]
    lines = [
        f"# Side by side, {datetime.date.today()}", "",
        f"* Machine: {machine()}.",
        f"* Commit: {commit()}. `{options.command_line}`.",
        f"* Servers: {versions(options.peers)}. Not taking part: {', '.join(missing) or 'none'}.",
        f"* Method: each server has one thread that serves, unless it says otherwise, and is pinned to core {options.server_core}, {generator.name} to core {options.load_core}, with {CONNECTIONS} connections, each"
        " of which sends as soon as it was answered (latencies are those of full load, the load generator's own part included), but in workloads called load, which offer operations at a"
        " given rate. All servers of a workload hold the same keys at the"
        f" same time; {options.rounds} rounds of {options.seconds} s each, every round begins with another server.",
        "* CPU is user and system time of all threads of a process, from `/proc/PID/task/*/schedstat`, divided by the operations that were answered. Figures are medians, with the lowest and"
        " the highest round; ratios are taken within a round.",
        "* floor: `benches/src/bin/echo.rs`, which waits, reads and writes as Torc's workers do and answers every request with one fixed reply. It is what the kernel and the"
        " loop cost, and so about the least that a server of this kind can cost.",
        f"* Workloads: the base is values of 100 B, 1 M keys of {KEY_BYTES} B, all as likely, SET:GET 1:10, at pipelines of 1, 16 and 64; each other workload changes one thing at a time, at"
        " the pipeline that its name ends with. It is no full cross product. memcached takes part where its protocol has the workload. Values of 16 KiB have 65,536 keys, for the sake of memory;"
        " keys of hashes, sorted sets and lists are fewer too.",
        f"* Two workers, or two threads, have core {options.server_core} and another one, which on a machine of two cores is the load's as well.",
        "* A ring is three nodes of Torc on the same core, three copies of each key; its CPU is that of all nodes together, without what they take idle. Keys of one slot are served by a node that is known, so that"
        " requests are local or forwarded as their row says. Beside the ring there is a peer's cluster of three nodes, of one copy: on one core three processes wake up more often than one, whoever they are.",
    ]  # fmt: skip
    if options.quick:
        lines.append("* A quick look: a fifth of the keys, short rounds, some workloads.")
    if generator.leaves_out:
        lines.append(f"* {generator.name}: {generator.leaves_out}")
    if session.left_out:
        lines.append(f"* Left out: {'; '.join(session.left_out)}.")
    return "\n".join(lines)


def milliseconds(samples, what):
    values = [getattr(sample, what) for sample in samples]
    return "–" if None in values else f"{Spread.of(values).median:.3f}"


def table(name, samples):
    """One workload."""
    first = next(iter(samples))
    floor = "floor" in samples
    titles = ["", "CPU µs/op", f"÷ {first}'s, paired", *(["÷ the floor's"] if floor else []), "operations/s", "p50 ms", "p99 ms", "p99.9 ms"]
    lines = [f"### {name}", "", MEANING[name] + ".", "", "| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for target, taken in samples.items():
        cells = [target, Spread.of([sample.cpu_us for sample in taken]).text(3 if taken[0].cpu_us < 1 else 2), ratios(samples, target, first).text()]
        cells += [ratios(samples, target, "floor").text()] if floor else []
        cells += [Spread.of([sample.rate for sample in taken]).text(0)]
        cells += [milliseconds(taken, what) for what in ("p50_ms", "p99_ms", "p999_ms")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def memory_title(data):
    """What a data set is, in few words."""
    parts = [data.fill[0], f"{data.keys:,} keys" if data.fill[1] == KEY else f"one key of {data.keys:,}"]
    parts += [f"{data.value_bytes:,} B"] if data.value_bytes else []
    parts += ["two copies"] if data.servers == "replicated" else []
    parts += [f"{data.passes * data.elements} elements each"] if data.passes * data.elements > 1 else []
    return ", ".join(parts)


def peers_memory(session):
    return {memory_title(data): weighed for data, weighed in session.rss.items() if data.servers in ("peers", "replicated") and not data.options}


def memory(session):
    found = peers_memory(session)
    names = ["torc", *session.options.peers]
    lines = ["### RSS per key", "", "Bytes of resident memory that a server takes more than it did empty, two seconds after it was filled, divided by the keys, or by the members of the one key. With two copies: a ring of two nodes, or a server with a replica, both processes together.", ""]
    lines += ["| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    for title, weighed in found.items():
        spreads = [Spread.of(weighed.get(name)) for name in names]
        cells = ["–" if spread is None else f"{spread.median:,.0f}" if spread.low == spread.high else spread.text(0) for spread in spreads]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) if found else ""


def goals_table(session):
    lines = ["## Goals", "", "| goal | measured | held? |", "|---|---|---|"]
    return "\n".join(lines + [goal.row() for goal in goals.all_of(session)])


def kind(target, first):
    return "lifted" if target == first else "back" if target.startswith("floor") else "bar"


def panels(session, value):
    """A panel of each workload; `value` gives a row's three figures from the samples of a workload and the name of a target, or None to leave it out."""
    found = []
    for name, samples in session.samples.items():
        first = next(iter(samples))
        rows = [plot.Row(short(target), values, kind(target, first)) for target in samples if (values := value(samples, target))]
        if rows:
            found.append((f"{name}: {MEANING[name]}", rows))
    return found


def short(target):
    """A target's name, as short as it stands beside a bar."""
    return {"ring, by the cluster port": "cluster port", "ring, by one plain port": "plain port", "forwarded, W=2": "forw., W=2"}.get(target, target)


def triple(spread):
    return spread and (spread.median, spread.low, spread.high)


def plots(session):
    """By name: the text of an SVG."""
    spread = lambda what: lambda samples, target: triple(Spread.of([getattr(sample, what) for sample in samples[target]]))
    whiskers = "bars: medians; whiskers: lowest and highest round"

    def times(samples, target):
        values = [[getattr(sample, what) for sample in samples[target]] for what in ("p50_ms", "p99_ms", "p999_ms")]
        return tuple(Spread.of(of).median for of in values if None not in of)

    def beside(samples, target):
        return None if target == next(iter(samples)) else triple(ratios(samples, target, next(iter(samples))))

    found = {
        "cpu": plot.bars("CPU per operation", f"µs, user and system; less is better; {whiskers}", panels(session, spread("cpu_us")), "µs"),
        "ratio": plot.bars(
            "CPU per operation beside Torc", f"its own ÷ that of Torc on one node, within a round; above 1 Torc is cheaper; {whiskers}", panels(session, beside), "×", mark=1
        ),
        "throughput": plot.bars("Throughput", f"operations a second, one core of load; more is better; {whiskers}", panels(session, spread("rate")), "/s"),
        "latency": plot.latencies("Latency under full load", "p50 ○, p99 ◇ and p99.9 △ in ms, medians of the rounds, logarithmic; less is better", panels(session, times)),
    }  # fmt: skip
    weighed = [
        (title, [plot.Row(name, triple(Spread.of(values)), kind(name, "torc")) for name, values in of.items()]) for title, of in peers_memory(session).items()
    ]  # fmt: skip
    if weighed:
        found["memory"] = plot.bars("Resident memory per key", f"B, beyond the empty server; less is better; {whiskers}", weighed, "B")
    return found if session.samples else {name: text for name, text in found.items() if name == "memory"}


def text(session, pictures=()):
    """The whole report; `pictures` are pairs of a title and the file of a plot."""
    parts = [head(session), *[f"![{title}]({file})" for title, file in pictures]]
    if session.samples:
        parts += ["## Workloads", *[table(name, samples) for name, samples in session.samples.items()]]
    parts += ["## Memory", memory(session)] if peers_memory(session) else []
    return "\n\n".join([*parts, goals_table(session)]) + "\n"


def write(session, output):
    """The report at `output` and its plots beside it. Returns what was written."""
    output.parent.mkdir(parents=True, exist_ok=True)
    drawn = plots(session)
    files = {name: output.with_name(f"{output.stem}-{name}.svg") for name in drawn}
    for name, file in files.items():
        file.write_text(drawn[name])
    output.write_text(text(session, [(name, file.name) for name, file in files.items()]))
    return [output, *files.values()]
