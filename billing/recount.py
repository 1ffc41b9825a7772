"""Which sums of the ledger differ from its records: everything is counted again, a month that is carried as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from django.db import connection

from billing import sums
from billing.models import Budget, CarriedCharge, CarriedSpend

_DIFFER = " OR ".join(f"SUM({name}) <> 0" for name in sums.COLUMNS)
_SUMMED = ", ".join(f"SUM({name})" for name in sums.COLUMNS)
_NEGATIVE = ", ".join(f"-{name}" for name in sums.COLUMNS)


def differences() -> Iterator[str]:
    carried = carried_months()
    yield from _spend(carried)
    yield from _days()
    yield from _posted()
    yield from _hours(carried)
    yield from _duplicates()


def carried_months() -> list[date]:
    """Return the months of which only sums are kept."""
    months = {*CarriedSpend.objects.filter(dimension="total").values_list("month", flat=True)}
    return sorted(months | {*CarriedCharge.objects.values_list("month", flat=True).distinct()})


def _spend(carried: Sequence[date]) -> Iterator[str]:
    """Records, adjustments and what is carried less spend must be nothing, in every bucket of every value."""
    for dimension in sums.DIMENSIONS:
        for at, value, *amounts in _rows(f"""
            SELECT at, value, {_SUMMED} FROM (
                {sums.spent(dimension, sums.quarter_or_month("record.created_at", carried))}
                UNION ALL
                SELECT {sums.moment_of("month")}, value, {", ".join(sums.COLUMNS)}
                FROM billing_carriedspend WHERE dimension = %s
                UNION ALL
                SELECT {sums.quarter_or_month("bucket", carried)}, value, {_NEGATIVE}
                FROM billing_spend WHERE dimension = %s
            ) counted GROUP BY at, value HAVING {_DIFFER} ORDER BY at, value
        """, [dimension, dimension]):  # fmt: skip  # noqa: S608
            yield f"spend of {dimension} {value!r} at {at} differs from its records by {_missing(amounts)}"


def _days() -> Iterator[str]:
    """The days' sums must be those of their quarter hours."""
    for dimension, value, day, *amounts in _rows(f"""
        SELECT dimension, value, day, {_SUMMED} FROM (
            SELECT dimension, value, {sums.day("bucket")} AS day, {", ".join(sums.COLUMNS)} FROM billing_spend
            UNION ALL SELECT dimension, value, day, {_NEGATIVE} FROM billing_spendday
        ) counted GROUP BY dimension, value, day HAVING {_DIFFER} ORDER BY dimension, value, day
    """):  # noqa: S608
        yield f"spend of {dimension} {value!r} on {day} differs from its quarter hours by {_missing(amounts)}"


def _posted() -> Iterator[str]:
    """Charges of records and adjustments, and carried ones, must be what their periods have posted."""
    for period, difference in _rows(f"""
        SELECT period, SUM(amount) FROM ({sums.charged("1")}
            UNION ALL SELECT period_id, 1, amount FROM billing_carriedcharge
            UNION ALL SELECT id, 1, -posted FROM billing_budgetperiod
        ) counted GROUP BY period HAVING SUM(amount) <> 0 ORDER BY period
    """):  # noqa: S608
        yield f"budget period {period}: posted differs from its charges by {difference:+} atoms"


def _hours(carried: Sequence[date]) -> Iterator[str]:
    """Rolling budgets' hours, but for those of carried months: what is carried does not tell hours apart."""
    if not Budget.objects.filter(rolling=True).exists():
        return
    of_records, of_hours = sums.kept("record.created_at", carried), sums.kept("hour", carried)
    for budget, at, difference in _rows(f"""
        SELECT budget, at, SUM(amount) FROM (
            SELECT period.budget_id AS budget, charges.at AS at, charges.amount AS amount
            FROM ({sums.charged(sums.hour("record.created_at"), of_records)}) charges
            JOIN billing_budgetperiod period ON period.id = charges.period
            JOIN billing_budget budget ON budget.id = period.budget_id WHERE budget.rolling
            UNION ALL SELECT budget_id, {sums.hour("hour")}, -posted FROM billing_budgethour WHERE {of_hours}
        ) counted GROUP BY budget, at HAVING SUM(amount) <> 0 ORDER BY budget, at
    """):  # noqa: S608
        yield f"budget {budget} in the hour {at}: posted differs from its charges by {difference:+} atoms"


def _duplicates() -> Iterator[str]:
    for request_id, count in _rows(
        f"SELECT request_id, COUNT(*) FROM {sums.RECORDS} WHERE run_id = '' GROUP BY request_id HAVING COUNT(*) > 1"  # noqa: S608
    ):
        yield f"request {request_id} has {count} records"


def _missing(amounts: Sequence[int]) -> str:
    return ", ".join(f"{name} {amount:+}" for name, amount in zip(sums.COLUMNS, amounts, strict=True) if amount)


def _rows(query: str, parameters: Sequence[Any] = ()) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())
