"""The time that decides about money: the database's, carried forward by this machine's monotonic clock."""

from __future__ import annotations

import time
from datetime import datetime

from billing import ids

# Counts on while the machine sleeps, and nobody can set it. Not every system has it.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# What to add to the machine's clock, in microseconds; the system's own time until the database was asked.
_offset = time.time_ns() // 1000 - time.clock_gettime_ns(_CLOCK) // 1000


def now() -> datetime:
    return ids.instant(now_us())


def now_us() -> int:
    """Return the time in microseconds since 1970."""
    return time.clock_gettime_ns(_CLOCK) // 1000 + _offset


def elapsed() -> float:
    """Return seconds on a clock that is never set: for differences."""
    return time.clock_gettime(_CLOCK)


def sync(database_now: datetime) -> None:
    """Take over the database's time, as every poll does."""
    global _offset
    _offset = ids.microseconds(database_now) - time.clock_gettime_ns(_CLOCK) // 1000
