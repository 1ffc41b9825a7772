"""Work on the database that a caller waits for: off the loop, bounded, and honest when the database is away."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from django.db import OperationalError

from accounts.callers import Caller
from gateway import asking
from gateway.asking import Busy, DatabaseAway, Threads
from gateway.errors import translate


def caller(key: int = 1) -> Caller:
    return Caller(
        key_id=key, public_id="", key_name="", user_id=1, user_email="", team_id=None, team_name="", role="member"
    )


def sleep(caller: Caller, seconds: float) -> None:
    time.sleep(seconds)


async def test_the_loop_goes_on_while_the_database_thinks():
    waiting = asyncio.ensure_future(Threads().run(sleep, caller(), 0.2))
    turns = 0
    while not waiting.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5


async def test_a_database_that_is_away_is_a_503():
    def away(caller: Caller) -> None:
        raise OperationalError("connection refused")

    with pytest.raises(DatabaseAway) as raised:
        await Threads().run(away, caller())
    error = translate(raised.value)
    assert (error.status, error.code) == (503, "overloaded")
    assert ("retry-after", "2") in error.headers


async def test_what_the_work_raises_rises():
    with pytest.raises(ZeroDivisionError):
        await Threads().run(lambda caller: 1 // 0, caller())


async def test_whoever_would_wait_too_long_is_told(monkeypatch):
    monkeypatch.setattr(asking, "SECONDS", 0.05)
    with pytest.raises(DatabaseAway):
        await Threads().run(sleep, caller(), 0.3)


async def test_who_is_cancelled_just_as_the_database_answers_ends_all_the_same():
    begun = threading.Event()
    waiting = asyncio.ensure_future(Threads().run(lambda caller: begun.set(), caller()))
    await asyncio.sleep(0)
    begun.wait(5)
    time.sleep(0.05)  # noqa: ASYNC251 the answer is there, and the loop has not seen it yet
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_whoever_comes_when_too_many_wait_is_told_at_once(monkeypatch):
    monkeypatch.setattr(asking, "MOST_WAITING", 3)
    threads, gate = Threads(), threading.Event()

    def wait(caller: Caller) -> bool:
        return gate.wait(5)

    waiting = [asyncio.ensure_future(threads.run(wait, caller(key))) for key in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(DatabaseAway):
        await threads.run(sleep, caller(9), 0)
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 3
    await threads.run(sleep, caller(9), 0)


async def test_what_has_begun_goes_on_where_nobody_waits_any_more():
    done = threading.Event()

    def work(caller: Caller) -> None:
        time.sleep(0.1)
        done.set()

    waiting = asyncio.ensure_future(Threads().run(work, caller()))
    await asyncio.sleep(0.02)
    waiting.cancel()
    assert await asyncio.to_thread(done.wait, 2)


async def test_one_key_leaves_threads_to_the_others():
    threads = Threads()
    waiting = [asyncio.ensure_future(threads.run(sleep, caller(1), 0.1)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as raised:
        await threads.run(sleep, caller(1), 0)
    assert translate(raised.value).status == 429
    await threads.run(sleep, caller(2), 0)
    await asyncio.gather(*waiting)
    await threads.run(sleep, caller(1), 0)
