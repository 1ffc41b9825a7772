"""In which order the targets of a route are tried. Pure, chance included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from random import Random
from typing import NamedTuple

from providers.conditions import Conditions
from providers.targets import Target

# How often the strategy ``latency`` tries another target than the fastest, to learn whether that still is the fastest.
EXPLORED = 0.05


class Facts(NamedTuple):
    """What strategies go by. ``cost`` is what the call is expected to cost at a target, None where that is unknown."""

    conditions: Conditions
    chance: Random
    streams: bool = False
    cost: Callable[[Target], float | None] | None = None


def order(strategy: str, targets: Sequence[Target], facts: Facts) -> list[Target]:
    """Return ``targets``, which stand by priority, in the order to try them: each priority by itself."""
    if strategy not in STRATEGIES or len(targets) < 2:
        return list(targets)
    arrange = STRATEGIES[strategy]
    tiers = (list(tier) for _, tier in groupby(targets, attrgetter("priority")))
    return [target for tier in tiers for target in arrange(tier, facts)]


def _ordered(tier: list[Target], _: Facts) -> Iterable[Target]:
    return tier


def _weighted(tier: list[Target], facts: Facts) -> Iterable[Target]:
    """Draw by weight, again and again; without weight a target only stands in for others.

    The keys are those of Efraimidis and Spirakis (2006): the largest is each target's with the odds of its weight.
    """
    draw = facts.chance.random
    return sorted(tier, key=lambda each: draw() ** (1 / each.weight) if each.weight else -1.0, reverse=True)


def _latency(tier: list[Target], facts: Facts) -> Iterable[Target]:
    """The fastest first; who is not known yet is tried before it, and now and then anybody is."""
    conditions = {target: facts.conditions.of(target) for target in tier}
    known = {each: one.latency if facts.streams else one.duration for each, one in conditions.items()}
    by_speed = sorted(tier, key=lambda each: (known[each] or 0.0, facts.chance.random()))
    if facts.chance.random() < EXPLORED:
        by_speed.insert(0, by_speed.pop(facts.chance.randrange(len(by_speed))))
    return by_speed


def _least_busy(tier: list[Target], facts: Facts) -> Iterable[Target]:
    return sorted(tier, key=lambda each: (facts.conditions.of(each).in_flight, facts.chance.random()))


def _cost(tier: list[Target], facts: Facts) -> Iterable[Target]:
    """The cheapest for this call first, those without a price last; equals keep their order."""
    if facts.cost is None:
        return tier
    prices = {target: facts.cost(target) for target in tier}
    return sorted(tier, key=lambda each: float("inf") if (price := prices[each]) is None else price)


STRATEGIES: Mapping[str, Callable[[list[Target], Facts], Iterable[Target]]] = {
    "ordered": _ordered,
    "weighted": _weighted,
    "latency": _latency,
    "least_busy": _least_busy,
    "cost": _cost,
}
