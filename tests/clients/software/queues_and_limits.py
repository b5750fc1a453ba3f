"""Dramatiq, Huey and Flask-Limiter: two queues of different making, and limits of requests. Usage: queues_and_limits.py PORT WHICH [ring]"""

import sys
import threading
import time

import redis

PORT = int(sys.argv[1])
URL = f"redis://127.0.0.1:{PORT}/3"
IN_RING = sys.argv[3:] == ["ring"]
store = redis.Redis(port=PORT, db=3, decode_responses=True)


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def until(condition, what):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} within 20 s")


def with_dramatiq():
    """All that its broker does is one script."""
    import dramatiq
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.results import Results
    from dramatiq.results.backends import RedisBackend

    # In a ring, keys of one slot: its script names several.
    namespace = "{dramatiq}" if IN_RING else "dramatiq"
    broker = RedisBroker(url=URL, namespace=namespace)
    broker.add_middleware(Results(backend=RedisBackend(url=URL)))
    dramatiq.set_broker(broker)
    attempts = []

    @dramatiq.actor(store_results=True)
    def add(a, b):
        return a + b

    @dramatiq.actor(max_retries=3, min_backoff=10, max_backoff=20)
    def third():
        attempts.append(1)
        if len(attempts) < 3:
            raise ValueError("not yet")

    worker = dramatiq.Worker(broker, worker_threads=4, worker_timeout=100)
    worker.start()
    messages = [add.send(n, n) for n in range(30)]
    check([message.get_result(block=True, timeout=20_000) for message in messages], [2 * n for n in range(30)])
    check(add.send_with_options(args=(1, 2), delay=300).get_result(block=True, timeout=20_000), 3)
    third.send()
    until(lambda: len(attempts) == 3, "the third attempt comes")
    broker.join(add.queue_name)
    worker.stop()
    broker.close()


def with_huey():
    from huey import PriorityRedisHuey, RedisHuey

    for kind in (RedisHuey, PriorityRedisHuey):
        huey = kind("huey", url=URL)
        attempts = []

        @huey.task()
        def add(a, b):
            return a + b

        @huey.task(retries=2)
        def third():
            attempts.append(1)
            if len(attempts) < 3:
                raise ValueError("not yet")
            return len(attempts)

        consumer = huey.create_consumer(workers=2, periodic=False, initial_delay=0.01, scheduler_interval=0.2)
        consumer.start()
        results = [add(n, n) for n in range(20)]
        check([result(blocking=True, timeout=20) for result in results], [2 * n for n in range(20)])
        check(add.schedule((3, 4), delay=1)(blocking=True, timeout=20), 7)
        third()
        until(lambda: len(attempts) == 3, "the third attempt comes")
        revoked = add.schedule((1, 1), delay=60)
        revoked.revoke()
        check(revoked.is_revoked(), True)
        with huey.lock_task("lock"):
            check(huey.is_locked("lock"), True)
        check(huey.is_locked("lock"), False)
        consumer.stop(graceful=True)
        huey.flush()


def with_flask_limiter():
    """Fixed, moving and sliding windows, by scripts and pipelines."""
    from flask import Flask
    from flask_limiter import Limiter
    from flask_limiter.util import get_remote_address

    for strategy in ("fixed-window", "moving-window", "sliding-window-counter"):
        store.flushdb()
        app = Flask(strategy)
        limiter = Limiter(get_remote_address, app=app, storage_uri=URL, strategy=strategy)

        @app.get("/")
        @limiter.limit("3 per minute")
        def index():
            return "ok"

        client = app.test_client()
        # Not over the turn of a minute, at which a fixed window begins anew.
        codes = [client.get("/").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429] or time.time() % 60 < 1, codes


if __name__ == "__main__":
    store.flushdb()
    {
        "dramatiq": with_dramatiq,
        "huey": with_huey,
        "flask-limiter": with_flask_limiter,
    }[sys.argv[2]]()
    assert threading.active_count() < 50
