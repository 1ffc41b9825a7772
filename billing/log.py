"""Pages of the log of usage records, by key and never by offset, whatever is filtered by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from billing import conditions, ids, posting, reports
from billing.models import Spend, UsageRecord
from billing.reports import Page, Sums

QUARTER = timedelta(minutes=15)
# How many records are summed above a page whose sums are not kept.
MOST_SUMMED = 250
WINDOW = 64


class Query(NamedTuple):
    """What the log is asked for: a range, values of dimensions, how the requests ended, one of ``conditions.FLAGS``."""

    start: datetime
    end: datetime
    filters: Mapping[str, str]
    status: str = ""
    flag: str = ""

    @property
    def records(self) -> QuerySet[UsageRecord]:
        return conditions.admitted(self.start, self.end, self.filters, self.status, self.flag)

    @property
    def sparse(self) -> tuple[str, str] | None:
        """A filter that has no index, where no other has one either."""
        has_index = self.status not in ("", "completed") or self.flag or not self.filters.keys() <= {*conditions.SPARSE}
        if has_index:
            return None
        return next(((name, self.filters[name]) for name in conditions.SPARSE if name in self.filters), None)


class Totals(NamedTuple):
    """``is_partial``: only the newest ``MOST_SUMMED`` records are summed, and there are more."""

    sums: Sums
    is_partial: bool


def totals(query: Query) -> Totals:
    """Return the sums of everything that fits where they are kept, else of the newest."""
    kept = _kept(query)
    if kept is not None:
        return Totals(reports.total(query.start, query.end, *kept), False)
    newest = list(query.records.order_by("-id").values_list("id", flat=True)[: MOST_SUMMED + 1])
    sums = reports.record_totals(UsageRecord.objects.filter(pk__in=newest))
    return Totals(sums, sums.requests > MOST_SUMMED)


def _kept(query: Query) -> tuple[str, str] | None:
    """Return the dimension and value under which spend knows exactly what is asked for."""
    if query.status or query.flag:
        return None
    match sorted(query.filters.items()):
        case []:
            return reports.WHOLE, ""
        case [(dimension, value)]:
            return dimension, value
        case [(("api_key" | "team" | "user") as owner, id), ("model", model)] | [
            ("model", model),
            (("api_key" | "team" | "user") as owner, id),
        ]:
            return f"{owner}_model", posting.pair(int(id), model)
    return None


def page(query: Query, size: int, *, before: UUID | None = None, after: UUID | None = None) -> Page:
    """Return ``size`` records older than ``before``, or newer than ``after``, else the newest."""
    records = query.records.prefetch_related("user", "team", "api_key")  # a join would leave out whose row is gone
    if query.sparse is None:
        return reports.page(records, size, before=before, after=after)
    if after is not None:
        rows = _gathered(query, records.filter(id__gt=after), size + 1, after, newer=True)
        more, rows = len(rows) > size, rows[:size][::-1]
        return Page(rows, rows[-1].id if rows else None, rows[0].id if more else None)
    rows = _gathered(query, records.filter(id__lt=before) if before else records, size + 1, before, newer=False)
    more, rows = len(rows) > size, rows[:size]
    return Page(rows, rows[-1].id if more else None, rows[0].id if rows and before is not None else None)


def _gathered(
    query: Query, records: QuerySet[UsageRecord], size: int, cursor: UUID | None, *, newer: bool
) -> list[UsageRecord]:
    """Return up to ``size`` records from ``cursor`` on, read only in the quarter hours that spend has the value in."""
    found: list[UsageRecord] = []
    order = "id" if newer else "-id"
    for window in _windows(query, cursor, newer=newer):
        found += records.filter(window).order_by(order)[: size - len(found)]
        if len(found) >= size:
            break
    return found


def _windows(query: Query, cursor: UUID | None, *, newer: bool) -> Iterator[Q]:
    dimension, value = query.sparse or ("", "")
    spent = Spend.objects.filter(dimension=dimension, value=value, requests__gt=0)
    spent = spent.filter(bucket__gt=query.start - QUARTER, bucket__lt=query.end)
    if cursor is not None:
        moment = ids.instant(ids.moment(str(cursor)))
        spent = spent.filter(bucket__gt=moment - QUARTER) if newer else spent.filter(bucket__lte=moment)
    count = WINDOW
    while True:
        buckets = list(spent.order_by("bucket" if newer else "-bucket").values_list("bucket", flat=True)[:count])
        if not buckets:
            return
        yield _within(sorted(buckets))
        spent = spent.filter(bucket__gt=buckets[-1]) if newer else spent.filter(bucket__lt=buckets[-1])
        count *= 2


def _within(buckets: list[datetime]) -> Q:
    """Return the condition that a record is in one of these quarter hours; neighbours are one range."""
    ranges: list[tuple[datetime, datetime]] = []
    for bucket in buckets:
        if ranges and ranges[-1][1] == bucket:
            ranges[-1] = (ranges[-1][0], bucket + QUARTER)
        else:
            ranges.append((bucket, bucket + QUARTER))
    condition = Q()
    for start, end in ranges:
        condition |= Q(id__gte=ids.lowest(start), id__lt=ids.lowest(end))
    return condition
