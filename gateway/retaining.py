"""How long usage records are kept, as the settings say, and what goes because of it."""

from __future__ import annotations

import logging

from billing import carrying, clock
from billing.partitions import Month
from gateway.models import Setting

logger = logging.getLogger(__name__)

NAME = "retention_months"


def months() -> int:
    """Return for how many whole months records are kept; 0: for ever."""
    return Setting.objects.filter(name=NAME).values_list("value", flat=True).first() or 0


def due() -> list[Month]:
    """Return the months that the settings let go, oldest first."""
    kept = months()
    return carrying.due(kept, clock.now()) if kept else []


def carry_due() -> None:
    """Let the months go that may; one that cannot now is tried again the next time."""
    for month in due():
        try:
            carrying.carry(month)
        except (carrying.Busy, carrying.DiffersFromSpend) as reason:
            logger.error("retention: %s", reason)
