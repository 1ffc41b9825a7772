"""The states of a run and what may follow each. Pure. Source: wire.md A.5."""

from __future__ import annotations

from collections.abc import Mapping

QUEUED, IN_PROGRESS, REQUIRES_ACTION, CANCELLING = "queued", "in_progress", "requires_action", "cancelling"
COMPLETED, INCOMPLETE, FAILED, CANCELLED, EXPIRED = "completed", "incomplete", "failed", "cancelled", "expired"

OPEN = (QUEUED, IN_PROGRESS, REQUIRES_ACTION, CANCELLING)
TERMINAL = (COMPLETED, INCOMPLETE, FAILED, CANCELLED, EXPIRED)
FOLLOWING: Mapping[str, frozenset[str]] = {
    QUEUED: frozenset({IN_PROGRESS, CANCELLING, CANCELLED, FAILED, EXPIRED}),
    IN_PROGRESS: frozenset({QUEUED, REQUIRES_ACTION, CANCELLING, COMPLETED, INCOMPLETE, FAILED, EXPIRED}),
    REQUIRES_ACTION: frozenset({QUEUED, CANCELLING, CANCELLED, EXPIRED}),
    CANCELLING: frozenset({CANCELLED, COMPLETED, INCOMPLETE, FAILED, EXPIRED}),
    **dict.fromkeys(TERMINAL, frozenset()),
}


def may_follow(status: str, next: str) -> bool:
    """Whether a run may go from ``status`` to ``next``."""
    return next in FOLLOWING[status]
