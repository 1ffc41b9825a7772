"""Time ranges as they stand in a page's address. Pure: the clock is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE = "UTC"
PRESETS = {
    "1h": ("Last hour", timedelta(hours=1)),
    "24h": ("24 hours", timedelta(hours=24)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
    "month": ("This month", None),
    "last-month": ("Last month", None),
}
MONTHS = ("month", "last-month")
CUSTOM = "custom"
QUARTER = timedelta(minutes=15)
HOURS_SHOWN = timedelta(days=3)
DAYS_SHOWN = timedelta(days=120)


class Range(NamedTuple):
    """From ``start`` (inclusive) to ``end``, whole quarter hours, in the calendar of ``zone``."""

    name: str
    start: datetime
    end: datetime
    zone: ZoneInfo

    @property
    def step(self) -> str:
        """Return the step in which a chart of this range is readable."""
        length = self.end - self.start
        return "hour" if length <= HOURS_SHOWN else "day" if length <= DAYS_SHOWN else "month"

    @property
    def before(self) -> Range:
        """Return what this range is compared with: the month before as far as this one has come, else as many days.

        Days are those of the calendar, of 23 or 25 hours where clocks change; a day has no fixed length.
        """
        start, end = self.start.astimezone(self.zone), self.end.astimezone(self.zone)
        if self.name in MONTHS:
            first = _month_of((start - timedelta(hours=12)).date(), self.zone)
            as_far = (first.astimezone(self.zone) + (end - start)).astimezone(UTC)
            return self._replace(start=first, end=self.start if self.name == "last-month" else min(as_far, self.start))
        if self.name == CUSTOM:
            days = (end.date() - start.date()).days
            return self._replace(start=_midnight(start.date() - timedelta(days=days), self.zone), end=self.start)
        return self._replace(start=self.start - (self.end - self.start), end=self.start)

    @property
    def words(self) -> str:
        start, last = self.start.astimezone(self.zone), (self.end - timedelta(microseconds=1)).astimezone(self.zone)
        form = "%-d %b %H:%M" if self.end - self.start <= HOURS_SHOWN else "%-d %b %Y"
        return f"{start:{form}} – {last:{form}}, {self.zone.key}"


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(DEFAULT_ZONE)


def chosen(query: Mapping[str, str], now: datetime, default: str = "30d") -> Range:
    """Return the range that an address asks for: ``range``, ``from``, ``to`` (dates) and ``zone``."""
    zone = zone_of(query.get("zone", DEFAULT_ZONE))
    name = query.get("range", "")
    if name == CUSTOM:
        custom = _custom(query, zone)
        if custom is not None:
            return custom
    if name not in PRESETS:
        name = default
    return _preset(name, now, zone)


def _preset(name: str, now: datetime, zone: ZoneInfo) -> Range:
    end = _quarter_after(now)
    length = PRESETS[name][1]
    if length is not None:
        return Range(name, end - length, end, zone)
    first = _month_of(now.astimezone(zone).date(), zone)
    if name == "month":
        return Range(name, first, end, zone)
    before = _month_of((first.astimezone(zone) - timedelta(hours=12)).date(), zone)
    return Range(name, before, first, zone)


def _custom(query: Mapping[str, str], zone: ZoneInfo) -> Range | None:
    try:
        first, last = date.fromisoformat(query.get("from", "")), date.fromisoformat(query.get("to", ""))
        start = _midnight(min(first, last), zone)
        return Range(CUSTOM, start, _midnight(max(first, last) + timedelta(days=1), zone), zone)
    except (ValueError, OverflowError):
        return None


def _month_of(day: date, zone: ZoneInfo) -> datetime:
    return _midnight(day.replace(day=1), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _quarter_after(moment: datetime) -> datetime:
    """Return the end of the quarter hour that ``moment`` is in."""
    return datetime.min.replace(tzinfo=UTC) + ((moment - datetime.min.replace(tzinfo=UTC)) // QUARTER + 1) * QUARTER
