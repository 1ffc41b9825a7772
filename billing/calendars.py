"""When a budget's period begins and ends, in any time zone, whatever its clocks do. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WINDOWS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
_SECOND = timedelta(seconds=1)


def start_of(period: str, timezone: str, rolling: bool, at: datetime) -> datetime:
    """Return when the period that ``at`` is in began, in UTC. Rolling and total budgets have one, since 1970."""
    if rolling or period == "total":
        return EPOCH
    return _midnight(timezone, _first_day(period, at.astimezone(ZoneInfo(timezone)).date()))


def end_of(period: str, timezone: str, rolling: bool, start: datetime) -> datetime | None:
    """Return when the period that began at ``start`` ends and the next begins; None where it never does."""
    if rolling or period == "total":
        return None
    return _midnight(timezone, _next_day(period, start.astimezone(ZoneInfo(timezone)).date()))


def window_of(period: str) -> timedelta | None:
    """Return how far a rolling budget looks back; None: over everything."""
    return WINDOWS.get(period)


def _first_day(period: str, day: date) -> date:
    if period == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if period == "week" else day


def _next_day(period: str, first: date) -> date:
    if period == "month":
        return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first + WINDOWS[period]


@lru_cache(maxsize=4096)
def _midnight(timezone: str, day: date) -> datetime:
    """Return the first instant of a local day: midnight, or where clocks skip that the moment they do."""
    zone = ZoneInfo(timezone)
    wall = datetime.combine(day, time())
    instant = wall.replace(tzinfo=zone).astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall:
        return instant
    before, after = instant - timedelta(days=2), instant
    while after - before > _SECOND:
        middle = before + (after - before) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
