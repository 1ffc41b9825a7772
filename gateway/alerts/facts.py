"""What an alert tells of, as the tables say it at this moment."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from billing import calendars, database, room
from billing.fields import to_usd
from billing.models import Alert, Budget, BudgetPeriod
from gateway.alerts import words


def message_of(alert: Alert) -> words.Message:
    if alert.period_id is None:
        return words.of_text(alert.kind, alert.pk, alert.text)
    return words.of_threshold(alert.pk, _crossed(alert, database.now()))


def title_of(alert: Alert) -> str:
    """Return the title alone, without a query where the budget and its owner are loaded."""
    if alert.period is None:
        return words.TITLES[alert.kind]
    budget = alert.period.budget
    return words.title_of(_share(alert), budget.kind, _owner(budget))


def _crossed(alert: Alert, at: datetime) -> words.Threshold:
    period = BudgetPeriod.objects.select_related("budget__user", "budget__team", "budget__api_key").get(
        pk=alert.period_id
    )
    budget = period.budget
    ends_at = calendars.end_of(budget.period, budget.timezone, budget.rolling, period.start)
    return words.Threshold(
        budget=budget.pk,
        period_row=period.pk,
        scope=budget.kind,
        owner=_owner(budget),
        model=budget.model,
        unit=budget.unit,
        amount=_in_unit(budget, room.limits_at([budget], at)[budget.pk]),
        spent=_in_unit(budget, room.counted_of([period], at)[period.pk]),
        share=_share(alert),
        mode=budget.mode,
        period=budget.period,
        timezone=budget.timezone,
        is_rolling=budget.rolling,
        start=None if ends_at is None else period.start,
        renews_at=ends_at,
    )


def _share(alert: Alert) -> Decimal:
    return Decimal(str(alert.threshold))


def _owner(budget: Budget) -> str:
    """Return a name as the admin shows it; of a key its public id too, as names of keys repeat."""
    if budget.api_key is not None:
        return f"{budget.api_key.name or 'unnamed'} (sk-tg-{budget.api_key.public_id}-…)"
    return str(budget.user or budget.team or "")


def _in_unit(budget: Budget, atoms: int) -> Decimal:
    return to_usd(atoms) if budget.unit == "usd" else Decimal(atoms)
