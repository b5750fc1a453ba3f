"""A node's figures as Prometheus' own parser reads them, beside what INFO says.

    prometheus.py PORT METRICS_PORT
"""

import sys
import urllib.error
import urllib.request

import redis
from prometheus_client.openmetrics.parser import text_string_to_metric_families


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        assert reply.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), reply.headers
        families = text_string_to_metric_families(reply.read().decode())
        return {(sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples}


def main():
    port, metrics_port = map(int, sys.argv[1:])
    client = redis.Redis(port=port)
    client.flushall()
    client.config_resetstat()
    for number in range(20):
        client.set(f"key:{number}", "value", ex=100 if number < 5 else None)
    for number in range(30):
        client.get(f"key:{number}")
    try:
        client.incr("key:1")
    except redis.ResponseError:
        pass
    told, info = scrape(metrics_port), client.info()
    expected = {
        ("redis_up",): 1,
        ("redis_db_keys", ("db", "db0")): 20,
        ("redis_db_keys_expiring", ("db", "db0")): 5,
        ("redis_commands_total", ("cmd", "get")): 30,
        ("redis_commands_latencies_usec_count", ("cmd", "get")): 30,
        ("redis_commands_failed_calls_total", ("cmd", "incrby")): 1,
        ("redis_errors_total", ("err", "ERR")): 1,
        ("redis_keyspace_hits_total",): info["keyspace_hits"],
        ("redis_keyspace_misses_total",): info["keyspace_misses"],
        ("redis_connected_clients",): info["connected_clients"],
        ("redis_max_clients",): info["maxclients"],
        ("redis_memory_max_bytes",): info["maxmemory"],
        ("redis_evicted_keys_total",): info["evicted_keys"],
    }
    wrong = {name: (told.get(name), value) for name, value in expected.items() if told.get(name) != value}
    assert not wrong, f"told and expected: {wrong}"
    assert told["redis_memory_used_rss_bytes",] > 1e6 and told["redis_commands_duration_seconds_total", ("cmd", "get")] < 10, told
    client.flushall()
    for path, text in (("livez", b"alive\n"), ("readyz", b"ready\n")):
        assert urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/{path}", timeout=10).read() == text, path
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/", timeout=10)
        raise AssertionError("no page is there")
    except urllib.error.HTTPError as error:
        assert error.code == 404, error


main()
