"""Whether the journal gets into the ledger: processes, and segments stored but not posted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Max, Min, Q

from billing.models import Holder, RejectedLine, Segment

SILENT = timedelta(seconds=60)
LATE = timedelta(seconds=30)
KEPT = timedelta(hours=24)


class State(NamedTuple):
    """``waiting`` segments are stored, not posted, the ``oldest`` since when; ``posted_at`` is the newest posting's."""

    living: int
    silent: int
    waiting: int
    oldest: datetime | None
    posted_at: datetime | None
    rejected: int
    is_late: bool

    @property
    def is_well(self) -> bool:
        return not (self.silent or self.rejected or self.is_late)


def state(now: datetime) -> State:
    holders = Holder.objects.filter(closed_at=None).aggregate(
        living=Count("id", filter=Q(seen_at__gte=now - SILENT)), silent=Count("id", filter=Q(seen_at__lt=now - SILENT))
    )
    waiting = Segment.objects.filter(posted_at=None).aggregate(n=Count("id"), oldest=Min("stored_at"))
    return State(
        holders["living"],
        holders["silent"],
        waiting["n"],
        waiting["oldest"],
        Segment.objects.aggregate(newest=Max("posted_at"))["newest"],
        RejectedLine.objects.count(),
        waiting["oldest"] is not None and waiting["oldest"] < now - LATE,
    )


def processes(now: datetime) -> list[Holder]:
    """Return the processes that may spend, and those that ended in the last day, with their waiting segments."""
    recent = Q(closed_at=None) | Q(closed_at__gte=now - KEPT)
    holders = list(
        Holder.objects.filter(recent)
        .annotate(waiting=Count("segments", filter=Q(segments__posted_at=None)))
        .order_by("closed_at", "-seen_at")[:100]
    )
    for holder in holders:
        holder.is_silent = holder.closed_at is None and holder.seen_at < now - SILENT
    return sorted(holders, key=lambda holder: (holder.closed_at is not None, not holder.is_silent))
