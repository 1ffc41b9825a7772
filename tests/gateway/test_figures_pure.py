"""How figures are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gateway import figures

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("usd", "text", "exact"),
    [
        (None, "unpriced", "a price is missing"),
        ("0", "$0.00", "$0.00"),
        ("0.000042", "$0.000042", "$0.000042"),
        ("0.0000000001", "$0.0000000001", "$0.0000000001"),
        ("0.0042", "$0.0042", "$0.0042"),
        ("0.0123456", "$0.012", "$0.0123456"),
        ("0.1", "$0.10", "$0.10"),
        ("41.2", "$41.20", "$41.20"),
        ("999.999", "$1,000", "$999.999"),
        ("1204.4", "$1,204", "$1,204.40"),
        ("-3.5", "-$3.50", "-$3.50"),
    ],
)
def test_money_has_as_many_decimals_as_it_needs(usd, text, exact):
    amount = None if usd is None else Decimal(usd)
    assert figures.money(amount) == text
    assert figures.exact_money(amount) == exact


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (9_412, "9,412"),
        (48_100, "48.1 k"),
        (1_200_000, "1.2 M"),
        (123_456_789, "123 M"),
        (5 * 10**9, "5.0 B"),
    ],
)
def test_tokens_in_three_digits(count, text):
    assert figures.tokens(count) == text


@pytest.mark.parametrize(("ms", "text"), [(None, "–"), (740, "740 ms"), (2_400, "2.4 s"), (200_000, "3 min 20 s")])
def test_durations(ms, text):
    assert figures.duration(ms) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "just now"),
        (-200, "3 min ago"),
        (-90_000, "1 day ago"),
        (-200_000, "2 days ago"),
        (7_300, "in 2 hours"),
        (-86_400 * 800, "2 years ago"),
    ],
)
def test_times_are_relative(seconds, text):
    assert figures.ago(NOW + timedelta(seconds=seconds), NOW) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "–"), (1, 2, "50 %"), (1, 3, "33.3 %"), (1, 5000, "< 0.1 %"), (4999, 5000, "> 99.9 %"), (0, 5, "0 %")],
)
def test_shares_never_hide_a_rest(part, whole, text):
    assert figures.share(part, whole) == text


@pytest.mark.parametrize(
    ("now", "before", "text"),
    [(112, 100, "+12 %"), (1001, 1000, "±0 %"), (97, 100, "−3 %"), (5, 0, "new"), (0, 0, "–")],
)
def test_changes_against_the_period_before(now, before, text):
    assert figures.change(now, before) == text
