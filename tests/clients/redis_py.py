"""redis-py's plain client against a node: what an application does, in both protocols. Usage: redis_py.py PORT [ring]

With TORC_CLIENTS_CA, the file of an authority, it comes by TLS.

Commands that must take several keys as one step name keys of one slot, for the node may be one of a ring. What no ring does is left out there.
"""

import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import redis

AUTHORITY = os.environ.get("TORC_CLIENTS_CA")


def connect(**options):
    return redis.Redis(**options, **({"ssl": True, "ssl_ca_certs": AUTHORITY} if AUTHORITY else {}))


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def raises(kind, text, call):
    try:
        call()
    except kind as error:
        assert text in str(error), f"{error} does not say {text!r}"
    else:
        raise AssertionError(f"no {kind.__name__}")


def at_once(count, work, meanwhile=None):
    """Runs work(0) ... work(count - 1) in threads and `meanwhile` in this one; what failed in a thread fails here."""
    with ThreadPoolExecutor(count) as threads:
        running = [threads.submit(work, n) for n in range(count)]
        if meanwhile:
            meanwhile()
        for thread in running:
            thread.result()


def strings(r):
    check(r.set("k", "v"), True)
    check(r.get("k"), b"v")
    check(r.get("absent"), None)
    check(r.set("k", "w", nx=True), None)
    check(r.set("k", "w", xx=True, ex=100), True)
    assert 98 <= r.ttl("k") <= 100
    check(r.set("k", "x", keepttl=True, get=True), b"w")
    check(r.getex("k", persist=True), b"x")
    check(r.ttl("k"), -1)
    check(r.mset({"a": 1, "b": 2.5, "c": "drei"}), True)
    check(r.mget("a", "b", "c", "d"), [b"1", b"2.5", b"drei", None])
    check(r.msetnx({"a": 1, "{a}z": 2}), False)
    check(r.incr("a", 41), 42)
    check(r.decr("a", 2), 40)
    check(r.incrbyfloat("b", 0.25), 2.75)
    check(r.append("c", "!"), 5)
    check(r.strlen("c"), 5)
    check(r.getrange("c", 0, 2), b"dre")
    check(r.setrange("c", 1, "XY"), 5)
    check(r.getdel("c"), b"dXYi!")
    check(r.set(b"\x00\xff", b"\r\n\x00"), True)
    check(r.get(b"\x00\xff"), b"\r\n\x00")
    check(r.set("big", b"x" * 3_000_000), True)
    check(len(r.get("big")), 3_000_000)
    check(r.lcs("a", "{a}b") if hasattr(r, "lcs") else None, r.execute_command("LCS", "a", "{a}b"))
    raises(redis.ResponseError, "not an integer", lambda: r.incr("k"))
    raises(redis.ResponseError, "unknown command", lambda: r.execute_command("NOPE"))
    raises(redis.ResponseError, "wrong number of arguments", lambda: r.execute_command("GET"))


def keys(r):
    r.flushall()
    for i in range(2500):
        r.set(f"key:{i}", i)
    found = sorted(r.scan_iter(match="key:*", count=100))
    check(len(set(found)), 2500)
    check(len(list(r.scan_iter(match="key:1?", count=50))), 10)
    check(len(list(r.scan_iter(_type="string"))) >= 2500, True)
    check(r.dbsize(), 2500)
    check(r.exists("key:1", "key:2", "nope"), 2)
    check(r.delete("key:1", "key:2", "nope"), 2)
    check(r.unlink("key:3"), 1)
    check(r.type("key:4"), b"string")
    check(r.rename("key:4", "{key:4}renamed"), True)
    check(r.set("{key:4}other", "x"), True)
    check(r.renamenx("{key:4}renamed", "{key:4}other"), False)
    check(r.copy("{key:4}renamed", "copied"), True)
    check(r.get("copied"), b"4")
    check(r.expire("copied", 100), True)
    check(r.expire("copied", 50, gt=True), False)
    check(r.persist("copied"), True)
    check(r.pexpireat("copied", int(time.time() * 1000) + 60_000), True)
    assert r.expiretime("copied") > time.time()
    payload = r.dump("copied")
    check(r.restore("restored", 0, payload) in (True, b"OK"), True)
    check(r.get("restored"), b"4")
    check(r.object("encoding", "restored"), b"int")
    check(r.touch("restored", "nope"), 1)
    assert r.randomkey() is not None
    check(sorted(r.keys("key:10")), [b"key:10"])
    check(r.flushdb(), True)
    check(r.dbsize(), 0)


def bits(r):
    check(r.setbit("bits", 7, 1), 0)
    check(r.getbit("bits", 7), 1)
    check(r.bitcount("bits"), 1)
    check(r.bitpos("bits", 1), 7)
    check(r.bitop("NOT", "inverse", "bits"), 1)
    check(r.get("inverse"), b"\xfe")
    field = r.bitfield("field")
    check(field.set("u8", 0, 255).incrby("u8", 0, 1, "SAT").get("u8", 0).execute(), [0, 255, 255])
    check(r.pfadd("hll", *range(1000)), 1)
    assert abs(r.pfcount("hll") - 1000) < 30
    check(r.pfmerge("hll2", "hll"), True)
    check(r.pfcount("hll2"), r.pfcount("hll"))


def pipelines(r):
    pipe = r.pipeline(transaction=False)
    for i in range(5000):
        pipe.set(f"p:{i}", i).incr(f"p:{i}").get(f"p:{i}")
    replies = pipe.execute()
    check(len(replies), 15000)
    check(replies[-1], b"5000")
    pipe = r.pipeline(transaction=False)
    pipe.set("text", "abc").incr("text").get("text")
    replies = pipe.execute(raise_on_error=False)
    check(replies[0], True)
    assert isinstance(replies[1], redis.ResponseError), replies
    check(replies[2], b"abc")


def server(r):
    check(r.ping(), True)
    check(r.echo("hi"), b"hi")
    info = r.info()
    for field in ("redis_version", "used_memory", "connected_clients", "total_commands_processed", "uptime_in_seconds"):
        assert field in info, field
    r.set("one", 1)
    assert "db0" in r.info("keyspace"), r.info("keyspace")
    check(r.config_get("maxmemory")["maxmemory"], "0")
    check(r.config_set("maxmemory-samples", 7), True)
    check(r.config_get("maxmemory-samples")["maxmemory-samples"], "7")
    check(r.config_set("maxmemory-samples", 5), True)
    check(r.client_setname("tester"), True)
    check(r.client_getname() in ("tester", b"tester"), True)
    assert r.client_id() > 0
    assert any(client["name"] == "tester" for client in r.client_list())
    assert abs(r.time()[0] - time.time()) < 5
    assert r.memory_usage("one") > 0
    assert r.command_count() > 80
    assert "get" in r.command() or b"get" in r.command()
    r.config_set("slowlog-log-slower-than", 0)
    # Nothing about keys: of a ring's nodes, the one that runs a command logs it.
    r.echo("slow")
    assert len(r.slowlog_get()) > 0
    r.config_set("slowlog-log-slower-than", 10000)
    r.slowlog_reset()
    check(r.config_resetstat(), True)


def databases(port, protocol):
    zero = connect(port=port, db=0, protocol=protocol)
    three = connect(port=port, db=3, protocol=protocol)
    zero.set("where", "zero")
    three.set("where", "three")
    check(zero.get("where"), b"zero")
    check(zero.move("where", 3), False)
    # All nodes of a ring could not exchange them in one step.
    if "ring" not in sys.argv:
        check(zero.swapdb(0, 3), True)
        check(zero.get("where"), b"three")
    zero.flushall()
    check(three.dbsize(), 0)


def pool(port, protocol):
    secured = {"connection_class": redis.SSLConnection, "ssl_ca_certs": AUTHORITY} if AUTHORITY else {}
    shared = redis.Redis(
        connection_pool=redis.ConnectionPool(
            port=port, protocol=protocol, max_connections=20, decode_responses=True, **secured
        )
    )

    def work(n):
        for i in range(300):
            shared.set(f"t{n}:{i}", f"wert ü {i}")
            check(shared.get(f"t{n}:{i}"), f"wert ü {i}")
            shared.incr("together")

    at_once(16, work)
    check(shared.get("together"), "4800")
    # What the pool hands out after a client was killed connects anew.
    shared.client_kill_filter(_type="normal", skipme=True)
    check(shared.ping(), True)


def next_message(p):
    """The next message, whatever else comes before it; redis-py answers None where it only dealt with something itself."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        message = p.get_message(timeout=1)
        if message:
            return message["type"], message["channel"], message["data"]
    raise AssertionError("no message")


def publishing(r):
    p = r.pubsub()
    p.subscribe("news", "other")
    p.psubscribe("n*")
    check([next_message(p) for _ in range(3)], [
        ("subscribe", b"news", 1), ("subscribe", b"other", 2), ("psubscribe", b"n*", 3)])
    check(r.publish("news", "hello"), 2)
    check(next_message(p), ("message", b"news", b"hello"))
    check(next_message(p), ("pmessage", b"news", b"hello"))
    check(sorted(r.pubsub_channels()), [b"news", b"other"])
    check(r.pubsub_numsub("news", "x"), [(b"news", 1), (b"x", 0)])
    check(r.pubsub_numpat(), 1)
    p.ping()
    check(p.get_message(timeout=10)["type"], "pong")
    p.unsubscribe("other")
    check(next_message(p), ("unsubscribe", b"other", 2))
    p.punsubscribe()
    check(next_message(p)[0], "punsubscribe")
    # Each node has settings of its own, and whoever serves a key tells of it.
    port = r.connection_pool.connection_kwargs["port"]
    nodes = [connect(port=port + n) for n in range(3 if "ring" in sys.argv else 1)]
    for node in nodes:
        node.config_set("notify-keyspace-events", "KEA")
    p.psubscribe("__keyevent@0__:*")
    next_message(p)
    r.set("k", "v", ex=100)
    check([next_message(p) for _ in range(2)], [
        ("pmessage", b"__keyevent@0__:set", b"k"), ("pmessage", b"__keyevent@0__:expire", b"k")])
    for node in nodes:
        node.config_set("notify-keyspace-events", "")
    p.close()

    # A thread that calls handlers, as applications use it.
    heard, done = [], threading.Event()

    def handle(message):
        heard.append(message["data"])
        if len(heard) == 1000:
            done.set()

    threaded = r.pubsub(ignore_subscribe_messages=True)
    threaded.subscribe(jobs=handle)
    thread = threaded.run_in_thread(sleep_time=0.1, daemon=True)
    while dict(r.pubsub_numsub("jobs")).get(b"jobs") != 1:
        pass
    for i in range(1000):
        r.publish("jobs", i)
    assert done.wait(20), f"{len(heard)} of 1000 came"
    check(heard, [str(i).encode() for i in range(1000)])
    thread.stop()
    thread.join(10)


def blocking_lock(r):
    """SET NX PX and a compare by hand: what caches use in place of scripts."""
    check(r.set("lock", "me", nx=True, px=60000), True)
    check(r.set("lock", "you", nx=True, px=60000), None)
    check(r.get("lock"), b"me")
    check(r.delete("lock"), 1)
    check(r.set("lock", "you", nx=True, px=60000), True)


def transactions(r):
    with r.pipeline(transaction=True) as pipe:
        pipe.set("t", 1).incr("t").get("t").get("{t}absent").append("t", "x")
        check(pipe.execute(), [True, 2, b"2", None, 2])
        pipe.incr("t").get("t")
        check(pipe.execute(raise_on_error=False)[1], b"2x")
        pipe.incr("t")
        raises(redis.ResponseError, "not an integer", pipe.execute)
        # In a ring such commands come to every node.
        if "ring" not in sys.argv:
            pipe.flushall().dbsize().set("t", 5).keys("*").mget("t", "{t}u")
            check(pipe.execute(), [True, 0, True, [b"t"], [b"5", None]])
    r.set("t", 5)
    with r.pipeline() as pipe:
        pipe.watch("t")
        check(pipe.get("t"), b"5")
        r.set("t", 6)
        pipe.multi()
        pipe.set("t", 7)
        raises(redis.WatchError, "Watched variable changed", pipe.execute)
    check(r.get("t"), b"6")
    check(r.transaction(lambda pipe: (pipe.multi(), pipe.incr("t")), "t"), [7])
    r.set("counted", 0)

    def once(pipe):
        value = int(pipe.get("counted"))
        pipe.multi()
        pipe.set("counted", value + 1)

    def add(_):
        for _ in range(100):
            r.transaction(once, "counted")

    at_once(6, add)
    check(r.get("counted"), b"600")


def scripts(r):
    """What redis-py itself does by scripts: its Lock."""
    add = r.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    check(add(keys=["scripted"], args=[5]), 5)
    r.script_flush()
    check(add(keys=["scripted"], args=[5]), 10)
    with r.lock("held", timeout=10) as lock:
        check(lock.owned(), True)
        check(lock.extend(5), True)
        check(lock.reacquire(), True)
        check(r.lock("held", timeout=10).acquire(blocking=False), False)
    check(r.exists("held"), 0)
    # Six threads count without losing one, because each holds the lock.
    r.set("locked", 0)

    def count(_):
        for _ in range(20):
            with r.lock("guard", timeout=20, sleep=0.001):
                r.set("locked", int(r.get("locked")) + 1)

    at_once(6, count)
    check(r.get("locked"), b"120")


def queues(r):
    """Blocking pops, as workers of a queue do them. In a ring, keys of one command share a hash tag."""
    r.rpush("{queue}", "a", "b")
    check(list(r.blpop("{queue}", timeout=1)), [b"{queue}", b"a"])
    check(r.brpoplpush("{queue}", "{queue}working", timeout=1), b"b")
    check(r.blmove("{queue}working", "{queue}", timeout=1, src="LEFT", dest="RIGHT"), b"b")
    check(r.lrange("{queue}", 0, -1), [b"b"])
    taken = []

    def work(_):
        while True:
            job = r.brpop("jobs", timeout=5)[1]
            if job == b"end":
                return
            taken.append(int(job))

    def push():
        for job in range(400):
            r.lpush("jobs", job)
        r.lpush("jobs", *["end"] * 4)

    at_once(4, work, push)
    check(sorted(taken), list(range(400)))


def main():
    port = int(sys.argv[1])
    for protocol in (2, 3):
        r = connect(port=port, protocol=protocol)
        r.flushall()
        parts = (strings, keys, bits, pipelines, transactions, server, blocking_lock, publishing, scripts, queues)
        for part in parts:
            part(r)
        databases(port, protocol)
        pool(port, protocol)
        decoded = connect(port=port, protocol=protocol, decode_responses=True)
        decoded.set("ü", "ß")
        check(decoded.get("ü"), "ß")
        check(decoded.mget("ü", "-"), ["ß", None])
        r.flushall()
        print(f"redis-py {redis.__version__}, RESP{protocol}: all passed")


main()
