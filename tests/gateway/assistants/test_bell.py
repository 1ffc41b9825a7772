"""The bell between processes, which may be lost and never holds anybody up."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.assistants.redis_bell import RedisBell
from tests.live import free_port

REDIS_URL = os.environ.get("REDIS_URL", "")


class Ear:
    """Hears what other processes ring for."""

    def __init__(self) -> None:
        self.runs: set[int] = set()
        self.is_listening, self.has_heard = asyncio.Event(), asyncio.Event()

    def hear(self, runs: list[int]) -> None:
        self.runs.update(runs)
        self.has_heard.set()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


@asynccontextmanager
async def listening(bell: RedisBell) -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.ensure_future(bell.listen(ear.hear, ear.is_listening.set))
    try:
        yield ear
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.skipif(not REDIS_URL, reason="no REDIS_URL is set")
async def test_other_processes_hear_which_runs_have_news_and_oneself_does_not():
    bell, other = RedisBell(REDIS_URL), RedisBell(REDIS_URL)
    async with listening(bell) as own, listening(other) as ear:
        await asyncio.wait_for(asyncio.gather(own.is_listening.wait(), ear.is_listening.wait()), 10)
        bell.ring([1_000_000_007, 1_000_000_009])
        while not {1_000_000_007, 1_000_000_009} <= ear.runs:
            ear.has_heard.clear()
            await asyncio.wait_for(ear.has_heard.wait(), 10)
        other.ring([1_000_000_021])
        while 1_000_000_021 not in own.runs:
            own.has_heard.clear()
            await asyncio.wait_for(own.has_heard.wait(), 10)
    assert 1_000_000_007 not in own.runs


async def test_nobody_waits_for_a_redis_that_is_away(caplog: pytest.LogCaptureFixture):
    bell = RedisBell(f"redis://127.0.0.1:{free_port()}/0")
    async with listening(bell) as ear:
        with caplog.at_level(logging.WARNING):
            bell.ring([1])
            await asyncio.to_thread(until, lambda: "who follows runs learns of events later" in caplog.text)
    assert not ear.is_listening.is_set()
