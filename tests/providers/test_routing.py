"""One call's attempts in virtual time: order, pauses, deadlines, fallbacks, cooling targets and hedges."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import pytest

from providers import attempts as module
from providers import errors
from providers.attempts import Answered, Attempts
from providers.conditions import Conditions, Trial
from providers.cooldown import Cooldown
from providers.errors import Skip, UpstreamError
from providers.hedging import COMPUTED_EVERY, LEAST_SAMPLES, Hedge, Latencies, hedge_of
from providers.plan import Group, Plan, Step
from providers.targets import Route, Target, Upstream
from tests.providers import virtual

QUICK = Cooldown(attempts=2, share=0.5, window=30, seconds=30)
TOO_LONG = errors.RequestRejected("Too long.", code="context_length_exceeded")
UNFIT = errors.RequestRejected("Unfit.", code="content_filter")


def target(name: str, priority: int = 0, **fields: Any) -> Target:
    return Target(1, Upstream(name, "openai", options=fields.pop("options", {})), "m", priority, **fields)


def group(*targets: Target, model: str = "public", **route: Any) -> Group:
    return Group(model, Route(model, targets=targets, **route), targets)


class World:
    """Targets that behave as told: each time an error, after so many seconds an answer, or both as (seconds, error)."""

    def __init__(self, **behaviour: list[Any]) -> None:
        self.behaviour = defaultdict(list, behaviour)
        self.conditions = Conditions()
        self.asked: list[tuple[str, float]] = []
        self.steps: list[Step] = []
        self.left: list[str] = []
        self.discarded: list[str] = []
        self.skips: dict[str, Exception] = {}

    async def ask(self, asked: Target, limit: float | None) -> str:
        name = asked.provider.name
        self.asked.append((name, round(virtual.now(), 3)))
        does = self.behaviour[name].pop(0) if self.behaviour[name] else 0.0
        seconds, error = does if isinstance(does, tuple) else (does, None) if isinstance(does, float) else (0.0, does)
        try:
            async with asyncio.timeout(limit):
                await asyncio.sleep(seconds)
        except TimeoutError:
            raise errors.FirstByteTimeout() from None
        except asyncio.CancelledError:
            self.left.append(name)
            raise
        if error is not None:
            raise error
        return name

    async def dispatch(self, step: Step) -> None:
        self.steps.append(step)
        if step.target.provider.name in self.skips:
            raise self.skips[step.target.provider.name]

    async def discard(self, answer: str) -> None:
        self.discarded.append(answer)

    def attempts(self, plan: Plan, streams: bool = False) -> Attempts[str]:
        return Attempts(
            "chat.completions", plan, self.ask, self.dispatch, self.conditions, streams=streams, discard=self.discard
        )

    async def call(self, plan: Plan) -> Attempts[str]:
        made = self.attempts(plan)
        self.answered: Answered[str] = await made.first()
        return made

    def run(self, plan: Plan) -> Attempts[str]:
        return virtual.run(self.call(plan))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


@pytest.fixture(autouse=True)
def even_chances(monkeypatch):
    monkeypatch.setattr(module.CHANCE, "uniform", lambda low, high: 1.0)


def busy(after: float | None = None) -> UpstreamError:
    return errors.UpstreamBusy(retry_after=after)


def limited(after: float | None = None) -> UpstreamError:
    return errors.RateLimited(retry_after=after, upstream_status=429)


def reasons(made: Attempts[str]) -> list[str]:
    return [attempt.reason for attempt in made.tried]


# retries


def test_pauses_double_and_each_attempt_says_when_it_began_and_how_long_it_took():
    world = World(a=[busy(), (0.5, busy()), 0.25])
    made = world.run(Plan((group(target("a")),), retries=2))
    assert world.asked == [("a", 0.0), ("a", 0.1), ("a", 0.8)]
    assert [(each.started, each.duration) for each in made.tried] == [(0, 0), (0.1, 0.5), (0.8, 0.25)]
    assert reasons(made) == ["first", "retry", "retry"]


def test_a_retry_after_is_waited_for_and_who_asked_for_longer_is_asked_later():
    world = World(a=[limited(1.5)], b=[limited(0.5), limited(5.0)])
    world.run(Plan((group(target("a", cooldown=None), target("b", cooldown=None)),), retries=3))
    assert world.asked == [("a", 0.0), ("b", 0.0), ("b", 0.5), ("a", 1.5)]


@pytest.mark.parametrize(("deadline", "asked_again"), [(None, False), (2.5, False), (10.0, True)])
def test_a_long_retry_after_is_waited_for_where_the_deadline_has_room(deadline, asked_again):
    world = World(a=[limited(3.0)])
    plan = Plan((group(target("a")),), retries=1, deadline=deadline)
    if asked_again:
        world.run(plan)
        assert world.asked == [("a", 0.0), ("a", 3.0)]
    else:
        with pytest.raises(errors.RateLimited) as raised:
            world.run(plan)
        assert (world.names, raised.value.retry_after) == (["a"], 3.0)


def test_jitter_stays_within_a_quarter(monkeypatch):
    seen = []
    monkeypatch.setattr(module.CHANCE, "uniform", lambda low, high: seen.append((low, high)) or low)
    world = World(a=[busy(), busy(), busy()])
    world.run(Plan((group(target("a", cooldown=None)),), retries=3))
    assert seen == [(0.75, 1.25)] * 3
    assert [at for _, at in world.asked] == [0, 0.075, 0.225, 0.525]


# deadlines


def test_the_deadline_ends_a_slow_attempt_and_all_that_would_follow():
    world = World(a=[60.0], b=[60.0])
    with pytest.raises(errors.UpstreamTimeout) as raised:
        world.run(Plan((group(target("a"), target("b")),), retries=5, deadline=10.0))
    assert world.asked == [("a", 0.0)]
    assert [each.duration for each in raised.value.tried] == [10.0]
    assert raised.value.skipped == (Skip("b/m", "deadline"),)


def test_a_pause_that_leaves_no_time_is_not_waited_for():
    world = World(a=[(9.95, busy())])
    with pytest.raises(errors.UpstreamBusy):
        world.run(Plan((group(target("a")),), retries=5, deadline=10.0))
    assert world.names == ["a"]


def test_the_timeout_of_a_call_lowers_that_of_each_attempt():
    world = World(a=[60.0], b=[1.0])
    made = world.run(Plan((group(target("a"), target("b")),), timeout=2.0))
    assert world.asked == [("a", 0.0), ("b", 2.0)]
    assert [each.outcome for each in made.tried] == ["did not begin to answer in time", "answered"]


def test_a_caller_in_a_hurry_cannot_make_a_target_cool():
    world = World(a=[60.0] * 9)
    aimed = target("a", cooldown=QUICK)

    async def calls():
        for _ in range(4):
            with pytest.raises(errors.UpstreamTimeout):
                await world.call(Plan((group(aimed),), timeout=0.01))
        assert list(world.conditions.cooling(virtual.now())) == []
        for _ in range(2):
            with pytest.raises(errors.UpstreamTimeout):
                await world.call(Plan((group(aimed, deadline=20.0),), deadline=20.0))
        assert [each.provider for each in world.conditions.cooling(virtual.now())] == ["a"]

    virtual.run(calls())


# fallbacks


def test_other_models_follow_when_all_targets_of_one_have_failed():
    world = World(a=[busy()] * 2, b=[errors.ServerError()] * 2)
    made = world.run(Plan((group(target("a"), target("b")), group(target("c"), model="other")), retries=1))
    assert world.names == ["a", "b", "a", "b", "c"]
    assert reasons(made) == ["first", "failover", "retry", "retry", "fallback"]
    assert [step.group.model for step in world.steps] == ["public"] * 4 + ["other"]
    assert [step.number for step in world.steps] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("error", "answers", "reason"), [(TOO_LONG, "long", "context_fallback"), (UNFIT, "lax", "content_fallback")]
)
def test_a_prompt_that_is_too_long_or_unfit_goes_to_the_models_for_that(error, answers, reason):
    world = World(a=[error])
    groups = (group(target("a"), target("b")), group(target("general")))
    made = world.run(Plan(groups, context=(group(target("long")),), content=(group(target("lax")),), retries=2))
    assert world.names == ["a", answers]
    assert reasons(made) == ["first", reason]


def test_the_models_for_long_prompts_are_tried_one_after_the_other():
    world = World(a=[TOO_LONG], b=[TOO_LONG], c=[busy()])
    made = world.run(Plan((group(target("a")),), context=tuple(group(target(name)) for name in "bcd")))
    assert world.names == ["a", "b", "c", "d"]
    assert reasons(made) == ["first"] + ["context_fallback"] * 3


@pytest.mark.parametrize("error", [TOO_LONG, UNFIT, errors.RequestRejected("No.")])
def test_what_is_wrong_with_the_request_is_told_where_no_model_is_meant_for_it(error):
    world = World(a=[error])
    with pytest.raises(errors.RequestRejected, match=error.message):
        world.run(Plan((group(target("a"), target("b")), group(target("c"))), retries=2))
    assert world.names == ["a"]


def test_a_model_that_is_skipped_whole_gives_way_to_the_next():
    world = World()
    world.skips["a"] = errors.Skipped(KeyError("too dear"), errors.BUDGET)
    made = world.run(Plan((group(target("a")), group(target("b"))), skipped=(Skip("z/m", "paused"),)))
    assert made.skipped == [Skip("z/m", "paused"), Skip("a/m", "budget")]
    assert [(step.target.provider.name, step.number) for step in world.steps] == [("a", 1), ("b", 1)]


# cooling


def test_a_cooling_target_is_left_out_and_tried_again_by_one_call_at_a_time():
    world = World(a=[busy()] * 2 + [5.0, 0.0])
    plan = Plan((group(target("a", cooldown=QUICK), target("b", 1)),))

    async def calls():
        for _ in range(4):
            await world.call(plan)
        assert world.names == ["a", "b", "a", "b", "b", "b"]
        assert (await world.call(plan)).skipped == [Skip("a/m", "cooling")]
        await asyncio.sleep(31)
        del world.asked[:]
        await asyncio.gather(world.call(plan), world.call(plan), world.call(plan))
        assert sorted(world.names) == ["a", "b", "b"]
        await world.call(plan)
        assert world.names[-1] == "a", "what was found out holds for all"

    virtual.run(calls())


def test_where_all_are_cooling_the_least_bad_is_tried_with_its_retries():
    world = World(b=[busy()])
    one, two = target("a", cooldown=QUICK), target("b", 1, cooldown=QUICK)

    async def calls():
        world.conditions.of(one).breaker.cool(0, 100, "is overloaded")
        world.conditions.of(two).breaker.cool(0, 50, "is overloaded")
        made = await world.call(Plan((group(one, two),), retries=1))
        assert world.names == ["b", "b"]
        assert reasons(made) == ["least_bad", "retry"]
        assert made.skipped == [Skip("a/m", "cooling"), Skip("b/m", "cooling")]
        assert [each.provider for each in world.conditions.cooling(virtual.now())] == ["a"], "success closes"

    virtual.run(calls())


def test_other_models_go_before_a_cooling_target_and_it_goes_before_nothing():
    world = World(b=[busy()])
    cooling = target("a")

    async def calls():
        world.conditions.of(cooling).breaker.cool(0, 100, "is overloaded")
        made = await world.call(Plan((group(cooling), group(target("b")))))
        assert world.names == ["b", "a"]
        assert reasons(made) == ["fallback", "least_bad"]

    virtual.run(calls())


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (errors.KeyRefused(upstream_status=401), 30),
        (limited(7.0), 7),
        (busy(9.0), 9),
        (limited(), 0),
        (errors.ServerError(), 0),
        (errors.RequestRejected("No.", upstream_status=400), 0),
        (TOO_LONG, 0),
    ],
)
def test_some_errors_cool_a_target_at_once(error, seconds):
    world = World(a=[error])

    async def call():
        with pytest.raises(UpstreamError):
            await world.call(Plan((group(target("a", cooldown=Cooldown(seconds=30))),)))
        assert [each.until for each in world.conditions.cooling(0.0)] == [seconds] * bool(seconds)

    virtual.run(call())


def test_errors_of_callers_never_cool_a_target_and_those_of_the_upstream_do():
    rejected, failed = target("a", cooldown=QUICK), target("b", cooldown=QUICK)
    world = World(a=[errors.RequestRejected("No.")] * 20, b=[errors.ModelMissing("Gone.")] * 2)

    async def calls():
        for each, times in ((rejected, 20), (failed, 2)):
            for _ in range(times):
                with pytest.raises(errors.RequestRejected):
                    await world.call(Plan((group(each),)))
        assert [each.provider for each in world.conditions.cooling(virtual.now())] == ["b"]

    virtual.run(calls())


def test_a_target_whose_cooldown_is_off_is_always_tried():
    world = World(a=[busy()] * 30)

    async def calls():
        for _ in range(20):
            await world.call(Plan((group(target("a", cooldown=None), target("b")),)))

    virtual.run(calls())
    assert world.names.count("a") == 20


def test_a_caller_that_leaves_says_nothing_about_the_target():
    world = World(a=[60.0, 0.0])
    aimed = target("a", cooldown=QUICK)

    async def calls():
        world.conditions.of(aimed).breaker.cool(0, 10, "is overloaded")
        await asyncio.sleep(11)
        call = asyncio.ensure_future(world.call(Plan((group(aimed),))))
        await asyncio.sleep(1)
        assert world.conditions.of(aimed).in_flight == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert world.conditions.of(aimed).in_flight == 0
        assert world.conditions.of(aimed).breaker.admits(virtual.now()), "the next one finds out"

    virtual.run(calls())


# hedges


def hedged(world: World, **fields: Any) -> Plan:
    """Return a plan whose route has begun to answer within a second so far."""
    latencies = world.conditions.latencies("public", False)
    for number in range(100):
        latencies.add((number + 1) / 100)
    return Plan((group(target("a"), target("b"), target("c")),), hedge=Hedge(95, 0.0), **fields)


def test_a_second_target_is_asked_when_the_first_is_slow_and_the_first_answer_counts():
    world = World(a=[10.0], b=[0.5])
    made = world.run(hedged(world))
    assert world.asked == [("a", 0.0), ("b", 0.96)]
    assert (world.answered.result, world.left) == ("b", ["a"])
    assert [(each.provider, each.outcome, each.reason) for each in made.tried] == [
        ("a", errors.OVERTAKEN, "first"),
        ("b", "answered", "hedge"),
    ]
    assert [(step.number, step.beside and step.beside.provider.name) for step in world.steps] == [(1, None), (2, "a")]
    assert all(world.conditions.named(name, "m").in_flight == 0 for name in "ab")


def test_the_first_may_still_win_and_the_answer_is_the_last_attempt():
    world = World(a=[1.2], b=[5.0])
    made = world.run(hedged(world))
    assert (world.answered.result, world.left) == ("a", ["b"])
    assert [(each.provider, each.outcome) for each in made.tried] == [("b", errors.OVERTAKEN), ("a", "answered")]


def test_no_second_target_is_asked_in_time_nor_before_anything_is_known():
    world = World(a=[0.9])
    world.run(hedged(world))
    assert world.names == ["a"]
    world = World(a=[50.0])
    world.run(Plan((group(target("a"), target("b")),), hedge=Hedge(95)))
    assert world.names == ["a"]


def test_both_answers_at_once_are_one_and_the_other_is_closed():
    world = World(a=[2.0], b=[1.04])
    made = world.run(hedged(world))
    assert world.answered.result == "a"
    assert world.discarded == ["b"]
    assert [each.outcome for each in made.tried] == [errors.OVERTAKEN, "answered"]


def test_one_that_fails_leaves_the_other_and_both_failing_leaves_the_third():
    world = World(a=[(1.5, busy())], b=[3.0])
    world.run(hedged(world))
    assert (world.answered.result, world.names) == ("b", ["a", "b"])
    world = World(a=[(1.5, busy())], b=[(3.0, errors.ServerError())])
    made = world.run(hedged(world, retries=0))
    assert (world.answered.result, world.names) == ("c", ["a", "b", "c"])
    assert [each.number for each in world.steps] == [1, 2, 3]
    assert reasons(made) == ["first", "hedge", "failover"]


def test_a_hedge_that_may_not_be_made_is_left_out():
    world = World(a=[3.0])
    world.skips["b"] = errors.Skipped(KeyError("too dear"), errors.BUDGET)
    made = world.run(hedged(world))
    assert (world.answered.result, world.names) == ("a", ["a"])
    assert made.skipped == [Skip("b/m", "budget")]


def test_a_hedge_that_cannot_be_written_down_does_not_end_the_first():
    world = World(a=[3.0])
    world.skips["b"] = RuntimeError("no journal")
    world.run(hedged(world))
    assert (world.answered.result, world.names) == ("a", ["a"])


def test_a_caller_that_leaves_ends_both():
    world = World(a=[9.0], b=[9.0])

    async def calls():
        call = asyncio.ensure_future(world.call(hedged(world)))
        await asyncio.sleep(2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert sorted(world.left) == ["a", "b"]
        assert all(world.conditions.named(name, "m").in_flight == 0 for name in "ab")

    virtual.run(calls())


def test_what_is_slow_is_learned_from_attempts_that_were_overtaken_too():
    world = World(a=[10.0], b=[0.5])
    plan = hedged(world)
    world.run(plan)
    latencies = world.conditions.latencies("public", False)
    for _ in range(COMPUTED_EVERY):
        latencies.add(1.46)
    assert latencies.delay(Hedge(95)) == pytest.approx(1.46)


@pytest.mark.parametrize(
    ("samples", "hedge", "delay"),
    [
        ([1.0] * (LEAST_SAMPLES - 1), Hedge(95), None),
        ([1.0] * LEAST_SAMPLES, Hedge(95), 1.0),
        ([n / 100 for n in range(1, 101)], Hedge(90), 0.91),
        ([0.001] * 50, Hedge(95, 0.2), 0.2),
    ],
)
def test_a_hedge_waits_for_a_percentile_and_at_least_so_long(samples, hedge, delay):
    latencies = Latencies()
    for seconds in samples:
        latencies.add(seconds)
    assert latencies.delay(hedge) == delay


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, None), (None, None), ([95], None), ({"min_ms": 5}, None), ({"after_percentile": "95"}, None),
        ({"after_percentile": 95}, Hedge(95, 0)), ({"after_percentile": 99, "min_ms": 250}, Hedge(99, 0.25)),
    ],
)  # fmt: skip
def test_a_hedge_is_off_unless_a_percentile_is_given(said, meant):
    assert hedge_of(said) == meant


# conditions


def test_targets_of_several_routes_share_what_is_known_and_strange_names_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("providers.conditions.MOST_KNOWN", 10)
    conditions = Conditions()
    busy_one = Trial(target("busy"), conditions.named("busy", "m"), 0.0)
    conditions.named("cooling", "m").breaker.cool(0, 10, "")
    for number in range(100):
        conditions.named("up", f"made-up-{number}")
    assert len(conditions.known()) <= 10
    assert conditions.of(target("busy")) is busy_one.condition
    assert conditions.named("cooling", "m").breaker.is_open
