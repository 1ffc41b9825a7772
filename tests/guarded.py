"""How tests get past the triggers that keep the ledger append-only: to empty its tables, or to spoil it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations

from billing import clock, guards, partitions
from billing.partitions import Month


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
    """Let Django empty the tables after a test that commits."""
    flush: Callable[..., None] = BaseDatabaseOperations.execute_sql_flush

    def flush_unguarded(self: BaseDatabaseOperations, sql_list: list[str]) -> None:
        with unguarded(self.connection):
            flush(self, sql_list)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", flush_unguarded)
        yield


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
