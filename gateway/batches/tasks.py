"""The Celery doorway to batches; every task may be lost, late or doubled. None waits for a batch's end."""

from __future__ import annotations

import logging
from contextlib import suppress

from celery import shared_task

from gateway import working
from gateway.batches import queue, work
from gateway.errors import Starting

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def begin(id: str) -> None:
    """Begin to work on a batch, where nobody does."""
    with suppress(Starting):
        working.get_ready()
        _begin(id)


def _begin(id: str) -> None:
    """Take the batch and work on it; one whose lease was missed in a hurry is still worked on here."""
    batch = queue.take(id) if work.has_room() and not work.is_at(id) else None
    if batch is None:
        return
    try:
        working.begin(work.done, batch)
    except Starting:
        queue.release(id, batch.fence)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Begin what nobody works on: new batches that no worker was told of, and those of processes that are gone."""
    for id in queue.due():
        try:
            begin(id)
        except Exception:  # the next one may be begun all the same
            logger.exception("%s cannot be begun now", id)
