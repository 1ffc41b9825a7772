"""What was spent, by anything, over any range and in any time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import bulk, ids, posting, reports
from billing.fields import to_atoms
from billing.models import Spend, SpendDay, UsageRecord
from billing.posting import SpendKey
from billing.reports import Sums

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def spend(bucket, value="demo", dimension="model", cost="1", requests=1, tokens=10, unpriced=0):
    key = SpendKey(dimension, value, ids.microseconds(bucket))
    bulk.add_spend({key: posting.Sums(requests, tokens, to_atoms(Decimal(cost)), unpriced)})


def record(at, cost="0.5", **fields):
    values = {
        "id": UUID(ids.new(ids.microseconds(at))),
        "request_id": f"req_{at:%H%M%S%f}",
        "created_at": at,
        "finished_at": at,
        "status": "completed",
        "operation": "chat.completions",
        "model": "demo",
        "input_tokens": 7,
        "reasoning_tokens": 3,
        "cost": None if cost is None else Decimal(cost),
    }
    return UsageRecord.objects.create(**{**values, **fields})


def test_a_range_has_its_start_and_not_its_end():
    spend(NOON, "", "total", cost="1")
    spend(NOON + timedelta(minutes=15), "", "total", cost="2")
    assert reports.total(NOON, NOON + timedelta(minutes=15)).cost == 1
    assert reports.total(NOON, NOON + timedelta(minutes=30)) == Sums(2, 20, Decimal(3), 0)
    assert reports.total(NOON - DAY, NOON) == Sums()


def test_the_whole_counts_each_request_once_though_it_stands_in_every_dimension():
    for dimension, value in (("total", ""), ("model", "demo"), ("user", "7"), ("api_key", "7")):
        spend(NOON, value, dimension)
    assert reports.total(NOON, NOON + DAY).requests == 1
    assert reports.total(NOON, NOON + DAY, "user", "7").requests == 1
    assert reports.total(NOON, NOON + DAY, "user", "8").requests == 0


def test_the_dearest_value_comes_first():
    spend(NOON, "a", cost="1")
    spend(NOON, "b", cost="0.5")
    spend(NOON + timedelta(hours=1), "b", cost="0.7", unpriced=2)
    shares = reports.by_value("model", NOON, NOON + DAY)
    assert [(share.value, share.sums.cost, share.sums.unpriced) for share in shares] == [
        ("b", Decimal("1.2"), 2),
        ("a", Decimal(1), 0),
    ]
    assert [share.value for share in reports.by_value("model", NOON, NOON + DAY, ["a"])] == ["a"]


def test_days_are_those_of_the_zone():
    kathmandu = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead: its day begins at 18:15 UTC
    spend(datetime(2026, 11, 19, 18, 0, tzinfo=UTC), cost="1")
    spend(datetime(2026, 11, 19, 18, 15, tzinfo=UTC), cost="2")
    days = reports.over_time("model", NOON - 2 * DAY, NOON, "day", kathmandu)
    assert {moment.date().isoformat(): values["demo"].cost for moment, values in days.items()} == {
        "2026-11-19": 1,
        "2026-11-20": 2,
    }


def test_a_day_of_25_hours_is_one_day():
    berlin = ZoneInfo("Europe/Berlin")
    for hour in range(25):
        spend(datetime(2026, 10, 24, 22, tzinfo=UTC) + timedelta(hours=hour), cost="1")
    days = reports.over_time("model", datetime(2026, 10, 24, tzinfo=UTC), NOON, "day", berlin)
    assert [(f"{moment:%d}", values["demo"].cost) for moment, values in days.items()] == [("25", 25)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]),
    st.lists(st.integers(0, 4 * 24 * 30), min_size=1, max_size=20, unique=True),
)
def test_every_zone_sums_to_the_same(zone, quarters):
    Spend.objects.all().delete()
    SpendDay.objects.all().delete()
    start = datetime(2026, 3, 20, tzinfo=UTC)
    for quarter in quarters:
        spend(start + timedelta(minutes=15 * quarter), cost="0.0000000001")
    for step in reports.STEPS:
        parts = reports.over_time("model", start, start + 31 * DAY, step, ZoneInfo(zone))
        whole = reports.total(start, start + 31 * DAY, "model")
        assert sum(values["demo"].cost for values in parts.values()) == whole.cost == len(quarters) * Decimal("1e-10")


def test_totals_of_records_tell_unpriced_ones_apart():
    record(NOON, cost="0.25")
    record(NOON + timedelta(seconds=1), cost=None)
    record(NOON + DAY, cost="9")
    found = reports.admitted_between(NOON, NOON + DAY)
    assert reports.record_totals(found) == Sums(2, 20, Decimal("0.25"), 1)
    assert reports.record_totals(found.none()) == Sums()


def test_pages_go_back_and_forth_without_gaps():
    ids_ = [record(NOON + timedelta(seconds=second)).id for second in range(7)][::-1]
    everything = UsageRecord.objects.all()
    first = reports.page(everything, 3)
    second = reports.page(everything, 3, before=first.older)
    third = reports.page(everything, 3, before=second.older)
    assert [each.id for page in (first, second, third) for each in page.records] == ids_
    assert (first.newer, third.older) == (None, None)
    back = reports.page(everything, 3, after=third.newer)
    assert back == second
    assert reports.page(everything, 3, after=back.newer).records == first.records
    assert reports.page(everything.none(), 3) == ([], None, None)
