"""A Celery application whose broker and result backend are the node at TORC_PORT."""

import os

from celery import Celery

url = f"redis://127.0.0.1:{os.environ['TORC_PORT']}"
app = Celery("tasks", broker=f"{url}/0", backend=f"{url}/1")
# In a ring, keys of one slot: transactions and BRPOP name several.
prefix = {"global_keyprefix": "{celery}"} if os.environ.get("TORC_RING") else {}
app.conf.update(
    broker_transport_options={"visibility_timeout": 3600, "polling_interval": 0.1, **prefix},
    result_backend_transport_options=prefix,
    task_track_started=True,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("on purpose")


@app.task(bind=True, max_retries=3)
def succeed_third(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries
