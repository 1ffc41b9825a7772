"""Stored answers in Redis: shared by processes, gone with their time, and a miss whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from gateway.caching import entries, redis_store
from gateway.caching.answers import Answers
from gateway.caching.entries import Entry
from gateway.caching.redis_store import PREFIX, RedisStore
from tests.billing.test_limiter import Relay, until
from tests.live import Gateway

URL = os.environ.get("REDIS_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="REDIS_URL names no Redis")

MOST = 10_000
SEAL = entries.seal_of("secret")
ENTRY = Entry(b'{"data": [1]}', "p", "m", "req_1", 10**6)


@pytest.fixture
async def relay(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    monkeypatch.setattr(redis_store, "REST_SECONDS", 0.05)
    relay = Relay()
    await relay.mend()
    yield relay
    await relay.cut()


@pytest.fixture
async def store(relay: Relay) -> AsyncIterator[RedisStore]:
    made = RedisStore(relay.url, MOST, patience=5)
    yield made
    await made.close()


@pytest.fixture
def key() -> Any:
    """A key of this test's own, cleaned away: the Redis is everybody's."""
    made = secrets.token_hex(32)
    yield made
    with redis.Redis.from_url(URL) as server:
        server.delete(PREFIX + made)


async def kept(store: RedisStore, key: str, value: bytes, ttl: float = 60) -> None:
    store.put(key, value, ttl)
    while await store.get(key) != value:  # noqa: ASYNC110 nobody is told when it is there
        await asyncio.sleep(0.01)


async def test_another_process_is_given_what_one_has_kept(relay: Relay, store: RedisStore, key: str) -> None:
    other = RedisStore(relay.url, MOST, patience=5)
    assert await other.get(key) is None
    await kept(store, key, b"value")
    assert await other.get(key) == b"value"
    await other.close()


async def test_it_ends_with_its_time(store: RedisStore, key: str) -> None:
    await kept(store, key, b"value", ttl=123.4)
    async with Redis.from_url(URL) as server:
        assert 100_000 < await server.pttl(PREFIX + key) <= 123_400
        await server.pexpire(PREFIX + key, 1)
    while await store.get(key) is not None:  # noqa: ASYNC110 the server's clock decides
        await asyncio.sleep(0.01)


async def test_a_redis_that_was_flushed_has_nothing(store: RedisStore, key: str) -> None:
    await kept(store, key, b"value")
    async with Redis.from_url(URL) as server:
        await server.delete(PREFIX + key)
    assert await store.get(key) is None


async def test_of_a_giant_value_only_so_much_is_read(store: RedisStore, key: str) -> None:
    async with Redis.from_url(URL) as server:
        await server.set(PREFIX + key, b"x" * 10 * MOST, px=60_000)
    found = await store.get(key)
    assert found is not None
    assert len(found) <= MOST + 1


@pytest.mark.parametrize("value", [b"", b"nonsense", b"x" * 3 * MOST, zlib.compress(b"x" * 10**6)])
async def test_what_somebody_else_wrote_there_is_a_miss(store: RedisStore, key: str, value: bytes) -> None:
    answers = Answers(store, SEAL, MOST, lambda: 10**6)
    async with Redis.from_url(URL) as server:
        await server.set(PREFIX + key, value, px=60_000)
    assert await answers.find(key, 60) is None


async def test_a_value_of_another_kind_is_a_miss_and_no_silence(
    store: RedisStore, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, redis_store.__name__)
    async with Redis.from_url(URL) as server:
        await server.lpush(PREFIX + key, "a list")
    for _ in range(3):
        assert await store.get(key) is None
    assert len(caplog.records) == 1
    await kept(store, key, entries.pack(ENTRY, key, SEAL))


async def test_while_redis_is_away_all_is_a_miss_said_once_and_nobody_waits(
    relay: Relay, store: RedisStore, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, redis_store.__name__)
    await kept(store, key, b"value")
    await relay.cut()
    for _ in range(50):
        assert await store.get(key) is None
        store.put(key, b"other", 60)
    await asyncio.sleep(0.2)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    await relay.mend()
    while await store.get(key) is None:  # noqa: ASYNC110 it comes back by itself
        await asyncio.sleep(0.01)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_redis_that_is_silent_is_waited_for_once(relay: Relay, key: str) -> None:
    store = RedisStore(relay.url, MOST, patience=0.1)
    await kept(store, key, b"value")
    relay.flows.clear()
    assert await store.get(key) is None
    assert store._is_away
    assert [await store.get(key) for _ in range(1000)] == [None] * 1000
    relay.flows.set()
    await until(lambda: not store._is_away)
    await store.close()


async def test_a_thousand_at_once_share_a_few_connections(store: RedisStore, key: str) -> None:
    await kept(store, key, b"value")
    assert await asyncio.gather(*[store.get(key) for _ in range(1000)]) == [b"value"] * 1000
    async with Redis.from_url(URL) as server:
        assert len(await server.client_list()) < 500


async def test_a_caller_that_leaves_meanwhile_harms_nobody(store: RedisStore, key: str) -> None:
    await kept(store, key, b"value")
    left = [asyncio.ensure_future(store.get(key)) for _ in range(50)]
    await asyncio.sleep(0)
    for each in left:
        each.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    assert await asyncio.gather(*[store.get(key) for _ in range(50)]) == [b"value"] * 50


def test_answers_survive_the_process_and_need_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may have a Redis of its own, beside the shape that has none, and outlives a restart there."""
    asked = {"model": "demo", "messages": [{"role": "user", "content": f"Hello {secrets.token_hex(8)}"}]}
    monkeypatch.delenv("REDIS_URL")
    gateway = Gateway(TOLLGATE_CACHE_REDIS_URL=URL)
    try:
        gateway.start()
        gateway.apply("routes: [{model: demo, cache: {ttl: 60, share: all}}]\n")
        assert gateway.post("/v1/chat/completions", asked).headers["x-tollgate-cache"] == "miss"
        gateway.stop()
        gateway.start()
        assert gateway.post("/v1/chat/completions", asked).headers["x-tollgate-cache"] == "hit"
        assert gateway.verify_ledger().returncode == 0
    finally:
        gateway.destroy()
