"""What was spent by one thing among the requests of another, which no sum is kept of: counted from the records."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from django.db import connection

from billing import conditions, reports, spans, sums
from billing.conditions import Raw
from billing.fields import to_usd
from billing.reports import Share, Sums

# Counted in a second or two; more is for an export.
MOST_RECORDS = 200_000


class TooMany(Exception):
    """More records fit than are counted while somebody waits."""

    def __init__(self) -> None:
        super().__init__(f"more than {MOST_RECORDS:,} requests fit: choose a shorter range, or export them")


class Breakdown(NamedTuple):
    """The sums of each value in each quarter hour."""

    quarters: dict[datetime, dict[str, Sums]]

    def by_value(self) -> list[Share]:
        found: dict[str, Sums] = {}
        for values in self.quarters.values():
            _merge(found, values)
        return reports.ordered(found)

    def over_time(self, step: str, zone: tzinfo) -> dict[datetime, dict[str, Sums]]:
        found: dict[datetime, dict[str, Sums]] = {}
        for quarter, values in sorted(self.quarters.items()):
            _merge(found.setdefault(spans.step_of(quarter, step, zone), {}), values)
        return found


def by(dimension: str, start: datetime, end: datetime, filters: Mapping[str, str]) -> Breakdown:
    """Return what the records with the values of ``filters`` spent by ``dimension``. Raises ``TooMany``."""
    where = conditions.raw(start, end, filters)
    _bounded(where)
    found: dict[datetime, dict[str, Sums]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT at, value, {', '.join(f'SUM({name})' for name in sums.COLUMNS)} FROM "  # noqa: S608
            f"({sums.spent(dimension, sums.quarter('record.created_at'), where.sql)}) counted GROUP BY at, value",
            where.parameters * 2,
        )
        for at, value, requests, tokens, cost, unpriced in cursor.fetchall():
            own = Sums(int(requests), int(tokens), to_usd(int(cost)), int(unpriced))
            found.setdefault(_aware(at), {})[value] = own
    return Breakdown(found)


def _bounded(where: Raw) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM {sums.RECORDS} WHERE {where.sql} LIMIT %s) counted",  # noqa: S608
            [*where.parameters, MOST_RECORDS + 1],
        )
        if cursor.fetchone()[0] > MOST_RECORDS:
            raise TooMany


def _merge(found: dict[str, Sums], values: Mapping[str, Sums]) -> None:
    for value, own in values.items():
        found[value] = found[value].plus(own) if value in found else own


def _aware(moment: datetime | str) -> datetime:
    """SQLite answers times as text."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC) if isinstance(moment, str) else moment
