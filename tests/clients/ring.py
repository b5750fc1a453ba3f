"""redis-py against a ring, in both protocols: plain clients on every node's port, and RedisCluster on a cluster port.

ring.py CLUSTER_PORT PORT...
"""

import sys

import redis
from redis.cluster import LoadBalancingStrategy, RedisCluster

COUNT = 200


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


def plain_clients(ports, protocol):
    """Whatever node an application talks to, it sees all keys."""
    clients = [redis.Redis(port=port, protocol=protocol, decode_responses=True) for port in ports]
    first, second = clients[0], clients[1]
    first.flushall()
    for index in range(COUNT):
        writer, reader = clients[index % len(clients)], clients[(index + 1) % len(clients)]
        check(writer.set(f"py:{index}", index), True)
        check(reader.get(f"py:{index}"), str(index))
    names, values = [f"py:{index}" for index in range(COUNT)], [str(index) for index in range(COUNT)]
    with first.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.get(name).strlen(name)
        check(pipe.execute()[::2], values)
    # These name keys of many slots at once.
    check(second.mget(names), values)
    check(second.mset({f"many:{index}": index for index in range(COUNT)}), True)
    check(first.exists(*names), COUNT)
    check(first.delete(*(f"many:{index}" for index in range(COUNT))), COUNT)
    check(sorted(second.scan_iter("py:*", count=50)), sorted(names))
    check(sorted(first.keys("py:*")), sorted(names))
    check([client.dbsize() for client in clients], [COUNT] * len(clients))


def transactions(ports):
    """One step in one slot, wherever that is, and watched keys that another client changes."""
    clients = [redis.Redis(port=port, decode_responses=True) for port in ports]
    for index in range(60):
        key, client = f"{{tx{index}}}", clients[index % len(clients)]
        with client.pipeline(transaction=True) as pipe:
            pipe.set(f"{key}a", 1).incr(f"{key}a").get(f"{key}b")
            check(pipe.execute(), [True, 2, None])
        with client.pipeline() as pipe:
            pipe.watch(f"{key}a")
            value = int(pipe.get(f"{key}a"))
            pipe.multi()
            pipe.set(f"{key}a", value + 1)
            if index % 3 == 0:
                clients[(index + 1) % len(clients)].incr(f"{key}a")
                try:
                    pipe.execute()
                except redis.WatchError:
                    pass
                else:
                    raise AssertionError("a change went by")
            else:
                check(pipe.execute(), [True])
        check(client.get(f"{key}a"), "3")
    clients[0].flushall()


def cluster_client(port, ports, protocol):
    """Finds what the plain clients wrote; asks each node itself."""
    cluster = RedisCluster(host="127.0.0.1", port=port, protocol=protocol, decode_responses=True)
    for index in range(COUNT):
        check(cluster.get(f"py:{index}"), str(index))
        assert cluster.incr(f"count:{index % 7}")
    check(sum(int(cluster.get(f"count:{index}")) for index in range(7)), COUNT)
    with cluster.pipeline() as pipe:
        for index in range(COUNT):
            pipe.set(f"piped:{index}", index)
        assert all(pipe.execute())
    check(cluster.mget_nonatomic([f"piped:{index}" for index in range(COUNT)]), [str(index) for index in range(COUNT)])
    check(cluster.mget("{tag}a", "{tag}b"), [None, None])
    check(len(set(cluster.scan_iter("piped:*"))), COUNT)
    # Asked for all of them, redis-py 7.4 asks one node.
    counts = [cluster.dbsize(target_nodes=node) for node in cluster.get_primaries()]
    check(len(counts), len(ports))
    check(sum(counts), redis.Redis(port=ports[0]).dbsize())
    assert min(counts) > 0, counts
    strategy = LoadBalancingStrategy.ROUND_ROBIN
    replicas = RedisCluster(host="127.0.0.1", port=port, protocol=protocol, load_balancing_strategy=strategy)
    check([replicas.get(f"py:{index}") for index in range(COUNT)], [b"%d" % index for index in range(COUNT)])


def main():
    cluster_port, *ports = (int(word) for word in sys.argv[1:])
    transactions(ports)
    for protocol in (2, 3):
        plain_clients(ports, protocol)
        cluster_client(cluster_port, ports, protocol)
        print(f"redis-py {redis.__version__}, RESP{protocol}: all passed")


main()
