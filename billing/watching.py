"""What posting notices about budgets: thresholds crossed, and whom an observed budget would have refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db.models import F
from django.db.models.functions import Now

from billing import calendars, clock, ids, room
from billing.lines import Settled
from billing.models import Alert, BudgetPeriod, ShadowRefusal

OBSERVE = "observe"


class Caller(NamedTuple):
    """Whom a shadow refusal is about; ids are 0 where there is none."""

    period: int
    user: int
    team: int
    api_key: int
    model: str


class Watch:
    """Looks at locked periods before and after they are charged; most budgets ask for neither, and cost nothing."""

    def __init__(self, charged: Iterable[BudgetPeriod]) -> None:
        watched = [row for row in charged if row.budget.alert_at or row.budget.mode == OBSERVE]
        now = clock.now()
        self._periods = {row.pk: row for row in watched}
        self._limits = room.limits_at((row.budget for row in watched), now) if watched else {}
        self._counted = room.counted_of(watched, now) if watched else {}

    def note_shadow_refusals(self, settled: Iterable[Settled]) -> None:
        """Count the requests that found no room where they were posted."""
        observed = {pk: row for pk, row in self._periods.items() if row.budget.mode == OBSERVE}
        if not observed:
            return
        counted = dict(self._counted)
        refused: dict[Caller, list[int]] = {}
        for line in sorted(settled, key=lambda line: line.id):
            for pk in observed.keys() & line.charges.keys():
                counted[pk] += line.charges[pk]
                if counted[pk] > self._limits[observed[pk].budget_id]:
                    refused.setdefault(_caller(pk, line), []).append(line.admitted_at)
        _count(refused)

    def alert(self, charges: Counter[int]) -> None:
        """Insert an alert for each threshold that the charges cross, once per period."""
        rows = [
            Alert(kind="budget", period=row, threshold=share, window=_window(row), created_at=Now())
            for pk, row in self._periods.items()
            for share in _crossed(row.budget.alert_at, self._limits[row.budget_id], self._counted[pk], charges[pk])
        ]
        if rows:
            Alert.objects.bulk_create(rows, ignore_conflicts=True)


def _crossed(thresholds: Iterable[float], limit: int, before: int, charge: int) -> list[float]:
    """Return the shares of ``limit`` that ``before`` had not reached and ``before + charge`` has."""
    return [share for share in thresholds if before < share * limit <= before + charge]


def _window(row: BudgetPeriod) -> int:
    """Return which window of a rolling budget this is: it may be told of again in the next one."""
    length = calendars.window_of(row.budget.period) if row.budget.rolling else None
    return int(clock.now_us() / 1e6 // length.total_seconds()) if length else 0


def _caller(period: int, line: Settled) -> Caller:
    return Caller(period, line.user or 0, line.team or 0, line.api_key or 0, line.model[:200])


def _count(refused: Mapping[Caller, list[int]]) -> None:
    for caller, moments in sorted(refused.items()):
        first, last = ids.instant(min(moments)), ids.instant(max(moments))
        key = {"period_id": caller.period, **caller._asdict()}
        del key["period"]
        row, is_new = ShadowRefusal.objects.get_or_create(
            **key, defaults={"requests": len(moments), "first_at": first, "last_at": last}
        )
        if not is_new:
            ShadowRefusal.objects.filter(pk=row.pk).update(requests=F("requests") + len(moments), last_at=last)
