"""RQ: queues, worker processes, results, failures, retries, dependencies, the scheduler. Usage: rq_jobs.py PORT"""

import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import redis
from rq import Queue, Retry, Worker
from rq.job import Job
from rq.registry import FailedJobRegistry, FinishedJobRegistry, ScheduledJobRegistry

os.environ.setdefault("TORC_PORT", sys.argv[1])

import rq_tasks  # noqa: E402

HERE = Path(__file__).parent


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def until(condition, what):
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} within 20 s")


def main():
    port = os.environ["TORC_PORT"]
    connection = redis.Redis(port=int(port))
    connection.flushall()
    high, low = Queue("high", connection=connection), Queue("low", connection=connection)
    # Queued before anybody works: the first queue goes first, each in order.
    noted = [low.enqueue(rq_tasks.note, "low"), high.enqueue(rq_tasks.note, "high 1"), high.enqueue(rq_tasks.note, "high 2")]
    check((len(high), len(low)), (2, 1))
    check(high.job_ids, [noted[1].id, noted[2].id])

    def worker(*options):
        command = [Path(sys.executable).parent / "rq", "worker", "--url", f"redis://127.0.0.1:{port}", "--path", str(HERE), *options]
        return subprocess.Popen([*map(str, command), "high", "low"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    workers = [worker("--burst")]
    try:
        check(workers[0].wait(30), 0)
        check(connection.lrange("noted", 0, -1), [b"high 1", b"high 2", b"low"])
        check(Job.fetch(noted[0].id, connection=connection).get_meta(), {"noted": "low"})

        workers = [worker("--with-scheduler"), worker()]
        until(lambda: Worker.count(connection=connection) == 2, "both workers register")
        sums = [high.enqueue(rq_tasks.add, n, n) for n in range(20)]
        failing = low.enqueue(rq_tasks.fail)
        third = low.enqueue(rq_tasks.succeed_third, retry=Retry(max=3))
        first = low.enqueue(rq_tasks.add, 1, 2)
        second = low.enqueue(rq_tasks.add, 3, 4, depends_on=first)
        later = high.enqueue_in(timedelta(seconds=1), rq_tasks.add, 5, 6)
        check(len(ScheduledJobRegistry(queue=high)), 1)
        until(lambda: all(job.is_finished for job in sums), "the sums are finished")
        check([job.return_value() for job in sums], [2 * n for n in range(20)])
        until(lambda: failing.is_failed, "the failing job fails")
        assert "on purpose" in failing.latest_result().exc_string
        check(FailedJobRegistry(queue=low).get_job_ids(), [failing.id])
        until(lambda: third.is_finished and third.return_value() == "third", "the third attempt succeeds")
        until(lambda: second.is_finished and second.return_value() == 7, "the dependent job follows")
        until(lambda: later.is_finished and later.return_value() == 11, "the scheduler enqueues")
        assert set(job.id for job in sums) <= set(FinishedJobRegistry(queue=high).get_job_ids())

        # A job that is cancelled does not run; a worker that is asked to stop ends its job first.
        check(FailedJobRegistry(queue=low).requeue(failing.id).id, failing.id)
        until(lambda: failing.is_failed, "it fails again")
        many = high.enqueue_many([Queue.prepare_data(rq_tasks.add, (n, 1)) for n in range(5)])
        until(lambda: all(job.is_finished for job in many), "jobs that were enqueued together are finished")
        for process in workers:
            process.send_signal(signal.SIGTERM)
        check([process.wait(20) for process in workers], [0, 0])
        until(lambda: Worker.count(connection=connection) == 0, "workers are gone")
        cancelled = high.enqueue(rq_tasks.add, 0, 0)
        cancelled.cancel()
        check((len(high), cancelled.get_status().value), (0, "canceled"))
    finally:
        for process in workers:
            if process.poll() is None:
                process.kill()
                print(process.stdout.read().decode()[-3000:])


if __name__ == "__main__":
    main()
