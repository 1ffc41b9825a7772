"""A body, an answer or a chunk in OpenAI's words, with what it was translated from beside it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Translated(dict[str, Any]):
    """``original`` is what was said in a dialect that the gateway speaks, for an adapter that speaks it too.

    It stands beside the words and not among them, so that no caller can say it, and no upstream is sent it unasked.
    """

    __slots__ = ("original",)

    def __init__(self, said: Mapping[str, Any], original: Any) -> None:
        super().__init__(said)
        self.original = original


def original_of(value: Any) -> Any:
    """Return what ``value`` was translated from, None where it was said as it stands."""
    return value.original if isinstance(value, Translated) else None
