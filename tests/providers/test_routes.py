"""Routes as they stand in the database."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from providers import routes
from providers.adapters import ADAPTERS
from providers.errors import UnknownModel
from providers.models import ModelRoute, Provider, Target
from providers.secrets import encrypt

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def provider():
    return Provider.objects.create(
        name="up", base_url="https://example.com", secret=encrypt("sk-x"), price_book="books"
    )


def add(model, *targets, **fields):
    row = ModelRoute.objects.create(model=model, **fields)
    for provider, upstream_model, priority in targets:
        Target.objects.create(route=row, provider=provider, upstream_model=upstream_model, priority=priority)
    return row


def test_targets_come_in_the_order_to_try_them(provider):
    add("m", (provider, "later", 1), (provider, "first", 0), (provider, "second", 0))
    route = routes.load().resolve("m")
    assert [target.upstream_model for target in route.targets] == ["first", "second", "later"]
    upstream = route.targets[0].provider
    assert (upstream.secret, upstream.price_book, upstream.base_url) == ("sk-x", "books", "https://example.com")


def test_operations_are_what_the_targets_can_do_unless_the_route_says_less(provider):
    add("all", (provider, "m", 0))
    add("some", (provider, "m", 0), operations=["embeddings"])
    table = routes.load()
    assert table.resolve("all").operations == ADAPTERS["openai"].operations
    assert table.resolve("some").operations == ("embeddings",)


def test_paused_and_inactive_rows_are_left_out(provider):
    paused = Provider.objects.create(name="paused", paused_at=NOW)
    add("m", (paused, "p", 0), (provider, "works", 1)).targets.create(provider=provider, paused_at=NOW)
    add("off", (provider, "x", 0), is_active=False)
    table = routes.load()
    assert [target.upstream_model for target in table.resolve("m").targets] == ["works"]
    with pytest.raises(UnknownModel):
        table.resolve("off")


def test_a_secret_of_another_key_costs_its_provider_only(provider, caplog, settings):
    broken = Provider.objects.create(name="broken", secret="gAAAAA-not-a-token")
    add("m", (broken, "b", 0), (provider, "works", 1))
    with caplog.at_level(logging.ERROR):
        assert [target.upstream_model for target in routes.load().resolve("m").targets] == ["works"]
    assert "broken" in caplog.text
    assert "gAAAAA" not in caplog.text


def test_loading_takes_three_queries(provider, django_assert_num_queries):
    for number in range(5):
        add(f"m{number}", (provider, "x", 0))
    with django_assert_num_queries(3):
        routes.load()
