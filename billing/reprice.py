"""A reprice run: what posted records cost at the prices of the table now, shown first, then made so batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from billing import adjustments, bulk, clock, database, ids, periods, prices, repricing
from billing.adjustments import WRITE_OFF
from billing.fields import to_atoms
from billing.lines import USAGE_COLUMNS
from billing.models import Adjustment, BudgetPeriod, Spend, UsageRecord
from billing.posting import SpendKey, Sums
from billing.prices import PriceBook
from billing.pricing import PriceRow, Usage
from billing.repricing import LEFT, PRICED, UNPRICED, Earlier, Facts, Verdict

BATCH = 500
# that ids can have
YEARS = range(1970, 3000)
QUARTER = timedelta(minutes=15)
# failed before anything was used: not even a price per request is charged, as for what was never sent
UNUSED = "upstream_error"
COLUMNS = (
    "id", "created_at", "status", "operation", "model", "provider", "upstream_model", "user_id", "team_id",
    "api_key_id", "end_user", "tags", "service_tier", "variant", "markup", "cost", "charges", "price_rows",
    "attempts", "trace", *USAGE_COLUMNS.values(),
)  # fmt: skip


class Range(NamedTuple):
    """Which records: admitted from ``start`` to ``end``; by a glob of their model's names; by their provider."""

    start: datetime
    end: datetime
    model: str = ""
    provider: str = ""


@dataclass
class Line:
    """What becomes of one model's records; sums in atoms, unpriced ones counting as nothing."""

    model: str
    provider: str
    upstream_model: str
    records: int = 0
    corrected: int = 0
    priced: int = 0
    unpriced: int = 0
    left: int = 0
    old: int = 0
    new: int = 0

    @property
    def difference(self) -> int:
        return self.new - self.old

    def add(self, verdict: Verdict) -> None:
        self.records += 1
        self.corrected += verdict.correction is not None
        self.priced += verdict.state == PRICED
        self.unpriced += verdict.state == UNPRICED
        self.left += verdict.state == LEFT
        self.old += verdict.old or 0
        self.new += verdict.new or 0


@dataclass
class Run:
    """How far a run has come. ``is_whole``: it has seen every record of its range."""

    lines: dict[tuple[str, str, str], Line] = field(default_factory=dict)
    records: int = 0
    is_whole: bool = False

    def add(self, record: UsageRecord, verdict: Verdict) -> None:
        key = record.model, record.provider, record.upstream_model
        self.lines.setdefault(key, Line(*key)).add(verdict)
        self.records += 1

    @property
    def by_model(self) -> list[Line]:
        """Return the lines, the largest difference first."""
        return sorted(self.lines.values(), key=lambda line: (-abs(line.difference), line.model, line.provider))

    @property
    def total(self) -> Line:
        whole = Line("", "", "")
        for line in self.lines.values():
            for name in ("records", "corrected", "priced", "unpriced", "left", "old", "new"):
                setattr(whole, name, getattr(whole, name) + getattr(line, name))
        return whole


class Judged(NamedTuple):
    record: UsageRecord
    earlier: Earlier
    rows: tuple[PriceRow, ...]
    verdict: Verdict


def preview(of: Range, books: Mapping[str, str], seconds: float | None = None) -> Run:
    """Return what repricing would change; nothing is. ``books`` has the price book of each provider.

    With ``seconds`` it stops when they are over.
    """
    run, table = Run(), prices.load(_books_of(of, books))
    for records in _within(seconds, _batches(of, run)):
        for each in _judge(records, table, books):
            run.add(each.record, each.verdict)
    return run


def apply(
    of: Range, books: Mapping[str, str], *, actor: str, reason: str, seconds: float | None = None
) -> Iterator[Run]:
    """Correct what repricing changes, and yield how far it is after each batch.

    Each batch is a transaction of its own. A run that was interrupted is begun again: what is corrected needs nothing.
    """
    run, table = Run(), prices.load(_books_of(of, books))
    for records in _within(seconds, _batches(of, run)):
        judged = _judge(records, table, books)
        wrong = [each.record.pk for each in judged if each.verdict.correction]
        corrected = {each.record.pk: each for each in _correct(wrong, table, books, actor, reason)} if wrong else {}
        for each in judged:
            run.add(each.record, corrected.get(each.record.pk, each).verdict)
        yield run
    yield run


def _batches(of: Range, run: Run) -> Iterator[list[UsageRecord]]:
    """Yield the records of the range, oldest first, without ever holding more than a batch."""
    found, last = _records(of), UUID(ids.lowest(of.start))
    while True:
        batch = list(found.filter(id__gte=last).order_by("id").only(*COLUMNS)[: BATCH + 1])
        chosen = [record for record in batch[:BATCH] if _is_meant(record, of.model)]
        if chosen:
            yield chosen
        if len(batch) <= BATCH:
            run.is_whole = True
            return
        last = batch[BATCH].pk


def _within(seconds: float | None, batches: Iterator[list[UsageRecord]]) -> Iterator[list[UsageRecord]]:
    if seconds is None:
        return batches
    until = clock.elapsed() + seconds
    return takewhile(lambda _: clock.elapsed() < until, batches)


def _records(of: Range) -> QuerySet[UsageRecord]:
    found = UsageRecord.objects.filter(id__lt=ids.lowest(of.end))
    if of.provider:
        found = found.filter(provider=of.provider)
    beginning = "".join(takewhile(lambda char: char not in "*?[", of.model))
    if beginning == of.model and beginning:
        return found.filter(Q(model=of.model) | Q(upstream_model=of.model))
    if beginning:
        found = found.filter(Q(model__startswith=beginning) | Q(upstream_model__startswith=beginning))
    return found


def _is_meant(record: UsageRecord, glob: str) -> bool:
    return not glob or fnmatchcase(record.model, glob) or fnmatchcase(record.upstream_model, glob)


def _books_of(of: Range, books: Mapping[str, str]) -> set[str]:
    """Return the price books that the records need; a provider that is gone had the one of its name."""
    spent = Spend.objects.filter(dimension="provider", bucket__gte=of.start - QUARTER, bucket__lt=of.end)
    providers = {of.provider} if of.provider else set(spent.values_list("value", flat=True).distinct())
    return {books.get(provider, provider) for provider in providers}


def _judge(records: Sequence[UsageRecord], table: PriceBook, books: Mapping[str, str]) -> list[Judged]:
    earlier = _earlier([record.pk for record in records])
    usd = _periods_of_money(period for record in records for period in record.charges)
    judged = []
    for record in records:
        before = earlier.get(record.pk, Earlier())
        book = books.get(record.provider, record.provider)
        rows = table.rows(book, record.upstream_model, record.created_at) or ()
        judged.append(Judged(record, before, rows, repricing.judge(facts_of(record), before, rows, usd)))
    return judged


def facts_of(record: UsageRecord) -> Facts:
    used = {name: getattr(record, column) for name, column in USAGE_COLUMNS.items()}
    unused = record.status == UNUSED or not record.attempts
    requests = (record.trace or {}).get("requests", 0 if unused and not any(used.values()) else 1)
    return Facts(
        Usage(**used, request=requests),
        tuple(PriceRow(*row) for row in record.price_rows or ()),
        record.service_tier,
        record.variant,
        record.markup,
        None if record.cost is None else to_atoms(record.cost),
        {int(period): amount for period, amount in record.charges.items()},
    )


def _earlier(records: Collection[UUID]) -> dict[UUID, Earlier]:
    found: dict[UUID, Earlier] = {}
    rows = Adjustment.objects.filter(record__in=records).values_list("record", "cause", "cost", "charges")
    for record, cause, usd, charges in rows:
        known, cost = found.get(record, Earlier()), to_atoms(usd)
        is_ours = cause.startswith(repricing.CAUSE)
        sums = Counter(known.charges)
        sums.update({int(period): amount for period, amount in charges.items()})
        found[record] = Earlier(
            known.adjustments + 1,
            known.cost + cost,
            known.repriced + is_ours * cost,
            known.reprices + is_ours,
            sums,
            known.is_final or cause == WRITE_OFF,
        )
    return found


def _periods_of_money(charged: Iterable[str]) -> set[int]:
    wanted = {int(period) for period in charged}
    if not wanted:
        return set()
    return set(BudgetPeriod.objects.filter(pk__in=wanted, budget__unit="usd").values_list("pk", flat=True))


def _correct(
    wrong: Sequence[UUID], table: PriceBook, books: Mapping[str, str], actor: str, reason: str
) -> list[Judged]:
    """Judge again under lock and write what that finds, in the one order of locks."""
    with database.writing(database.POSTING_SECONDS):
        locked = UsageRecord.objects.filter(pk__in=wrong).order_by("pk").select_for_update().only(*COLUMNS)
        judged = _judge(list(locked), table, books)
        spend: dict[SpendKey, Sums] = {}
        rows, charges, hours = [], Counter[int](), Counter[tuple[int, int]]()
        for record, earlier, by, verdict in judged:
            if verdict.correction is None:
                continue
            cause = repricing.cause_of(by, earlier)
            rows.append(adjustments.row_of(record, verdict.correction, cause=cause, actor=actor, reason=reason))
            adjustments.add_to(spend, record, verdict.correction)
            charges.update(verdict.correction.charges)
            hours.update(periods.hours_of_moment(verdict.correction.charges, record.created_at))
        Adjustment.objects.bulk_create(rows)
        bulk.add_spend(spend)
        periods.charge(charges, hours)
    return judged
