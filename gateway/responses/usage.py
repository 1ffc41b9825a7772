"""What a Response says it used, and what that is in the words of chat. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_chat(usage: Any) -> dict[str, Any] | None:
    """Return a chat answer's usage as a Response says it; None where it says none."""
    if not isinstance(usage, dict) or not usage:
        return None
    read, written = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    prompt, completion = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return {
        "input_tokens": read,
        "input_tokens_details": {
            "cached_tokens": _count(prompt, "cached_tokens"),
            "cache_write_tokens": _count(prompt, "cache_write_tokens"),
        },
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": _count(completion, "reasoning_tokens")},
        "total_tokens": _count(usage, "total_tokens") or read + written,
    }


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if type(value) is int and value >= 0 else 0
