"""The Celery doorway to runs; every task may be lost, late or doubled. None waits for a run's end."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from celery import shared_task

from gateway import working
from gateway.assistants import expiry, log, work
from gateway.errors import Starting
from gateway.lists import places

TOLD_AGAIN_AFTER = timedelta(seconds=10)


@shared_task(ignore_result=True)
def execute(pk: int) -> None:
    """Begin to work on a run, where nobody does."""
    with suppress(Starting):
        working.get_ready()
        work.turns.offer(pk)


@shared_task(ignore_result=True)
def sweep() -> None:
    """End what is overdue, and begin what nobody works on: new runs, and those of processes that are gone."""
    for pk in expiry.sweep(TOLD_AGAIN_AFTER):
        execute.delay(pk)


@shared_task(ignore_result=True)
def drop_old_events() -> None:
    """Let go of the logs of runs that have ended long ago, and of places in lists that nobody reads on from."""
    log.drop_old()
    places.drop_old()
