"""What the scene's people were told of, and what its providers say they were owed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

from django.db.models import Sum

from accounts.models import Team
from billing import calendars, clock, comparing, reports
from billing.fields import to_atoms
from billing.models import Alert, Bill, Budget, BudgetPeriod, Verification
from gateway.alerts import signing
from gateway.models import AlertChannel
from providers.secrets import encrypt

BILLED_DAYS = 12
SNAPSHOTS = {"gpt-4o": "gpt-4o-2024-08-06", "gpt-4o-mini": "gpt-4o-mini-2024-07-18", "gpt-5": "gpt-5-2025-08-07"}


def fill(team: Team) -> None:
    channels = [
        AlertChannel.objects.create(kind="email", address="operators@example.com"),
        AlertChannel.objects.create(
            kind="webhook", address="https://hooks.example.com/tollgate", secret=encrypt(signing.new_secret())
        ),
        AlertChannel.objects.create(
            kind="slack",
            address="https://chat.example.com/… 3f9a2c",
            secret=encrypt("https://chat.example.com/made-up"),
        ),
    ]
    _alerts(team, [channel.pk for channel in channels])
    _bills()


def _alerts(team: Team, channels: list[int]) -> None:
    now = clock.now()
    budget = Budget.objects.create(team=team, amount=to_atoms(500), alert_at=[0.5, 0.8], timezone="Europe/Berlin")
    start = calendars.start_of(budget.period, budget.timezone, budget.rolling, now)
    period = BudgetPeriod.objects.create(budget=budget, start=start, posted=to_atoms("401.2"))
    for days, kind, fields in (
        (12, "budget", {"period": period, "threshold": 0.5, "delivered": channels, "tries": 1}),
        (0.02, "budget", {"period": period, "threshold": 0.8, "delivered": channels[:1], "tries": 3,
                          "error": "webhook hooks.example.com: it answered 503\nslack chat.example.com: no answer "
                                   "within 10 s", "next_at": now + timedelta(minutes=8)}),
        (5, "machine", {"text": "Nothing is heard from node-7 since 2026-11-16 04:12:09 UTC. What it holds of budgets "
                                "stays counted. It is written off after 30 minutes, or goes on when it comes back.",
                        "tries": 8, "delivered": channels[1:], "error": "email operators@example.com: e-mail is not "
                                                                        "configured: set TOLLGATE_EMAIL_URL"}),
    ):  # fmt: skip
        at = now - timedelta(days=days)
        sent_at = None if "next_at" in fields else at + timedelta(seconds=9)
        Alert.objects.create(kind=kind, created_at=at, sent_at=sent_at, **fields)
    Verification.objects.create(at=now - timedelta(hours=5), seconds=1.4, differences=0)


def _bills() -> None:
    first = clock.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=BILLED_DAYS)
    chance = random.Random(7)
    buckets = [_bucket(first + timedelta(days=n), chance) for n in range(BILLED_DAYS)]
    data = json.dumps({"object": "page", "data": buckets}).encode()
    comparing.take_in(
        data, provider="openai", name="costs of the first weeks of November.json", actor="ada@example.com"
    )
    Bill.objects.update(created_at=clock.now() - timedelta(hours=3))


def _bucket(start: datetime, chance: random.Random) -> dict[str, object]:
    """A day as its provider saw it: mostly the same, sometimes not."""
    amounts: dict[str, float] = {"dall-e-3": 0.04} if chance.random() < 0.2 else {}
    spent = reports.admitted_between(start, start + timedelta(days=1)).filter(provider="openai")
    for model, cost in spent.values_list("upstream_model").annotate(Sum("cost")).order_by():
        amounts[SNAPSHOTS.get(model, model)] = round(float(cost or 0) * chance.choice([1, 1, 1, 1, 0.97, 1.06]), 6)
    results = [
        {"amount": {"value": amount, "currency": "usd"}, "line_item": f"{model}, input"}
        for model, amount in amounts.items()
    ]
    return {"start_time": int(start.timestamp()), "end_time": int(start.timestamp()) + 86400, "results": results}
