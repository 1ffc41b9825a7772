"""Budgets as pages show them: each with how it stands now, read in a few queries for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing import clock, standing
from billing.models import Budget
from billing.models.budgets import Scope
from billing.standing import Standing
from gateway.pages import purses
from gateway.pages.purses import Bar, Stand
from gateway.templatetags import figures


@dataclass(frozen=True)
class Purse:
    """One budget and how it stands."""

    standing: Standing
    now: datetime

    @property
    def budget(self) -> Budget:
        return self.standing.budget

    @cached_property
    def stand(self) -> Stand:
        each, budget = self.standing, self.budget
        enforced = budget.mode == "enforce"
        return Stand(each.amount, each.posted, each.lent, each.start, each.renews_at, enforced, budget.alert_at)

    @property
    def share(self) -> float:
        return self.stand.share

    @property
    def bar(self) -> Bar:
        return purses.bar(self.stand)

    @property
    def word(self) -> str:
        return purses.state(self.stand)[0]

    @property
    def tone(self) -> str:
        return purses.state(self.stand)[1]

    @property
    def is_short(self) -> bool:
        return self.tone != purses.OK

    @property
    def whose(self) -> str:
        return name_of(self.budget)

    @property
    def url(self) -> str:
        return url_of(self.budget)

    @property
    def amount(self) -> SafeString:
        """Return what may be spent, with what is counted."""
        return amount(self.budget, self.standing.amount)

    @property
    def granted(self) -> SafeString | None:
        return amount(self.budget, self.standing.granted) if self.standing.granted else None

    @property
    def spent(self) -> SafeString:
        return self._quantity(self.standing.posted)

    @property
    def reserved(self) -> SafeString | None:
        return self._quantity(self.standing.lent) if self.standing.lent else None

    @property
    def left(self) -> SafeString:
        return self._quantity(self.standing.left)

    @property
    def course(self) -> SafeString | None:
        atoms = purses.course(self.stand, self.now)
        return None if atoms is None else self._quantity(atoms)

    @property
    def is_on_course_over(self) -> bool:
        return (purses.course(self.stand, self.now) or 0) > self.standing.amount

    @property
    def when(self) -> str:
        return purses.when(self.budget.period, self.budget.rolling)

    @property
    def each(self) -> str:
        return purses.each(self.budget.period, self.budget.rolling)

    @property
    def renewal(self) -> str:
        budget = self.budget
        return purses.renewal(self.standing.renews_at, budget.timezone, budget.rolling and budget.period != "total")

    def _quantity(self, atoms: int) -> SafeString:
        return figures.quantity(atoms, self.budget.unit)


def amount(budget: Budget, atoms: int) -> SafeString:
    """Return as "$500.00" or "1.2 M tokens"."""
    written = figures.quantity(atoms, budget.unit)
    if budget.unit == "usd":
        return written
    return format_html("{} {}", written, budget.unit if atoms != 1 else budget.unit.removesuffix("s"))


def name_of(scope: Scope) -> str:
    """Return whose a budget or a limit is; a key with its prefix, as names of keys repeat."""
    owner = scope.user or scope.team or ""
    if scope.api_key is not None:
        owner = f"{scope.api_key.name or 'unnamed'} ({scope.api_key.public_id})"
    return purses.named(scope.kind, str(owner), scope.model)


def url_of(budget: Budget) -> str:
    return reverse("admin:billing_budget_change", args=[budget.pk])


def purses_of(budgets: QuerySet[Budget], now: datetime) -> list[Purse]:
    """Return the budgets with how they stand, the nearest to its end first; those that only observe come last."""
    rows = budgets.select_related("user", "team", "api_key")
    found = [Purse(each, now) for each in standing.standings(rows, now)]
    return sorted(found, key=lambda purse: (purse.stand.is_enforced, purse.share), reverse=True)


def in_force() -> QuerySet[Budget]:
    """Return the budgets that bind somebody: those of keys that have ended bind nobody."""
    key_lives = Q(api_key__revoked_at=None) & (Q(api_key__expires_at=None) | Q(api_key__expires_at__gt=clock.now()))
    return Budget.objects.filter(Q(api_key=None) | key_lives, ended_at=None)


def tightest(purses: Iterable[Purse]) -> Purse | None:
    """Return the enforced budget with the least room, or where none is enforced any."""
    return max(purses, key=lambda purse: (purse.stand.is_enforced, purse.share), default=None)
