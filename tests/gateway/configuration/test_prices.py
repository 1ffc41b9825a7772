"""Prices of a file become dated rows, and no row is ever edited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing.models import Price

pytestmark = pytest.mark.django_db


def price(text: str) -> str:
    return f"prices: [{{provider: openai, upstream_model: m, {text}}}]"


def in_force(component: str = "input") -> Decimal:
    now = timezone.now()
    return Price.objects.filter(component=component, valid_from__lte=now).latest("valid_from").amount


def test_a_changed_price_is_a_new_row_from_now_on_and_the_old_one_stays(apply):
    for amount in (1, 2, 2, 1, 1):
        apply(price(f"from: 2026-01-01, input: {amount}"))
        assert in_force() == amount
    assert [row.amount for row in Price.objects.order_by("valid_from")] == [1, 2, 1]


def test_a_price_without_a_day_begins_now(apply):
    apply(price("input: 1"))
    apply(price("input: 1"))
    assert timezone.now() - Price.objects.get().valid_from < timedelta(minutes=1)


def test_a_price_of_the_future_can_be_changed_before_it_begins(apply):
    apply(price("from: 2099-01-01, input: 1"))
    apply(price("from: 2099-01-01, input: 2"))
    apply(price("from: 2099-01-01, input: 2"))
    assert [row.amount for row in Price.objects.order_by("valid_from")] == [1, 2]
    assert {row.valid_from.year for row in Price.objects.all()} == {2099}


def test_a_history_of_prices_is_kept_and_its_last_one_is_in_force(apply):
    history = """prices:
      - {provider: openai, upstream_model: m, from: 2026-06-01, input: 3}
      - {provider: openai, upstream_model: m, from: 2026-01-01T12:00:00+02:00, input: 5}"""
    apply(history)
    assert apply(history) == "Nothing to change.\n"
    assert in_force() == 3
    apply(history.replace("input: 5", "input: 4"))
    assert in_force() == 3
    assert Price.objects.count() == 3


def test_an_admins_later_price_is_left_in_force(apply):
    apply(price("from: 2026-01-01, input: 1"))
    later = {"valid_from": datetime(2026, 3, 1, tzinfo=UTC), "amount": 7, "component": "input"}
    Price.objects.create(provider="openai", upstream_model="m", **later)
    assert apply(price("from: 2026-01-01, input: 1")) == "Nothing to change.\n"
    assert in_force() == 7


@pytest.mark.parametrize(
    ("text", "component", "unit", "amount"),
    [
        ("input: 2.50", "input", "million", "2.5"),
        ("cache_write_1h: 0.0000000001", "cache_write_1h", "million", "1e-10"),
        ("image: 0.04", "image", "one", "0.04"),
        ("per: image, image: 0.04", "image", "one", "0.04"),
        ("per: second, input: 0.0001", "second", "one", "0.0001"),
        ("per: character, output: 0.000015", "character", "one", "0.000015"),
        ("request: 0.01", "request", "one", "0.01"),
    ],
)
def test_amounts_are_per_million_tokens_or_per_one_of_what_is_named(text, component, unit, amount, apply):
    apply(price(text))
    row = Price.objects.get()
    assert (row.component, row.unit, row.amount) == (component, unit, Decimal(amount))


def test_images_are_priced_by_size_and_quality(apply):
    apply(price("image: 0.08, variant: 1024x1024/HD"))
    apply(price("image: 0.04"))
    assert apply(price("image: 0.04")) == "Nothing to change.\n"
    assert set(Price.objects.values_list("variant", "amount")) == {
        ("1024x1024/hd", Decimal("0.08")),
        ("", Decimal("0.04")),
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input: 10000.01", "less than or equal to 10000"),
        ("image: 1001", "less than or equal to 1000"),
        ("per: second, input: 1001", "at most 1000 USD per second"),
        ("input: 1, variant: hd", "of image prices only"),
    ],
)
def test_an_amount_that_no_sum_could_hold_is_refused(text, problem, refused):
    assert problem in refused(price(text))[0]
    assert not Price.objects.exists()
