"""GET /v1/budgets: every budget that binds the caller's key, and what is left of it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework.request import Request

from accounts import roles
from accounts.callers import Caller
from billing import clock, database, standing
from billing.models import Budget, Grant
from billing.standing import Standing, in_unit
from gateway import handles
from gateway.asking import in_database
from gateway.callers import person_of
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of
from gateway.written import moment, quantity


class Budgets(ApiView):
    """List the budgets of the gateway, the team, the user and the key that a call with this key counts against."""

    async def get(self, request: Request) -> Reply:
        return Reply.json(await in_database(_answer, inquiry_of(request).caller, clock.now()))


def binding(caller: Caller) -> QuerySet[Budget]:
    """Return the budgets that bind calls of this key, for any model."""
    whose = Q(user=None, team=None, api_key=None) | Q(api_key=caller.key_id)
    if caller.user_id is not None:
        whose |= Q(user=caller.user_id)
    if caller.team_id is not None:
        whose |= Q(team=caller.team_id)
    return Budget.objects.filter(whose, ended_at=None).order_by("pk")


def _answer(caller: Caller, now: datetime) -> dict[str, Any]:
    with database.reading():
        standings = standing.standings(binding(caller).select_related("user", "team", "api_key"), now)
        grants = _grants(standings, now)
        sees_all = caller.user_id is not None and roles.may(person_of(caller), roles.SEE_SPEND)
    data = [
        described(each, grants[each.budget.pk], told=sees_all or each.budget.kind != "gateway") for each in standings
    ]
    return {"object": "list", "data": data}


def _grants(standings: list[Standing], now: datetime) -> dict[int, list[Grant]]:
    found: dict[int, list[Grant]] = defaultdict(list)
    budgets = [each.budget.pk for each in standings]
    for grant in Grant.objects.filter(budget__in=budgets, starts_at__lte=now, ends_at__gt=now).order_by("ends_at"):
        found[grant.budget_id].append(grant)
    return found


def described(standing: Standing, grants: list[Grant], *, told: bool) -> dict[str, Any]:
    """Return a budget as its callers see it. Of the whole gateway's amounts they are ``told`` the used share only."""
    budget = standing.budget
    return {
        "id": handles.written("budget", budget.pk),
        "object": "budget",
        "scope": budget.kind,
        "owner": _owner(budget),
        "model": budget.model or None,
        "unit": budget.unit,
        "period": budget.period,
        "rolling": budget.rolling,
        "timezone": budget.timezone,
        "mode": budget.mode,
        **_amounts(standing, told),
        "used": used(standing),
        "grants": [_grant(budget, grant) for grant in grants if told],
        "alert_at": budget.alert_at,
        "started_at": None if budget.rolling or budget.period == "total" else moment(standing.start),
        "renews_at": moment(standing.renews_at),
    }


def used(standing: Standing) -> float:
    """Return the share that is spent or reserved."""
    taken = standing.posted + standing.lent
    return round(taken / standing.amount, 2) if standing.amount > 0 else 1.0


def _amounts(standing: Standing, told: bool) -> dict[str, Any]:
    atoms = {
        "amount": standing.budget.amount,
        "granted": standing.granted,
        "spent": standing.posted,
        "reserved": standing.lent,
        "left": standing.left,
    }
    return {name: quantity(in_unit(standing.budget, value)) if told else None for name, value in atoms.items()}


def _grant(budget: Budget, grant: Grant) -> dict[str, Any]:
    return {"amount": quantity(in_unit(budget, grant.amount)), "ends_at": moment(grant.ends_at)}


def _owner(budget: Budget) -> str | None:
    owner = budget.user or budget.team or budget.api_key
    return None if owner is None else str(owner)
