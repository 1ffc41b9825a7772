"""First prices: what genai-prices says, our rows say to the atom."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest
from django.db import transaction
from genai_prices import types as genai

from billing import prices, seeding
from billing.fields import to_usd
from billing.models import Price
from billing.pricing import Usage, cost_of

NOW = datetime(2026, 11, 1, tzinfo=UTC)
MODELS = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5"),
    ("openai", "gpt-5.5"),
    ("openai", "o3"),
    ("openai", "gpt-3.5-turbo"),
    ("openai", "gpt-4.1-nano"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-opus-4-1"),
    ("anthropic", "claude-haiku-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("mistral", "mistral-large-latest"),
    ("x-ai", "grok-4"),
    ("groq", "llama-3.3-70b-versatile"),
    ("openrouter", "anthropic/claude-sonnet-4"),
    ("cohere", "command-r-plus"),
]
USAGES = [
    Usage(input=1000, output=500),
    Usage(input=976, cached_input=1024, output=500),
    Usage(input=300_000, cached_input=1, output=1),
    Usage(input=10, cached_input=20, cache_write=30, output=400, reasoning=100),
    Usage(input=1_000_000, output=100_000),
]


@pytest.fixture(scope="module")
def priced(django_db_setup, django_db_blocker):
    """A database with the first prices, as long as this file's tests go on."""
    with django_db_blocker.unblock(), transaction.atomic():
        assert seeding.seed(NOW) > 5_000
        yield prices.load({provider for provider, _ in MODELS})
        transaction.set_rollback(True)


@pytest.fixture
def seeded(priced, db):
    return priced


def theirs(provider, model, usage, context=None):
    said = genai.Usage(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=usage.cached_input,
        cache_write_tokens=usage.cache_write,
        output_tokens=usage.completion_tokens,
        output_reasoning_tokens=usage.reasoning,
    )
    found = genai_prices.calc_price(
        said, model, provider_id=provider, genai_request_timestamp=NOW, price_context=context
    )
    return found.total_price


def test_costs_what_the_library_says(seeded):
    for provider, model in MODELS:
        rows = seeded.rows(provider, model, NOW)
        assert rows, model
        for usage in USAGES:
            assert to_usd(cost_of(usage, rows).atoms) == theirs(provider, model, usage), (model, usage)


@pytest.mark.parametrize("tier", ["flex", "priority", "default"])
def test_costs_what_the_library_says_for_service_tiers(seeded, tier):
    rows = seeded.rows("openai", "gpt-5", NOW)
    for usage in USAGES:
        expected = theirs("openai", "gpt-5", usage, {"service_tier": tier})
        assert to_usd(cost_of(usage, rows, tier).atoms) == expected


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-image-1"),
        ("openai", "gpt-image-1.5"),
        ("openai", "gpt-image-1-mini"),
        ("openai", "chatgpt-image-latest"),
        ("google", "gemini-2.5-flash-image"),
    ],
)
def test_pictures_cost_what_the_library_says(seeded, provider, model):
    usage = Usage(input=12, image_in=323, output=7, image_out=4160)
    said = genai.Usage(
        input_tokens=usage.prompt_tokens,
        input_image_tokens=usage.image_in,
        output_tokens=usage.completion_tokens,
        output_image_tokens=usage.image_out,
    )
    expected = genai_prices.calc_price(said, model, provider_id=provider, genai_request_timestamp=NOW).total_price
    assert to_usd(cost_of(usage, seeded.rows(provider, model, NOW)).atoms) == expected


def test_seeding_again_adds_nothing_and_leaves_the_admins_prices_alone(seeded):
    Price.objects.filter(provider="openai", upstream_model="gpt-4o").delete()
    Price.objects.create(
        provider="openai", upstream_model="gpt-4o", component="input", amount=Decimal(9), valid_from=seeding.EPOCH
    )
    seeding.seed(NOW)
    count = Price.objects.count()
    assert seeding.seed(NOW) == 0
    assert Price.objects.count() == count
    first = Price.objects.filter(provider="openai", upstream_model="gpt-4o", component="input", service_tier="")
    assert [row.amount for row in first] == [9]


def test_a_seeded_name_is_never_another_models(seeded):
    """Ask the library itself whose each name is, families by a name that only they could have."""
    owners = {}
    for provider in seeding.providers:
        names = seeding.Names()
        for model in provider.models:
            for name in names.give(model, is_priced=True):
                assert owners.setdefault((provider.id, name), model.id) == model.id
                found = provider.find_model(name.replace("*", ""))
                assert found is not None, name
                assert found.id == model.id, name


def test_nearly_every_model_is_seeded(seeded):
    models = sum(len(provider.models) for provider in seeding.providers)
    priced = sum(bool(names) for provider in seeding.providers for names, _ in seeding._named(provider))
    assert priced / models > 0.95


def test_leaves_out_what_rows_cannot_say(seeded):
    assert not Price.objects.filter(provider="quicksilverpro", upstream_model="gemini-3-pro-image").exists()
    assert not Price.objects.filter(provider="deepseek", upstream_model="deepseek-chat").exists()


def test_a_tier_that_ended_costs_the_base_price_since_then():
    tiered = genai.TieredPrices(Decimal(1), [genai.Tier(1000, Decimal(2))])
    before = genai.ModelPrice(input_mtok=tiered, cache_read_mtok=Decimal("0.5"))
    since = genai.ConditionalPrice(
        genai.StartDateConstraint(NOW.date()), prices=genai.ModelPrice(input_mtok=Decimal(3))
    )
    model = genai.ModelInfo(
        id="m", match=genai.ClauseEquals("m"), prices=[genai.ConditionalPrice(prices=before), since]
    )
    assert [(change.since, *change.key, change.amount.usd) for change in seeding._changes(model)] == [
        (seeding.EPOCH, "input", 0, "", 1),
        (seeding.EPOCH, "input", 1000, "", 2),
        (seeding.EPOCH, "cached_input", 0, "", Decimal("0.5")),
        (NOW, "input", 0, "", 3),
        (NOW, "cached_input", 0, "", 3),
        (NOW, "input", 1000, "", 3),
    ]
