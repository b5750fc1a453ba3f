"""What is measured: data sets, and the workloads that run on each.

From one base point (values of 100 B, 1 M keys of 16 B, all as likely, SET:GET 1:10, pipelines of 1, 16 and 64) one thing is changed at a time. In
commands KEY stands for a key of the data set and DATA for a value of its length.
"""

import dataclasses

KEY, DATA = "__key__", "__data__"  # as memtier_benchmark calls them
KEY_BYTES = 16
FIRST_KEY = 10**11  # numbers of 12 digits, so that `key:` and the number have 16 B

READ, WRITE = ("GET", KEY), ("SET", KEY, DATA)
MIX = ((1, WRITE), (10, READ))
FLOORS = {"peers": (1,), "workers": (1, 2)}  # by who holds the data, where peers do: how many threads each floor has that takes part
FIELDS = range(10)


def of_two(name):
    """The target's name where a server that has one thread elsewhere has two."""
    return f"{name}, 2 threads"


@dataclasses.dataclass(frozen=True)
class Data:
    """What servers hold while a workload runs, and the command that puts it there, `passes` times for each key."""

    keys: int
    value_bytes: int
    fill: tuple = WRITE
    passes: int = 1
    elements: int = 1  # of one command of `fill`
    servers: str = "peers"  # or "replicated", "workers", "hot", "ring" or "slot": who holds it, see `Fleet`
    options: tuple = ()  # of the servers, beyond what they always have
    scales: bool = True  # whether --quick takes fewer keys

    @property
    def plain(self):
        """Whether it is strings alone, which memcached can hold too."""
        return self.fill == WRITE and not self.options

    @property
    def need_bytes(self):
        """A generous guess of what one server takes for it."""
        return self.keys * (120 + self.passes * self.elements * (self.value_bytes + 80))


@dataclasses.dataclass(frozen=True)
class Workload:
    """Commands with how often each is sent in a turn, over one data set."""

    name: str
    meaning: str
    data: Data
    commands: tuple
    pipeline: int
    pattern: str = "R"  # of keys: R uniform, G gaussian
    settle_seconds: float = 0.0  # watched after the last reply, for what is put off
    alone: bool = True  # whether the most frequent command alone leaves the data as they are
    offered: int = 0  # operations a second of all connections together; 0: as many as are answered
    range_keys: int = 0  # keys that are asked for, where they are more than the data has at first

    @property
    def key_count(self):
        """How many different keys are asked for."""
        return self.range_keys or self.data.keys

    @property
    def is_plain(self):
        """Whether memcached has it too: SET and GET, and an expiry."""
        return self.data.plain and self.data.servers in FLOORS and all(c[0] in ("SET", "GET") for _, c in self.commands)

    @property
    def reply_bytes(self):
        """What the floor answers: a value if most commands are GET, else +OK, which is None."""
        return self.data.value_bytes if max(self.commands)[1][0] == "GET" else None


BASE = Data(1_000_000, 100)
TENS = Data(10_000_000, 100)
BIG = Data(65_536, 16_384)
COUNTERS = Data(1_000_000, 0, fill=("INCR", KEY))
HASHES = Data(100_000, 100, fill=("HSET", KEY, *[word for f in FIELDS for word in (f"field{f}", DATA)]), elements=10)
ZSETS = Data(100_000, 0, fill=("ZADD", KEY, *[word for f in FIELDS for word in (str(f), f"member{f}")]), elements=10)
BOARD = Data(1_000_000, 0, fill=("ZADD", "board", "1", KEY))
LISTS = Data(10_000, 100, fill=("RPUSH", KEY, DATA), passes=100)
EXPIRING = Data(1_000_000, 100)
EVICTING = Data(1_000_000, 100, options=("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"), scales=False)
GROWING = Data(50_000, 100, scales=False)
# A quarter of what the slowest peer manages, so that waiting is for what the server does besides.
OFFERED = 200_000
WORKERS = Data(1_000_000, 100, servers="workers")
# One request in 12 is for one of these keys, and the others share the rest: 1 / 12 is 1,000 times as much as 11 / 12 / 11,000.
HOT = Data(11_000, 100, servers="hot", scales=False)
RING = Data(100_000, 100, servers="ring")
SLOT = Data(100_000, 100, servers="slot")
MEMORY = Data(2_000_000, 64)
COPIES = Data(2_000_000, 64, servers="replicated")

WORKLOADS = [
    *[Workload(f"mix-{p}", "SET:GET 1:10", BASE, MIX, p) for p in (1, 16, 64)],
    Workload("even-16", "SET:GET 1:1", BASE, ((1, WRITE), (1, READ)), 16),
    *[Workload(f"get-{p}", "GET alone", BASE, ((1, READ),), p) for p in (1, 16)],
    Workload("gauss-16", "SET:GET 1:10, gaussian keys", BASE, MIX, 16, pattern="G"),
    Workload("load-16", f"SET:GET 1:10, {OFFERED:,} operations a second offered", BASE, MIX, 16, offered=OFFERED),
    Workload("value32-16", "SET:GET 1:10, values of 32 B", Data(1_000_000, 32), MIX, 16),
    Workload("value1k-16", "SET:GET 1:10, values of 1 KiB", Data(1_000_000, 1024), MIX, 16),
    *[Workload(f"value16k-{p}", "SET:GET 1:10, values of 16 KiB", BIG, MIX, p) for p in (1, 16)],
    Workload("keys100k-16", "SET:GET 1:10, 100 k keys", Data(100_000, 100), MIX, 16),
    *[Workload(f"keys10m-{p}", "SET:GET 1:10, 10 M keys", TENS, MIX, p) for p in (16, 64)],
    *[Workload(f"incr-{p}", "INCR of 1 M counters", COUNTERS, ((1, ("INCR", KEY)),), p) for p in (1, 16)],
    Workload("hash-16", "HSET:HGET 1:10, hashes of 10 fields", HASHES, ((1, ("HSET", KEY, "field3", DATA)), (10, ("HGET", KEY, "field7"))), 16),
    Workload("zset-16", "ZADD:ZRANGE 1:10, first 3 of sorted sets of 10", ZSETS, ((1, ("ZADD", KEY, "5", "member7")), (10, ("ZRANGE", KEY, "0", "2"))), 16),
    Workload("board-16", "ZINCRBY:ZSCORE 1:10, one sorted set of 1 M", BOARD, ((1, ("ZINCRBY", "board", "1", KEY)), (10, ("ZSCORE", "board", KEY))), 16),
    Workload("list-16", "RPUSH:LPOP 1:1, lists of about 100", LISTS, ((1, ("RPUSH", KEY, DATA)), (1, ("LPOP", KEY))), 16, alone=False),
    Workload("ttl-16", "SETEX 100:GET 1:1", EXPIRING, ((1, (*WRITE, "EX", "100")), (1, READ)), 16),
    Workload("expiring-16", "SETEX 1:GET 1:1, and 3 s for what expires", EXPIRING, ((1, (*WRITE, "EX", "1")), (1, READ)), 16, settle_seconds=3),
    Workload("load-expiring-16", f"SETEX 1:GET 1:1, so that keys expire, {OFFERED:,} operations a second offered", EXPIRING, ((1, (*WRITE, "EX", "1")), (1, READ)), 16, offered=OFFERED),
    Workload("load-evicting-16", f"SET:GET 1:1, each SET evicts, {OFFERED:,} operations a second offered", EVICTING, ((1, WRITE), (1, READ)), 16, alone=False, offered=OFFERED, range_keys=10_000_000),
    Workload("load-growing-16", f"SET:GET 1:1 of ever more keys, {OFFERED:,} operations a second offered", GROWING, ((1, WRITE), (1, READ)), 16, alone=False, offered=OFFERED, range_keys=10_000_000),
    Workload("workers-16", "SET:GET 1:10, two workers on two cores, and peers with as many threads", WORKERS, MIX, 16),
    Workload("hot-16", "SET:GET 1:10, two workers, one key 1,000× hotter", HOT, (*MIX, (1, READ)), 16),
    *[Workload(f"ring-get-{p}", "GET by a ring, all keys", RING, ((1, READ),), p, settle_seconds=0.2) for p in (1, 16)],
    Workload("ring-mix-16", "SET:GET 1:10 by a ring, all keys", RING, MIX, 16, settle_seconds=0.2),
    *[Workload(f"slot-get-{p}", "GET by a ring, keys of one slot", SLOT, ((1, READ),), p, settle_seconds=0.2) for p in (1, 16)],
    *[Workload(f"slot-set-{p}", "SET by a ring, keys of one slot", SLOT, ((1, WRITE),), p, settle_seconds=0.2) for p in (1, 16)],
    Workload("memory", "memory of values of 64 B, servers of their own", MEMORY, (), 0),
    Workload("memory-copies", "memory of values of 64 B, two copies of each", COPIES, (), 0),
]
HOT_MIX = (*MIX, (1, ("GET", f"key:{FIRST_KEY}")))  # beside a third command of its own, so that the load generator works as hard
QUICK = ["mix-1", "mix-16", "mix-64", "list-16", "workers-16", "hot-16", "ring-get-16", "slot-get-16", "slot-set-16", "memory"]
QUICK_SHARE = 5  # of the keys, one in so many


def scaled(data, quick):
    """The data set as --quick has it."""
    return dataclasses.replace(data, keys=data.keys // QUICK_SHARE) if quick and data.scales else data
