"""Which model embeds a new store."""

from __future__ import annotations

from typing import Any

import pytest

from billing.budgets import BudgetTable
from billing.prices import PriceBook
from gateway.snapshot import Snapshot
from gateway.vectors import embedding
from providers.routes import Route, RouteTable, Target, Upstream


def route(model: str, operation: str, *, default: bool = False) -> Route:
    upstream = Upstream(name="somebody", adapter="openai", base_url="https://example.com")
    return Route(model=model, targets=(Target(1, upstream, model),), operations=(operation,), default=default)


def snapshot(*routes: Route, **settings: Any) -> Snapshot:
    return Snapshot(1, RouteTable(routes), PriceBook({}), BudgetTable(()), settings)


CHAT = route("chat", "chat.completions", default=True)
DEFAULT = route("embed", "embeddings", default=True)
DEMO = route(embedding.DEMO, "embeddings")


@pytest.mark.parametrize(
    ("routes", "settings", "model"),
    [
        ([CHAT, DEFAULT, DEMO], {"embedding_model": "said"}, "said"),
        ([CHAT, DEFAULT, DEMO], {}, "embed"),
        ([CHAT, DEMO], {}, embedding.DEMO),
        ([CHAT], {}, ""),
    ],
)
def test_the_setting_goes_before_the_default_and_that_before_the_demo(routes, settings, model):
    assert embedding.model_for(snapshot(*routes, **settings)) == model
