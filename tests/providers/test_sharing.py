"""Two processes tell each other through Redis which targets fail."""

from __future__ import annotations

import asyncio
import os
import secrets

import pytest
import redis

from providers import sharing
from providers.conditions import Conditions
from providers.sharing import SharedCooling
from providers.targets import Route, RouteTable, Target, Upstream

URL = os.environ.get("REDIS_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="REDIS_URL is not set")


class Process:
    """One process's view of the target up/m."""

    def __init__(self, url: str = URL) -> None:
        self.conditions = Conditions()
        self.breaker = self.conditions.named("up", "m").breaker
        self.shared = SharedCooling(url, self.conditions)

    def state(self) -> str:
        return self.breaker.state(asyncio.get_running_loop().time())

    def fails(self, seconds: float = 20.0) -> None:
        self.breaker.cool(asyncio.get_running_loop().time(), seconds, "is overloaded")


@pytest.fixture
async def processes(monkeypatch):
    monkeypatch.setattr(sharing, "PREFIX", f"{{tollgate}}:test-{secrets.token_hex(4)}:")
    made = [Process(), Process()]
    yield made
    for process in made:
        await process.shared.close()
    with redis.Redis.from_url(URL) as server:
        server.delete(*[f"{sharing.PREFIX}up/m", "none"])


async def turn(*processes: Process) -> None:
    for process in processes:
        await process.shared.turn()


async def test_what_one_has_seen_fail_the_other_leaves_alone(processes):
    one, two = processes
    one.fails()
    await turn(one, two)
    assert (two.state(), two.breaker.reason, two.breaker.is_told) == ("cooling", "is overloaded", True)
    assert two.breaker.until == pytest.approx(one.breaker.until, abs=1)
    turns = one.breaker.turn, two.breaker.turn
    await turn(one, two, one, two)
    assert (one.breaker.turn, two.breaker.turn) == turns, "nobody hears its own words as news"


async def test_whoever_finds_that_it_works_tells_the_others(processes):
    one, two = processes
    one.fails()
    await turn(one, two)
    two.breaker.works(two.breaker.turn)
    await turn(two, two)
    assert two.state() == "closed", "what the other said before is not heard again"
    third = Process()
    await turn(third)
    assert third.state() == "closed"
    await third.shared.close()


async def test_once_the_time_is_over_the_other_finds_out_by_itself(processes):
    one, two = processes
    one.fails(0.05)
    await turn(one, two)
    assert two.state() == "cooling"
    await asyncio.sleep(0.1)
    await turn(one, two)
    assert (one.state(), two.state()) == ("half-open", "half-open")


async def test_a_process_hears_of_targets_that_it_has_never_tried(processes):
    one, _ = processes
    one.fails()
    await turn(one)
    conditions = Conditions()
    routes = RouteTable([Route("public", targets=(Target(1, Upstream("up", "openai"), "m"),))])
    shared = SharedCooling(URL, conditions, lambda: routes)
    await shared.turn()
    assert [each.provider for each in conditions.cooling(asyncio.get_running_loop().time())] == ["up"]
    await shared.close()


async def test_what_is_no_cooling_is_ignored(processes, caplog):
    with redis.Redis.from_url(URL) as server:
        server.set(f"{sharing.PREFIX}up/m", "soon enough", ex=5)
    await turn(processes[0])
    assert processes[0].state() == "closed"
    assert "is no cooling" in caplog.text


async def test_redis_away_is_said_once_and_does_no_harm(caplog, monkeypatch):
    monkeypatch.setattr(sharing, "TURN_SECONDS", 0.001)
    process = Process("redis://127.0.0.1:9/0")
    process.fails()
    running = asyncio.ensure_future(process.shared.run())
    for _ in range(2000):
        await asyncio.sleep(0.005)
        if "learns by itself" in caplog.text:
            break
    await asyncio.sleep(0.05)
    running.cancel()
    await process.shared.close()
    assert caplog.text.count("learns by itself") == 1
    assert process.state() == "cooling"
