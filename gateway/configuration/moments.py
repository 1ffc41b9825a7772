"""From when a file's price is in force: rows are never edited, so a changed price is a later row. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

INSTANT = timedelta(microseconds=1)


class Dated(NamedTuple):
    """A price row of one component, and whether a file made it."""

    valid_from: datetime
    amount: Decimal
    unit: str
    from_file: bool


def begins_at(
    since: datetime | None, until: datetime | None, amount: Decimal, unit: str, rows: Iterable[Dated], now: datetime
) -> datetime | None:
    """Return when a new row for the file's price is to begin, ``None`` where the rows say it already.

    ``since`` is the file's ``from``, ``until`` the ``from`` of the file's next price of the same component. A first row
    begins at ``since`` (now, where the file names none); a changed one begins now, or right after the row it replaces
    where that lies in the future or the price is history. An admin's later row is left in force.
    """
    own = [row for row in rows if _is_of(row, since, until)]
    if not own:
        return since or now
    last = max(own, key=lambda row: row.valid_from)
    if (last.amount, last.unit) == (amount, unit):
        return None
    after_last = last.valid_from + INSTANT
    return after_last if until is not None and until <= now else max(now, after_last)


def _is_of(row: Dated, since: datetime | None, until: datetime | None) -> bool:
    if since is not None and row.valid_from < since:
        return False
    if until is not None and row.valid_from >= until:
        return False
    return row.from_file or row.valid_from == since
