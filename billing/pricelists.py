"""Price lists of others beside our rows: what stands in the table, and what of a proposal is inserted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from billing.models import Price
from billing.proposals import Amount, Change, Key, Present


def present(providers: Collection[str]) -> dict[Key, list[Present]]:
    """Return all our rows of these price books."""
    found: dict[Key, list[Present]] = defaultdict(list)
    for row in Price.objects.filter(provider__in=providers).iterator(chunk_size=2000):
        key = Key(
            row.provider, row.upstream_model.lower(), row.component, row.above_tokens, row.service_tier, row.variant
        )
        found[key].append(Present(row.valid_from, Amount(row.amount, row.unit), row.source))
    return dict(found)


def insert(changes: Iterable[Change], source: str) -> int:
    """Insert the rows; return how many. The caller's transaction makes it all or nothing."""
    rows = [
        Price(
            **change.key._asdict(),
            unit=change.amount.unit,
            amount=change.amount.usd,
            valid_from=change.since,
            source=source,
        )
        for change in changes
    ]
    Price.objects.bulk_create(rows, batch_size=500)
    return len(rows)
