"""What budgets allow and what counts against it, as the tables say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Sum

from billing import calendars
from billing.models import Budget, BudgetHour, BudgetPeriod, Grant

HOUR = timedelta(hours=1)


def limits_at(budgets: Iterable[Budget], at: datetime) -> dict[int, int]:
    """Return {budget: its amount with the grants in force}."""
    own = {budget.pk: budget.amount for budget in budgets}
    grants = Grant.objects.filter(budget__in=own, starts_at__lte=at, ends_at__gt=at)
    for budget, amount in grants.order_by().values_list("budget").annotate(sum=Sum("amount")):
        own[budget] += amount
    return own


def counted_of(rows: Iterable[BudgetPeriod], at: datetime) -> dict[int, int]:
    """Return {period: what counts against its limit}: what is posted, of rolling budgets the hours in the window."""
    counted = {}
    rolling: dict[timedelta, list[BudgetPeriod]] = defaultdict(list)
    for row in rows:
        counted[row.pk] = row.posted
        window = calendars.window_of(row.budget.period) if row.budget.rolling else None
        if window is not None:
            rolling[window].append(row)
    for window, group in rolling.items():
        # an hour counts whole until its end has left the window
        hours = BudgetHour.objects.filter(budget__in=[row.budget_id for row in group], hour__gt=at - window - HOUR)
        sums = dict(hours.order_by().values_list("budget").annotate(sum=Sum("posted")))
        counted.update({row.pk: sums.get(row.budget_id, 0) for row in group})
    return counted
