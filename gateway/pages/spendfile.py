"""The rows of a file of spend, with what the values are called."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from billing import exports
from gateway.pages.names import names_of
from gateway.pages.tables import Row


def rows(by: str, start: datetime, end: datetime, zone: ZoneInfo, each: str) -> Iterator[list[Row]]:
    """Yield rows of ``exports.SPEND_COLUMNS``; ``each`` is a step, or empty for the whole range at once."""
    for part in exports.spend(by, start, end, zone, each):
        names = names_of(by, [share.value for share in part.shares])
        yield [(part.start, part.end, by, share.value, names[share.value], *share.sums) for share in part.shares]
