"""The time zones that one may choose: those of the IANA database by their names. Pure."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones


@cache
def names() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


def is_zone(name: str) -> bool:
    return name in names()
