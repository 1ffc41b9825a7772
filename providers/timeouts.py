"""How long an upstream may take. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from providers.targets import Target

CONNECT, FIRST_BYTE, CHUNK, TOTAL = 5.0, 120.0, 120.0, 600.0


class Timeouts(NamedTuple):
    """Seconds: to connect, to the first byte, between two reads, and for everything."""

    connect: float = CONNECT
    first_byte: float = FIRST_BYTE
    chunk: float = CHUNK
    total: float = TOTAL

    @staticmethod
    def of(target: Target, *, streams: bool) -> Timeouts:
        """Return the timeouts of one call: the target's total, the provider's options, else the defaults.

        A plain answer begins when it is complete: its first byte may take the whole time unless the provider says less.
        """
        return _of(target, streams)

    def within(self, seconds: float | None) -> Timeouts:
        """Return these timeouts with everything over after ``seconds``."""
        if seconds is None:
            return self
        return Timeouts(min(self.connect, seconds), min(self.first_byte, seconds), self.chunk, min(self.total, seconds))


@lru_cache(maxsize=1024)
def _of(target: Target, streams: bool) -> Timeouts:
    given = target.provider.options.get("timeouts")
    total = target.timeout or _seconds(given, "total", TOTAL)
    first_byte = _seconds(given, "first_byte", FIRST_BYTE if streams else total)
    connect, chunk = _seconds(given, "connect", CONNECT), _seconds(given, "chunk", CHUNK)
    return Timeouts(connect, min(first_byte, total), chunk, total)


def _seconds(given: Any, name: str, default: float) -> float:
    value = given.get(name) if isinstance(given, Mapping) else None
    return float(value) if isinstance(value, int | float) and value > 0 else default
