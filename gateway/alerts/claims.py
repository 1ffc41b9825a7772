"""Who sends an alert, and how far it got: rows are claimed, so that nobody holds a lock while sending.

A claim ends by itself: what a killed worker had begun is sent by the next one. So a channel gets an alert at least
once; twice only where a worker dies between a sending and its note.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from billing import database
from billing.models import Alert
from gateway.alerts import patience

# longer than one channel takes, see senders.SECONDS and the mail server's timeout
LEASE = timedelta(minutes=2)
NO_CHANNEL = "There is no active channel."


def take() -> Alert | None:
    """Return the oldest alert that is due, which is then nobody else's for a while; None where there is none."""
    if not _due(database.now()).exists():
        return None
    with database.writing():
        now = database.now()
        alert: Alert | None = _due(now).select_for_update(skip_locked=True).order_by("created_at", "pk").first()
        if alert is not None:
            alert.tries += 1
            alert.next_at = now + LEASE
            alert.save(update_fields=["tries", "next_at"])
        return alert


def note_sent(alert: Alert, channel: int) -> None:
    """Note that a channel has it, and keep the claim for the next one."""
    with database.writing():
        row = Alert.objects.select_for_update().get(pk=alert.pk)
        row.delivered = sorted({*row.delivered, channel})
        if row.tries == alert.tries:
            row.next_at = database.now() + LEASE
        row.save(update_fields=["delivered", "next_at"])


def finish(alert: Alert, failures: Mapping[str, str]) -> None:
    """End the claim: nothing is left to do, or what failed is tried again later. An overtaken claim changes nothing."""
    pause = patience.pause_after(alert.tries) if failures else None
    error = "\n".join(f"{channel}: {reason}" for channel, reason in failures.items())
    _update(alert, error, None if pause is None else database.now() + pause)


def finish_without_channel(alert: Alert) -> None:
    _update(alert, NO_CHANNEL, None)


def again(alert: Alert) -> None:
    """Let an alert be sent from now on to the channels that do not have it."""
    Alert.objects.filter(pk=alert.pk).update(sent_at=None, next_at=None, tries=0, error="")


def _update(alert: Alert, error: str, next_at: datetime | None) -> None:
    now = database.now()
    with database.writing():
        Alert.objects.filter(pk=alert.pk, tries=alert.tries, sent_at=None).update(
            error=error, next_at=next_at, sent_at=now if next_at is None else None
        )


def _due(now: datetime) -> QuerySet[Alert]:
    return Alert.objects.filter(Q(next_at=None) | Q(next_at__lte=now), sent_at=None)
