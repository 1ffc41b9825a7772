"""How many tokens a picture is, at most, to who draws it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# dots for each token, by quality: 272, 1,056 and 4,160 tokens of a square (OpenAI's table); unsaid it may be the best
DOTS_PER_TOKEN = {"low": 3_800, "medium": 990, "standard": 990}
FINEST = 250
LARGEST_USUAL = 1536 * 1024
PARTIAL = 100


def tokens_of_pictures(body: Mapping[str, Any]) -> int:
    """Return the tokens of each picture that ``body`` asks for."""
    return -(-_dots(body.get("size")) // DOTS_PER_TOKEN.get(str(body.get("quality")), FINEST)) + PARTIAL * int(
        body.get("partial_images") or 0
    )


def _dots(size: Any) -> int:
    width, _, height = str(size).partition("x")
    return int(width) * int(height) if width.isdigit() and height.isdigit() else LARGEST_USUAL
