"""What is asked of batches, and how one is shown. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.fieldchecks import Invalid, filled
from gateway.files.asked import MISSING, lasting

# what is served as JSON; a file or a stream has no place in a line
ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/messages",
    "/v1/rerank",
)
WINDOWS = {"24h": timedelta(hours=24)}
MOST_PAIRS, LONGEST_NAME, LONGEST_VALUE = 16, 64, 512
MOMENTS = (
    "in_progress_at", "expires_at", "finalizing_at", "completed_at", "failed_at", "expired_at", "cancelling_at",
    "cancelled_at",
)  # fmt: skip


class Asked(NamedTuple):
    """A batch to make; its output files are kept for ``lasts``, None for ever."""

    input_file_id: str
    endpoint: str
    window: str
    metadata: dict[str, str] | None
    lasts: timedelta | None


def batch_of(body: Any) -> Asked:
    """Return what a body asks for. Raises ``Invalid``."""
    if not isinstance(body, dict):
        raise Invalid("The request body must be a JSON object.", code="invalid_type")
    for name in ("input_file_id", "endpoint", "completion_window"):
        if body.get(name) is None:
            raise Invalid(f"Missing required parameter: '{name}'.", name, MISSING)
        filled(body[name], name)
    return Asked(
        body["input_file_id"],
        _one_of(ENDPOINTS, body["endpoint"], "endpoint"),
        _one_of(tuple(WINDOWS), body["completion_window"], "completion_window"),
        _metadata(body.get("metadata")),
        lasting(body.get("output_expires_after"), "output_expires_after"),
    )


def _one_of(known: tuple[str, ...], said: str, param: str) -> str:
    if said not in known:
        raise Invalid(f"Invalid value for '{param}': expected one of {', '.join(known)}.", param)
    return said


def _metadata(said: Any) -> dict[str, str] | None:
    if said is None:
        return None
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise Invalid("Invalid type for 'metadata': expected an object of strings.", "metadata", "invalid_type")
    if len(said) > MOST_PAIRS:
        raise Invalid(f"Invalid value for 'metadata': at most {MOST_PAIRS} pairs.", "metadata")
    if any(len(name) > LONGEST_NAME or len(value) > LONGEST_VALUE for name, value in said.items()):
        raise Invalid(
            f"Invalid value for 'metadata': names of at most {LONGEST_NAME} characters, values of {LONGEST_VALUE}.",
            "metadata",
        )
    return said


def described(batch: Any) -> dict[str, Any]:
    """Return a batch as its caller sees it, without what it does not have; ``batch`` is a row."""
    body = {
        "id": batch.id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "model": batch.model,
        "errors": {"object": "list", "data": batch.errors} if batch.errors else None,
        "input_file_id": batch.input_file_id,
        "completion_window": batch.completion_window,
        "status": batch.status,
        "output_file_id": batch.output_file_id,
        "error_file_id": batch.error_file_id,
        "created_at": _unix(batch.created_at),
        **{name: _unix(getattr(batch, name)) for name in MOMENTS},
        "request_counts": {"total": batch.total, "completed": batch.completed, "failed": batch.failed},
        "usage": batch.usage,
        "metadata": batch.metadata,
    }
    return {name: value for name, value in body.items() if value not in (None, "", {})}


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
