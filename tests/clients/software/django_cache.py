"""django-redis: the cache, its locks and patterns, and sessions. Usage: django_cache.py PORT

set_many and delete_pattern are one MULTI over all their keys: in a ring they need `multi-cross-slot pipeline`.
"""

import sys

import django
from django.conf import settings

PORT = int(sys.argv[1])
settings.configure(
    CACHES={
        "default": {
            "BACKEND": "django_redis.cache.RedisCache",
            "LOCATION": f"redis://127.0.0.1:{PORT}/2",
            "OPTIONS": {"CLIENT_CLASS": "django_redis.client.DefaultClient"},
        }
    },
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_CACHE_ALIAS="default",
    INSTALLED_APPS=["django.contrib.sessions"],
    SECRET_KEY="test",
    USE_TZ=True,
)
django.setup()

from django.contrib.sessions.backends.cache import SessionStore  # noqa: E402
from django.core.cache import cache  # noqa: E402


def check(actual, expected):
    assert actual == expected, f"{actual!r} is not {expected!r}"


cache.clear()
check(cache.set("k", {"a": [1, 2]}, timeout=100), True)
check(cache.get("k"), {"a": [1, 2]})
assert 98 <= cache.ttl("k") <= 100
check(cache.persist("k"), True)
check(cache.ttl("k"), None)
check(cache.expire("k", timeout=50), True)
check(cache.pexpire("k", timeout=50_000), True)
check(cache.add("k", 1), False)
check(cache.add("n", 1, timeout=None), True)
check(cache.incr("n", 41), 42)
check(cache.decr("n", 2), 40)
try:
    cache.incr("absent")
    raise AssertionError("what is absent was incremented")
except ValueError:
    pass
check(cache.set("once", 1, nx=True), True)
check(bool(cache.set("once", 2, nx=True)), False)
cache.set_many({f"many:{n}": n for n in range(30)})
check(cache.get_many([f"many:{n}" for n in range(31)]), {f"many:{n}": n for n in range(30)})
check(sorted(cache.keys("many:2*")), sorted(["many:2"] + [f"many:2{n}" for n in range(10)]))
check(len(list(cache.iter_keys("many:*"))), 30)
check(cache.delete_pattern("many:1*"), 11)
check(len(cache.keys("many:*")), 19)
cache.delete_many([f"many:{n}" for n in range(2, 10)])
check(len(cache.keys("many:*")), 11)
check(cache.get_or_set("made", lambda: "new", 10), "new")
check(cache.has_key("made"), True)
check(cache.touch("made", 20), True)
check(cache.delete("made"), True)
with cache.lock("lock", timeout=10):
    check(cache.lock("lock", timeout=10, blocking_timeout=0.05).acquire(), False)
held = cache.lock("lock", timeout=10)
check(held.acquire(), True)
held.extend(5)
held.release()
check(cache.get("k", version=2), None)
check(cache.incr_version("n"), 2)
check(cache.get("n", version=2), 40)
check(cache.sadd("set", "a", "b"), 2)
check(cache.smembers("set"), {"a", "b"})

session = SessionStore()
session["user"] = 7
session.save()
again = SessionStore(session_key=session.session_key)
check(again["user"], 7)
again.flush()
check(SessionStore(session_key=session.session_key).get("user"), None)
cache.clear()
check(cache.keys("*"), [])
