"""Many rows in one statement, in both databases' words: new records, sums that grow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from django.db import connection

from billing import ids, posting, records
from billing.lines import Settled
from billing.posting import SpendKey, Sums

_json = msgspec.json.Encoder()


def insert_records(settled: Iterable[Settled]) -> set[str]:
    """Insert those whose id is new; return the new ids."""
    rows = [records.values_of(line) for line in sorted(settled, key=lambda line: line.id)]
    if not rows:
        return set()
    return _insert_postgres(rows) if connection.vendor == "postgresql" else _insert_sqlite(rows)


def add_spend(spend: Mapping[SpendKey, Sums]) -> None:
    """Add to the rows of spend, in the order of their keys, then to those of their days."""
    rows = [(*key[:2], ids.instant(key.bucket), *sums) for key, sums in sorted(spend.items())]
    _upsert("billing_spend", ("dimension", "value", "bucket"), _SPENT, rows)
    days = [
        (dimension, ids.instant(start).date(), value, *sums)
        for (dimension, start, value), sums in sorted(posting.days_of(spend).items())
    ]
    _upsert("billing_spendday", ("dimension", "day", "value"), _SPENT, days)


def add_hours(hours: Mapping[tuple[int, datetime], int]) -> None:
    """Add to {(budget, hour): amount}, in the order of their keys."""
    rows = [(*key, amount) for key, amount in sorted(hours.items())]
    _upsert("billing_budgethour", ("budget_id", "hour"), ("posted",), rows)


_SPENT = ("requests", "tokens", "cost", "unpriced")
_TABLE = "billing_usagerecord"
_NAMES = ", ".join(column.name for column in records.COLUMNS)
_SENT_AS = {"time": "bigint", "json": "jsonb"}
_READ_AS = {"time": "timestamptz 'epoch' + {} * interval '1 microsecond'"}
_POSTGRES_INSERT = f"""
    INSERT INTO {_TABLE} ({_NAMES})
    SELECT {", ".join(_READ_AS.get(column.kind, "{}").format(column.name) for column in records.COLUMNS)}
    FROM json_to_recordset(%s)
        AS sent({", ".join(f"{column.name} {_SENT_AS.get(column.kind, column.kind)}" for column in records.COLUMNS)})
    ON CONFLICT (id) DO NOTHING RETURNING id
"""  # noqa: S608
_SQLITE_INSERT = f"INSERT INTO {_TABLE} ({_NAMES}) VALUES ({', '.join('%s' for _ in records.COLUMNS)})"  # noqa: S608


def _insert_postgres(rows: list[list[Any]]) -> set[str]:
    names = [column.name for column in records.COLUMNS]
    sent = _json.encode([dict(zip(names, row, strict=True)) for row in rows]).decode()
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_INSERT, [sent])
        return {str(id) for (id,) in cursor.fetchall()}


def _insert_sqlite(rows: list[list[Any]]) -> set[str]:
    """There is one writer at a time, so that looking first is enough."""
    known = _known_in_sqlite([row[0].replace("-", "") for row in rows])
    new = [row for row in rows if row[0].replace("-", "") not in known]
    with connection.cursor() as cursor:
        cursor.executemany(_SQLITE_INSERT, [_for_sqlite(row) for row in new])
    return {row[0] for row in new}


def _known_in_sqlite(written: list[str]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {_TABLE} WHERE id IN (SELECT value FROM json_each(%s))",  # noqa: S608
            [_json.encode(written).decode()],
        )
        return {id for (id,) in cursor.fetchall()}


_SQLITE_VALUES: dict[str, Callable[[Any], Any]] = {
    "uuid": lambda id: id and id.replace("-", ""),
    "time": lambda moment: connection.ops.adapt_datetimefield_value(ids.instant(moment)),
    "json": lambda value: None if value is None else _json.encode(value).decode(),
}
_SQLITE_PLACES = [
    (place, _SQLITE_VALUES[column.kind])
    for place, column in enumerate(records.COLUMNS)
    if column.kind in _SQLITE_VALUES
]


def _for_sqlite(row: list[Any]) -> list[Any]:
    converted = list(row)
    for place, convert in _SQLITE_PLACES:
        converted[place] = convert(row[place])
    return converted


def _upsert(table: str, keys: Sequence[str], sums: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    names, growing = ", ".join((*keys, *sums)), ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    conflict = f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {growing}"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(f"%s::{_ARRAYS.get(name, 'bigint')}[]" for name in (*keys, *sums))
            cursor.execute(
                f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}) {conflict}",  # noqa: S608
                [_array(column) for column in zip(*rows, strict=True)],
            )
        else:
            values = ", ".join("%s" for _ in (*keys, *sums))
            adapted = [[_adapted(value) for value in row] for row in rows]
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({values}) {conflict}", adapted)  # noqa: S608


# A batch has thousands of rows: as one array for each column they are seven parameters, not fifty thousand.
_ARRAYS = {"dimension": "text", "value": "text", "bucket": "timestamptz", "hour": "timestamptz", "day": "date"}
_BACKSLASH, _QUOTE = "\\", '"'


def _array(values: Sequence[Any]) -> str:
    """Return the literal of an array; text that comes again and again is written once."""
    if isinstance(values[0], int):
        return f"{{{','.join(map(str, values))}}}"
    written = {value: _quoted(value) for value in set(values)}
    return f"{{{','.join([written[value] for value in values])}}}"


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else value.isoformat()
    return f'"{text.replace(_BACKSLASH, _BACKSLASH * 2).replace(_QUOTE, _BACKSLASH + _QUOTE)}"'


def _adapted(value: Any) -> Any:
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value
