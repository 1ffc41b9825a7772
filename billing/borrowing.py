"""Borrowing: one transaction that lends money of several periods to one holder (docs/money.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.db.models import Q

from billing import database, ids, lending, periods, store
from billing.lending import Loan, Room, Want
from billing.models import Allowance, BudgetPeriod, Holder
from billing.room import counted_of, limits_at

WANTED = timedelta(seconds=10)


class HolderClosed(Exception):
    """The database has closed this holder, as it was thought lost: nothing is lent to it any more."""


def lender(machine: str) -> Callable[[str, Sequence[Want]], list[Loan]]:
    """Return what lends to a holder on ``machine``, for one thread: a connection that failed is not used again."""

    def lend(holder: str, wants: Sequence[Want]) -> list[Loan]:
        try:
            return borrow(holder, machine, wants)
        except database.AWAY as error:
            if not database.is_contention(error):
                database.give_back()
            raise

    return lend


def borrow(holder: str, machine: str, wants: Sequence[Want]) -> list[Loan]:
    """Lend what fits and return everything lent so far. Raises ``HolderClosed``, ``OperationalError``."""
    with database.writing():
        _lock(holder, machine)
        now = database.now()
        rows = _periods(wants)
        limits = limits_at((row.budget for row in rows.values()), now)
        counted = counted_of(rows.values(), now)
        loans = {}
        for want in wants:
            row = rows[want.budget, want.start]
            is_wanted = row.wanted_at is not None and row.wanted_at > now - WANTED
            room = Room(limits[want.budget], counted[row.pk], row.lent, is_wanted)
            loans[row] = lending.amount(want, room)
            if loans[row] < sum(lending.hopeful(want.needs, room)):
                row.wanted_at = now
        allowances = _grant(holder, loans)
    return [
        Loan(
            row.budget_id,
            row.start,
            row.pk,
            allowances[row.pk].granted,
            limits[row.budget_id] - counted[row.pk],
            allowances[row.pk].used,
        )
        for row in loans
    ]


def _lock(holder: str, machine: str) -> None:
    locked = Holder.objects.select_for_update().filter(pk=holder).values_list("closed_at", flat=True)
    found = list(locked)
    if not found:
        store.register(holder, machine, ids.instant(ids.moment(holder)))
        found = list(locked.all())
    if found[0] is not None:
        raise HolderClosed(holder)


def _periods(wants: Sequence[Want]) -> dict[tuple[int, datetime], BudgetPeriod]:
    """Return the rows, locked; made where this is the first touch of a period."""
    keys = sorted({(want.budget, want.start) for want in wants})
    chosen = Q()
    for budget, start in keys:
        chosen |= Q(budget=budget, start=start)
    known = dict.fromkeys(BudgetPeriod.objects.filter(chosen).values_list("budget_id", "start"))
    missing = [BudgetPeriod(budget_id=budget, start=start) for budget, start in keys if (budget, start) not in known]
    if missing:
        BudgetPeriod.objects.bulk_create(missing, ignore_conflicts=True)
    wanted = BudgetPeriod.objects.filter(chosen).values_list("pk", flat=True)
    return {(row.budget_id, row.start): row for row in periods.locked(wanted).values()}


def _grant(holder: str, loans: dict[BudgetPeriod, int]) -> dict[int, Allowance]:
    """Write what is lent; return the holder's allowances by period."""
    for row, amount in loans.items():
        row.lent += amount
    BudgetPeriod.objects.bulk_update(loans, ["lent", "wanted_at"])
    amounts = {row.pk: amount for row, amount in loans.items()}
    known = {row.period_id: row for row in Allowance.objects.filter(holder=holder, period__in=amounts)}
    for row in known.values():
        row.granted += amounts[row.period_id]
    Allowance.objects.bulk_update(known.values(), ["granted"])
    fresh = [Allowance(holder_id=holder, period_id=pk, granted=amounts[pk]) for pk in amounts if pk not in known]
    Allowance.objects.bulk_create(fresh)
    return known | {row.period_id: row for row in fresh}
