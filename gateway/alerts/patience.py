"""How often an alert is tried, and when again. Pure."""

from __future__ import annotations

from datetime import timedelta

# about a day in all: a receiver that is away for a night still gets it
PAUSES = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=15),
)


def pause_after(tries: int) -> timedelta | None:
    """Return how long to wait after so many tries; None: that was the last one."""
    return PAUSES[tries - 1] if tries <= len(PAUSES) else None
