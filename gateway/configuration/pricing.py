"""Prices of a file become dated rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

from billing.models import Price
from gateway.configuration.changes import NEW, Change
from gateway.configuration.document import Path
from gateway.configuration.moments import Dated, begins_at
from gateway.configuration.rows import Rows
from gateway.configuration.schema import MILLION, Configuration

SOURCE = "tollgate.yaml"
BEGINNING = datetime.min.replace(tzinfo=UTC)


class Key(NamedTuple):
    """What a price is of."""

    provider: str
    upstream_model: str
    component: str
    above_tokens: int
    service_tier: str
    variant: str

    def __str__(self) -> str:
        above = f"above {self.above_tokens} tokens" if self.above_tokens else ""
        words = (f"{self.provider}/{self.upstream_model}", self.component, above, self.service_tier, self.variant)
        return " ".join(filter(None, words))


class Stated(NamedTuple):
    """One amount that the file states."""

    since: datetime | None
    amount: Decimal
    path: Path


def write(configuration: Configuration, rows: Rows) -> None:
    for key, stated in _by_key(configuration).items():
        stated.sort(key=lambda price: price.since or BEGINNING)
        for price, following in zip(stated, [*stated[1:], None], strict=True):
            if following is not None and following.since == price.since:
                rows.refuse(following.path, f"{key} has another price from the same moment")
            else:
                _write_price(key, price, following, rows)


def _by_key(configuration: Configuration) -> dict[Key, list[Stated]]:
    stated: dict[Key, list[Stated]] = defaultdict(list)
    for position, entry in enumerate(configuration.prices):
        for component, amount in entry.amounts().items():
            tiers = (entry.above_tokens, entry.service_tier, entry.variant)
            key = Key(entry.provider, entry.upstream_model, component, *tiers)
            stated[key].append(Stated(entry.since, amount, ("prices", position, component)))
    return stated


def _write_price(key: Key, price: Stated, following: Stated | None, rows: Rows) -> None:
    unit = "million" if key.component in MILLION else "one"
    present = Price.objects.filter(**key._asdict())
    dated = [Dated(row.valid_from, row.amount, row.unit, row.source == SOURCE) for row in present]
    begin = begins_at(price.since, following and following.since, price.amount, unit, dated, rows.now)
    if begin is None:
        return
    Price.objects.create(**key._asdict(), unit=unit, amount=price.amount, valid_from=begin, source=SOURCE)
    per = "million tokens" if unit == "million" else key.component
    amount = f"{price.amount.normalize():f} USD per {per} since {begin.isoformat()}"
    rows.changes.append(Change(NEW, f"price {key}", (amount,)))
