"""The months of the usage records: on PostgreSQL a partition each, by ranges of the id."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, migrations, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from billing import clock, guards, ids

logger = logging.getLogger(__name__)

TABLE = "billing_usagerecord"
MONTHS_AHEAD = 3


class Month(NamedTuple):
    """A month of UTC's calendar, and its partition: ``from_id`` is in it, ``to_id`` in the next."""

    start: datetime

    @classmethod
    def of(cls, moment: datetime) -> Month:
        return cls(moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0))

    @property
    def next(self) -> Month:
        return self.plus(1)

    def plus(self, months: int) -> Month:
        years, month = divmod(self.start.month - 1 + months, 12)
        return Month(self.start.replace(year=self.start.year + years, month=month + 1))

    @property
    def name(self) -> str:
        return f"{TABLE}_{self.start:%Y_%m}"

    @property
    def from_id(self) -> str:
        return ids.lowest(self.start)

    @property
    def to_id(self) -> str:
        return ids.lowest(self.next.start)


def months(now: datetime, ahead: int = MONTHS_AHEAD) -> Iterator[Month]:
    """Yield the month of ``now`` and those ``ahead``."""
    for distance in range(ahead + 1):
        yield Month.of(now).plus(distance)


def ensure(using: str = DEFAULT_DB_ALIAS) -> None:
    """Make the partitions of this month and the next three where they are missing; nothing to do on SQLite."""
    connection = connections[using]
    if connection.vendor != "postgresql":
        return
    existing = _existing(connection)
    for month in months(clock.now()):
        if month.name not in existing:
            attach(month, using)
    _warn_of_strays(connection)


def attach(month: Month, using: str = DEFAULT_DB_ALIAS) -> None:
    """Make a month's partition; what of it fell into the default partition moves there."""
    with transaction.atomic(using=using):
        _attach(connections[using], month)


def attached() -> list[Month]:
    """Return the months that have a partition."""
    names = (re.fullmatch(rf"{TABLE}_(\d{{4}})_(\d{{2}})", name) for name in _existing(connections[DEFAULT_DB_ALIAS]))
    return sorted(Month(datetime(int(name[1]), int(name[2]), 1, tzinfo=UTC)) for name in names if name)


def strayed() -> list[Month]:
    """Return the months of the records that are in no month's partition."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT date_trunc('month', created_at, 'UTC') FROM {TABLE}_default")  # noqa: S608
        return sorted(Month(moment.astimezone(UTC)) for (moment,) in cursor.fetchall())


def _existing(connection: BaseDatabaseWrapper) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [TABLE])
        return {name for (name,) in cursor.fetchall()}


def _attach(connection: BaseDatabaseWrapper, month: Month) -> None:
    """Attach rather than create in place: traffic goes on. Records of the month that fell into the default move."""
    name, bounds = connection.ops.quote_name(month.name), [month.from_id, month.to_id]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s::regclass::oid::bigint)", [TABLE])
        cursor.execute("SELECT to_regclass(%s)", [month.name])
        if cursor.fetchone()[0] is not None:
            return
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)")
        # in this order: a record may be deleted only where an equal one stands in its month's table (see guards)
        strays = f"FROM {TABLE}_default WHERE id >= %s AND id < %s"
        cursor.execute(f"INSERT INTO {name} SELECT * {strays}", bounds)
        cursor.execute(f"DELETE {strays}", bounds)
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM (%s) TO (%s)", bounds)
    guards.protect(connection, month.name)


def _warn_of_strays(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}_default")  # noqa: S608
        (strays,) = cursor.fetchone()
    if strays:
        logger.error("%d usage records are outside all months: is a machine's clock wrong?", strays)


class CreatePartitioned(migrations.CreateModel):
    """``CreateModel`` that on PostgreSQL makes a table partitioned by ranges of its primary key."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state) -> None:  # type: ignore[no-untyped-def]
        if schema_editor.connection.vendor != "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        schema_editor.sql_create_table += " PARTITION BY RANGE (id)"
        super().database_forwards(app_label, schema_editor, from_state, to_state)
        del schema_editor.sql_create_table
        schema_editor.execute(f"CREATE TABLE {TABLE}_default PARTITION OF {TABLE} DEFAULT")
