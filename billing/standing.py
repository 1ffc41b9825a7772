"""How budgets stand: what they allow in the period of a moment, what is posted and lent of it, when they renew."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from billing import calendars
from billing.fields import to_usd
from billing.models import Budget, BudgetPeriod
from billing.room import counted_of, limits_at


class Standing(NamedTuple):
    """One budget in the period that began at ``start``, in atoms of its unit.

    ``amount`` is what may be spent: the budget's own with ``granted`` on top. ``posted`` of a rolling budget is what
    its window holds. ``renews_at`` is None where no new period comes.
    """

    budget: Budget
    start: datetime
    renews_at: datetime | None
    amount: int
    granted: int
    posted: int
    lent: int

    @property
    def left(self) -> int:
        """What nobody has spent or holds; below zero where single requests cost more than their bound."""
        return self.amount - self.posted - self.lent


def standings(budgets: Iterable[Budget], at: datetime) -> list[Standing]:
    """Return how each budget stands at ``at``, in their order; three queries, a few more where some are rolling."""
    budgets = list(budgets)
    amounts = limits_at(budgets, at)
    rows = _periods(budgets, at)
    counted = counted_of(rows.values(), at)
    return [_standing(budget, rows.get(budget.pk), amounts[budget.pk], counted, at) for budget in budgets]


def in_unit(budget: Budget, atoms: int) -> Decimal | int:
    """Return atoms as Decimal USD, or as a count of tokens or requests."""
    return to_usd(atoms) if budget.unit == "usd" else atoms


def _standing(budget: Budget, row: BudgetPeriod | None, amount: int, counted: dict[int, int], at: datetime) -> Standing:
    start = start_of(budget, at)
    return Standing(
        budget,
        start,
        calendars.end_of(budget.period, budget.timezone, budget.rolling, start),
        amount,
        amount - budget.amount,
        counted[row.pk] if row else 0,
        row.lent if row else 0,
    )


def start_of(budget: Budget, at: datetime) -> datetime:
    return calendars.start_of(budget.period, budget.timezone, budget.rolling, at)


def _periods(budgets: list[Budget], at: datetime) -> dict[int, BudgetPeriod]:
    """Return {budget: its row of the period}, where it was touched."""
    starts = {budget.pk: start_of(budget, at) for budget in budgets}
    rows = BudgetPeriod.objects.filter(budget__in=starts, start__in=set(starts.values())).select_related("budget")
    return {row.budget_id: row for row in rows if row.start == starts[row.budget_id]}
