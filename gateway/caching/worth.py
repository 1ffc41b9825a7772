"""Which answers are worth giving again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.caching.assembling import MISSHAPEN
from gateway.caching.replaying import chunks_of


def is_whole(answer: Mapping[str, Any]) -> bool:
    """Return whether ``answer`` said all that was asked for, in a shape that can be told again either way."""
    if "error" in answer:
        return False
    if "choices" not in answer:
        return bool(answer.get("data"))
    try:
        ends = [choice["finish_reason"] for choice in answer["choices"]]
        chunks_of(answer, shows_usage=True)
    except MISSHAPEN:
        return False
    return bool(ends) and None not in ends and "content_filter" not in ends
