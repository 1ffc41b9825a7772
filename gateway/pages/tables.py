"""Rows as files: CSV that spreadsheets open without running it, and JSON lines. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

# With what a spreadsheet begins to read text as a formula; the wide ones are typed in East Asia and mean the same.
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Row = Sequence[Any]
_json = msgspec.json.Encoder(decimal_format="number")


class Format(NamedTuple):
    """``head`` writes the names of the columns, ``rows`` some rows."""

    content_type: str
    head: Callable[[Sequence[str]], str]
    rows: Callable[[Sequence[str], Iterable[Row]], str]


def written(form: str, columns: Sequence[str], batches: Iterable[Iterable[Row]]) -> Iterator[str]:
    """Yield a file in pieces, one for each batch of rows."""
    write = FORMATS[form]
    yield write.head(columns)
    for batch in batches:
        yield write.rows(columns, batch)


def safe(value: object) -> object:
    """Return ``value`` as a cell: text that a spreadsheet would take for a formula gets an apostrophe."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return safe(", ".join(map(str, value)))
    if isinstance(value, str) and value.startswith(FORMULAS):
        return f"'{value}"
    return "" if value is None else value


def _csv_rows(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([safe(value) for value in row] for row in rows)
    return text.getvalue()


def _json_rows(columns: Sequence[str], rows: Iterable[Row]) -> str:
    return b"".join(_json.encode(dict(zip(columns, row, strict=True))) + b"\n" for row in rows).decode()


FORMATS = {
    "csv": Format("text/csv; charset=utf-8", lambda columns: _csv_rows(columns, [columns]), _csv_rows),
    "jsonl": Format("application/jsonl; charset=utf-8", lambda columns: "", _json_rows),
}
