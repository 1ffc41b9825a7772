"""Limits of several processes on one Redis, and what becomes of them while Redis is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis.asyncio import Redis

from billing import limiter as module
from billing.limiter import Limiter
from billing.limits import PARALLEL, REQUESTS, TOKENS, Demand
from billing.redis_counters import RedisCounters

REDIS = os.environ.get("REDIS_URL", "")
pytestmark = pytest.mark.skipif(not REDIS, reason="REDIS_URL names no Redis")


class Relay:
    """A way to Redis that can be cut, mended, and made to stall."""

    def __init__(self) -> None:
        parts = urlsplit(REDIS)
        self.target = (parts.hostname, parts.port or 6379)
        self.flows = asyncio.Event()
        self.serving: set[asyncio.Task[None]] = set()
        self.port = 0

    async def mend(self) -> None:
        self.flows.set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        self.server.close()
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving)

    @property
    def url(self) -> str:
        return urlunsplit(urlsplit(REDIS)._replace(netloc=f"127.0.0.1:{self.port}"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.add(task := asyncio.current_task())
        there, back = await asyncio.open_connection(*self.target)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await asyncio.gather(self._pipe(reader, back), self._pipe(there, writer))
        self.serving.discard(task)
        back.close()
        writer.close()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.flows.wait()
            writer.write(data)
        writer.close()


@pytest.fixture
async def relay(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Relay]:
    monkeypatch.setattr(module, "TEND_SECONDS", 0.05)
    relay = Relay()
    await relay.mend()
    yield relay
    await relay.cut()


@contextlib.asynccontextmanager
async def limiter(relay: Relay, **options: Any) -> AsyncIterator[Limiter]:
    limiter = Limiter(RedisCounters(relay.url, patience=options.pop("patience", 5)), **options)
    await limiter.start()
    yield limiter
    await limiter.close()


def unique() -> str:
    return uuid.uuid4().hex


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 what is waited for happens in another task
            await asyncio.sleep(0.01)


async def test_two_processes_share_what_a_limit_lets_through(relay: Relay) -> None:
    async with limiter(relay) as one, limiter(relay) as other:
        key = unique()
        asked = [Demand(key + "t", TOKENS, 1000, 300), Demand(key + "p", PARALLEL, 2)]
        first = await one.take(asked, "a")
        await other.take(asked, "b")
        refused = await other.take(asked, "c")
        assert refused.verdict.refused == 1
        one.settle(first, 50)
        third = await one.take(asked, "c")
        assert third.verdict.refused is None
        assert third.verdict.standings[0].remaining in range(350, 355)
        one.give_back(third)
        await until(lambda: one._shared._sender.done())
        assert (await other.take([asked[0]], "d")).verdict.standings[0].remaining in range(350, 355)


async def test_without_redis_the_process_decides_and_says_so_once(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    async with limiter(relay) as own:
        asked = [Demand(unique(), REQUESTS, 2)]
        await own.take(asked, "a")
        await relay.cut()
        with caplog.at_level(logging.INFO):
            verdicts = [(await own.take(asked, name)).verdict.refused for name in "bcd"]
            assert verdicts == [None, None, 0]
            assert own.is_alone
            await relay.mend()
            await until(lambda: not own.is_alone)
        assert [record.levelname for record in caplog.records if record.name == "billing.limiter"] == [
            "WARNING", "INFO",
        ]  # fmt: skip
        assert (await own.take(asked, "e")).verdict.standings[0].remaining == 0  # a's and e's: Redis knew of a


async def test_running_requests_keep_their_slots_when_redis_goes_and_when_it_comes_back(relay: Relay) -> None:
    async with limiter(relay) as own, limiter(relay) as other:
        asked = [Demand(unique(), PARALLEL, 2)]
        before = await own.take(asked, "before")
        await relay.cut()
        during = await own.take(asked, "during")
        assert during.verdict.refused is None
        assert (await own.take(asked, "more")).verdict.refused == 0
        await other.take(asked, "elsewhere")  # so that this one notices, too
        await relay.mend()
        await until(lambda: not own.is_alone and not other.is_alone)
        assert (await other.take(asked, "more")).verdict.refused == 0
        own.settle(before, 0)
        own.settle(during, 0)
        await until(lambda: own._shared._sender.done())
        assert (await own.take(asked, "more")).verdict.refused is None


async def test_what_ended_while_redis_was_away_is_told_when_it_is_back(relay: Relay) -> None:
    async with limiter(relay) as own:
        asked = [Demand(unique(), TOKENS, 1000, 900), Demand(unique(), PARALLEL, 1)]
        taken = await own.take(asked, "a")
        await relay.cut()
        own.settle(taken, 10)
        await until(lambda: own.is_alone)
        await relay.mend()
        await until(lambda: not own.is_alone)
        again = await own.take(asked, "b")
        assert again.verdict.refused is None


async def test_a_redis_that_hangs_makes_nobody_wait(relay: Relay) -> None:
    async with limiter(relay, patience=0.1) as own:
        asked = [Demand(unique(), REQUESTS, 100)]
        await own.take(asked, "a")
        relay.flows.clear()
        started = time.monotonic()
        verdicts = await asyncio.gather(*[own.take(asked, f"{number}") for number in range(50)])
        assert time.monotonic() - started < 1
        assert {taken.verdict.refused for taken in verdicts} == {None}
        assert own.is_alone
        relay.flows.set()
        await until(lambda: not own.is_alone)
        new = await own.take([Demand(unique(), REQUESTS, 7)], "z")  # no late answer is taken for its own
        assert (new.verdict.standings[0].remaining, new.by) == (6, own._shared)


async def test_a_redis_that_only_dropped_its_connections_is_not_away(relay: Relay) -> None:
    async with limiter(relay) as own:
        asked = [Demand(unique(), REQUESTS, 3)]
        await own.take(asked, "a")
        await relay.cut()
        await relay.mend()
        assert (await own.take(asked, "b")).verdict.standings[0].remaining == 1
        assert not own.is_alone


async def test_a_loop_that_was_busy_itself_does_not_blame_redis() -> None:
    own = Limiter(RedisCounters(REDIS))
    await own.start()
    for turns in range(8):  # the answer comes back at one of these, while the loop is busy
        taking = asyncio.ensure_future(own.take([Demand(unique(), REQUESTS, 1)], "a"))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.2)  # noqa: ASYNC251 that is the point
        await taking
    assert not own.is_alone
    await own.close()


async def test_a_start_without_redis_is_a_start(relay: Relay) -> None:
    await relay.cut()
    async with limiter(relay) as own:
        assert own.is_alone
        assert (await own.take([Demand(unique(), REQUESTS, 1)], "a")).verdict.refused is None
        await relay.mend()
        await until(lambda: not own.is_alone)


async def test_a_caller_that_leaves_in_the_middle_has_taken_nothing(relay: Relay) -> None:
    async with limiter(relay) as own:
        asked = [Demand(unique(), TOKENS, 600, 600), Demand(unique(), PARALLEL, 1), Demand(unique(), REQUESTS, 1)]
        relay.flows.clear()
        taking = asyncio.ensure_future(own.take(asked, "a"))
        await asyncio.sleep(0.05)
        taking.cancel()
        relay.flows.set()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await asyncio.sleep(0.1)
        assert (await own.take(asked, "b")).verdict.refused is None


async def test_a_redis_that_forgot_the_script_is_given_it_again(relay: Relay) -> None:
    async with limiter(relay) as own, contextlib.aclosing(Redis.from_url(REDIS)) as redis:
        asked = [Demand(unique(), REQUESTS, 3)]
        await own.take(asked, "a")
        await redis.script_flush()
        left = [(await own.take(asked, name)).verdict.standings[0].remaining for name in "bc"]
        assert left == [1, 0]
        assert not own.is_alone


async def test_nothing_stays_in_redis_for_ever(relay: Relay) -> None:
    async with limiter(relay) as own, contextlib.aclosing(Redis.from_url(REDIS)) as redis:
        mark = unique()
        taken = await own.take([Demand(mark + kind, kind, 60, 1) for kind in (REQUESTS, TOKENS, PARALLEL)], "a")
        names = [name async for name in redis.scan_iter(match=f"*{mark}*")]
        assert len(names) == 3
        assert all([0 < await redis.pttl(name) <= 180_000 for name in names])
        own.give_back(taken)
        await until(lambda: own._shared._sender.done())
        assert [name async for name in redis.scan_iter(match=f"*{mark}*")] == []


# processes ---------------------------------------------------------------------------------------------------------

TAKER = """
import asyncio, json, sys, time
from billing.limiter import Limiter
from billing.limits import Demand
from billing.redis_counters import RedisCounters

async def main(url, asked, number, lease_ms, linger):
    limiter = Limiter(RedisCounters(url, lease_ms, patience=20), lease_ms)
    await limiter.start()
    demands = [Demand(*each) for each in asked]
    taken = await asyncio.gather(*[limiter.take(demands, f"{time.time_ns()}-{i}") for i in range(number)])
    print(sum(each.verdict.refused is None for each in taken), flush=True)
    await asyncio.sleep(linger)

asyncio.run(main(*json.loads(sys.argv[1])))
"""


def taker(asked: list[Demand], number: int, lease_ms: int = 60_000, linger: float = 0) -> subprocess.Popen[str]:
    """Start a process that takes ``asked`` so many times; it prints how often it got it."""
    arguments = json.dumps([REDIS, asked, number, lease_ms, linger])
    return subprocess.Popen([sys.executable, "-c", TAKER, arguments], stdout=subprocess.PIPE, text=True)


def test_processes_never_pass_a_limit_together() -> None:
    mark = unique()
    limits = [
        Demand(mark + "r", REQUESTS, 60),
        Demand(mark + "t", TOKENS, 10_000, 100),
        Demand(mark + "p", PARALLEL, 70),
    ]
    started = time.monotonic()
    takers = [taker(limits, 40) for _ in range(4)]
    passed = sum(int(process.communicate(timeout=60)[0]) for process in takers)
    assert 60 <= passed <= 60 + (time.monotonic() - started)


def test_the_slots_of_a_killed_process_come_back_when_their_lease_ends() -> None:
    slots = [Demand(unique(), PARALLEL, 5)]
    killed = taker(slots, 9, lease_ms=3_000, linger=60)
    assert killed.stdout.readline() == "5\n"
    time.sleep(4)  # it lives, and renews
    assert taker(slots, 1).communicate()[0] == "0\n"
    killed.kill()
    killed.communicate()
    time.sleep(3.1)
    assert taker(slots, 9).communicate()[0] == "5\n"
