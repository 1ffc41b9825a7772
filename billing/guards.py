"""Database triggers that keep the ledger append-only, raw SQL included.

A record is never changed. It is deleted only on its way to its month's partition (PostgreSQL), or where its month is
carried (SQLite; PostgreSQL drops the month's whole table). A correction goes with its record. A grant may end earlier
than it was to, and changes in nothing else.
"""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

RECORDS = "billing_usagerecord"
CORRECTIONS = "billing_adjustment"
GRANTS = "billing_grant"
# table: what is unique in it, by which SQLite's REPLACE would find a row to delete without any trigger
TABLES: dict[str, tuple[tuple[str, ...], ...]] = {
    RECORDS: (("id",),),
    CORRECTIONS: (("id",), ("record", "cause")),
    GRANTS: (("id",),),
    "billing_carriedspend": (("id",), ("month", "dimension", "value")),
    "billing_carriedcharge": (("id",), ("month", "period_id")),
}
NAME = "tollgate_append_only"

_ENDS_EARLIER = "NEW.starts_at <= NEW.ends_at AND NEW.ends_at < OLD.ends_at"
_POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  home text;
  may_go boolean := false;
BEGIN
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME = '{RECORDS}_default' THEN
    home := '{RECORDS}_' || to_char(OLD.created_at AT TIME ZONE 'UTC', 'YYYY_MM');
    IF to_regclass(home) IS NOT NULL THEN
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I moved WHERE moved.id = $1 AND to_jsonb(moved) = $2)', home)
      INTO may_go USING OLD.id, to_jsonb(OLD);
    END IF;
  ELSIF TG_OP = 'DELETE' AND TG_TABLE_NAME = '{CORRECTIONS}' THEN
    may_go := EXISTS (
      SELECT 1 FROM {RECORDS} record JOIN billing_carriedspend carried
        ON carried.month = (date_trunc('month', record.created_at, 'UTC') AT TIME ZONE 'UTC')::date
        AND carried.dimension = 'total'
      WHERE record.id = OLD.record
    );
  ELSIF TG_OP = 'UPDATE' AND TG_TABLE_NAME = '{GRANTS}' THEN
    IF to_jsonb(NEW) - 'ends_at' = to_jsonb(OLD) - 'ends_at' AND {_ENDS_EARLIER} THEN
      RETURN NEW;
    END IF;
  END IF;
  IF may_go THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% is append-only: no %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'integrity_constraint_violation';
END $$
"""  # noqa: S608 no outside text
_POSTGRESQL_ROWS = """CREATE TRIGGER {name} BEFORE UPDATE OR DELETE ON "{table}"
FOR EACH ROW EXECUTE FUNCTION {name}()"""
_POSTGRESQL_TRUNCATE = """CREATE TRIGGER {name}_truncate BEFORE TRUNCATE ON "{table}"
FOR EACH STATEMENT EXECUTE FUNCTION {name}()"""
_SQLITE = """CREATE TRIGGER IF NOT EXISTS "{name}_{event}_{table}" BEFORE {event} ON "{table}" {when}
BEGIN SELECT RAISE(ABORT, '{table} is append-only: no {event}'); END"""
_CARRIED = "EXISTS (SELECT 1 FROM billing_carriedspend WHERE dimension = 'total' AND month = {month})"
_OF_GRANTS = ("id", "budget_id", "amount", "starts_at", "actor", "reason", "created_at")
_ALLOWED = {
    ("UPDATE", GRANTS): " AND ".join([_ENDS_EARLIER, *(f"NEW.{name} = OLD.{name}" for name in _OF_GRANTS)]),
    ("DELETE", RECORDS): _CARRIED.format(month="strftime('%Y-%m-01', OLD.created_at)"),
    ("DELETE", CORRECTIONS): _CARRIED.format(
        month=f"(SELECT strftime('%Y-%m-01', created_at) FROM {RECORDS} WHERE id = OLD.record)"  # noqa: S608
    ),
}


def install(connection: BaseDatabaseWrapper) -> None:
    """Make the triggers that are missing: after every migrate."""
    _INSTALL[connection.vendor](connection)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Take SQLite's triggers away before a migration remakes a table that one of them names."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE %s", [f"{NAME}%"])
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}"')


def protect(connection: BaseDatabaseWrapper, partition: str) -> None:
    """Refuse TRUNCATE on a new partition, as its table does; its rows are guarded once it is attached."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc(%s) IS NOT NULL", [NAME])
        if cursor.fetchone()[0]:  # else this is the first migration, and all are made after the last
            cursor.execute(_POSTGRESQL_TRUNCATE.format(name=NAME, table=partition))


def installed(using: str = DEFAULT_DB_ALIAS, **_: object) -> None:
    """The receiver of ``post_migrate``."""
    install(connections[using])


def removed(using: str = DEFAULT_DB_ALIAS, **_: object) -> None:
    """The receiver of ``pre_migrate``."""
    remove(connections[using])


def _install_postgresql(connection: BaseDatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = %s", [f"{NAME}_truncate"])
        present = {table for (table,) in cursor.fetchall()}
        missing = _postgresql_tables(cursor) - present
        if missing:
            cursor.execute(_POSTGRESQL_FUNCTION)
        for table in sorted(missing):
            if table in TABLES:  # those of rows reach the partitions by themselves
                cursor.execute(_POSTGRESQL_ROWS.format(name=NAME, table=table))
            cursor.execute(_POSTGRESQL_TRUNCATE.format(name=NAME, table=table))


def _postgresql_tables(cursor: CursorWrapper) -> set[str]:
    """Return the guarded tables that exist, partitions too."""
    cursor.execute("SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NOT NULL", [list(TABLES)])
    tables = {name for (name,) in cursor.fetchall()}
    if RECORDS in tables:
        cursor.execute("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", [RECORDS])
        tables |= {name for (name,) in cursor.fetchall()}
    return tables


def _install_sqlite(connection: BaseDatabaseWrapper) -> None:
    existing = connection.introspection.table_names()
    with connection.cursor() as cursor:
        for table, keys in TABLES.items():
            if table not in existing:
                continue
            taken = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {_same(key)})" for key in keys)  # noqa: S608
            conditions = {"INSERT": f"WHEN {taken}"}
            for event in ("UPDATE", "DELETE"):
                conditions[event] = f"WHEN NOT ({_ALLOWED[event, table]})" if (event, table) in _ALLOWED else ""
            for event, when in conditions.items():
                cursor.execute(_SQLITE.format(name=NAME, event=event, table=table, when=when))


def _same(key: tuple[str, ...]) -> str:
    return " AND ".join(f"{column} = NEW.{column}" for column in key)


_INSTALL = {"postgresql": _install_postgresql, "sqlite": _install_sqlite}
