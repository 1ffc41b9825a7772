"""What rows are called outside: a prefix that says of what kind, and the row's number. Pure."""

from __future__ import annotations

PREFIXES = {"budget": "bud_", "request": "more_"}
# no database has a longer number
DIGITS = 18


def written(kind: str, id: int) -> str:
    return f"{PREFIXES[kind]}{id}"


def read(kind: str, handle: object) -> int | None:
    """Return the number of a row, None where ``handle`` cannot be one of this kind."""
    if not isinstance(handle, str):
        return None
    digits = handle.removeprefix(PREFIXES[kind])
    if digits == handle or len(digits) > DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits)
