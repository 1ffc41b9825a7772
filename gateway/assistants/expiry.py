"""Runs whose time is over, or that nobody works on any more: ended when somebody looks, and by the sweeper."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.db.models import F, Q, QuerySet

from billing import clock, database
from gateway.assistants.held import held
from gateway.assistants.log import Overtaken
from gateway.assistants.rows import Run, Thread
from gateway.assistants.states import CANCELLED, CANCELLING, EXPIRED, IN_PROGRESS, OPEN, QUEUED

SWEPT_AT_ONCE = 200


def end_overdue(runs: QuerySet[Run]) -> None:
    """Expire those of ``runs`` whose time is over."""
    overdue = runs.filter(status__in=OPEN, expires_at__lte=clock.now())
    for pk in list(overdue.values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        expire(pk)


def expire(pk: int) -> None:
    """Expire a run, unless it has ended; who works on it is cut off."""
    with suppress(Overtaken), held(pk) as run:
        if run.run.status in OPEN and run.run.expires_at <= run.now:
            run.cut_off()
            run.end(EXPIRED)


def open_run(thread: Thread) -> str:
    """Return the id of the run that works on the thread, "" where none does. Within no transaction of its own."""
    run = Run.objects.filter(thread=thread, status__in=OPEN).only("handle", "expires_at").first()
    if run is None:
        return ""
    if run.expires_at > clock.now():
        return run.handle
    expire(run.pk)
    return ""


def sweep(again_after: timedelta) -> list[int]:
    """End what is overdue or was to be cancelled; return the runs of which workers are to be told.

    These nobody works on: they wait for longer than ``again_after``, or whoever had them is gone.
    """
    end_overdue(Run.objects.all())
    now = database.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    for pk in list(Run.objects.filter(free, status=CANCELLING).values_list("pk", flat=True)[:SWEPT_AT_ONCE]):
        finish_cancelling(pk)
    waiting = Q(status=QUEUED) & (Q(hinted_at=None) | Q(hinted_at__lt=now - again_after))
    left = Q(status=IN_PROGRESS, lease_until__lt=now)
    # those that were told of longest ago, so that no number of runs that wait keeps the others from being told of
    told = (F("hinted_at").asc(nulls_first=True), "created_at")
    due = list(Run.objects.filter(waiting | left).order_by(*told).values_list("pk", flat=True)[:SWEPT_AT_ONCE])
    Run.objects.filter(pk__in=due, status=QUEUED).update(hinted_at=now)
    return due


def finish_cancelling(pk: int) -> None:
    """End a run that is to be cancelled and that nobody works on."""
    with suppress(Overtaken), held(pk) as run:
        if run.run.status == CANCELLING and is_free(run.run):
            run.cut_off()
            run.end(CANCELLED)


def is_free(run: Run) -> bool:
    """Whether nobody works on the run, or whoever did has not been heard of."""
    return run.lease_until is None or run.lease_until < database.now()
