"""What happened to one budget: its periods, what was granted on top, whom it would have refused, who was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.utils.safestring import SafeString

from billing import calendars
from billing.models import Alert, Budget, BudgetPeriod, Grant, ShadowRefusal
from gateway.pages import budgets, names
from gateway.pages.budgets import Purse
from gateway.templatetags import figures

SHOWN = 24
FORMS = {"month": "%b %Y", "week": "week from %-d %b %Y", "day": "%-d %b %Y"}


class Period(NamedTuple):
    """One period: when in words, what was spent, and how much of today's amount that is, at most a hundred."""

    when: str
    spent: SafeString
    reserved: SafeString | None
    share: str
    width: float


class Refusal(NamedTuple):
    """Somebody whom the budget would have refused, if it were enforced."""

    last_at: datetime
    who: list[str]
    model: str
    requests: int


def of(purse: Purse, now: datetime) -> dict[str, Any]:
    budget = purse.budget
    periods = BudgetPeriod.objects.filter(budget=budget).order_by("-start")[:SHOWN]
    return {
        "periods": [_period(purse, row) for row in periods] if _renews(budget) else [],
        "grants": [
            (grant, budgets.amount(budget, grant.amount), grant.starts_at <= now < grant.ends_at)
            for grant in Grant.objects.filter(budget=budget).order_by("-ends_at")[:SHOWN]
        ],
        "refusals": _refusals(budget),
        "alerts": Alert.objects.filter(period__budget=budget).order_by("-created_at")[:SHOWN],
    }


def _renews(budget: Budget) -> bool:
    return not budget.rolling and budget.period != "total"


def _period(purse: Purse, row: BudgetPeriod) -> Period:
    budget, amount = purse.budget, purse.budget.amount
    return Period(
        _when(budget, row.start),
        figures.quantity(row.posted, budget.unit),
        figures.quantity(row.lent, budget.unit) if row.lent else None,
        figures.share(row.posted, amount),
        min(100.0, figures.percent(row.posted, amount)),
    )


def _when(budget: Budget, start: datetime) -> str:
    local = start.astimezone(ZoneInfo(budget.timezone))
    ends = calendars.end_of(budget.period, budget.timezone, budget.rolling, start)
    return f"{local:{FORMS[budget.period]}}" if ends else "since ever"


def _refusals(budget: Budget) -> list[Refusal]:
    rows = list(ShadowRefusal.objects.filter(period__budget=budget).order_by("-last_at")[:SHOWN])
    called = {
        dimension: names.names_of(dimension, {str(getattr(row, dimension)) for row in rows} - {"0"})
        for dimension in names.ROWS
    }
    return [Refusal(row.last_at, _who(row, called), row.model, row.requests) for row in rows]


def _who(row: ShadowRefusal, called: dict[str, dict[str, str]]) -> list[str]:
    ids = {dimension: getattr(row, dimension) for dimension in called}
    return [f"{names.DIMENSIONS[name]} {called[name][str(id)]}" for name, id in ids.items() if id]
