"""Months that are gone: their sums are carried in the one transaction that takes their records away.

A carried month keeps its spend, by the quarter hour, for ever; of its records and their corrections two things stay:
what they add up to under each value of each dimension, and what they charged each budget period.
"""

from __future__ import annotations

import logging
import random
import time
from datetime import datetime
from typing import NamedTuple

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from billing import database, partitions, recount, reports, sums
from billing.models import Adjustment, UsageRecord
from billing.partitions import Month

logger = logging.getLogger(__name__)

# A rolling month looks back 30 days, a correction to the last bill further.
FEWEST_MONTHS = 2
TRIES = 5
DETACH_TRIES = 10
LOCK_MILLISECONDS = 300
STATEMENT_SECONDS = 600
SQLITE_SECONDS = 60


class DiffersFromSpend(Exception):
    """The month's records are not what its spend says: they are evidence, and stay."""


class Busy(Exception):
    """Somebody read or wrote the month all the time; nothing is changed, and the next call may go through."""


class Gone(NamedTuple):
    """A month that may go: how many records it has and what they cost."""

    month: Month
    spent: reports.Sums
    corrections: int


def due(months: int, now: datetime) -> list[Month]:
    """Return the months whose records are older than ``months`` whole months before that of ``now``, oldest first.

    A month that is carried already is left out: what came too late for it stays.
    """
    if months < FEWEST_MONTHS:
        raise ValueError(f"records are kept for at least {FEWEST_MONTHS} months")
    oldest_kept = Month.of(now).plus(-months)
    carried = set(recount.carried_months())
    return [month for month in _months_of_records() if month < oldest_kept and month.start.date() not in carried]


def described(month: Month) -> Gone:
    found = UsageRecord.objects.filter(id__gte=month.from_id, id__lt=month.to_id)
    return Gone(month, reports.record_totals(found), _corrections(month).count())


def carry(month: Month, *, keep_table: bool = False) -> None:
    """Write the month's sums as carried rows and take its records away, both or neither.

    On PostgreSQL its partition is detached and dropped; with ``keep_table`` it stays, as a table that nothing reads.
    Raises ``DiffersFromSpend`` or ``Busy``, and then has changed nothing.
    """
    for _ in range(TRIES):
        try:
            _CARRY[connection.vendor](month, keep_table)
        except OperationalError as error:  # a lock was not to be had
            logger.info("%s cannot go now: %s", month.name, str(error).strip())
            time.sleep(random.uniform(0.2, 1))
        else:
            logger.warning("the records of %s are gone, their sums are carried", f"{month.start:%B %Y}")
            return
    raise Busy(f"{month.start:%Y-%m} is in use: try again when no long report, export or proof runs")


def _months_of_records() -> list[Month]:
    if connection.vendor == "postgresql":
        return sorted({*partitions.attached(), *partitions.strayed()})
    oldest = UsageRecord.objects.order_by("id").values_list("created_at", flat=True).first()
    newest = UsageRecord.objects.order_by("-id").values_list("created_at", flat=True).first()
    found, month = [], oldest and Month.of(oldest)
    while month and month.start <= newest:
        if UsageRecord.objects.filter(id__gte=month.from_id, id__lt=month.to_id).exists():
            found.append(month)
        month = month.next
    return found


def _corrections(month: Month) -> QuerySet[Adjustment]:
    return Adjustment.objects.filter(record__gte=month.from_id, record__lt=month.to_id)


def _carry_postgresql(month: Month, keep_table: bool) -> None:
    """Readers go on throughout but for the moment of detaching; who wants to post into the month waits."""
    partitions.attach(month)  # records before the first partition are in the default one
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
            [f"{LOCK_MILLISECONDS}ms", f"{STATEMENT_SECONDS}s"],
        )
        cursor.execute(f"LOCK TABLE {month.name} IN EXCLUSIVE MODE")
        _write(month)
        _detach(cursor, month)
        if keep_table:
            cursor.execute(f"ALTER TABLE {month.name} RENAME TO {month.name}_carried")
        else:
            cursor.execute(f"DROP TABLE {month.name}")


def _detach(cursor: CursorWrapper, month: Month) -> None:
    """Detaching locks the whole table: it is tried for moments, so that nobody queues behind it for long."""
    for remaining in reversed(range(DETACH_TRIES)):
        try:
            with transaction.atomic():
                cursor.execute(f"ALTER TABLE {partitions.TABLE} DETACH PARTITION {month.name}")
        except OperationalError:
            if not remaining:
                raise
            time.sleep(random.uniform(0.05, 0.3))
        else:
            return


def _carry_sqlite(month: Month, keep_table: bool) -> None:
    with database.writing(SQLITE_SECONDS):
        _write(month)
        UsageRecord.objects.filter(id__gte=month.from_id, id__lt=month.to_id).delete()


def _write(month: Month) -> None:
    within = f"record.id >= '{_written(month.from_id)}' AND record.id < '{_written(month.to_id)}'"
    with connection.cursor() as cursor:
        for dimension in sums.DIMENSIONS:
            cursor.execute(f"""
                INSERT INTO billing_carriedspend (month, dimension, value, {", ".join(sums.COLUMNS)})
                SELECT %s, %s, value, SUM(requests), SUM(tokens), SUM(cost), SUM(unpriced)
                FROM ({sums.spent(dimension, "1", within)}) counted GROUP BY value ORDER BY value
            """, [month.start.date(), dimension])  # fmt: skip  # noqa: S608 no outside text
        cursor.execute(f"""
            INSERT INTO billing_carriedcharge (month, period_id, amount)
            SELECT %s, period.id, counted.amount FROM (
                SELECT period, SUM(amount) AS amount FROM ({sums.charged("1", within)}) charges GROUP BY period
            ) counted JOIN billing_budgetperiod period ON period.id = counted.period
            ORDER BY period.budget_id, period.start
        """, [month.start.date()])  # fmt: skip  # noqa: S608 no outside text
    _compare(month)
    _corrections(month).delete()


def _written(id: str) -> str:
    return id if connection.vendor == "postgresql" else id.replace("-", "")


def _compare(month: Month) -> None:
    start, end = (connection.ops.adapt_datetimefield_value(moment) for moment in (month.start, month.next.start))
    dimensions = ", ".join(f"'{dimension}'" for dimension in sums.DIMENSIONS)
    with connection.cursor() as cursor:
        cursor.execute(f"""
            SELECT COUNT(*) FROM (
                SELECT dimension, value FROM (
                    SELECT dimension, value, {", ".join(sums.COLUMNS)} FROM billing_carriedspend WHERE month = %s
                    UNION ALL
                    SELECT dimension, value, {", ".join(f"-{name}" for name in sums.COLUMNS)}
                    FROM billing_spend WHERE dimension IN ({dimensions}) AND bucket >= %s AND bucket < %s
                ) counted GROUP BY dimension, value
                HAVING {" OR ".join(f"SUM({name}) <> 0" for name in sums.COLUMNS)}
            ) differing
        """, [month.start.date(), start, end])  # fmt: skip  # noqa: S608 no outside text
        (differing,) = cursor.fetchone()
    if differing:
        raise DiffersFromSpend(f"{month.start:%Y-%m}: {differing} sums differ from spend: see tollgate verify_ledger")


_CARRY = {"postgresql": _carry_postgresql, "sqlite": _carry_sqlite}
