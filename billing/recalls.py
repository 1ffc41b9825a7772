"""Making processes give back what they hold of a budget that has become smaller."""

from __future__ import annotations

from datetime import datetime

from billing import calendars
from billing.models import Budget, BudgetPeriod


def recall(budget: Budget, at: datetime) -> None:
    """Ask for what is held of the budget's period at ``at``; processes see it at their next poll."""
    start = calendars.start_of(budget.period, budget.timezone, budget.rolling, at)
    BudgetPeriod.objects.filter(budget=budget, start=start).update(wanted_at=at)
