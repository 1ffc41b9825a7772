"""Limits: what the algorithm promises, and that memory and Redis keep the same promise to the last digit."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.counters import Counters, Lease, MemoryCounters
from billing.limits import (
    DEFAULT_OUTPUT,
    MINUTE,
    NEVER,
    PARALLEL,
    REQUESTS,
    TOKENS,
    Bucket,
    Demand,
    Limit,
    LimitTable,
    Standing,
    changed,
    corrections,
    demands,
    drained,
    given_back,
)
from billing.redis_counters import RedisCounters
from billing.scopes import Payer

NOW = 1_790_000_000_000
REDIS = os.environ.get("REDIS_URL", "")
needs_redis = pytest.mark.skipif(not REDIS, reason="REDIS_URL names no Redis")
LEASE = 60_000


def rpm(limit: int, key: str = "r") -> Demand:
    return Demand(key, REQUESTS, limit)


def tpm(limit: int, amount: int, key: str = "t") -> Demand:
    return Demand(key, TOKENS, limit, amount)


def slot(limit: int, key: str = "p") -> Demand:
    return Demand(key, PARALLEL, limit)


# which limits bind -------------------------------------------------------------------------------------------------

ANNA = Payer(user=1, team=2, api_key=3)
LIMITS = [
    Limit("everybody", rpm=1),
    Limit("team", team_id=2, rpm=1),
    Limit("other team", team_id=9, rpm=1),
    Limit("user", user_id=1, rpm=1),
    Limit("user with mini", user_id=1, model="*-mini", rpm=1),
    Limit("key", api_key_id=3, rpm=1),
    Limit("model", model="gpt-4o", rpm=1),
]


@pytest.mark.parametrize(
    ("payer", "model", "names"),
    [
        (ANNA, "gpt-4o", ["key", "user", "team", "everybody", "model"]),
        (ANNA, "gpt-mini", ["key", "user", "user with mini", "team", "everybody"]),
        (Payer(user=None, team=9, api_key=8), "o3", ["other team", "everybody"]),
    ],
)
def test_the_limits_that_bind_are_found_the_narrowest_first(payer: Payer, model: str, names: list[str]) -> None:
    table = LimitTable(LIMITS)
    for _ in range(2):
        assert [limit.name for limit in table.binding(payer, model, model)] == names


def test_a_limit_on_the_routes_name_binds_what_is_called_by_an_alias() -> None:
    assert LimitTable(LIMITS).binding(Payer(7, None, 7), "latest", "gpt-4o")[-1].name == "model"


def test_made_up_model_names_fill_no_memory() -> None:
    table = LimitTable(LIMITS)
    for number in range(25_000):
        table.binding(ANNA, f"made-up-{number}", "*")
    assert len(table._known) <= 10_000


@pytest.mark.parametrize(
    ("tpm", "prompt", "output", "amount"),
    [
        (10_000, 100, 50, 150),
        (10_000, 100, None, 100 + DEFAULT_OUTPUT),
        (300, 100, None, 300),  # our own guess makes no call too large for its bucket
        (300, 400, None, 400),
        (300, 100, 900, 1000),
        (300, 0, 0, 1),
    ],
)
def test_tokens_are_charged_by_estimate(tpm: int, prompt: int, output: int | None, amount: int) -> None:
    limit = Limit("n", tpm=tpm, parallel=2)
    wanted = [Demand("n:tokens", TOKENS, tpm, amount), Demand("n:parallel", PARALLEL, 2)]
    assert demands(limit, prompt, output) == wanted


# the bucket --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bucket", "limit", "now", "after"),
    [
        (Bucket(), 60, NOW, Bucket(0, NOW)),
        (Bucket(60_000, NOW), 60, NOW + 500, Bucket(30_000, NOW + 500)),
        (Bucket(60_000, NOW), 60, NOW + 99_999, Bucket(0, NOW + 99_999)),
        (Bucket(60_000, NOW), 60, NOW - 5, Bucket(60_000, NOW)),  # a clock some milliseconds behind
        (Bucket(60_000, NOW), 60, NOW - 3_600_000, Bucket(60_000, NOW - 3_600_000)),  # one that was an hour ahead
    ],
)
def test_a_bucket_drains_without_a_pause(bucket: Bucket, limit: int, now: int, after: Bucket) -> None:
    assert drained(bucket, limit, now) == after


async def test_requests_a_minute_refill_one_by_one() -> None:
    counters = MemoryCounters()
    for remaining in (2, 1, 0):
        verdict = await counters.take([rpm(3)], "a", NOW)
        assert (verdict.refused, verdict.standings[0].remaining) == (None, remaining)
    refused = await counters.take([rpm(3)], "a", NOW)
    assert (refused.refused, refused.wait_ms, refused.standings) == (0, 20_000, (Standing(0, 60_000),))
    assert (await counters.take([rpm(3)], "a", NOW + 19_999)).refused == 0
    assert (await counters.take([rpm(3)], "a", NOW + 20_000)).refused is None


async def test_an_answer_longer_than_estimated_is_paid_back_by_time() -> None:
    counters = MemoryCounters()
    asked = [tpm(600, 100)]
    await counters.take(asked, "a", NOW)
    await counters.settle(corrections(asked, 1_600), "a", NOW)
    verdict = await counters.take(asked, "b", NOW)
    assert verdict.standings == (Standing(-1_000, 160_000),)
    assert (verdict.refused, verdict.wait_ms) == (0, 110_000)  # 1,000 of debt and 100 more, at 10 a second
    assert (await counters.take(asked, "b", NOW + 110_000)).refused is None


async def test_an_answer_shorter_than_estimated_gives_the_rest_back_at_once() -> None:
    counters = MemoryCounters()
    asked = [tpm(600, 600)]
    await counters.take(asked, "a", NOW)
    await counters.settle(corrections(asked, 100), "a", NOW)
    assert (await counters.take([tpm(600, 500)], "b", NOW)).refused is None


@pytest.mark.parametrize("asked", [[tpm(600, 601)], [rpm(0)], [slot(0)], [slot(1), rpm(1), tpm(600, 601)]])
async def test_what_is_larger_than_its_limit_is_told_that_it_never_passes(asked: list[Demand]) -> None:
    verdict = await MemoryCounters().take(asked, "a", NOW)
    assert (verdict.refused, verdict.wait_ms) == (len(asked) - 1, NEVER)


async def test_the_scope_with_the_longest_wait_is_the_one_that_binds() -> None:
    counters = MemoryCounters()
    both = [rpm(60, "fast"), rpm(1, "slow")]
    for _ in range(60):
        await counters.take([rpm(60, "fast")], "a", NOW)
    await counters.take([rpm(1, "slow")], "a", NOW)
    assert (await counters.take(both, "b", NOW)).refused == 1


async def test_a_limit_that_is_raised_or_cut_acts_at_once() -> None:
    counters = MemoryCounters()
    for _ in range(3):
        await counters.take([rpm(3)], "a", NOW)
    assert (await counters.take([rpm(4)], "a", NOW)).refused is None
    assert (await counters.take([rpm(2)], "a", NOW)).standings == (Standing(-2, 120_000),)


# memory and Redis --------------------------------------------------------------------------------------------------


class Take(NamedTuple):
    request: str
    asked: tuple[Demand, ...]


class Settle(NamedTuple):
    which: int
    tokens: int


class GiveBack(NamedTuple):
    which: int


class Renew(NamedTuple):
    which: int


class Tick(NamedTuple):
    ms: int


amounts = st.one_of(st.integers(1, 40), st.sampled_from([2**31, 2**35, 10**15]))
limits = st.one_of(st.integers(0, 30), st.sampled_from([7, 60, 999_983, 2**31 - 1]))
asked = st.tuples(
    st.lists(st.builds(rpm, limits, st.sampled_from(["r1", "r2"])), max_size=2, unique_by=lambda demand: demand.key),
    st.lists(st.builds(tpm, limits, amounts, st.sampled_from(["t1", "t2"])), max_size=2, unique_by=lambda d: d.key),
    st.lists(st.builds(slot, limits, st.sampled_from(["p1", "p2"])), max_size=2, unique_by=lambda d: d.key),
).map(lambda parts: tuple(demand for part in parts for demand in part))
which = st.integers(0, 50)
steps = st.lists(
    st.one_of(
        st.builds(Take, st.sampled_from("abcdef"), asked),
        st.builds(Settle, which, amounts),
        st.builds(GiveBack, which),
        st.builds(Renew, which),
        st.builds(Tick, st.one_of(st.integers(-20, 3_000), st.sampled_from([-50_000, LEASE, LEASE + 1, 10**7]))),
    ),
    max_size=30,
)


async def play(counters: Counters, steps: list[Any], prefix: str) -> list[Any]:
    """Return every verdict, and how each limit stands at the end."""
    now, taken, seen = NOW, [], []
    for step in steps:
        match step:
            case Take(request, asked):
                own = [demand._replace(key=prefix + demand.key) for demand in asked]
                verdict = await counters.take(own, request, now)
                seen.append(verdict)
                taken += [(own, request)] if verdict.refused is None else []
            case Settle(which, tokens) if taken:
                own, request = taken.pop(which % len(taken))
                await counters.settle(corrections(own, tokens), request, now)
            case GiveBack(which) if taken:
                own, request = taken.pop(which % len(taken))
                await counters.settle(given_back(own), request, now)
            case Renew(which) if taken:
                own, request = taken[which % len(taken)]
                await counters.renew([Lease(d.key, request) for d in own if d.kind == PARALLEL], now)
            case Tick(ms):
                now += ms
    # too large: refused, and tells how all stand
    ends = [tpm(60, 61, prefix + "never"), *(rpm(60, prefix + key) for key in ("r1", "r2", "t1", "t2"))]
    seen.append(await counters.take([*ends, slot(9, prefix + "p1"), slot(9, prefix + "p2")], "end", now))
    return seen


@needs_redis
@settings(max_examples=150)
@given(steps)
def test_memory_and_redis_come_to_the_same_verdicts(steps: list[Any]) -> None:
    async def both() -> None:
        redis = RedisCounters(REDIS, patience=20)
        try:
            prefix = uuid.uuid4().hex + ":"
            assert await play(MemoryCounters(), steps, prefix) == await play(redis, steps, prefix)
        finally:
            await redis.close()

    asyncio.run(both())


@given(st.lists(st.tuples(st.integers(0, 4_000), st.integers(1, 30)), max_size=60), st.integers(1, 30))
def test_never_more_than_the_bucket_and_its_refill(requests: list[tuple[int, int]], limit: int) -> None:
    """In every stretch of time at most the limit, and what refills in that time, is let through."""

    async def passed() -> list[tuple[int, int]]:
        counters, now, let_through = MemoryCounters(), NOW, []
        for pause, amount in requests:
            now += pause
            if (await counters.take([tpm(limit, amount)], "a", now)).refused is None:
                let_through.append((now, amount))
        return let_through

    let_through = asyncio.run(passed())
    for start in range(len(let_through)):
        total = 0
        for at, amount in let_through[start:]:
            total += amount
            assert total * MINUTE <= limit * MINUTE + (at - let_through[start][0]) * limit


@given(steps, asked)
def test_a_refused_request_changes_nothing(steps: list[Any], asked: tuple[Demand, ...]) -> None:
    async def before_and_after() -> tuple[Any, Any, int | None]:
        counters = MemoryCounters()
        await play(counters, steps, "")
        before = _state(counters)
        verdict = await counters.take(asked, "new", NOW)
        return before, _state(counters), verdict.refused

    before, after, refused = asyncio.run(before_and_after())
    assert refused is None or before == after


@given(steps, asked.filter(bool))
def test_what_is_given_back_was_never_taken(steps: list[Any], asked: tuple[Demand, ...]) -> None:
    async def verdicts() -> tuple[Any, Any]:
        counters = MemoryCounters()
        await play(counters, steps, "")
        first = await counters.take(asked, "new", NOW)
        if first.refused is None:
            await counters.settle(given_back(asked), "new", NOW)
        return first, await counters.take(asked, "new", NOW)

    first, second = asyncio.run(verdicts())
    assert first == second


def _state(counters: MemoryCounters) -> Any:
    return dict(counters._buckets), {key: dict(slots) for key, slots in counters._slots.items() if slots}


@given(st.integers(0, 2**52), st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1))
def test_a_debt_is_gone_when_its_limit_has_run_long_enough(used: int, limit: int, amount: int) -> None:
    bucket = changed(Bucket(used, NOW), amount)
    whole = -(-bucket.used // limit)
    assert drained(bucket, limit, NOW + whole).used == 0
    assert not bucket.used or drained(bucket, limit, NOW + whole - 1).used > 0


MAKERS = [
    pytest.param(MemoryCounters, id="memory"),
    pytest.param(lambda **options: RedisCounters(REDIS, patience=20, **options), id="redis", marks=needs_redis),
]


@pytest.mark.parametrize("make", MAKERS)
async def test_slots_come_back_when_their_lease_ends(make: Callable[..., Any]) -> None:
    counters = make(lease_ms=5_000)
    asked = [slot(2, f"p-{uuid.uuid4().hex}")]

    def take(request: str, after: int) -> Awaitable[Any]:
        return counters.take(asked, request, NOW + after)

    assert [(await take(name, 0)).refused for name in "abc"] == [None, None, 0]
    await counters.renew([Lease(asked[0].key, "b")], NOW + 4_000)
    assert (await take("c", 4_999)).refused == 0
    assert (await take("c", 5_000)).refused is None  # a's
    assert (await take("d", 5_000)).refused == 0
    await counters.settle(corrections(asked, 0), "b", NOW + 5_000)
    assert (await take("d", 5_000)).refused is None
    if isinstance(counters, RedisCounters):
        await counters.close()
