"""The budgets in force and whom they bind, read once and looked up without a query."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from billing import calendars
from billing.models import Budget
from billing.scopes import Payer, binds

ENFORCE = "enforce"


class Terms(NamedTuple):
    """One budget; ``amount`` is in atoms of ``unit``, without what is granted on top."""

    id: int
    user_id: int | None
    team_id: int | None
    api_key_id: int | None
    model: str
    amount: int
    unit: str
    period: str
    timezone: str
    rolling: bool
    mode: str

    @property
    def is_enforced(self) -> bool:
        return self.mode == ENFORCE

    def start_of(self, at: datetime) -> datetime:
        return calendars.start_of(self.period, self.timezone, self.rolling, at)

    def end_of(self, start: datetime) -> datetime | None:
        return calendars.end_of(self.period, self.timezone, self.rolling, start)


class BudgetTable:
    """All budgets in force; never changes."""

    def __init__(self, budgets: Iterable[Terms] = ()) -> None:
        self.by_id = {terms.id: terms for terms in budgets}
        self.binding = lru_cache(maxsize=4096)(self._binding) if self.by_id else _none

    def _binding(self, payer: Payer, models: tuple[str, ...]) -> tuple[Terms, ...]:
        """Return the budgets that a call of ``payer`` by these names counts against, in the order of their ids."""
        return tuple(terms for terms in self.by_id.values() if binds(terms, payer, models))


def _none(payer: Payer, models: tuple[str, ...]) -> tuple[Terms, ...]:
    return ()


def load() -> BudgetTable:
    rows = Budget.objects.filter(ended_at=None).order_by("pk").values_list(*Terms._fields)
    return BudgetTable(map(Terms._make, rows))
