"""What applying a file changes, as a list for people. Pure; no secret is ever in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

NEW, CHANGED, GONE = "+", "~", "-"

# fields of which only that they changed is told: a secret, and options whose headers may hold one
CONCEALED = {"secret", "options"}


class Change(NamedTuple):
    """One object that is made, changed or removed; ``details`` are lines such as ``retries: 2 -> 3``."""

    sign: str
    subject: str
    details: tuple[str, ...] = ()


def listing(changes: Iterable[Change]) -> str:
    lines = []
    for change in changes:
        lines.append(f"{change.sign} {change.subject}")
        lines += [f"    {detail}" for detail in change.details]
    return "\n".join(lines)


def first_value(name: str, value: Any) -> str:
    return f"{name} set" if name in CONCEALED else f"{name}: {worded(value)}"


def difference(name: str, old: Any, new: Any) -> str:
    return f"{name} changed" if name in CONCEALED else f"{name}: {worded(old)} -> {worded(new)}"


def worded(value: Any) -> str:
    if value is None or value == "":
        return "(none)"
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else str(value)
