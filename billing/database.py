"""How the threads of our own use the database: short waits, full durability, and found again after an outage."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from django.db import Error, InterfaceError, InternalError, OperationalError, connection, transaction

logger = logging.getLogger(__name__)

AWAY = (OperationalError, InterfaceError)
POSTING_SECONDS = 30
# lock not available, deadlock, serialization failure
_OTHERS = {"55P03", "40P01", "40001"}
# and query cancelled: the database answers, others are busy there
_CONTENTION = {*_OTHERS, "57014"}
# idle in transaction for too long: the process stood still, and the database has ended its connection
_STOOD_STILL = "25P03"


@contextmanager
def writing(seconds: int = 1) -> Iterator[None]:
    """A transaction whose statements take at most ``seconds`` and whose commit survives a power cut.

    It waits for locks a third of that, and loses its own when the process stands still for 2 s: a frozen process must
    not keep the others from their rows. Nothing of these limits is left on the connection.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")
    with _transaction(seconds):
        yield


@contextmanager
def reading(seconds: int = 1) -> Iterator[None]:
    """A read of statements that take at most ``seconds``; on SQLite without a lock, in a transaction by its limits."""
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield
        return
    with _transaction(seconds):
        yield


@contextmanager
def _transaction(seconds: int) -> Iterator[None]:
    try:
        with transaction.atomic():
            _limit(seconds)
            yield
    except InternalError as error:
        if _state(error) != _STOOD_STILL:
            raise
        raise OperationalError(str(error)) from error.__cause__


def now() -> datetime:
    """Return the database's time."""
    if connection.vendor != "postgresql":
        return datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


def is_contention(error: Exception) -> bool:
    """Say whether the database only had something else to do; it is there."""
    return _state(error) in _CONTENTION or "database is locked" in str(error)


def was_hindered(error: Exception) -> bool:
    """Say whether a transaction failed by others, or by its process standing still, and not by what it does."""
    return _state(error) in {*_OTHERS, _STOOD_STILL} or "database is locked" in str(error)


def _state(error: Exception) -> str | None:
    return getattr(error.__cause__, "sqlstate", None)


def give_back() -> None:
    """End this thread's connection; the next use finds a new one."""
    with suppress(Error):
        connection.close()


class Outage:
    """Says once that the database is away, and once that it is back."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._is_on = False

    def begins(self, error: Exception) -> None:
        give_back()
        if not self._is_on:
            self._is_on = True
            logger.warning("%s: the database is away: %s", self._name, str(error).strip())

    def ends(self) -> None:
        if self._is_on:
            self._is_on = False
            logger.warning("%s: the database is back", self._name)


def _limit(seconds: int) -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true), "
            "set_config('idle_in_transaction_session_timeout', '2s', true)",
            [f"{seconds * 300}ms", f"{seconds}s"],
        )
