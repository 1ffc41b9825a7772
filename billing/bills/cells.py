"""Single values of an export: texts of a CSV or values of a JSON, whichever it was. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.bills.lines import MOST_COUNT, MOST_USD, BillUnreadable

Row = Mapping[str, Any]

MOST_LETTERS = 200
YEARS = range(2015, 2100)


def text(row: Row, name: str) -> str:
    """Return a name; nothing where the row has none. Raises ``BillUnreadable``, as all of these."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MOST_LETTERS or not value.isprintable():
        raise _bad(name, value, f"a name of at most {MOST_LETTERS} letters")
    return value.strip()


def count(row: Row, name: str) -> int | None:
    """Return a whole number, also where it is written as 3.0; None where the row has none."""
    value = _number(row, name)
    if value is None:
        return None
    if value != value.to_integral_value() or not 0 <= value <= MOST_COUNT:
        raise _bad(name, row[name], "a whole number")
    return int(value)


def total(row: Row, *names: str) -> int | None:
    """Return the sum of those that the row has."""
    found = [number for name in names if (number := count(row, name)) is not None]
    return sum(found) if found else None


def usd(row: Row, name: str) -> Decimal | None:
    value = _number(row, name)
    if value is not None and abs(value) > MOST_USD:
        raise _bad(name, row[name], "an amount of money")
    return value


def day(row: Row, name: str) -> date:
    """Return the day (UTC) of a date, a time with its zone, or Unix seconds."""
    value = row.get(name)
    try:
        moment = _moment(value)
    except (ValueError, OverflowError, OSError, InvalidOperation):
        raise _bad(name, value, "a day") from None
    if moment.year not in YEARS:
        raise _bad(name, value, "a day")
    return moment


def check_currency(row: Row, name: str) -> None:
    if text(row, name).upper() not in ("", "USD"):
        raise BillUnreadable(f"{name} is {row[name][:10]}: only USD can be compared")


def _moment(value: Any) -> date:
    if isinstance(value, str) and "-" in value:
        if len(value) == 10:
            return date.fromisoformat(value)
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).date()
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise ValueError(value)
    seconds = Decimal(value)
    if not seconds.is_finite() or seconds.adjusted() > 12:
        raise ValueError(value)
    return datetime.fromtimestamp(int(seconds), UTC).date()


def _number(row: Row, name: str) -> Decimal | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)) or len(str(value)) > 60:
        raise _bad(name, value, "a number")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _bad(name, value, "a number") from None
    # what is too small to matter would make every sum after it a thousand digits long
    if not number.is_finite() or not -40 < number.adjusted() < 40:
        raise _bad(name, value, "a number")
    return number


def _bad(name: str, value: Any, wanted: str) -> BillUnreadable:
    return BillUnreadable(f"{name} is {str(value)[:40]!r}, not {wanted}")
