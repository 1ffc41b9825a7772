"""Database triggers that raise the configuration version: whatever changes a table moves it, raw SQL included.

The version is a row and not a sequence, because a sequence ignores transactions: its new value would be seen before
the change it stands for is committed, and the old rows read under the new number would never be read again. On
PostgreSQL the row is raised once, at the end of the transaction, so that a long one does not hold its lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.db.backends.base.base import BaseDatabaseWrapper

VERSION = "accounts_configversion"

Tables = Mapping[str, Sequence[str]]
"""Table -> the columns whose update counts; none named: all."""

POSTGRESQL_FUNCTION = f"""
CREATE OR REPLACE FUNCTION tollgate_raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO {VERSION} AS known (id, version) VALUES (1, 1)
  ON CONFLICT (id) DO UPDATE SET version = known.version + 1
  WHERE known.xmin <> pg_current_xact_id()::xid;
  RETURN NULL;
END $$
"""  # noqa: S608 — no outside text
POSTGRESQL_TRIGGERS = (
    """CREATE CONSTRAINT TRIGGER tollgate_version AFTER INSERT OR DELETE OR UPDATE{columns} ON "{table}"
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION tollgate_raise_version()""",
    """CREATE TRIGGER tollgate_version_truncate AFTER TRUNCATE ON "{table}"
    FOR EACH STATEMENT EXECUTE FUNCTION tollgate_raise_version()""",
)
SQLITE_TRIGGER = f"""
CREATE TRIGGER IF NOT EXISTS "tollgate_{{event}}_{{table}}" AFTER {{event}}{{columns}} ON "{{table}}" BEGIN
  INSERT INTO {VERSION} (id, version) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET version = version + 1;
END
"""  # noqa: S608 — no outside text


def install(connection: BaseDatabaseWrapper, tables: Tables) -> None:
    """Make the triggers that are missing. Run after every migrate: SQLite drops them where Django remakes a table."""
    with connection.cursor() as cursor:
        INSTALL[connection.vendor](cursor, tables)


def _install_postgresql(cursor, tables: Tables) -> None:
    cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'tollgate_version'")
    present = {name.strip('"') for (name,) in cursor.fetchall()}
    if missing := {table: columns for table, columns in tables.items() if table not in present}:
        cursor.execute(POSTGRESQL_FUNCTION)
    for table, columns in missing.items():
        for sql in POSTGRESQL_TRIGGERS:
            cursor.execute(sql.format(table=table, columns=_of(columns)))


def _install_sqlite(cursor, tables: Tables) -> None:
    for table, columns in tables.items():
        for event in ("INSERT", "UPDATE", "DELETE"):
            of = _of(columns) if event == "UPDATE" else ""
            cursor.execute(SQLITE_TRIGGER.format(event=event, table=table, columns=of))


def _of(columns: Sequence[str]) -> str:
    return f" OF {', '.join(columns)}" if columns else ""


INSTALL = {"postgresql": _install_postgresql, "sqlite": _install_sqlite}
