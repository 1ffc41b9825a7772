"""When a target is left alone for a while, and how it comes back. Pure: every time is the caller's, in seconds.

Closed: its attempts are counted. Cooling: it is not tried. Half-open, once that time is over: one attempt at a time
finds out, success closes it and failure cools it again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

CLOSED, COOLING, HALF_OPEN = "closed", "cooling", "half-open"
# an upstream's word is not taken for longer: it may be nonsense
MOST_SECONDS = 600.0
# what comes back from others is a little off: clocks and ways differ
SAME_SECONDS = 1.0


# what may be configured
RANGES = {"attempts": (1, 10_000), "share": (0.01, 1), "window": (1, 600), "seconds": (0.1, MOST_SECONDS)}


class Cooldown(NamedTuple):
    """Cool for ``seconds`` after at least ``attempts`` within ``window`` seconds of which ``share`` failed."""

    attempts: int = 5
    share: float = 0.5
    window: float = 30.0
    seconds: float = 30.0


DEFAULT = Cooldown()


def rules(*said: Any) -> Cooldown | None:
    """Return what mappings of these names say, the last over the first; None where ``enabled`` is false."""
    merged: dict[str, Any] = {}
    for each in said:
        if isinstance(each, Mapping):
            merged |= each
    if merged.get("enabled") is False:
        return None
    return DEFAULT._replace(
        **{name: merged[name] for name in Cooldown._fields if isinstance(merged.get(name), int | float)}
    )


class _Second:
    """What happened in one second."""

    __slots__ = ("at", "failed", "tried")

    def __init__(self, at: int) -> None:
        self.at, self.tried, self.failed = at, 0, 0


class Breaker:
    """One target's state. ``turn`` counts how often it was cooled: who began before that knows nothing of now.

    ``is_open``: it is not closed. ``is_told``: it is cooling because another process said so.
    """

    __slots__ = ("_probing", "_seconds", "is_open", "is_told", "reason", "turn", "until")

    def __init__(self) -> None:
        self.turn = 0
        self.until = 0.0
        self.reason = ""
        self.is_open = False
        self.is_told = False
        self._probing = False
        self._seconds: deque[_Second] = deque()

    def state(self, now: float) -> str:
        if not self.is_open:
            return CLOSED
        return COOLING if now < self.until else HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether it may be tried: it is closed, or half-open and nobody is finding out."""
        return not self.is_open or (now >= self.until and not self._probing)

    def begin(self, now: float) -> bool:
        """Note that an attempt begins; return whether it is the one that finds out. Tell its end with ``release``."""
        if self.is_open and now >= self.until and not self._probing:
            self._probing = True
            return True
        return False

    def release(self) -> None:
        """The attempt that was to find out has ended."""
        self._probing = False

    def works(self, turn: int) -> None:
        """An attempt that began in ``turn`` is being answered: what is cooling since then is closed."""
        if self.is_open and turn == self.turn:
            self.is_open = self.is_told = False
            self._seconds.clear()

    def succeeded(self, now: float, rules: Cooldown) -> None:
        self._second(now, rules).tried += 1

    def failed(self, now: float, turn: int, reason: str, rules: Cooldown) -> None:
        """Count a failure; where that makes too many, or it was the attempt that was to find out, cool."""
        second = self._second(now, rules)
        second.tried += 1
        second.failed += 1
        if self.is_open:
            if turn == self.turn:
                self.cool(now, rules.seconds, reason)
            return
        tried = sum(each.tried for each in self._seconds)
        if tried >= rules.attempts and sum(each.failed for each in self._seconds) >= rules.share * tried:
            self.cool(now, rules.seconds, reason)

    def cool(self, now: float, seconds: float, reason: str) -> None:
        """Leave it alone for ``seconds``, or as long as it is left alone already."""
        until = now + min(seconds, MOST_SECONDS)
        if not self.is_open or until > self.until:
            self._open(until, reason)

    def hear(self, now: float, until: float | None, reason: str) -> None:
        """Take in what another process says: it cools until then, or (None) it has not said so, or not any more."""
        if until is not None and until > now and (not self.is_open or until > self.until + SAME_SECONDS):
            self._open(min(until, now + MOST_SECONDS), reason)
            self.is_told = True
        elif until is None and self.is_told:
            self.until = min(self.until, now)

    def _open(self, until: float, reason: str) -> None:
        self.turn += 1
        self.until, self.reason = until, reason
        self.is_open, self.is_told = True, False

    def _second(self, now: float, rules: Cooldown) -> _Second:
        seconds, at = self._seconds, int(now)
        if seconds and seconds[-1].at == at:
            return seconds[-1]
        while seconds and seconds[0].at <= at - rules.window:
            seconds.popleft()
        seconds.append(_Second(at))
        return seconds[-1]
