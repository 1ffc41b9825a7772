"""Bringing alerts to people: what is due goes to every active channel that does not have it yet."""

from __future__ import annotations

import logging

from billing import clock
from billing.models import Alert
from gateway.alerts import claims, facts, senders
from gateway.alerts.senders import NotSent
from gateway.models import AlertChannel

logger = logging.getLogger(__name__)

# A worker has other work too; what is left is taken up by the next pass.
PASS_SECONDS = 20


def deliver() -> int:
    """Send what is due, the oldest first; return how many alerts were tried.

    A channel that fails is left alone for the rest of the pass, so that a dead one keeps nobody waiting.
    """
    until = clock.elapsed() + PASS_SECONDS
    failing: dict[int, str] = {}
    tried = 0
    while clock.elapsed() < until and (alert := claims.take()) is not None:
        try:
            _deliver(alert, failing)
        except Exception as error:
            logger.exception("alert %s could not be sent", alert.pk)
            claims.finish(alert, {"Tollgate": type(error).__name__})
        tried += 1
    return tried


def _deliver(alert: Alert, failing: dict[int, str]) -> None:
    channels = list(AlertChannel.objects.filter(is_active=True).order_by("pk"))
    if not channels:
        claims.finish_without_channel(alert)
        return
    message = facts.message_of(alert)
    failures = {}
    for channel in channels:
        if channel.pk in alert.delivered:
            continue
        if channel.pk not in failing:
            try:
                senders.send(channel, message, f"alert-{alert.pk}-{channel.pk}", alert.created_at.isoformat())
                claims.note_sent(alert, channel.pk)
                continue
            except NotSent as reason:
                logger.warning("alert %s did not get to channel %s: %s", alert.pk, channel, reason)
                failing[channel.pk] = str(reason)
        failures[str(channel)] = failing[channel.pk]
    claims.finish(alert, failures)
