"""Ids of tool calls as an upstream accepts them. Pure: the same id is the same everywhere in a conversation."""

from __future__ import annotations

import re
from hashlib import sha256

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def fitting(id: str, pattern: re.Pattern[str], length: int) -> str:
    """Return ``id`` where it matches ``pattern``, else one of ``length`` letters and digits made from it."""
    if pattern.fullmatch(id):
        return id
    number = int.from_bytes(sha256(id.encode("utf-8", "surrogatepass")).digest())
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
