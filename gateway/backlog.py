"""What is written down but not in the ledger yet, as metrics: looked up now and then, never while somebody asks."""

from __future__ import annotations

import time

from django.db.models import Count, Min

from billing import clock, database
from billing.holder import Holder as Process
from billing.journal import seq_of
from billing.models import Holder, RejectedLine, Segment
from gateway import metrics

LOOK_SECONDS = 10


class Backlog:
    """Of one process, and of the database they share."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._posted: dict[str, int] = {}
        self._look_at = 0.0

    def look_here(self) -> None:
        """Measure the journal's files; called by the flusher's thread, also while the database is away."""
        size, oldest = 0, time.time()
        for journal in self._process.journals:
            for path in journal.folder.glob("*.journal"):
                try:
                    found = path.stat()
                except FileNotFoundError:
                    continue  # stored meanwhile
                size += found.st_size
                if seq_of(path) <= journal.sealed_seq:
                    oldest = min(oldest, found.st_mtime)
        metrics.journal_bytes.set(size)
        metrics.journal_age.set(time.time() - oldest)
        self._count_open()

    def look_everywhere(self) -> None:
        """Ask the database, which has just answered the poll whose thread calls this."""
        if clock.elapsed() < self._look_at:
            return
        self._look_at = clock.elapsed() + LOOK_SECONDS
        own = [journal.holder for journal in self._process.journals]
        self._posted = {
            str(holder): seq for holder, seq in Holder.objects.filter(pk__in=own).values_list("pk", "posted_seq")
        }
        waiting = Segment.objects.filter(posted_at__isnull=True).aggregate(count=Count("pk"), oldest=Min("stored_at"))
        metrics.segments_unposted.set(waiting["count"])
        age = (database.now() - waiting["oldest"]).total_seconds() if waiting["oldest"] else 0
        metrics.segments_age.set(max(0, age))
        metrics.usage_unrecorded.labels("rejected").set(RejectedLine.objects.count())
        lost = Holder.objects.filter(closed_at__isnull=False, lost_at__isnull=False).count()
        metrics.usage_unrecorded.labels("machine_lost").set(lost)
        self._count_open()

    def _count_open(self) -> None:
        unposted = sum(journal.unposted(self._posted.get(journal.holder, 0)) for journal in self._process.journals)
        metrics.usage_open.set(self._process.in_flight + unposted)
