"""RedisCluster through the death and the return of a node: one client object all the time, which must find its way by itself.

recover.py CLUSTER_PORT...

It writes until its standard input ends. A line with a number of nodes on it asks whether the client has found them all and works without an error
again; the answer is a line, as is each failure.
"""

import sys
import threading
import time

from redis.cluster import ClusterNode, RedisCluster

WRITERS = 4
RECOVER_SECONDS = 30


class Writer(threading.Thread):
    """Writes new keys, and remembers which were acknowledged."""

    def __init__(self, cluster, name):
        super().__init__(daemon=True)
        self.cluster, self.name_ = cluster, name
        self.acknowledged, self.failed, self.gap = 0, set(), 0.0
        self.over = False

    def run(self):
        count, last = 0, time.monotonic()
        while not self.over:
            try:
                self.cluster.set(f"py:{self.name_}:{count}", count)
                self.gap = max(self.gap, time.monotonic() - last)
                last = time.monotonic()
            except Exception:  # whatever the client makes of it: the application tries the next one
                self.failed.add(count)
            count += 1
            self.acknowledged = count - len(self.failed)


def works(cluster, nodes):
    """Whether the client knows so many primaries, and every one serves."""
    if len(cluster.get_primaries()) != nodes:
        return False
    for index in range(300):
        cluster.set(f"probe:{index}", index)
        if cluster.get(f"probe:{index}") != str(index):
            raise AssertionError(f"probe:{index} is lost")
    return True


def recovers(cluster, nodes):
    begin, said = time.monotonic(), ""
    while time.monotonic() < begin + RECOVER_SECONDS:
        try:
            if works(cluster, nodes):
                return f"works with {nodes} nodes"
            said = f"knows {len(cluster.get_primaries())} primaries"
        except AssertionError:
            raise
        except Exception as error:
            said = repr(error)
        time.sleep(0.05)
    return f"FAILED: not recovered to {nodes} nodes: {said}"


def main():
    seeds = [ClusterNode("127.0.0.1", int(port)) for port in sys.argv[1:]]
    cluster = RedisCluster(startup_nodes=seeds, decode_responses=True)
    writers = [Writer(cluster, name) for name in range(WRITERS)]
    for writer in writers:
        writer.start()
    for line in sys.stdin:
        print(recovers(cluster, int(line)), flush=True)
    for writer in writers:
        writer.over = True
    for writer in writers:
        writer.join()
    acknowledged, lost = 0, []
    for writer in writers:
        total = writer.acknowledged + len(writer.failed)
        for count in (count for count in range(total) if count not in writer.failed):
            acknowledged += 1
            if cluster.get(f"py:{writer.name_}:{count}") != str(count):
                lost.append(count)
    failed, gap = sum(len(writer.failed) for writer in writers), max(writer.gap for writer in writers)
    print(f"{'FAILED: ' if lost else ''}{acknowledged} acknowledged, {len(lost)} of them lost, {failed} failed, longest gap {gap:.1f} s", flush=True)


main()
