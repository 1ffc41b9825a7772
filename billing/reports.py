"""What was spent: sums of the ledger's quarter hours over any range, in any time zone, and pages of its records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, tzinfo
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDay, TruncHour

from billing import ids, spans
from billing.fields import to_usd
from billing.models import Adjustment, Spend, SpendDay, UsageRecord

STEPS = ("hour", "day", "month")
TRUNCATED = {"hour": TruncHour, "day": TruncDay}
# where everything is counted once, whatever it was
WHOLE = "total"
TOKEN_COLUMNS = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens",
    "reasoning_tokens", "audio_in_tokens", "audio_out_tokens", "image_in_tokens", "image_out_tokens",
)  # fmt: skip


class Sums(NamedTuple):
    """``cost`` is in USD and leaves out the ``unpriced`` requests."""

    requests: int = 0
    tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def plus(self, other: Sums) -> Sums:
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def plus_all(self, others: Iterable[Sums]) -> Sums:
        whole = self
        for other in others:
            whole = whole.plus(other)
        return whole

    def minus(self, other: Sums) -> Sums:
        return Sums(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))


class Share(NamedTuple):
    """What one value of a dimension (a user's id, a model's name …) spent."""

    value: str
    sums: Sums


class Page(NamedTuple):
    """Some records, newest first, and the ids to ask for what is older or newer (None: nothing is)."""

    records: list[UsageRecord]
    older: UUID | None
    newer: UUID | None


_PRICES = Q(record__in=UsageRecord.objects.filter(cost__isnull=True).values("id"))
SUMMED = ("requests", "tokens", "cost", "unpriced")
_SUMS = {"r": Sum("requests"), "t": Sum("tokens"), "c": Sum("cost"), "u": Sum("unpriced")}


def total(start: datetime, end: datetime, dimension: str = WHOLE, value: str | None = None) -> Sums:
    """Return what was spent from ``start`` (inclusive) to ``end``, by everybody or by one value of a dimension."""
    return Sums().plus_all(share.sums for share in _shares(dimension, start, end, None if value is None else [value]))


def by_value(dimension: str, start: datetime, end: datetime, values: Iterable[str] | None = None) -> list[Share]:
    """Return the shares of a dimension's values, the dearest first; of ``values`` only where given."""
    return ordered(dict(_shares(dimension, start, end, values)))


def ordered(found: dict[str, Sums]) -> list[Share]:
    return sorted((Share(*each) for each in found.items()), key=lambda each: (-each[1].cost, -each[1].tokens, each[0]))


def over_time(
    dimension: str, start: datetime, end: datetime, step: str, zone: tzinfo, values: Iterable[str] | None = None
) -> dict[datetime, dict[str, Sums]]:
    """Return the sums of each value in each ``step`` ("hour", "day", "month") of ``zone``'s calendar; gaps left out.

    Days but those of UTC are made of quarter hours: name the ``values`` that matter where there are thousands.
    """
    known = None if values is None else list(values)
    if step == "month":
        months = spans.months(start, end, zone)
        sums = {begins: dict(by_value(dimension, since, until, known)) for begins, since, until in months}
        return {begins: found for begins, found in sums.items() if found}
    found: dict[datetime, dict[str, Sums]] = {}
    for spent in _between(start, end, dimension, known, in_days=step == "day" and str(zone) == "UTC"):
        for at, row in _stepped(spent, step, zone):
            _add(found.setdefault(at, {}), row["value"], _read(row))
    return dict(sorted(found.items()))


def _stepped(spent: QuerySet, step: str, zone: tzinfo) -> Iterator[tuple[datetime, dict[str, object]]]:
    if spent.model is SpendDay:
        for row in spent.values("day", "value").annotate(**_SUMS):
            yield datetime.combine(row["day"], time.min, UTC), row
    else:
        for row in spent.annotate(at=TRUNCATED[step]("bucket", tzinfo=zone)).values("at", "value").annotate(**_SUMS):
            yield row["at"], row


def admitted_between(start: datetime, end: datetime) -> QuerySet[UsageRecord]:
    """Return the records of a range, by their ids: on PostgreSQL only its partitions are read."""
    return UsageRecord.objects.filter(id__gte=ids.lowest(start), id__lt=ids.lowest(end))


def record_totals(records: QuerySet[UsageRecord]) -> Sums:
    """Return the sums of the records themselves, their corrections included."""
    sums = records.aggregate(
        r=Count("id"),
        t=sum((Sum(column) for column in TOKEN_COLUMNS[1:]), Sum(TOKEN_COLUMNS[0])),
        c=Sum("cost"),
        u=Count("id", filter=Q(cost__isnull=True)),
    )
    counted = _read(sums)
    corrections = Adjustment.objects.filter(record__in=records.values("id"))
    corrected = corrections.aggregate(cost=Sum("cost"), u=Count("record", distinct=True, filter=_PRICES))
    return counted._replace(cost=counted.cost + (corrected["cost"] or 0), unpriced=counted.unpriced - corrected["u"])


def page(records: QuerySet[UsageRecord], size: int, *, before: UUID | None = None, after: UUID | None = None) -> Page:
    """Return ``size`` records older than ``before``, or newer than ``after``, else the newest. Never counts."""
    if after is not None:
        rows = list(records.filter(id__gt=after).order_by("id")[: size + 1])
        more, rows = len(rows) > size, rows[:size][::-1]
        return Page(rows, rows[-1].id if rows else None, rows[0].id if more else None)
    found = records.filter(id__lt=before) if before is not None else records
    rows = list(found.order_by("-id")[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    return Page(rows, rows[-1].id if more else None, rows[0].id if rows and before is not None else None)


def tokens_of(record: UsageRecord) -> int:
    return sum(getattr(record, column) for column in TOKEN_COLUMNS)


def _between(
    start: datetime, end: datetime, dimension: str, values: Iterable[str] | None, *, in_days: bool = True
) -> Iterator[QuerySet]:
    """Yield the rows that make up a range: those of its whole days (UTC), and the quarter hours around them."""
    days, edges = spans.parts(start, end) if in_days else spans.Parts(None, [(start, end)])
    only = {"dimension": dimension} if values is None else {"dimension": dimension, "value__in": list(values)}
    if days:
        yield SpendDay.objects.filter(day__gte=days[0], day__lt=days[1], **only)
    for since, until in edges:
        yield Spend.objects.filter(bucket__gte=since, bucket__lt=until, **only)


def _shares(dimension: str, start: datetime, end: datetime, values: Iterable[str] | None) -> list[Share]:
    """Return the sums of each value in one query: thousands of values are not to be met three times."""
    known = None if values is None else list(values)
    parts = [part.values_list("value", *SUMMED) for part in _between(start, end, dimension, known)]
    if not parts or known == []:
        return []
    compiled = [part.query.sql_with_params() for part in parts]
    together = " UNION ALL ".join(sql for sql, _ in compiled)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT value, {', '.join(f'SUM({name})' for name in SUMMED)} FROM ({together}) spent GROUP BY value",  # noqa: S608
            [parameter for _, parameters in compiled for parameter in parameters],
        )
        return [
            Share(value, Sums(int(requests), int(tokens), to_usd(int(cost)), int(unpriced)))
            for value, requests, tokens, cost, unpriced in cursor.fetchall()
        ]


def _add(found: dict[str, Sums], value: str, own: Sums) -> None:
    found[value] = found[value].plus(own) if value in found else own


def _read(row: dict[str, object]) -> Sums:
    return Sums(int(row["r"] or 0), int(row["t"] or 0), row["c"] or Decimal(0), int(row["u"] or 0))
