"""When a second request is worth its price: after a percentile of how long answers took to begin of late. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

MOST_SAMPLES = 200
LEAST_SAMPLES = 20
# what is sorted for each call would be seen in its time
COMPUTED_EVERY = 10


# what may be configured
RANGES = {"after_percentile": (50, 99.99), "min_ms": (0, 600_000)}


class Hedge(NamedTuple):
    """Ask a second target when nothing came within this percentile of the route's latencies, and ``least`` seconds."""

    percentile: float = 95.0
    least: float = 0.0


def hedge_of(said: Any) -> Hedge | None:
    """Return what ``{"after_percentile": 95, "min_ms": 200}`` says; None where it names no percentile."""
    percentile = said.get("after_percentile") if isinstance(said, Mapping) else None
    if not isinstance(percentile, int | float):
        return None
    least = said.get("min_ms")
    return Hedge(float(percentile), least / 1000 if isinstance(least, int | float) else 0.0)


class Latencies:
    """How long the last answers of one route took to begin, in seconds."""

    __slots__ = ("_known", "_news", "_sorted")

    def __init__(self) -> None:
        self._known: deque[float] = deque(maxlen=MOST_SAMPLES)
        self._sorted: list[float] = []
        self._news = 0

    def add(self, seconds: float) -> None:
        self._known.append(seconds)
        self._news += 1

    def delay(self, hedge: Hedge) -> float | None:
        """Return after how many seconds to hedge; None while too little is known to say what is slow."""
        if len(self._known) < LEAST_SAMPLES:
            return None
        if self._news >= COMPUTED_EVERY or not self._sorted:
            self._sorted, self._news = sorted(self._known), 0
        place = min(len(self._sorted) - 1, int(len(self._sorted) * hedge.percentile / 100))
        return max(hedge.least, self._sorted[place])
