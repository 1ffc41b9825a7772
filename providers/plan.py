"""What one call may try: its models in order, the targets of each, and within which bounds. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from providers.errors import Skip
from providers.hedging import Hedge
from providers.targets import Route, Target

# Why an attempt is made.
FIRST = "first"
RETRY = "retry"
FAILOVER = "failover"
FALLBACK = "fallback"
CONTEXT_FALLBACK = "context_fallback"
CONTENT_FALLBACK = "content_fallback"
HEDGE = "hedge"
LEAST_BAD = "least_bad"


class Group(NamedTuple):
    """A model's public name, its route, and those of the route's targets that the call may use, as configured."""

    model: str
    route: Route
    targets: tuple[Target, ...]


class Plan(NamedTuple):
    """What a call may try, in order.

    ``groups`` are the model asked for and its general fallbacks; ``context`` and ``content`` take their place once an
    upstream finds the prompt too long, or against its policy. ``deadline`` is seconds for all attempts and the answer
    together, ``timeout`` for each attempt where that is less than its target's. ``cost`` says what this call is
    expected to cost at a target, None where no price is known; needed for the strategy ``cost`` only. ``skipped`` is
    what was ruled out before, for the caller to read beside what is ruled out on the way.
    """

    groups: tuple[Group, ...]
    context: tuple[Group, ...] = ()
    content: tuple[Group, ...] = ()
    retries: int = 0
    deadline: float | None = None
    timeout: float | None = None
    hedge: Hedge | None = None
    cost: Callable[[Target], float | None] | None = None
    skipped: tuple[Skip, ...] = ()


class Step(NamedTuple):
    """An attempt that is about to be made: the ``number``-th of its call, from 1, for one of the reasons above.

    ``beside`` is the target of an attempt that goes on meanwhile: this one is its hedge.
    """

    target: Target
    group: Group
    number: int
    reason: str = FIRST
    beside: Target | None = None


# Called before the first byte of each attempt goes out; raises ``Skipped`` where that one may not be made.
Dispatch: TypeAlias = Callable[[Step], Awaitable[None]]
