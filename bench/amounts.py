"""What the scene's people may spend, and how fast: budgets in every state, with the periods behind them."""

from __future__ import annotations

from datetime import datetime, timedelta

from accounts.models import ApiKey, Team, User
from billing import calendars, clock, grants, reports
from billing.fields import to_atoms
from billing.models import Budget, BudgetHour, BudgetPeriod, Grant, Limit, ShadowRefusal

PERIODS = 3
DAY = timedelta(days=1)


def fill(users: dict[str, User], teams: dict[str, Team], keys: list[ApiKey]) -> None:
    """Amounts are shares of what is really spent, so that the picture is the same on every day of the month."""
    grace = users["grace@example.com"]
    _budget(1.6, timezone="Europe/Berlin", alert_at=[0.5, 0.8, 1])
    granted = _budget(0.9, team=teams["search"], alert_at=[0.8])
    _budget(1.04, team=teams["support"], timezone="America/New_York")
    _budget(0.7, user=grace, mode="observe", alert_at=[0.9])
    _budget(3, user=users["alan@example.com"], unit="tokens")
    _budget(1.3, user=users["alan@example.com"], unit="requests", period="day")
    _budget(0.97, api_key=keys[8], period="total")
    _budget(2, model="gpt-5", period="week")
    rolling = _budget(4, team=teams["docs"], period="week", rolling=True)
    BudgetHour.objects.create(budget=rolling, hour=clock.now().replace(minute=0), posted=rolling.amount // 4)
    ended = _budget(1.2, team=teams["docs"])
    Budget.objects.filter(pk=ended.pk).update(ended_at=clock.now() - 3 * DAY)
    now = clock.now()
    Grant.objects.create(
        budget=granted, amount=granted.amount // 4, starts_at=now - DAY, ends_at=now + 5 * DAY,
        actor="ada@example.com", reason="the quarter's evaluation runs until Friday",
    )  # fmt: skip
    _refusals(grace)
    _asked(users, teams["search"], granted)
    Limit.objects.create(team=teams["data"], rpm=600, tpm=1_000_000, parallel=50)
    Limit.objects.create(user=grace, model="gpt-5", rpm=20)
    Limit.objects.create(api_key=keys[8], parallel=4)
    Limit.objects.create(model="gpt-*", tpm=4_000_000)


def _budget(times: float, *, unit: str = "usd", **fields: object) -> Budget:
    """Make a budget of so many times what was spent in this period, and its periods."""
    budget = Budget(amount=0, unit=unit, **fields)
    now = clock.now()
    spent = _spent(budget, calendars.start_of(budget.period, budget.timezone, budget.rolling, now), now)
    budget.amount = _round(spent * times, unit)
    budget.save()
    at = now
    for number in range(1 if budget.rolling or budget.period == "total" else PERIODS):
        start = calendars.start_of(budget.period, budget.timezone, budget.rolling, at)
        posted = _spent(budget, start, calendars.end_of(budget.period, budget.timezone, budget.rolling, start) or now)
        BudgetPeriod.objects.create(
            budget=budget, start=start, posted=posted, lent=0 if number else _lent(budget, posted)
        )
        at = start - timedelta(hours=1)
    return budget


def _lent(budget: Budget, posted: int) -> int:
    return max(0, min(budget.amount // 25, (budget.amount - posted) // 2))


def _spent(budget: Budget, start: datetime, end: datetime) -> int:
    owner = budget.user or budget.team or budget.api_key
    dimension = budget.kind if budget.kind != "key" else "api_key"
    value = str(owner.pk) if owner else budget.model
    if not owner:
        dimension = "model" if budget.model else reports.WHOLE
    sums = reports.total(max(start, clock.now() - 60 * DAY), end, dimension, value)
    return to_atoms(sums.cost) if budget.unit == "usd" else getattr(sums, budget.unit)


def _round(atoms: float, unit: str) -> int:
    """Return two digits and zeros, as people choose amounts."""
    size = 10 ** max(0, len(str(int(atoms))) - 2)
    return max(int(atoms) // size * size, 10**9 if unit == "usd" else 100)


def _asked(users: dict[str, User], team: Team, budget: Budget) -> None:
    ada, alan = users["ada@example.com"], users["alan@example.com"]
    long = next(user for email, user in users.items() if len(email) > 40)
    approved = grants.ask_for_raise(alan, team.pk, budget, budget.amount // 10, 30, "a colleague has joined")
    grants.approve(ada, approved.pk, answer="welcome")
    declined = grants.ask_for_model(alan, team.pk, "gpt-5", 14, "to compare")
    grants.decline(ada, declined.pk, answer="gpt-4o is there for that")
    grants.ask_for_raise(
        alan, team.pk, budget, budget.amount // 5, 7,
        "The demo for the board is on Friday, and the evaluation runs through the night before it.",
    )  # fmt: skip
    grants.ask_for_model(long, team.pk, "claude-sonnet-4-5", 14, "to compare it with what answers customers now")
    grants.give_model(alan, "claude-*", 30, ada.email, "the pilot of the support team")


def _refusals(user: User) -> None:
    period = BudgetPeriod.objects.filter(budget__user=user).order_by("-start").first()
    for model, requests in (("gpt-4o", 214), ("house-model-with-a-name-that-is-quite-long-2026-11-preview", 3)):
        at = clock.now() - timedelta(minutes=requests)
        ShadowRefusal.objects.create(
            period=period, user=user.pk, team=1, api_key=3, model=model, requests=requests, first_at=at, last_at=at
        )
