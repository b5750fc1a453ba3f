"""Celery with the node as broker and as result backend: tasks, failures, retries, countdown, groups, chords, chains, revoking.
Usage: celery_jobs.py PORT [ring]"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

os.environ["TORC_PORT"] = sys.argv[1]
if sys.argv[2:] == ["ring"]:
    os.environ["TORC_RING"] = "yes"

from celery import chain, chord, group  # noqa: E402
from celery.exceptions import TaskRevokedError  # noqa: E402
import redis  # noqa: E402

from celery_tasks import add, app, fail, succeed_third, total  # noqa: E402

WAIT = 20


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def main():
    redis.Redis(port=int(sys.argv[1])).flushall()
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "--concurrency", "2", "--loglevel", "WARNING"]
    # Sent before anybody works: it waits in its list.
    early = add.delay(1, 1)
    worker = subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        check(early.get(timeout=WAIT), 2)
        check([result.get(timeout=WAIT) for result in [add.delay(n, n) for n in range(20)]], [2 * n for n in range(20)])
        failed = fail.delay()
        try:
            failed.get(timeout=WAIT)
            raise AssertionError("it did not fail")
        except ValueError as error:
            check(str(error), "on purpose")
        check(failed.state, "FAILURE")
        check(succeed_third.delay().get(timeout=WAIT), 2)
        begin = time.monotonic()
        check(add.apply_async((2, 3), countdown=1).get(timeout=WAIT), 5)
        assert time.monotonic() - begin >= 1
        check(group(add.s(n, 1) for n in range(5))().get(timeout=WAIT), [1, 2, 3, 4, 5])
        check(chord((add.s(n, n) for n in range(6)), total.s())().get(timeout=WAIT), 30)
        check(chain(add.s(1, 2), add.s(10), add.s(100))().get(timeout=WAIT), 113)
        revoked = add.apply_async((1, 1), countdown=2)
        revoked.revoke()
        try:
            revoked.get(timeout=WAIT)
            raise AssertionError("it ran")
        except TaskRevokedError:
            pass
        check(list(app.control.ping(timeout=2))[0].popitem()[1], {"ok": "pong"})
        early.forget()
        check(early.state, "PENDING")
    except BaseException:
        worker.kill()
        print(worker.stdout.read().decode()[-4000:])
        raise
    worker.send_signal(signal.SIGTERM)
    check(worker.wait(WAIT), 0)


if __name__ == "__main__":
    main()
