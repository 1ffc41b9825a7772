"""How a range of time is made of whole days (UTC) with quarter hours around them, and which months it touches. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple

DAY = timedelta(days=1)


class Parts(NamedTuple):
    """``days`` is from the first (inclusive) to the last; ``edges`` are what is left before and behind."""

    days: tuple[date, date] | None
    edges: list[tuple[datetime, datetime]]


def parts(start: datetime, end: datetime) -> Parts:
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first, last = _midnight(start), _midnight(end)
    if first < start:
        first += DAY
    if first >= last:
        return Parts(None, [(start, end)] if start < end else [])
    return Parts((first.date(), last.date()), [edge for edge in ((start, first), (last, end)) if edge[0] < edge[1]])


def months(start: datetime, end: datetime, zone: tzinfo) -> Iterator[tuple[datetime, datetime, datetime]]:
    """Yield (beginning of the month in ``zone``, from, to) for what of each month lies within the range."""
    month = start.astimezone(zone).date().replace(day=1)
    while (begins := datetime.combine(month, time.min, zone)) < end:
        month = (month + timedelta(days=32)).replace(day=1)
        yield begins, max(begins, start), min(datetime.combine(month, time.min, zone), end)


def steps(start: datetime, end: datetime, step: str, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    """Yield (from, to), in UTC, of each hour, day or month of ``zone``'s calendar within the range, cut to it."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    while start < end:
        after = min(_after(step_of(start, step, zone), step, zone).astimezone(UTC), end)
        yield start, after
        start = after


def _after(begins: datetime, step: str, zone: tzinfo) -> datetime:
    if step == "hour":
        return begins.astimezone(UTC) + timedelta(hours=1)
    later = begins.date() + timedelta(days={"day": 1, "month": 32}[step])
    return datetime.combine(later.replace(day=1) if step == "month" else later, time.min, zone)


def step_of(moment: datetime, step: str, zone: tzinfo) -> datetime:
    """Return the beginning of the hour, day or month of ``zone``'s calendar that ``moment`` is in."""
    local = moment.astimezone(zone)
    if step == "hour":
        return local.replace(minute=0, second=0, microsecond=0)
    return datetime.combine(local.date().replace(day=1) if step == "month" else local.date(), time.min, zone)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), time.min, UTC)
