"""Reports and pages that no single sum answers: two things at once, filters without an index, files without end."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import adjustments, breakdown, bulk, exports, ids, lines, log, posting, reports, spans
from billing.log import Query
from billing.models import Spend, SpendDay, UsageRecord
from billing.reports import Sums
from gateway.pages import tables
from tests.guarded import unguarded

pytestmark = pytest.mark.django_db
START = datetime(2026, 10, 1, tzinfo=UTC)
END = START + timedelta(days=40)
QUARTER = timedelta(minutes=15)
# offsets of half an hour and of 45 minutes, changes by half an hour, midnights that do not exist
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham",
    "Australia/Lord_Howe", "Africa/Cairo", "America/Havana", "Pacific/Kiritimati", "Pacific/Apia", "Africa/Casablanca",
)  # fmt: skip


def write(*rows: dict[str, object]) -> list[str]:
    """Write records and their sums as posting does; return their ids."""
    settled = []
    for row in rows:
        at = ids.microseconds(row.pop("at", START))
        known = {
            "request_id": "req", "operation": "chat.completions", "model": "m", "provider": "p", "user": 1, "cost": 10,
            "upstream_model": "u", "status": "completed", "finished_at": at, "input_tokens": 3,
        }  # fmt: skip
        settled.append(lines.Settled(id=ids.new(at), **{**known, **row}))
    bulk.insert_records(settled)
    bulk.add_spend(posting.spend_of(settled))
    return [each.id for each in settled]


def empty() -> None:
    with unguarded():
        for table in (UsageRecord, Spend, SpendDay):
            table.objects.all().delete()


moments = st.integers(0, int((END - START).total_seconds()) - 1).map(lambda second: START + timedelta(seconds=second))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    st.sampled_from(ZONES), st.lists(moments, min_size=1, max_size=25), st.sampled_from(reports.STEPS), moments, moments
)
def test_in_any_zone_the_rollup_is_the_sum_of_the_records(zone, moments, step, one, other):
    empty()
    write(*({"at": moment, "cost": 1 + place} for place, moment in enumerate(moments)))
    start, end = (datetime.fromtimestamp(at.timestamp() // 900 * 900, UTC) for at in sorted((one, other)))
    calendar = ZoneInfo(zone)
    expected: dict[datetime, Sums] = {}
    for record in UsageRecord.objects.filter(created_at__gte=start, created_at__lt=end):
        at = spans.step_of(record.created_at, step, calendar)
        expected[at] = expected.get(at, Sums()).plus(Sums(1, 3, record.cost, 0))
    for values in (None, ["m"]):
        found = reports.over_time("model", start, end, step, calendar, values)
        assert {at: sums["m"] for at, sums in found.items()} == expected
    assert breakdown.by("model", start, end, {"user": "1"}).over_time(step, calendar) == found
    whole = Sums().plus_all(expected.values())
    assert reports.total(start, end) == whole
    assert dict(reports.by_value("model", start, end)).get("m", Sums()) == whole


@given(st.sampled_from(ZONES), st.sampled_from(reports.STEPS), moments, moments)
def test_steps_cover_a_range_without_gap_or_overlap(zone, step, one, other):
    start, end = sorted((one, other))
    parts = list(spans.steps(start, end, step, ZoneInfo(zone)))
    if start == end:
        assert parts == []
        return
    assert (parts[0][0], parts[-1][1]) == (start, end)
    assert all(before[1] == after[0] for before, after in pairwise(parts))
    assert all(spans.step_of(since, step, ZoneInfo(zone)).astimezone(UTC) <= since < until for since, until in parts)


def test_a_range_is_whole_days_and_what_is_left():
    hour = timedelta(hours=1)
    day = START.date()
    next_day = (START + spans.DAY).date()
    assert spans.parts(START, START + spans.DAY) == ((day, next_day), [])
    assert spans.parts(START - hour, START + spans.DAY + hour) == (
        (day, next_day),
        [(START - hour, START), (START + spans.DAY, START + spans.DAY + hour)],
    )
    assert spans.parts(START + hour, START + 2 * hour) == (None, [(START + hour, START + 2 * hour)])
    assert spans.parts(START + hour, START + spans.DAY + hour) == (None, [(START + hour, START + spans.DAY + hour)])
    assert spans.parts(START, START) == (None, [])


def test_one_thing_among_the_requests_of_another_is_counted_with_its_corrections():
    write(
        {"user": 1, "model": "a", "tags": ("x", "y")},
        {"user": 1, "model": "b", "cost": 30},
        {"user": 2, "model": "a", "cost": 500, "tags": ("x",)},
        {"user": 1, "model": "a", "cost": None, "at": END + QUARTER},
    )
    unpriced = write({"user": 1, "model": "a", "cost": None})[0]
    found = dict(breakdown.by("model", START, END, {"user": "1"}).by_value())
    assert found == {"a": Sums(2, 6, Decimal("1e-9"), 1), "b": Sums(1, 3, Decimal("3e-9"), 0)}
    record = UsageRecord.objects.get(pk=unpriced)
    adjustments.adjust(record, cause="x", actor="a", reason="r", cost=5, charges={})
    assert dict(breakdown.by("model", START, END, {"user": "1"}).by_value())["a"] == Sums(2, 6, Decimal("1.5e-9"), 0)
    assert [share.value for share in breakdown.by("user", START, END, {"tag": "x"}).by_value()] == ["2", "1"]
    assert [share.value for share in breakdown.by("tag", START, END, {"model": "a"}).by_value()] == ["x", "y"]


def test_what_is_too_much_to_count_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(breakdown, "MOST_RECORDS", 1)
    write({}, {})
    with pytest.raises(breakdown.TooMany):
        breakdown.by("model", START, END, {"user": "1"})


def walked(query: Query, size: int) -> list[str]:
    """Return the ids of all pages, and check that going back meets the same ones."""
    page = log.page(query, size)
    pages = [page]
    while page.older:
        page = log.page(query, size, before=page.older)
        pages.append(page)
    for newer, older in pairwise(pages):
        assert log.page(query, size, after=older.newer).records == newer.records
    return [str(record.pk) for page in pages for record in page.records]


@pytest.mark.parametrize(
    ("filters", "status", "flag"),
    [
        ({}, "", ""), ({"tag": "rare"}, "", ""), ({"end_user": "eve"}, "", ""), ({"operation": "embeddings"}, "", ""),
        ({"tag": "rare", "end_user": "eve"}, "", ""), ({"tag": "rare", "user": "2"}, "", ""),
        ({}, "timeout", ""), ({"tag": "rare"}, "timeout", ""), ({}, "", "estimated"), ({"model": "b"}, "", "unpriced"),
        ({"tag": "nobody's"}, "", ""),
    ],
)  # fmt: skip
def test_the_log_has_every_request_once_whatever_is_filtered_by(filters, status, flag, monkeypatch):
    monkeypatch.setattr(log, "WINDOW", 2)
    rows = [
        {
            "at": START + place * timedelta(minutes=7), "tags": ("rare",) if place % 5 == 0 else ("often",),
            "end_user": "eve" if place % 3 == 0 else "", "operation": "embeddings" if place % 11 == 0 else "chat",
            "user": 1 + place % 2, "status": "timeout" if place % 4 == 0 else "completed",
            "estimated": place % 6 == 0, "model": "ab"[place % 2], "cost": None if place % 9 == 0 else 10,
        }
        for place in range(60)
    ]  # fmt: skip
    write(*rows)
    query = Query(START, START + timedelta(hours=6), filters, status, flag)
    expected = [
        str(record.pk)
        for record in UsageRecord.objects.filter(created_at__lt=query.end).order_by("-id")
        if filters.get("tag", "rare") in (*record.tags, *([] if "tag" in filters else ["rare"]))
        and all(str(getattr(record, {"user": "user_id"}.get(k, k))) == v for k, v in filters.items() if k != "tag")
        and status in ("", record.status)
        and (flag != "estimated" or record.estimated)
        and (flag != "unpriced" or record.cost is None)
    ]
    assert walked(query, 3) == expected
    assert log.totals(query).sums.requests == len(expected)


def test_totals_of_a_large_log_are_of_its_newest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(log, "MOST_SUMMED", 2)
    write({"status": "timeout"}, {"status": "timeout"}, {"status": "timeout"})
    assert log.totals(Query(START, END, {}, "timeout")).is_partial
    assert not log.totals(Query(START, END, {})).is_partial


def test_an_export_has_every_record_whatever_the_batch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exports, "BATCH", 2)
    made = write(*({"at": START + timedelta(seconds=second), "tags": ("a", "=b")} for second in range(5)))
    adjustments.adjust(UsageRecord.objects.get(pk=made[0]), cause="x", actor="a", reason="r", cost=-4, charges={})
    pieces = list(tables.written("jsonl", exports.RECORD_COLUMNS, exports.records(Query(START, END, {}))))
    rows = [json.loads(line) for line in "".join(pieces).splitlines()]
    assert [row["id"] for row in rows] == made
    assert (rows[0]["cost"], rows[0]["corrections"], rows[0]["tags"]) == (1e-9, -4e-10, ["a", "=b"])
    text = "".join(tables.written("csv", exports.RECORD_COLUMNS, exports.records(Query(START, END, {}))))
    cells = next(csv.DictReader(io.StringIO(text)))
    assert (cells["cost"], cells["corrections"], cells["tags"]) == ("0.0000000010", "-0.0000000004", "a, =b")


def test_an_export_of_spend_has_a_row_for_each_day_of_the_zone():
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, tzinfo=berlin)  # 25 hours
    write(*({"at": start.astimezone(UTC) + timedelta(hours=hour)} for hour in range(49)))
    parts = list(exports.spend("model", start, start + timedelta(days=2), berlin, "day"))
    assert [(f"{part.start:%d %H}", f"{part.end:%d %H}", part.shares[0].sums.requests) for part in parts] == [
        ("25 00", "26 00", 25),
        ("26 00", "27 00", 24),
    ]
