"""/v1/requests: asking for a raise or a model, looking at what was asked, deciding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.request import Request

from accounts import roles
from accounts.audit import audited
from accounts.callers import Caller
from accounts.middleware import address_of
from accounts.models import Membership
from billing import clock, database, grants
from billing.models import Budget, RequestForMore
from billing.standing import in_unit
from gateway import handles, runtime
from gateway.asking import in_database
from gateway.callers import person_of, user_of
from gateway.errors import NotAllowed
from gateway.fieldchecks import Invalid
from gateway.more_body import Asked, Decision, asked, atoms, decision
from gateway.more_query import MoreQuery, more_query
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of
from gateway.views.budgets import binding
from gateway.written import moment, quantity


class RequestsForMore(ApiView):
    """Ask for more of a budget or for a model; list what was asked."""

    async def post(self, request: Request) -> Reply:
        wanted = asked(inquiry_of(request).body, grants.MOST_DAYS)
        caller = inquiry_of(request).caller
        if wanted.kind == "model":
            _check_model(caller, wanted.model)
        return Reply.json(await in_database(_ask, caller, address_of(request._request), wanted))

    async def get(self, request: Request) -> Reply:
        query = more_query(request.query_params.lists())
        return Reply.json(await in_database(_list, inquiry_of(request).caller, query))


class RequestForMoreView(ApiView):
    """Describe one request."""

    async def get(self, request: Request, handle: str) -> Reply:
        return Reply.json(await in_database(_one, inquiry_of(request).caller, handle))


class _Decision(ApiView):
    """Decide one request: the body may be left out."""

    body_is_optional = True
    may_change: ClassVar[bool] = False
    decide: ClassVar[Callable[..., RequestForMore]]

    async def post(self, request: Request, handle: str) -> Reply:
        inquiry = inquiry_of(request)
        given = decision(inquiry.body, grants.MOST_DAYS, may_change=self.may_change)
        address = address_of(request._request)
        return Reply.json(await in_database(_decide, inquiry.caller, address, self.decide, handle, given))


class Approve(_Decision):
    """Grant what is asked for, or another amount or other days."""

    may_change = True
    decide = staticmethod(grants.approve)


class Decline(_Decision):
    """Grant nothing."""

    decide = staticmethod(grants.decline)


class Withdraw(_Decision):
    """Take back one's own request."""

    decide = staticmethod(grants.withdraw)


def _check_model(caller: Caller, model: str) -> None:
    runtime.current().configuration.routes.resolve(model)
    if caller.may_use(model, clock.now()):
        raise grants.NotPossible(f"This API key may use the model '{model}' already.")


def _ask(caller: Caller, address: str | None, wanted: Asked) -> dict[str, Any]:
    user = user_of(caller)
    team = _team(caller, wanted.team)
    with audited(user, address):
        if wanted.kind == "model":
            return described(grants.ask_for_model(user, team, wanted.model, wanted.days, wanted.reason))
        budget = _budget(caller, wanted.budget)
        amount = atoms(wanted.amount, budget.unit)
        return described(grants.ask_for_raise(user, team, budget, amount, wanted.days, wanted.reason))


def _team(caller: Caller, name: str) -> int | None:
    """Return whose managers may decide: the named team's, the key's, or of the only one the user is in."""
    teams = dict(Membership.objects.filter(user=caller.user_id).values_list("team__name", "team"))
    if name:
        if name not in teams:
            raise Invalid("You are not in a team of this name.", "team")
        return teams[name]
    if caller.team_id is not None:
        return caller.team_id
    return next(iter(teams.values())) if len(teams) == 1 else None


def _budget(caller: Caller, handle: object) -> Budget:
    budget = binding(caller).filter(pk=handles.read("budget", handle)).first()
    if budget is None:
        raise Invalid("No budget of this id binds you. GET /v1/budgets lists those that do.", "budget")
    return budget


def _list(caller: Caller, query: MoreQuery) -> dict[str, Any]:
    with database.reading():
        found = _scoped(caller, query.scope).order_by("-pk").select_related("user", "team", "budget", "grant")
        if query.state:
            found = found.filter(state=query.state)
        if query.after is not None:
            found = found.filter(pk__lt=query.after)
        rows = list(found[: query.limit + 1])
    data = [described(row) for row in rows[: query.limit]]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return {"object": "list", "data": data, **ends, "has_more": len(rows) > query.limit}


def _scoped(caller: Caller, scope: str) -> QuerySet[RequestForMore]:
    person = person_of(caller)
    if scope == "mine":
        return RequestForMore.objects.filter(user=person.id)
    if scope == "team":
        return grants.decided_by(person)
    if not roles.may(person, roles.SEE_SPEND):
        raise NotAllowed("Only an admin or a viewer sees all requests; scope=team lists those that you decide.")
    return RequestForMore.objects.all()


def _one(caller: Caller, handle: str) -> dict[str, Any]:
    with database.reading():
        found = grants.seen_by(person_of(caller)).select_related("user", "team", "budget", "grant")
        return described(_known(found.filter(pk=_number(handle)).first(), handle))


def _decide(
    caller: Caller, address: str | None, decide: Callable[..., RequestForMore], handle: str, given: Decision
) -> dict[str, Any]:
    user, number = user_of(caller), _number(handle)
    changes = _changes(user.as_person(), number, given)
    with audited(user, address, given.answer):
        return described(decide(user, number, answer=given.answer, **changes))


def _changes(person: roles.Person, number: int, given: Decision) -> dict[str, int]:
    """Return what the decision changes of what was asked for, in atoms."""
    changes = {} if given.days is None else {"days": given.days}
    if given.amount is None:
        return changes
    request = grants.seen_by(person).select_related("budget").filter(pk=number).first()
    if request is not None and request.budget is None:
        raise Invalid("A model has no amount.", "amount")
    unit = request.budget.unit if request is not None else "usd"
    return {**changes, "amount": atoms(given.amount, unit)}


def _number(handle: str) -> int:
    number = handles.read("request", handle)
    if number is None:
        raise grants.UnknownRequest(handle)
    return number


def _known(request: RequestForMore | None, handle: str) -> RequestForMore:
    if request is None:
        raise grants.UnknownRequest(handle)
    return request


def described(request: RequestForMore) -> dict[str, Any]:
    return {
        "id": handles.written("request", request.pk),
        "object": "request_for_more",
        "kind": request.kind,
        "state": request.state,
        "user": request.user.email,
        "team": request.team and request.team.name,
        **_subject(request),
        "days": request.days,
        "reason": request.reason,
        "answer": request.answer or None,
        "decided_by": request.decided_by or None,
        "decided_at": moment(request.decided_at),
        "granted_until": moment(request.grant and request.grant.ends_at),
        "created_at": moment(request.created_at),
    }


def _subject(request: RequestForMore) -> dict[str, Any]:
    if request.budget is None:
        return {"model": request.model}
    budget = request.budget
    return {
        "budget": handles.written("budget", budget.pk),
        "unit": budget.unit,
        "amount": quantity(in_unit(budget, request.amount)),
    }
