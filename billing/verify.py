"""Proof that the ledger adds up: every sum is made again from the records and compared, in one snapshot."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Sum
from django.db.models.functions import Now

from billing import database, recount, recovery
from billing.holder import machine_of
from billing.models import Allowance, BudgetPeriod, Holder, RejectedLine, Segment, UsageRecord, Verification

# How long a closed holder's last segments may wait, and how long a process may be silent, before that is a finding.
PATIENCE = timedelta(seconds=30)
SILENT = timedelta(seconds=60)
# A month of a million records has some ten million sums to compare.
SORTING_MEMORY = "128MB"


class Report(NamedTuple):
    """Sentences. ``differences`` must not be; ``notes`` say what was looked at and what waits."""

    differences: list[str]
    notes: list[str]


def verify() -> Report:
    """Compare everything, usable while traffic runs, and note the result in a row of ``Verification``."""
    began = time.monotonic()
    report = _compare()
    with database.writing():
        Verification.objects.create(at=Now(), seconds=time.monotonic() - began, differences=len(report.differences))
    return report


def _compare() -> Report:
    with _snapshot():
        differences = [
            *recount.differences(),
            *_lent(),
            *_rejected(),
            *_dead_segments(),
            *_silent_holders(),
        ]
        return Report(differences, list(_notes()))


@contextmanager
def _snapshot() -> Iterator[None]:
    """One view of the database; on SQLite a deferred transaction, which makes no writer wait."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with transaction.atomic():
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SELECT set_config('work_mem', %s, true)", [SORTING_MEMORY])
                yield
            return
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _lent() -> Iterator[str]:
    held = dict(
        Allowance.objects.values("period").annotate(held=Sum(F("granted") - F("used"))).values_list("period", "held")
    )
    for period in BudgetPeriod.objects.order_by("pk"):
        if period.lent != held.get(period.pk, 0):
            yield f"budget period {period.pk}: {period.lent} atoms are lent, {held.get(period.pk, 0)} are held"
    for allowance in Allowance.objects.filter(holder__closed_at__isnull=False).exclude(used=F("granted")):
        yield f"closed holder {allowance.holder_id} still holds money of budget period {allowance.period_id}"


def _rejected() -> Iterator[str]:
    for line in RejectedLine.objects.order_by("rejected_at"):
        yield f"line {line.line} of segment {line.seq} of holder {line.holder_id} is rejected: {line.error}"


def _dead_segments() -> Iterator[str]:
    waiting = Segment.objects.filter(posted_at__isnull=True, stored_at__lt=Now() - PATIENCE)
    of_dead = waiting.filter(holder__closed_at__isnull=False) | waiting.filter(holder__lost_at__isnull=False)
    for holder, count in of_dead.order_by("holder").values_list("holder").annotate(count=Count("pk")):
        yield f"{count} segments of holder {holder} are not posted, and its process is gone"


def _silent_holders() -> Iterator[str]:
    """Open holders without a process: here the journal's lock tells, elsewhere the heartbeat."""
    here = machine_of(settings.JOURNAL, socket.gethostname()) if settings.JOURNAL.is_dir() else ""
    silent = set(Holder.objects.filter(seen_at__lt=Now() - SILENT).values_list("pk", flat=True))
    for holder in Holder.objects.filter(closed_at__isnull=True).order_by("pk"):
        if holder.machine == here and _is_dead(settings.JOURNAL / str(holder.pk)):
            yield f"the process of {holder} is gone, and its journal is not taken over yet"
        elif holder.lost_at is not None:
            yield f"{holder} is lost since {holder.lost_at:%Y-%m-%d %H:%M:%S} UTC"
        elif holder.pk in silent:
            yield f"{holder} is silent since {holder.seen_at:%Y-%m-%d %H:%M:%S} UTC"


def _is_dead(folder: Path) -> bool:
    if not folder.exists():
        return True
    lock = recovery.take_lock(folder)
    if lock is None:
        return False
    recovery.give_back_lock(lock)
    return True


def _notes() -> Iterator[str]:
    yield f"{UsageRecord.objects.count()} usage records"
    if carried := recount.carried_months():
        yield f"{len(carried)} months are carried, the last is {carried[-1]:%Y-%m}"
    waiting = Segment.objects.filter(posted_at__isnull=True).count()
    if waiting:
        yield f"{waiting} segments wait to be posted"
