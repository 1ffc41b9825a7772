"""The rows of money that is lent and posted: locked last, in one order, for as short as can be."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from billing import bulk, ids
from billing.lines import Settled
from billing.models import Allowance, BudgetPeriod
from billing.posting import HOUR
from billing.watching import Watch

logger = logging.getLogger(__name__)

Hours = Mapping[tuple[int, int], int]


def locked(wanted: Iterable[int]) -> dict[int, BudgetPeriod]:
    """Return the periods, locked in the order everybody locks them in."""
    rows = BudgetPeriod.objects.filter(pk__in=list(wanted)).select_related("budget")
    return {row.pk: row for row in rows.order_by("budget_id", "start").select_for_update(of=("self",))}


def held(holder: str) -> dict[int, int]:
    """Return {period: amount} that a holder's allowances hold now."""
    rows = Allowance.objects.filter(holder_id=holder).values_list("period_id", "granted", "used")
    return {period: granted - used for period, granted, used in rows}


def charge(charges: Counter[int], hours: Hours) -> None:
    """Raise what is posted, without any allowance giving for it."""
    settle(None, charges, {}, hours)


def settle(
    holder: str | None,
    charges: Counter[int],
    gives: Mapping[int, int],
    hours: Hours,
    settled: Iterable[Settled] = (),
) -> None:
    """Raise ``posted`` by the charges; what the holder's allowances give raises ``used`` and lowers ``lent``.

    ``settled`` are the lines that charge, for budgets that only observe.
    """
    if not charges and not gives:
        return
    periods = locked(charges.keys() | gives.keys())
    for gone in (charges.keys() | gives.keys()) - periods.keys():
        logger.error("budget period %s is charged, but does not exist", gone)
    watch = Watch(period for pk, period in periods.items() if charges[pk])
    watch.note_shadow_refusals(settled)
    for pk, period in periods.items():
        period.posted += charges[pk]
        period.lent -= gives.get(pk, 0)
    BudgetPeriod.objects.bulk_update(periods.values(), ["posted", "lent"])
    _add_hours(periods, hours)
    watch.alert(charges)
    allowances = Allowance.objects.filter(holder_id=holder, period_id__in=list(gives)).select_for_update(of=("self",))
    changed = list(allowances.order_by("period__budget_id", "period__start"))
    for allowance in changed:
        allowance.used += gives[allowance.period_id]
    if changed:
        Allowance.objects.bulk_update(changed, ["used"])


def hours_of_moment(charges: Mapping[int, int], at: datetime) -> Hours:
    moment = ids.microseconds(at)
    return {(period, moment - moment % HOUR): amount for period, amount in charges.items()}


def _add_hours(periods: Mapping[int, BudgetPeriod], hours: Hours) -> None:
    sums: Counter[tuple[int, datetime]] = Counter()
    for (period, start), amount in hours.items():
        if period in periods and periods[period].budget.rolling:
            sums[periods[period].budget_id, ids.instant(start)] += amount
    bulk.add_hours(sums)
