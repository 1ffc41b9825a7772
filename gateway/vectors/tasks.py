"""The Celery doorway to vector stores; every task may be lost, late or doubled. None waits for a file's end."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task

from gateway import working
from gateway.errors import Starting
from gateway.vectors import expiry, indexing, queue, work


@shared_task(ignore_result=True)
def begin() -> None:
    """Let this process read files, where it has room and some wait: new ones, and those of processes that are gone."""
    with suppress(Starting):  # the next hint comes in seconds
        for _ in range(min(work.room(), queue.waiting(work.MOST_FILES))):
            working.begin(work.work)


@shared_task(ignore_result=True)
def tidy() -> None:
    """Empty the stores whose time is over or that were deleted, and let the database search by itself if it can."""
    expiry.sweep()
    indexing.prepare()
