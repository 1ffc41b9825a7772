"""The Celery doorway to background responses; every task may be lost, late or doubled."""

from __future__ import annotations

from contextlib import suppress

from celery import shared_task

from gateway import working
from gateway.errors import Starting
from gateway.responses import queue, store, work


@shared_task(ignore_result=True)
def make(id: str) -> None:
    """Begin to make a response, where nobody does yet; who follows it learns of its end."""
    with suppress(Starting):
        working.get_ready()
        work.turns.offer(id)


@shared_task(ignore_result=True)
def sweep() -> None:
    """End what nobody makes any more, and begin what waits."""
    for id in queue.sweep():
        make.delay(id)


@shared_task(ignore_result=True)
def drop_expired() -> None:
    """Let go of stored responses whose time is over."""
    store.drop_expired()
