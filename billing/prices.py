"""The prices in force: dated rows of the chosen books and the factors on them, read once, looked up without a query."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from typing import NamedTuple

from billing.fields import to_atoms
from billing.markups import MarkupRow, MarkupTable
from billing.models import Markup, Price
from billing.pricing import PriceRow

FAMILY = "*"

Rows = tuple[PriceRow, ...]


class Timeline(NamedTuple):
    """What one upstream model costs: ``rows[i]`` is in force from ``since[i]`` on."""

    since: tuple[datetime, ...]
    rows: tuple[Rows, ...]

    def at(self, moment: datetime) -> Rows | None:
        position = bisect_right(self.since, moment)
        return self.rows[position - 1] if position else None


class Book(NamedTuple):
    """One price book: models by name, and families by the beginning of their names, the longest first."""

    models: Mapping[str, Timeline]
    families: tuple[tuple[str, Timeline], ...]

    def find(self, upstream_model: str) -> Timeline | None:
        name = upstream_model.lower()
        exact = self.models.get(name)
        if exact is not None:
            return exact
        return next((timeline for prefix, timeline in self.families if name.startswith(prefix)), None)


class PriceBook:
    """All loaded books; never changes. Names are compared without case, as providers do."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self._books = books

    def rows(self, book: str, upstream_model: str, at: datetime) -> Rows | None:
        """Return the rows of ``upstream_model`` in force ``at`` a moment, or None where it has no price."""
        found = self._books.get(book)
        timeline = found.find(upstream_model) if found else None
        return timeline.at(at) if timeline else None


def load(books: Iterable[str]) -> PriceBook:
    """Return the prices of ``books`` as they stand in the database, history and future included."""
    dated: dict[str, dict[str, list[tuple[datetime, PriceRow]]]] = defaultdict(lambda: defaultdict(list))
    for price in Price.objects.filter(provider__in=set(books)).iterator(chunk_size=2000):
        dated[price.provider][price.upstream_model.lower()].append((price.valid_from, _row(price)))
    return PriceBook({provider: _book(models) for provider, models in dated.items()})


def load_markups() -> MarkupTable:
    """Return the factors on prices as they stand in the database, history and future included."""
    rows = Markup.objects.order_by("pk").values_list("team_id", "model", "valid_from", "millionths")
    return MarkupTable(MarkupRow(*row) for row in rows.iterator(chunk_size=2000))


def _row(price: Price) -> PriceRow:
    tier, amount = price.service_tier, to_atoms(price.amount)
    return PriceRow(price.pk, price.component, price.above_tokens, tier, price.unit, amount, price.variant)


def _book(models: Mapping[str, list[tuple[datetime, PriceRow]]]) -> Book:
    timelines = {name: _timeline(dated) for name, dated in models.items()}
    families = [(name.removesuffix(FAMILY), line) for name, line in timelines.items() if name.endswith(FAMILY)]
    families.sort(key=lambda family: len(family[0]), reverse=True)
    return Book({name: line for name, line in timelines.items() if not name.endswith(FAMILY)}, tuple(families))


def _timeline(dated: list[tuple[datetime, PriceRow]]) -> Timeline:
    """Return the row sets between the dates: each component keeps its newest row of every tier and variant."""
    in_force: dict[tuple[str, int, str, str], PriceRow] = {}
    since: list[datetime] = []
    rows: list[Rows] = []
    for moment, row in sorted(dated, key=itemgetter(0)):
        in_force[row.component, row.above_tokens, row.service_tier, row.variant] = row
        if since and since[-1] == moment:
            rows[-1] = tuple(in_force.values())
        else:
            since.append(moment)
            rows.append(tuple(in_force.values()))
    return Timeline(tuple(since), tuple(rows))
