"""In which order the targets of a route are tried."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.balancing import STRATEGIES, Facts, order
from providers.conditions import Conditions, Trial
from providers.models import ModelRoute
from providers.targets import Target, Upstream


def target(name: str, priority: int = 0, weight: int = 1) -> Target:
    return Target(1, Upstream(name, "openai"), "m", priority, weight=weight)


def facts(**fields: Any) -> Facts:
    return Facts(fields.pop("conditions", Conditions()), Random(7), **fields)


def names(targets: list[Target]) -> str:
    return "".join(target.provider.name for target in targets)


def test_what_can_be_configured_is_what_there_is():
    assert [name for name, _ in ModelRoute.STRATEGIES] == list(STRATEGIES)


@given(st.sampled_from(sorted(STRATEGIES)), st.lists(st.integers(0, 3), max_size=6), st.integers(0, 2**32))
def test_every_target_stands_there_once_and_lower_priorities_first(strategy, priorities, seed):
    targets = [target(str(number), priority, number % 3) for number, priority in enumerate(sorted(priorities))]
    ordered = order(strategy, targets, Facts(Conditions(), Random(seed)))
    assert sorted(ordered, key=targets.index) == targets
    assert [each.priority for each in ordered] == sorted(priorities)


def test_weights_are_shares_of_their_priority_and_the_rest_stands_in():
    targets = [target("a", weight=3), target("b", weight=1), target("c", weight=0), target("d", 1, weight=100)]
    chance = facts()
    orders = [names(order("weighted", targets, chance)) for _ in range(8000)]
    firsts = Counter(each[0] for each in orders)
    assert firsts.keys() == {"a", "b"}
    assert firsts["a"] / len(orders) == pytest.approx(0.75, abs=0.02)
    assert {each[2:] for each in orders} == {"cd"}


def test_the_second_choice_is_drawn_by_weight_as_well():
    targets = [target("a", weight=6), target("b", weight=3), target("c", weight=1)]
    chance = facts()
    after_a = Counter(
        each[1] for each in (names(order("weighted", targets, chance)) for _ in range(8000)) if each[0] == "a"
    )
    assert after_a["b"] / after_a.total() == pytest.approx(0.75, abs=0.03)


def test_the_fastest_is_first_and_the_others_are_tried_now_and_then():
    slow, fast, unknown = target("s"), target("f"), target("u")
    conditions = Conditions()
    conditions.of(slow).took(2.0, streams=True)
    conditions.of(fast).took(0.1, streams=True)
    chance = facts(conditions=conditions, streams=True)
    assert names(order("latency", [slow, fast, unknown], chance)) == "ufs", "who is not known is tried"
    firsts = Counter(names(order("latency", [slow, fast], chance))[0] for _ in range(4000))
    assert 0.01 < firsts["s"] / firsts.total() < 0.05


def test_plain_answers_and_streams_are_measured_apart():
    one, two = target("1"), target("2")
    conditions = Conditions()
    conditions.of(one).took(0.1, streams=True)
    conditions.of(two).took(0.2, streams=True)
    conditions.of(one).took(9.0, streams=False)
    conditions.of(two).took(1.0, streams=False)
    ahead = [
        Counter(names(order("latency", [one, two], facts(conditions=conditions, streams=streams)))[0] for _ in range(1))
        for streams in (True, False)
    ]
    assert ahead == [{"1": 1}, {"2": 1}]


def test_a_target_that_only_fails_is_not_the_fastest():
    bad, good = target("b"), target("g")
    conditions = Conditions()
    conditions.of(good).took(3.0, streams=False)
    Trial(bad, conditions.of(bad), 0.0).failed(0.01, errors.ServerError())
    assert names(order("latency", [bad, good], facts(conditions=conditions))) == "gb"


def test_who_has_the_fewest_calls_under_way_is_first():
    one, two = target("1"), target("2")
    conditions = Conditions()
    trial = Trial(one, conditions.of(one), 0.0)
    assert names(order("least_busy", [one, two], facts(conditions=conditions))) == "21"
    trial.left()
    trial.left()
    chance = facts(conditions=conditions)
    firsts = Counter(names(order("least_busy", [one, two], chance))[0] for _ in range(400))
    assert min(firsts["1"], firsts["2"]) > 100, "those that are as busy share"


def test_the_cheapest_is_first_and_the_unpriced_last():
    costs = {"a": 3.0, "b": None, "c": 1.0, "d": 3.0}
    targets = [target(name) for name in costs]
    assert names(order("cost", targets, facts(cost=lambda each: costs[each.provider.name]))) == "cadb"
    assert names(order("cost", targets, facts())) == "abcd"
