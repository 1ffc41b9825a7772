"""Corrections of posted records: a row with an actor and a reason, and the same amount in every sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from django.db.models import Sum
from django.db.models.functions import Now

from billing import bulk, database, ids, periods, posting
from billing.fields import to_atoms, to_usd
from billing.lines import Settled
from billing.models import Adjustment, UsageRecord
from billing.posting import Correction, Known, SpendKey, Sums

WRITE_OFF = "write-off"


class BelowZero(Exception):
    """A correction would make a record's net cost negative; goodwill is a grant, not an adjustment."""


def adjust(record: UsageRecord, *, cause: str, actor: str, reason: str, cost: int, charges: Mapping[int, int]) -> bool:
    """Add ``cost`` (atoms) and ``charges`` ({period: amount}) to a posted record, in its own period and bucket.

    A record without a cost is priced by it. False, and nothing done, where the record has an adjustment of this
    cause. Raises ``BelowZero``.
    """
    with database.writing():
        UsageRecord.objects.select_for_update().get(pk=record.pk)
        if Adjustment.objects.filter(record=record.pk, cause=cause).exists():
            return False
        if cost < -net_of(record):
            raise BelowZero(f"record {record.pk} would cost less than nothing")
        correction = Correction(cost, dict(charges), is_unpriced(record))
        spend: dict[SpendKey, Sums] = {}
        insert(record, correction, spend, cause=cause, actor=actor, reason=reason)
        bulk.add_spend(spend)
        periods.charge(Counter(charges), periods.hours_of_moment(charges, record.created_at))
    return True


def insert(
    record: UsageRecord, correction: Correction, spend: dict[SpendKey, Sums], *, cause: str, actor: str, reason: str
) -> None:
    """Insert the row and add to ``spend`` what it changes; the caller writes the sums."""
    row_of(record, correction, cause=cause, actor=actor, reason=reason).save(force_insert=True)
    add_to(spend, record, correction)


def row_of(record: UsageRecord, correction: Correction, *, cause: str, actor: str, reason: str) -> Adjustment:
    """Return the row of a correction, not yet inserted."""
    return Adjustment(
        record=record.pk,
        cause=cause,
        actor=actor,
        reason=reason,
        cost=to_usd(correction.cost),
        charges={str(period): amount for period, amount in correction.charges.items()},
        created_at=Now(),
    )


def add_to(spend: dict[SpendKey, Sums], record: UsageRecord, correction: Correction) -> None:
    """Add to ``spend`` what a correction changes."""
    own = Sums(cost=correction.cost, unpriced=-int(correction.prices))
    posting.add_spend(spend, _spender(record), ids.microseconds(record.created_at), own)


def net_of(record: UsageRecord) -> int:
    """Return what a record costs with all its corrections, in atoms."""
    corrections = Adjustment.objects.filter(record=record.pk).aggregate(sum=Sum("cost"))["sum"] or 0
    return to_atoms((record.cost or 0) + corrections)


def is_unpriced(record: UsageRecord) -> bool:
    return record.cost is None and not Adjustment.objects.filter(record=record.pk).exists()


def meet(late: Iterable[Settled], spend: dict[SpendKey, Sums]) -> list[tuple[UsageRecord, Correction]]:
    """Adjust the records that ``late`` lines find in the ledger as estimates of a lost machine; return what changed."""
    lines = {line.id: line for line in late}
    if not lines:
        return []
    adjusted = {
        str(id) for id in Adjustment.objects.filter(record__in=lines, cause=WRITE_OFF).values_list("record", flat=True)
    }
    changed = []
    for record in UsageRecord.objects.filter(pk__in=lines.keys() - adjusted).order_by("pk"):
        correction = posting.correction_of(_known(record), lines[str(record.pk)])
        if correction is not None:
            correction = correction._replace(cost=max(correction.cost, -net_of(record)))
            insert(record, correction, spend, cause=WRITE_OFF, actor="journal", reason="its machine came back")
            changed.append((record, correction))
    return changed


def _known(record: UsageRecord) -> Known:
    cost = None if record.cost is None else to_atoms(record.cost)
    charges = {int(period): amount for period, amount in record.charges.items()}
    return Known(record.status == "interrupted" and record.estimated, cost, charges)


def _spender(record: UsageRecord) -> SimpleNamespace:
    return SimpleNamespace(
        user=record.user_id,
        team=record.team_id,
        api_key=record.api_key_id,
        model=record.model,
        provider=record.provider,
        upstream_model=record.upstream_model,
        operation=record.operation,
        tags=record.tags,
        end_user=record.end_user,
    )
