"""The Celery doorway to the ledger; every task may be lost, late or doubled."""

from __future__ import annotations

import logging

from celery import shared_task

from billing import ledger, lost, partitions, retention

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def record_usage(holder: str) -> None:
    """Post what is stored of ``holder``."""
    ledger.post(holder)


@shared_task(ignore_result=True)
def post_all() -> None:
    """Post what is stored of everybody."""
    for holder in ledger.waiting():
        try:
            ledger.post(holder)
        except Exception:
            logger.exception("holder %s cannot be posted now", holder)


@shared_task(ignore_result=True)
def write_off_lost_machines() -> None:
    """Mark the silent, write off the lost."""
    lost.mark()
    lost.write_off()


@shared_task(ignore_result=True)
def make_partitions() -> None:
    """Make the months to come, and drop the segments that are old enough."""
    partitions.ensure()
    retention.drop_segments()
