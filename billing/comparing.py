"""Bills in the tables: taken in once, and compared with the usage records of their days."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import NamedTuple

from django.db import IntegrityError, connection, transaction
from django.db.models import BigIntegerField, Case, Count, Max, Min, Q, Sum, When
from django.db.models.functions import TruncDate

from billing import ids, recount, reports
from billing.bills import reading
from billing.bills.comparison import Ours, Place, Row, compare
from billing.bills.lines import Line
from billing.fields import UsdField, to_usd
from billing.models import Bill, BillLine, UsageRecord
from billing.pricing import UNCHANGED

DAY = timedelta(days=1)
LINES_AT_ONCE = 2000

_AT_COST = Case(
    When(upstream_cost__isnull=False, then="upstream_cost"),
    When(markup=UNCHANGED, then="cost"),
    output_field=UsdField(),
)
_UNPRICED = Q(upstream_cost__isnull=True) & (Q(cost__isnull=True) | ~Q(markup=UNCHANGED))
_INPUT = (
    "input_tokens", "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "audio_in_tokens",
    "image_in_tokens",
)  # fmt: skip
_OUTPUT = ("output_tokens", "reasoning_tokens", "audio_out_tokens", "image_out_tokens")

_CORRECTIONS = """
    SELECT {day}, r.upstream_model, r.markup, sum(a.cost),
        count(DISTINCT CASE WHEN r.cost IS NULL THEN r.id END)
    FROM billing_adjustment a JOIN billing_usagerecord r ON r.id = a.record
    WHERE a.record >= %s AND a.record < %s AND r.id >= %s AND r.id < %s AND r.provider = %s
    GROUP BY 1, 2, 3
"""
_DAY = {"postgresql": "(r.created_at AT TIME ZONE 'UTC')::date", "sqlite": "date(r.created_at)"}


class Comparison(NamedTuple):
    """``others`` are the bills of the same provider that tell of the same days.

    ``gone_before``: records of earlier days are not kept any more, so nothing of ours stands there.
    """

    rows: list[Row]
    others: list[Bill]
    gone_before: date | None


def take_in(data: bytes, *, provider: str, name: str, actor: str) -> tuple[Bill, bool]:
    """Store an export; return its bill, and whether it is new: the same file again changes nothing.

    Raises ``BillUnreadable``, and then nothing is stored.
    """
    digest = sha256(provider.encode() + b"\0" + data).hexdigest()
    known = Bill.objects.filter(digest=digest).first()
    if known is not None:
        return known, False
    read = reading.read(data)
    try:
        with transaction.atomic():
            bill = Bill.objects.create(
                provider=provider, source=read.source, name=name[:255], digest=digest, actor=actor[:254]
            )
            lines = [BillLine(bill=bill, **line._asdict()) for line in read.lines]
            BillLine.objects.bulk_create(lines, batch_size=LINES_AT_ONCE)
    except IntegrityError:  # somebody took in the same file at the same moment
        return Bill.objects.get(digest=digest), False
    return bill, True


def compared(bill: Bill) -> Comparison:
    """Return the days of ``bill``, with what other bills of its provider tell of them, beside the ledger."""
    days = sorted(set(bill.lines.values_list("day", flat=True)))
    told = BillLine.objects.filter(bill__provider=bill.provider, day__gte=days[0], day__lte=days[-1])
    by_bill: dict[int, list[Line]] = defaultdict(list)
    wanted = set(days)
    for bill_id, *values in told.order_by("bill__created_at", "bill").values_list("bill", *Line._fields):
        line = Line(*values)
        if line.day in wanted:
            by_bill[bill_id].append(line)
    ours = {place: sums for place, sums in _ours(bill.provider, days[0], days[-1]).items() if place[0] in wanted}
    others = list(Bill.objects.filter(pk__in=by_bill).exclude(pk=bill.pk).order_by("-created_at"))
    return Comparison(compare(list(by_bill.values()), ours), others, _gone_before(days[0]))


def spans(bills: Iterable[Bill]) -> dict[int, tuple[date, date]]:
    """Return the first and last day of each bill."""
    rows = BillLine.objects.filter(bill__in=list(bills)).values("bill").annotate(first=Min("day"), last=Max("day"))
    return {row["bill"]: (row["first"], row["last"]) for row in rows}


def _ours(provider: str, first: date, last: date) -> dict[Place, Ours]:
    start, end = _midnight(first), _midnight(last + DAY)
    rows = (
        reports.admitted_between(start, end)
        .filter(provider=provider, attempts__gt=0)  # cached answers are on no bill
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list("day", "upstream_model")
        .annotate(
            requests=Count("id"),
            input=_sum(_INPUT),
            output=_sum(_OUTPUT),
            at_cost=Sum(_AT_COST),
            unpriced=Count("id", filter=_UNPRICED),
        )
        .order_by()
    )
    found = {
        (day, model): Ours(requests, int(into or 0), int(out or 0), cost or Decimal(0), unpriced)
        for day, model, requests, into, out, cost, unpriced in rows
    }
    for place, correction in _corrections(provider, start, end):
        found[place] = found.get(place, Ours()).plus(correction)
    return found


def _corrections(provider: str, start: datetime, end: datetime) -> Iterable[tuple[Place, Ours]]:
    """Return what adjustments changed, without the factor that a team is charged by."""
    ends = [_key(start), _key(end)]
    with connection.cursor() as cursor:
        cursor.execute(_CORRECTIONS.format(day=_DAY[connection.vendor]), [*ends, *ends, provider])
        rows = cursor.fetchall()
    for day, model, markup, atoms, priced_later in rows:
        at_cost = to_usd(int(atoms)) * UNCHANGED / markup if markup else Decimal(0)
        at = date.fromisoformat(day) if isinstance(day, str) else day
        yield (at, model), Ours(cost=at_cost, unpriced=-priced_later)


def _key(moment: datetime) -> object:
    """Return the lowest id of ``moment`` as the database keeps it."""
    return UsageRecord._meta.pk.get_db_prep_value(ids.lowest(moment), connection)


def _sum(columns: tuple[str, ...]) -> Sum:
    first, *rest = columns
    return sum((Sum(column) for column in rest), Sum(first, output_field=BigIntegerField()))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _gone_before(first: date) -> date | None:
    carried = recount.carried_months()
    if not carried:
        return None
    kept = (carried[-1] + 32 * DAY).replace(day=1)
    return kept if first < kept else None
