"""By what factor a call is charged: the most specific row in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.markups import MarkupRow, MarkupTable
from billing.pricing import UNCHANGED, PriceRow, Usage, cost_of, costs_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TABLE = MarkupTable([
    MarkupRow(None, "", NOW, 1),
    MarkupRow(None, "gpt-*", NOW, 2),
    MarkupRow(None, "gpt-4o*", NOW, 3),
    MarkupRow(None, "gpt-4o", NOW, 4),
    MarkupRow(7, "", NOW, 5),
    MarkupRow(7, "gpt-*", NOW + DAY, 6),
    MarkupRow(7, "gpt-*", NOW + 2 * DAY, 7),
])  # fmt: skip


@pytest.mark.parametrize(
    ("team", "models", "at", "factor"),
    [
        (None, ["o3"], NOW, 1),
        (None, ["gpt-5"], NOW, 2),
        (None, ["gpt-4o-mini"], NOW, 3),
        (None, ["gpt-4o"], NOW, 4),
        (8, ["alias", "gpt-4o"], NOW, 4),
        (7, ["gpt-4o"], NOW, 5),
        (7, ["gpt-4o"], NOW + DAY, 6),
        (7, ["gpt-4o"], NOW + 3 * DAY, 7),
        (7, ["o3"], NOW + 3 * DAY, 5),
        (7, ["o3"], NOW - DAY, UNCHANGED),
    ],
)
def test_the_nearest_row_in_force_counts(team, models, at, factor):
    assert TABLE.of(team, models, at) == factor


def test_without_rows_nothing_is_changed():
    assert MarkupTable().of(7, ["gpt-4o"], NOW) == UNCHANGED


def test_of_two_rows_from_the_same_moment_the_later_one_counts():
    assert MarkupTable([MarkupRow(7, "", NOW, 5), MarkupRow(7, "", NOW, 6)]).of(7, [], NOW) == 6


def test_what_is_charged_is_rounded_once_with_the_markup_inside():
    price = PriceRow(1, "input", 0, "", "million", 500_000)
    usage = Usage(input=1)
    assert cost_of(usage, [price]).atoms == 0
    assert cost_of(usage, [price], markup=1_100_000).atoms == 1
    assert costs_of(usage, [price], "", "", 1_100_000) == (1, 0)
    assert costs_of(usage, [], "", "", 1_100_000) == (None, None)
    assert costs_of(usage, [price], "", "", 0) == (0, 0)


@given(st.integers(0, 10**6), st.integers(0, 10**12), st.integers(0, 5 * UNCHANGED), st.integers(0, 5 * UNCHANGED))
def test_a_larger_factor_never_costs_less(tokens, amount, one, other):
    price = PriceRow(1, "input", 0, "", "million", amount)
    less, more = (cost_of(Usage(input=tokens), [price], markup=markup).atoms for markup in sorted((one, other)))
    assert less <= more
