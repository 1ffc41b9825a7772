"""Models as Anthropic's clients read them, in the words that OpenAI's read too."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.inquiry import Inquiry

KEY_HEADERS = (b"x-api-key",)


def asks(inquiry: Inquiry) -> bool:
    """Whether the client is one of Anthropic's API."""
    return b"anthropic-version" in inquiry.headers


def described(model: dict[str, Any]) -> dict[str, Any]:
    created_at = datetime.fromtimestamp(model["created"], UTC).isoformat().replace("+00:00", "Z")
    return {**model, "type": "model", "display_name": model["id"], "created_at": created_at, "lifecycle": "active"}


def listed(models: dict[str, Any]) -> dict[str, Any]:
    """Return the list as its only page."""
    data = [described(model) for model in models["data"]]
    ids = [model["id"] for model in data]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return {**models, "data": data, "has_more": False, **ends}
