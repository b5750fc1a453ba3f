"""What the jobs of rq_jobs.py do."""

import os
import time

import redis
from rq import get_current_job

store = redis.Redis(port=int(os.environ["TORC_PORT"]))


def add(a, b):
    return a + b


def fail():
    raise ValueError("on purpose")


def succeed_third():
    """Fails twice."""
    if store.incr("attempts") < 3:
        raise ValueError("not yet")
    return "third"


def note(text):
    store.rpush("noted", text)
    job = get_current_job()
    job.meta["noted"] = text
    job.save_meta()


def sleep(seconds):
    time.sleep(seconds)
