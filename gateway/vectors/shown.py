"""Vector stores, their files and batches as callers see them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gateway.vectors.asked import STATUSES

# when the SDKs' helpers look again at what goes on
POLL_AFTER = ("openai-poll-after-ms", "250")


class Tally(NamedTuple):
    """How many files have each status, and what all of them take."""

    counts: Mapping[str, int] = {}
    usage_bytes: int = 0

    @property
    def is_busy(self) -> bool:
        return self.counts.get("in_progress", 0) > 0

    @property
    def shown(self) -> dict[str, int]:
        counts = {status: self.counts.get(status, 0) for status in STATUSES}
        return {**counts, "total": sum(counts.values())}


def store(row: Any, tally: Tally, now: datetime) -> dict[str, Any]:
    """Return a store; ``row`` is one, its files are counted by ``tally``."""
    has_expired = row.expires_at is not None and row.expires_at <= now
    return {
        "id": row.handle,
        "object": "vector_store",
        "created_at": unix(row.created_at),
        "name": row.name,
        "description": row.description or None,
        "usage_bytes": tally.usage_bytes,
        "file_counts": tally.shown,
        "status": "expired" if has_expired else "in_progress" if tally.is_busy else "completed",
        "expires_after": row.expires_days and {"anchor": "last_active_at", "days": row.expires_days},
        "expires_at": row.expires_at and unix(row.expires_at),
        "last_active_at": unix(row.last_active_at),
        "metadata": row.metadata,
    }


def file(row: Any, store: str) -> dict[str, Any]:
    """Return a file of ``store``."""
    return {
        "id": row.file,
        "object": "vector_store.file",
        "usage_bytes": row.usage_bytes,
        "created_at": unix(row.created_at),
        "vector_store_id": store,
        "status": row.status,
        "last_error": row.last_error,
        "chunking_strategy": row.chunking,
        "attributes": row.attributes,
    }


def batch(row: Any, store: str, tally: Tally) -> dict[str, Any]:
    """Return files that were added together; it goes on while one of them does."""
    return {
        "id": row.handle,
        "object": "vector_store.files_batch",
        "created_at": unix(row.created_at),
        "vector_store_id": store,
        "status": _status(row.status, tally),
        "file_counts": tally.shown,
    }


def _status(status: str, tally: Tally) -> str:
    if status == "cancelled":
        return status
    if tally.is_busy:
        return "in_progress"
    counts = tally.shown
    return "failed" if counts["failed"] and counts["failed"] == counts["total"] else "completed"


def content(texts: Sequence[str], next_page: str | None) -> dict[str, Any]:
    """Return the pieces of a file's text; ``next_page`` is where they go on."""
    return {
        "object": "vector_store.file_content.page",
        "data": [{"type": "text", "text": text} for text in texts],
        "has_more": next_page is not None,
        "next_page": next_page,
    }


def results(queries: Sequence[str], found: Sequence[Any]) -> dict[str, Any]:
    """Return what was ``found`` for ``queries``."""
    return {
        "object": "vector_store.search_results.page",
        "search_query": list(queries),
        "data": [
            {
                "file_id": each.file_id,
                "filename": each.filename,
                "score": each.score,
                "attributes": each.attributes,
                "content": [{"type": "text", "text": each.text}],
            }
            for each in found
        ],
        "has_more": False,
        "next_page": None,
    }


def unix(at: datetime) -> int:
    return int(at.timestamp())
