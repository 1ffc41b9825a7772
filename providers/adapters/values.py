"""Values of an upstream's answer that have to be of one kind. Pure; an absent one is the empty one of its kind."""

from __future__ import annotations

from typing import Any

from providers.errors import BadAnswer


def word(value: Any) -> str:
    """Return a text. Raises ``BadAnswer``."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadAnswer()
    return value


def count(value: Any) -> int:
    """Return a number of tokens. Raises ``BadAnswer``."""
    if value is None:
        return 0
    if type(value) is not int or value < 0:
        raise BadAnswer()
    return value
