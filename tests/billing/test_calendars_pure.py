"""Periods in real time zones, with all their skipped and repeated hours."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing import calendars

ZONES = sorted(zoneinfo.available_timezones() - {"localtime"})
INSTANT = timedelta(microseconds=1)
PERIODS = ["day", "week", "month"]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "zone", "at", "start", "end"),
    [
        ("month", "UTC", "2026-11-21 05:00", "2026-11-01 00:00", "2026-12-01 00:00"),
        ("month", "Europe/Berlin", "2026-10-31 23:30", "2026-10-31 23:00", "2026-11-30 23:00"),
        ("month", "Europe/Berlin", "2026-03-15 12:00", "2026-02-28 23:00", "2026-03-31 22:00"),
        ("month", "Asia/Kathmandu", "2026-12-31 20:00", "2026-12-31 18:15", "2027-01-31 18:15"),
        ("month", "UTC", "2028-02-29 23:59", "2028-02-01 00:00", "2028-03-01 00:00"),
        ("week", "America/New_York", "2026-11-01 12:00", "2026-10-26 04:00", "2026-11-02 05:00"),
        ("day", "Europe/Berlin", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        ("day", "Europe/Berlin", "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        # no midnight: clocks go from 00:00 to 01:00
        ("day", "Africa/Cairo", "2026-04-24 12:00", "2026-04-23 22:00", "2026-04-24 21:00"),
        ("day", "America/Havana", "2026-03-08 12:00", "2026-03-08 05:00", "2026-03-09 04:00"),
        # midnight twice: clocks go from 01:00 back to 00:00
        ("day", "America/Havana", "2026-11-01 12:00", "2026-11-01 04:00", "2026-11-02 05:00"),
    ],
)
def test_begins_and_ends_at_the_first_instant_of_a_local_day(period: str, zone: str, at: str, start: str, end: str):
    assert calendars.start_of(period, zone, False, utc(at)) == utc(start)
    assert calendars.end_of(period, zone, False, utc(start)) == utc(end)


@example(period="day", zone="Pacific/Apia", at=utc("2011-12-30 12:00"))
@example(period="day", zone="America/Havana", at=utc("2026-11-01 05:30"))
@given(
    period=st.sampled_from(PERIODS),
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(1975, 1, 1), datetime(2037, 12, 1), timezones=st.just(UTC)),
)
def test_every_instant_is_in_exactly_one_period(period: str, zone: str, at: datetime):
    start = calendars.start_of(period, zone, False, at)
    end = calendars.end_of(period, zone, False, start)
    assert start <= at < end
    assert calendars.start_of(period, zone, False, end) == end
    assert calendars.start_of(period, zone, False, end - INSTANT) == start


@pytest.mark.parametrize(("period", "rolling"), [("total", False), ("day", True), ("month", True)])
def test_total_and_rolling_budgets_have_one_period(period: str, rolling: bool):
    start = calendars.start_of(period, "Asia/Tokyo", rolling, utc("2026-11-21 05:00"))
    assert start == calendars.EPOCH
    assert calendars.end_of(period, "Asia/Tokyo", rolling, start) is None
