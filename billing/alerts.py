"""What people are told of beside budgets: a ledger that does not add up, machines that fell silent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models.functions import Now

from billing.models import Alert, Holder

SHOWN = 10


def of_ledger(differences: Sequence[str], at: datetime) -> None:
    """Tell of the first differences, once on each day (UTC) that finds any."""
    if not differences:
        return
    lines = [*differences[:SHOWN], *([f"and {len(differences) - SHOWN} more"] if len(differences) > SHOWN else [])]
    _tell("ledger", _of_day(at), "\n".join(lines))


def is_ledger_told(at: datetime) -> bool:
    return Alert.objects.filter(once=_of_day(at)).exists()


def of_silence(holder: Holder) -> None:
    """Tell of a machine whose process fell silent, once on each day (UTC) of its last words."""
    _tell(
        "machine",
        f"silent {holder.seen_at:%Y-%m-%d} {holder.machine}",
        f"Nothing is heard from {holder.machine} since {holder.seen_at:%Y-%m-%d %H:%M:%S} UTC. What it holds of "
        "budgets stays counted. It is written off after 30 minutes, or goes on when it comes back.",
    )


def of_write_off(holder: Holder, missing: str) -> None:
    """Tell that a silent process was closed. To be called in the transaction that closes it."""
    _tell("machine", f"written off {holder.pk}", f"A process of {holder.machine} is written off: {missing}.")


def _of_day(at: datetime) -> str:
    return f"ledger {at:%Y-%m-%d}"


def _tell(kind: str, once: str, text: str) -> None:
    Alert.objects.bulk_create([Alert(kind=kind, once=once, text=text, created_at=Now())], ignore_conflicts=True)
