"""redis-py against a ring: plain clients on every node's port, and RedisCluster on a cluster port.

ring.py CLUSTER_PORT PORT...
"""

import sys

import redis
from redis.cluster import RedisCluster


def main() -> None:
    cluster_port, *ports = (int(word) for word in sys.argv[1:])
    plain = [redis.Redis(port=port, decode_responses=True) for port in ports]
    for index in range(200):
        writer, reader = plain[index % len(plain)], plain[(index + 1) % len(plain)]
        assert writer.set(f"py:{index}", index)
        assert reader.get(f"py:{index}") == str(index)
    with plain[0].pipeline(transaction=False) as pipe:
        for index in range(200):
            pipe.get(f"py:{index}")
        assert pipe.execute() == [str(index) for index in range(200)]
    assert sorted(plain[1].scan_iter("py:*", count=50)) == sorted(f"py:{i}" for i in range(200))

    for index in range(60):
        key, client = f"{{tx{index}}}", plain[index % len(plain)]
        with client.pipeline(transaction=True) as pipe:
            pipe.set(f"{key}a", 1).incr(f"{key}a").get(f"{key}b")
            assert pipe.execute() == [True, 2, None]
        with client.pipeline() as pipe:
            pipe.watch(f"{key}a")
            value = int(pipe.get(f"{key}a"))
            pipe.multi()
            pipe.set(f"{key}a", value + 1)
            if index % 3 == 0:
                plain[(index + 1) % len(plain)].incr(f"{key}a")
                try:
                    pipe.execute()
                except redis.WatchError:
                    pass
                else:
                    raise AssertionError("a change went by")
            else:
                assert pipe.execute() == [True]
        assert client.get(f"{key}a") == "3"

    cluster = RedisCluster(host="127.0.0.1", port=cluster_port, decode_responses=True)
    for index in range(200):
        assert cluster.get(f"py:{index}") == str(index)
        assert cluster.incr(f"count:{index % 7}")
    assert sum(int(cluster.get(f"count:{index}")) for index in range(7)) == 200
    with cluster.pipeline() as pipe:
        for index in range(200):
            pipe.set(f"piped:{index}", index)
        assert all(pipe.execute())
    assert cluster.mget_nonatomic([f"piped:{index}" for index in range(200)]) == [
        str(index) for index in range(200)
    ]
    assert len(set(cluster.scan_iter("piped:*"))) == 200
    # Asked for all of them, redis-py 7.4 asks one node.
    counts = [cluster.dbsize(target_nodes=node) for node in cluster.get_primaries()]
    assert sum(counts) == plain[0].dbsize() and min(counts) > 0
    print("ring.py: ok")


main()
