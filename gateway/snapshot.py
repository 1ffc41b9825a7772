"""The configuration as one immutable value, read whole when its version moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from billing import budgets, limit_rows, prices
from billing.budgets import BudgetTable
from billing.limits import LimitTable
from billing.markups import MarkupTable
from billing.prices import PriceBook
from gateway import overriding
from gateway.models import Setting
from providers import routes
from providers.routes import RouteTable

BLOCK, ALLOW = "block", "allow"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Routes, their prices and the gateway's settings at one configuration version."""

    version: int
    routes: RouteTable
    prices: PriceBook
    budgets: BudgetTable
    settings: dict[str, Any]
    markups: MarkupTable = field(default_factory=MarkupTable)
    limits: LimitTable = field(default_factory=LimitTable)

    @property
    def unpriced(self) -> str:
        return self.settings.get("unpriced", BLOCK)

    @property
    def bound_margin(self) -> float:
        """By what the bound of a call is multiplied before it is reserved."""
        return self.settings.get("bound_margin", 1)


def load(version: int) -> Snapshot:
    settings = dict(Setting.objects.values_list("name", "value"))
    table = routes.load(settings.get("on_unsupported", routes.DROP))
    books = {upstream.price_book for upstream in table.upstreams()} | {overriding.NAME}
    return Snapshot(
        version=version,
        routes=table,
        prices=prices.load(books),
        budgets=budgets.load(),
        settings=settings,
        markups=prices.load_markups(),
        limits=limit_rows.load(),
    )
