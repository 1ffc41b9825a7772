"""Machines that fell silent: their holders are marked, and written off when they do not come back."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from django.db.models import Exists, OuterRef
from django.db.models.functions import Now

from billing import alerts, clock, database, interrupted, ledger, store
from billing.interrupted import Unsettled
from billing.ledger import OvertakenError
from billing.models import Holder, Segment
from billing.posting import Batch

logger = logging.getLogger(__name__)

SILENT = timedelta(seconds=60)
WRITTEN_OFF_AFTER = timedelta(minutes=30)


def beat(holders: list[str]) -> None:
    """Say that the process of ``holders`` lives; that it is no longer lost."""
    Holder.objects.filter(pk__in=holders).update(seen_at=Now(), lost_at=None)


def mark() -> None:
    """Mark the holders that have been silent for a minute. A heartbeat clears it, so an outage writes nothing off."""
    with database.writing():
        silent = Holder.objects.filter(closed_at__isnull=True, lost_at__isnull=True, seen_at__lt=Now() - SILENT)
        for holder in silent.select_for_update(skip_locked=True):
            logger.error("%s has been silent since %s; written off in 30 minutes", holder, holder.seen_at)
            Holder.objects.filter(pk=holder.pk).update(lost_at=Now())
            alerts.of_silence(holder)


def write_off() -> int:
    """Close the holders lost for half an hour of which everything stored is posted; return how many."""
    waiting = Segment.objects.filter(holder=OuterRef("pk"), posted_at__isnull=True)
    lost = Holder.objects.filter(closed_at__isnull=True, lost_at__lt=Now() - WRITTEN_OFF_AFTER).exclude(Exists(waiting))
    written_off = 0
    for holder in lost.order_by("pk"):
        try:
            written_off += _write_off(str(holder.pk), holder.posted_seq)
        except OvertakenError as reason:
            logger.info("holder %s is not written off now: %s", holder.pk, reason)
    return written_off


def _write_off(holder: str, posted_seq: int) -> bool:
    unsettled = interrupted.left_open(_payloads(holder))
    with database.writing(database.POSTING_SECONDS):
        settled = {each.opened.id: interrupted.record_of(each, clock.now_us()) for each in unsettled}
        locked = ledger.record(holder, Batch(settled, Counter(), has_ended=True), posted_seq)
        if locked.closed_at is not None or locked.lost_at is None:
            raise OvertakenError("it came back")
        alerts.of_write_off(locked, _missing(unsettled))
    logger.error("%s is written off: %s", holder, _missing(unsettled))
    return True


def _payloads(holder: str) -> Iterator[bytes]:
    for payload in Segment.objects.filter(holder_id=holder).order_by("-seq").values_list("payload", flat=True):
        yield store.unpacked(payload)


def _missing(unsettled: list[Unsettled]) -> str:
    return f"{len(unsettled)} open requests are recorded as interrupted; at most a second of its lines is missing"
