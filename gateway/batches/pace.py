"""How a batch keeps out of the way: what it waits for, and how long. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

LONGEST_SECONDS, SHORTEST_SECONDS = 60.0, 0.5
# of each rate limit, this share is left to callers who wait for their answers
KEPT_FREE = 0.2
KINDS = ("requests", "tokens")

_SPAN = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?")


def retry_seconds(headers: Iterable[tuple[str, str]]) -> float | None:
    """Return when a refusal says to come again, within bounds; None where it says never."""
    said = dict(headers)
    if said.get("x-should-retry") == "false":
        return None
    milliseconds = said.get("retry-after-ms", "")
    seconds = float(milliseconds) / 1000 if milliseconds.isdigit() else float(said.get("retry-after") or 1)
    return min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)


def budget_seconds(renews_at: datetime | None, now: datetime, expires_at: datetime) -> float | None:
    """Return how long to wait for a budget that is used up; None where it renews too late for the batch.

    Never longer than a minute: a grant may come.
    """
    if renews_at is None or renews_at >= expires_at:
        return None
    return min(max((renews_at - now).total_seconds(), SHORTEST_SECONDS), LONGEST_SECONDS)


def breather(headers: Iterable[tuple[str, str]]) -> float:
    """Return how long to hold back after an answer, for its rate limits to have room for others again."""
    said = dict(headers)
    return max(_breather(said, kind) for kind in KINDS)


def _breather(said: dict[str, str], kind: str) -> float:
    limit, remaining = (said.get(f"x-ratelimit-{name}-{kind}", "") for name in ("limit", "remaining"))
    if not (limit.isdigit() and remaining.isdigit()) or int(remaining) >= int(limit) * KEPT_FREE:
        return 0.0
    missing = int(limit) * KEPT_FREE - int(remaining)
    # a limit fills up evenly, and is full after what the header says
    return min(
        seconds(said.get(f"x-ratelimit-reset-{kind}", "")) * missing / (int(limit) - int(remaining)), LONGEST_SECONDS
    )


def seconds(span: str) -> float:
    """Return the seconds of a duration as Go prints it."""
    found = _SPAN.fullmatch(span)
    if found is None:
        return 0.0
    hours, minutes, whole, milliseconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + whole + milliseconds / 1000
