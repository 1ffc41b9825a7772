"""The calls of runs as the ledger has them: found by the run's id, within the time in which the run was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import QuerySet

from billing import ids, reports
from billing.models import Adjustment, UsageRecord
from billing.reports import Sums
from gateway.assistants.rows import Run
from gateway.pages.course import Call

# a last call is admitted before its run expires; clocks of two machines may differ
BESIDE = timedelta(minutes=5)


def of(runs: Sequence[Run]) -> QuerySet[UsageRecord]:
    """Return the records of the calls of ``runs``."""
    if not runs:
        return UsageRecord.objects.none()
    first = min(run.created_at for run in runs) - BESIDE
    last = max(run.expires_at for run in runs) + BESIDE
    handles = [run.handle for run in runs]
    return UsageRecord.objects.filter(id__gte=ids.lowest(first), id__lt=ids.lowest(last), run_id__in=handles)


def calls(runs: Sequence[Run]) -> dict[str, list[Call]]:
    """Return the calls by the id of their run, in their order, each at what it costs with all corrections."""
    records = list(of(runs).order_by("id"))
    corrected = _corrections([record.pk for record in records])
    found: dict[str, list[Call]] = defaultdict(list)
    for record in records:
        found[record.run_id].append(_call(record, corrected.get(record.pk)))
    return found


def summed(calls: Iterable[Call]) -> Sums:
    return Sums().plus_all(Sums(1, each.tokens, each.cost or Decimal(0), each.cost is None) for each in calls)


def _corrections(records: list[UUID]) -> dict[UUID, Decimal]:
    found: dict[UUID, Decimal] = {}
    for each in Adjustment.objects.filter(record__in=records):
        found[each.record] = found.get(each.record, Decimal(0)) + each.cost
    return found


def _call(record: UsageRecord, correction: Decimal | None) -> Call:
    cost = record.cost if correction is None else (record.cost or Decimal(0)) + correction
    target = f"{record.provider or '–'}/{record.upstream_model or record.model}"
    return Call(
        record.pk, record.created_at, record.finished_at, record.status, target, record.retry_of is not None,
        reports.tokens_of(record), cost,
    )  # fmt: skip
