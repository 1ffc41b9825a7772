"""Which targets are left alone for a while, as this process sees it: for pages."""

from __future__ import annotations

import time
from typing import NamedTuple

from gateway import runtime
from gateway.errors import Starting


class Cooling(NamedTuple):
    """``seconds`` are those that are left."""

    seconds: float
    reason: str


def of(provider: str, model: str) -> Cooling | None:
    """Return how long a target is left alone; None where it is not, or where nothing is served by this process."""
    try:
        conditions = runtime.current().client.conditions
    except Starting:
        return None
    now = time.monotonic()  # as the loops' clocks go
    found = (each for each in conditions.cooling(now) if (each.provider, each.model) == (provider, model))
    return next((Cooling(each.until - now, each.reason) for each in found), None)
