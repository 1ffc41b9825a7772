"""How tests get past the triggers that keep the ledger append-only: to empty its tables, or to spoil it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from billing import clock, guards, partitions
from billing.partitions import Month

MADE_BY_MIGRATIONS = {"django_content_type", "auth_permission"}
# last: on SQLite the triggers of all other tables write into it
VERSION = "accounts_configversion"


@contextmanager
def unguarded(database: BaseDatabaseWrapper = connection) -> Iterator[None]:
    """The ledger's triggers do nothing within it."""
    if database.vendor == "sqlite":
        guards.remove(database)
        yield
        guards.install(database)
        return
    with database.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


@pytest.fixture(scope="session", autouse=True)
def emptied_between_tests() -> Iterator[None]:
    """Empty what a test that commits has filled, and nothing else.

    Django's own way is to truncate a hundred tables and to make content types and permissions again: that takes longer
    than most of these tests.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", _empty_all)
        yield


def _empty_all(case: TransactionTestCase) -> None:
    for name in case._databases_names(include_mirrors=False):
        _empty(connections[name])


def _empty(database: BaseDatabaseWrapper) -> None:
    filled = sorted(_filled(database), key=lambda table: (table == VERSION, table))
    # in PostgreSQL nothing of this asks whether rows are still referred to
    guards_matter = database.vendor == "postgresql" or guards.TABLES.keys() & {*filled}
    with (
        unguarded(database) if guards_matter else nullcontext(),
        database.constraint_checks_disabled(),
        database.cursor() as cursor,
    ):
        for table in filled:
            cursor.execute(f'DELETE FROM "{table}"')


def _filled(database: BaseDatabaseWrapper) -> list[str]:
    tables = database.introspection.django_table_names(only_existing=True, include_views=False)
    asked = [f"SELECT '{each}' WHERE EXISTS (SELECT 1 FROM \"{each}\")" for each in {*tables} - MADE_BY_MIGRATIONS]
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(asked))
        return [table for (table,) in cursor.fetchall()]


@pytest.fixture
def months_as_they_were(transactional_db: None) -> Iterator[None]:
    """Drop the months that a test made: tables stay when their rows are emptied."""
    yield
    if connection.vendor == "postgresql":
        with unguarded(), connection.cursor() as cursor:
            for month in partitions.attached():
                if month < Month.of(clock.now()):
                    cursor.execute(f"DROP TABLE {month.name}")
            cursor.execute(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s",
                [r"billing_usagerecord%\_carried"],
            )
            for (table,) in cursor.fetchall():
                cursor.execute(f"DROP TABLE {table}")
