"""How each target has fared of late, as one process sees it. Pure: every time is the caller's, in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from providers import errors
from providers.cooldown import CLOSED, Breaker
from providers.errors import UpstreamError
from providers.hedging import Latencies
from providers.targets import Target

# how much of the newest latency goes into the average
NEWEST = 0.2
# a failure counts as an answer that took so long: a target that only fails must not be the fastest of all
AS_SLOW_AS = 10.0
# a family's model is whatever callers write
MOST_KNOWN = 10_000

Key = tuple[str, str]


class Condition:
    """One upstream model of one provider.

    ``latency`` is the average until a stream's first byte, ``duration`` until a plain answer is there; None before any.
    """

    __slots__ = ("breaker", "duration", "in_flight", "latency")

    def __init__(self) -> None:
        self.breaker = Breaker()
        self.in_flight = 0
        self.latency: float | None = None
        self.duration: float | None = None

    def took(self, seconds: float, streams: bool) -> None:
        if streams:
            self.latency = _averaged(self.latency, seconds)
        else:
            self.duration = _averaged(self.duration, seconds)


def _averaged(known: float | None, newest: float) -> float:
    return newest if known is None else known + NEWEST * (newest - known)


class Cooling(NamedTuple):
    """``until`` is in the seconds of the caller's clock."""

    provider: str
    model: str
    until: float
    reason: str


class Conditions:
    """The conditions of all targets; routes with the same target share its own, a reloaded configuration keeps it."""

    def __init__(self) -> None:
        self._known: dict[Key, Condition] = {}
        self._latencies: dict[tuple[str, bool], Latencies] = {}

    def of(self, target: Target) -> Condition:
        key = (target.provider.name, target.upstream_model)
        return self._known.get(key) or self._new(key)

    def named(self, provider: str, model: str) -> Condition:
        return self._known.get((provider, model)) or self._new((provider, model))

    def known(self) -> list[Key]:
        return list(self._known)

    def cooling(self, now: float) -> Iterator[Cooling]:
        for (provider, model), condition in self._known.items():
            if condition.breaker.state(now) != CLOSED and condition.breaker.until > now:
                yield Cooling(provider, model, condition.breaker.until, condition.breaker.reason)

    def latencies(self, route: str, streams: bool) -> Latencies:
        """Return how long the streams of a route took to begin, or its plain answers to be there."""
        if (route, streams) not in self._latencies:
            if len(self._latencies) >= MOST_KNOWN:
                self._latencies.clear()
            self._latencies[route, streams] = Latencies()
        return self._latencies[route, streams]

    def _new(self, key: Key) -> Condition:
        if len(self._known) >= MOST_KNOWN:
            self._known = {key: kept for key, kept in self._known.items() if kept.in_flight or kept.breaker.is_open}
        condition = self._known[key] = Condition()
        return condition


class Trial:
    """One attempt at a target while it lasts: ``began`` when it was sent, answered perhaps, ended once.

    ``is_fair``: it had the time to answer that its target was promised; one cut short says nothing of the target.
    """

    __slots__ = ("_finds_out", "_is_fair", "_is_over", "_rules", "_streams", "_turn", "began", "condition")

    def __init__(
        self, target: Target, condition: Condition, now: float, streams: bool = False, is_fair: bool = True
    ) -> None:
        self.condition = condition
        self._streams = streams
        self.began = now
        self._rules = target.cooldown
        self._is_fair = is_fair
        self._is_over = False
        breaker = condition.breaker
        self._turn = breaker.turn
        self._finds_out = breaker.is_open and self._rules is not None and breaker.begin(now)
        condition.in_flight += 1

    def answered(self, now: float) -> None:
        """The first byte of an answer is there."""
        self.condition.took(now - self.began, self._streams)
        self._release()
        if self.condition.breaker.is_open and self._rules is not None:
            self.condition.breaker.works(self._turn)

    def succeeded(self, now: float) -> None:
        """The whole answer is there."""
        if not self._is_over and self._rules is not None:
            self.condition.breaker.succeeded(now, self._rules)
        self.left()

    def failed(self, now: float, error: UpstreamError) -> None:
        if not self._is_over and self._says_something(error):
            self.condition.took(max(now - self.began, AS_SLOW_AS), self._streams)
            if self._rules is not None:
                self.condition.breaker.failed(now, self._turn, error.outcome, self._rules)
                if (seconds := _at_once(error, self._rules.seconds)) is not None:
                    self.condition.breaker.cool(now, seconds, error.outcome)
        self.left()

    def left(self) -> None:
        """It is over, and nobody knows how it would have ended."""
        if not self._is_over:
            self._is_over = True
            self.condition.in_flight -= 1
            self._release()

    def _release(self) -> None:
        if self._finds_out:
            self._finds_out = False
            self.condition.breaker.release()

    def _says_something(self, error: UpstreamError) -> bool:
        """What is wrong with the request is not the target's fault, nor that it was given no time."""
        if isinstance(error, errors.RequestRejected):
            return isinstance(error, errors.ModelMissing)
        return self._is_fair or not isinstance(error, errors.UpstreamTimeout)


def _at_once(error: UpstreamError, seconds: float) -> float | None:
    """Return for how long one such error alone cools a target."""
    if isinstance(error, errors.KeyRefused) or error.should_retry is False:
        return seconds
    return error.retry_after if isinstance(error, errors.RateLimited | errors.UpstreamBusy) else None
