"""What GET /v1/usage understands of what it is asked for."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fieldchecks import Invalid
from gateway.usage_query import QUARTER, usage_query

NOW = datetime(2026, 11, 21, 10, 7, 30, tzinfo=UTC)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Australia/Lord_Howe"])


@given(ZONES, st.dates(datetime(2001, 1, 1).date(), datetime(2199, 1, 1).date()), st.integers(1, 300))
def test_any_range_of_days_is_of_whole_quarter_hours(zone: str, day: Any, days: int):
    end = day + timedelta(days=days)
    query = usage_query([("start", [str(day)]), ("end", [str(end)]), ("timezone", [zone])], NOW)
    assert query.start < query.end
    for moment in (query.start, query.end):
        assert (moment - datetime(1970, 1, 1, tzinfo=UTC)) % QUARTER == timedelta()
    assert query.start.astimezone(query.zone).date() == day


def test_by_default_the_month_so_far_in_the_zone():
    query = usage_query([], NOW)
    assert (query.start, query.end) == (datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 21, 10, 15, tzinfo=UTC))
    east = usage_query([("timezone", ["Europe/Berlin"])], NOW)
    assert east.start == datetime(2026, 10, 31, 23, tzinfo=UTC)
    with pytest.raises(Invalid):
        usage_query([("end", ["2026-11-22"]), ("start", ["2026-11-23"])], NOW)


@given(st.text(max_size=40), st.sampled_from(["start", "end", "timezone", "group_by", "scope", "team"]))
def test_any_text_is_understood_or_refused(text: str, name: str):
    with suppress(Invalid):
        assert usage_query([(name, [text])], NOW).groups is not None
