"""Ranges, steps, charts and tables of the pages: numbers in, numbers out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import figures
from gateway.csp import policy
from gateway.pages import chart, overview, ranges, tables
from gateway.pages.steps import label, steps_of

SPRING = {"range": "custom", "from": "2026-03-29", "to": "2026-03-29"}  # a day of 23 hours in Berlin
NOW = datetime(2026, 11, 21, 10, 7, tzinfo=UTC)


def text(span):
    return f"{span.start:%Y-%m-%d %H:%M}", f"{span.end:%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ({}, "2026-10-22 10:15", "2026-11-21 10:15"),
        ({"range": "1h"}, "2026-11-21 09:15", "2026-11-21 10:15"),
        ({"range": "month"}, "2026-11-01 00:00", "2026-11-21 10:15"),
        ({"range": "month", "zone": "Europe/Berlin"}, "2026-10-31 23:00", "2026-11-21 10:15"),
        ({"range": "last-month", "zone": "Europe/Berlin"}, "2026-09-30 22:00", "2026-10-31 23:00"),
        ({**SPRING, "zone": "Europe/Berlin"}, "2026-03-28 23:00", "2026-03-29 22:00"),
        ({"range": "custom", "from": "2026-03-02", "to": "2026-03-01"}, "2026-03-01 00:00", "2026-03-03 00:00"),
        ({"range": "custom", "from": "soon", "to": ""}, "2026-10-22 10:15", "2026-11-21 10:15"),
        ({"range": "nonsense", "zone": "Mars/Olympus"}, "2026-10-22 10:15", "2026-11-21 10:15"),
        ({"range": "custom", "from": "2026-01-01", "to": "9999-12-31"}, "2026-10-22 10:15", "2026-11-21 10:15"),
    ],
)  # fmt: skip
def test_an_address_names_a_range(query, start, end):
    assert text(ranges.chosen(query, NOW)) == (start, end)


def test_the_range_before_ends_where_this_one_starts():
    span = ranges.chosen({"range": "7d"}, NOW)
    assert (span.before.end, span.before.end - span.before.start) == (span.start, timedelta(days=7))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.sampled_from([*ranges.PRESETS, "custom"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Africa/Cairo"]),
)
def test_steps_cover_a_range_without_a_gap(now, name, zone):
    span = ranges.chosen({"range": name, "zone": zone, "from": "2026-03-01", "to": "2026-11-30"}, now)
    steps = steps_of(span)
    moments = [step.astimezone(UTC) for step in steps]
    assert moments[0] <= span.start < span.end
    assert moments[-1] < span.end
    assert moments == sorted(set(moments))
    assert len({label(step, span.step) for step in steps}) >= len(steps) - 1  # an hour comes twice in autumn
    assert len(steps) <= 130


def test_bars_stack_to_their_sum_and_the_smallest_values_share_one():
    amounts = {f"model {number}": Decimal(20 - number) for number in range(12)}
    drawn = chart.stacked(["1 Nov", "2 Nov"], [amounts, {}], list(amounts), figures.money)
    assert drawn.series == [*[f"model {number}" for number in range(7)], "other"]
    first, second = drawn.bars
    assert second.segments == []
    assert first.title == "1 Nov: $174.00"
    height = sum(segment.height for segment in first.segments)
    assert height == pytest.approx(174 / 200 * (chart.HEIGHT - chart.BOTTOM - chart.TOP), abs=0.1)
    assert first.segments[-1].title == "1 Nov: other $55.00, 32 %"
    assert [mark.text for mark in drawn.grid] == ["0", "$50.00", "$100.00", "$150.00", "$200.00"]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**12)), min_size=1, max_size=90))
def test_no_bar_leaves_its_chart(amounts):
    drawn = chart.stacked([str(number) for number in range(len(amounts))], amounts, list("abc"), figures.tokens)
    for bar in drawn.bars:
        assert bar.x >= chart.LEFT
        assert bar.x + bar.width <= chart.WIDTH
        assert all(chart.TOP - 0.1 <= part.y <= chart.HEIGHT - chart.BOTTOM for part in bar.segments)
    assert len(drawn.labels) <= chart.LABELS


def test_a_forecast_needs_a_day_and_then_goes_on_as_before():
    first = datetime(2026, 11, 1, tzinfo=UTC)
    assert overview.forecast(Decimal(1), first, first + timedelta(hours=5)) is None
    assert overview.forecast(Decimal(20), first, first + timedelta(days=10)) == 60


def test_quantiles():
    assert overview.quantile([], 0.5) is None
    assert overview.quantile([7], 0.95) == 7
    assert overview.quantile(list(range(100)), 0.95) == 95


@pytest.mark.parametrize(
    ("value", "cell"),
    [("=cmd()", "'=cmd()"), ("-1", "'-1"), ("plain", "plain"), (Decimal("1E-8"), "0.00000001"), (None, ""), (3, 3)],
)
def test_no_cell_is_a_formula(value, cell):
    assert tables.safe(value) == cell


def test_only_pages_of_the_admin_may_evaluate_and_none_runs_inline_script():
    assert "'unsafe-eval'" in policy("/admin/")
    assert "'unsafe-eval'" in policy("/accounts/login/")
    for path in ("/", "/portal/", "/anything"):
        assert "unsafe-eval" not in policy(path)
        assert "script-src 'self';" in policy(path)
