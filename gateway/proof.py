"""The nightly proof that the ledger adds up: when it is due, and who hears of its result."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from billing import alerts, clock, database
from billing.models import Verification
from billing.verify import verify
from gateway import metrics

logger = logging.getLogger(__name__)

NIGHT = timedelta(hours=2)
DAY = timedelta(days=1)
LOOK_SECONDS = 5


def is_due(last: datetime | None, now: datetime) -> bool:
    """Whether nobody verified the ledger since two o'clock (UTC) of the night that ``now`` follows."""
    day = (now - NIGHT).replace(hour=0, minute=0, second=0, microsecond=0)
    return last is None or last < day + NIGHT


def verify_when_due() -> None:
    """Verify once a night, and once more where something was found: what a restart leaves behind is gone by then.

    People are told of what is still found.
    """
    now, before = database.now(), last()
    was_found = before is not None and before.differences > 0 and not alerts.is_ledger_told(now)
    if not was_found and not is_due(before and before.at, now):
        return
    report = verify()
    if report.differences:
        logger.error("the ledger has %d differences, the first: %s", len(report.differences), report.differences[0])
    if was_found:
        alerts.of_ledger(report.differences, now)


def last() -> Verification | None:
    return Verification.objects.order_by("-id").first()


class Gauges:
    """The last proof as metrics: looked up now and then, by whom the database has just answered."""

    def __init__(self) -> None:
        self._look_at = 0.0

    def refresh(self) -> None:
        if clock.elapsed() < self._look_at:
            return
        self._look_at = clock.elapsed() + LOOK_SECONDS
        found = last()
        if found is not None:
            metrics.ledger_differences.set(found.differences)
            metrics.ledger_verified.set(found.at.timestamp())
