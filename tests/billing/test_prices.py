"""The prices in force: what the loaded books say of a model at a moment."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from billing import prices
from billing.models import Price

JANUARY, JUNE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)

pytestmark = pytest.mark.django_db


def price(upstream_model, component="input", amount="1", valid_from=JANUARY, provider="openai", **fields):
    return Price.objects.create(
        provider=provider,
        upstream_model=upstream_model,
        component=component,
        amount=Decimal(amount),
        valid_from=valid_from,
        **fields,
    )


def amounts(book, model, at=JUNE, provider="openai"):
    rows = book.rows(provider, model, at)
    return rows and {row.component: Decimal(row.amount_atoms).scaleb(-10) for row in rows}


def test_an_exact_name_goes_before_the_longest_family():
    price("gpt-4o", amount="1")
    price("gpt-4o*", amount="2")
    price("gpt-*", amount="3")
    price("*", amount="4")
    book = prices.load(["openai"])
    assert amounts(book, "gpt-4o") == {"input": 1}
    assert amounts(book, "gpt-4o-mini") == {"input": 2}
    assert amounts(book, "gpt-5") == {"input": 3}
    assert amounts(book, "o3") == {"input": 4}


def test_names_are_compared_without_case():
    price("Qwen/Qwen3-32B")
    assert amounts(prices.load(["openai"]), "qwen/qwen3-32b") == {"input": 1}


def test_a_price_holds_from_its_date_to_the_next():
    price("gpt-4o", amount="5", valid_from=JANUARY)
    price("gpt-4o", amount="2.5", valid_from=JUNE)
    price("gpt-4o", component="output", amount="10", valid_from=JANUARY)
    book = prices.load(["openai"])
    assert amounts(book, "gpt-4o", JANUARY.replace(year=2025)) is None
    assert amounts(book, "gpt-4o", JANUARY) == {"input": 5, "output": 10}
    assert amounts(book, "gpt-4o", JUNE) == {"input": Decimal("2.5"), "output": 10}


def test_tiers_are_prices_of_their_own():
    price("gpt-4o", amount="1")
    price("gpt-4o", amount="2", above_tokens=200_000)
    price("gpt-4o", amount="3", service_tier="priority")
    rows = prices.load(["openai"]).rows("openai", "gpt-4o", JUNE)
    assert {(row.above_tokens, row.service_tier, row.amount_atoms) for row in rows} == {
        (0, "", 10**10),
        (200_000, "", 2 * 10**10),
        (0, "priority", 3 * 10**10),
    }


def test_images_have_a_price_for_each_variant_with_its_own_history():
    for variant, amount, since in (("", "0.04", JANUARY), ("hd", "0.08", JANUARY), ("hd", "0.09", JUNE)):
        price("dall-e", "image", amount, since, unit="one", variant=variant)
    rows = prices.load(["openai"]).rows("openai", "dall-e", JUNE)
    assert {(row.variant, row.amount_atoms) for row in rows} == {("", 4 * 10**8), ("hd", 9 * 10**8)}


@pytest.mark.parametrize(("unit", "amount"), [("million", "10000.01"), ("one", "1000.01"), ("one", "-1")])
def test_the_table_takes_no_amount_that_sums_could_not_hold(unit, amount):
    with pytest.raises(IntegrityError), transaction.atomic():
        price("gpt-4o", amount=amount, unit=unit)
    with pytest.raises(ValidationError):
        Price(unit=unit, amount=Decimal(amount)).clean()


def test_only_the_chosen_books_are_read(django_assert_num_queries):
    price("gpt-4o")
    price("gpt-4o", provider="azure")
    with django_assert_num_queries(1):
        book = prices.load(["azure"])
    assert amounts(book, "gpt-4o", provider="azure") == {"input": 1}
    assert book.rows("openai", "gpt-4o", JUNE) is None
    assert book.rows("nowhere", "gpt-4o", JUNE) is None
