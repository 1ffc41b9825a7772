"""The price list as one reads it: a line per model, a column per component."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from django.db.models import Q

from billing import prices, reports
from billing.models import Price
from billing.reports import Sums
from providers.models import Target
from providers.routes import price_book_of

RECENTLY = timedelta(days=30)


@dataclass
class Shelf:
    """What one model costs at one tier, or for images of one variant."""

    COLUMNS: ClassVar[tuple[str, ...]] = ("input", "cached_input", "cache_write", "output", "reasoning")

    provider: str
    upstream_model: str
    above_tokens: int
    service_tier: str
    variant: str
    rows: dict[str, Price] = field(default_factory=dict)

    @property
    def columns(self) -> list[Price | None]:
        return [self.rows.get(name) for name in self.COLUMNS]

    @property
    def others(self) -> list[Price]:
        return [row for name, row in self.rows.items() if name not in self.COLUMNS]

    @property
    def since(self) -> datetime:
        return max(row.valid_from for row in self.rows.values())

    @property
    def source(self) -> str:
        return max(self.rows.values(), key=lambda row: row.valid_from).source


class Usage(NamedTuple):
    """What was used of an upstream model; ``book`` is empty where no route leads there any more."""

    upstream_model: str
    book: str
    sums: Sums


def shelves(rows: Iterable[Price], now: datetime) -> list[Shelf]:
    """Return the prices in force at ``now``, by provider and model, the base tier first."""
    found: dict[tuple[str, str, int, str, str], Shelf] = {}
    in_force = [row for row in rows if row.valid_from <= now]
    for row in sorted(in_force, key=lambda row: row.valid_from):
        key = (row.provider, row.upstream_model, row.above_tokens, row.service_tier, row.variant)
        found.setdefault(key, Shelf(*key)).rows[row.component] = row
    order = sorted(found, key=lambda key: (key[0], key[1], key[3], key[4], key[2]))
    return [found[key] for key in order]


def current_of(provider: str, upstream_model: str, now: datetime) -> list[Shelf]:
    return shelves(Price.objects.filter(provider=provider, upstream_model=upstream_model), now)


def routed(now: datetime) -> Q:
    """Return the condition of rows that price a target of a living route: those in force, and all of their name."""
    targets = _targets()
    book = prices.load({_book(target) for target in targets})
    used = {row.id for target in targets for row in book.rows(_book(target), _model(target), now) or ()}
    names = Price.objects.filter(pk__in=used).values_list("provider", "upstream_model").distinct()
    found = Q(pk__in=[])
    for provider, upstream_model in names:
        found |= Q(provider=provider, upstream_model=upstream_model)
    return found


def unpriced_targets(now: datetime) -> list[Target]:
    """Return the targets of living routes that have no price: calls there cost an unknown amount, or are refused."""
    targets = _targets()
    book = prices.load({_book(target) for target in targets})
    return [target for target in targets if not book.rows(_book(target), _model(target), now)]


def unpriced_usage(now: datetime) -> list[Usage]:
    """Return whose usage of the last 30 days has no price, the most requests first."""
    shares = reports.by_value("upstream_model", now - RECENTLY, now)
    books = {_model(target): _book(target) for target in _targets()}
    found = [Usage(share.value, books.get(share.value, ""), share.sums) for share in shares if share.sums.unpriced]
    return sorted(found, key=lambda usage: -usage.sums.unpriced)


def _targets() -> list[Target]:
    living = Target.objects.filter(route__is_active=True, paused_at=None).select_related("route", "provider")
    return list(living.order_by("route__model", "priority", "position"))


def _book(target: Target) -> str:
    return price_book_of(target.provider)


def _model(target: Target) -> str:
    return target.upstream_model or target.route.model
