"""Requests for more: who asks for what, who decides, and the grants that then hold until they end by themselves."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts import roles
from accounts.models import Membership, ModelGrant, Team, User
from accounts.roles import Owner, Person
from billing import database, recalls
from billing.models import Budget, Grant, RequestForMore

MOST_DAYS = 366
MOST_WAITING = 10
SECONDS = 3

WAITING, APPROVED, DECLINED, WITHDRAWN = "waiting", "approved", "declined", "withdrawn"


class UnknownRequest(Exception):
    """There is none of this number that this person may know of."""


class NotForYou(Exception):
    """This person may see the request, and not do this to it."""


class NotPossible(Exception):
    """What the state of things does not allow; the message says why."""


def ask_for_raise(user: User, team: int | None, budget: Budget, amount: int, days: int, reason: str) -> RequestForMore:
    """Ask for ``amount`` atoms on top of a budget for some days. ``team`` is whose managers may decide."""
    concerned = budget.team_id or team if budget.kind != "gateway" else None
    return _ask(RequestForMore(user=user, team_id=concerned, kind="raise", budget=budget, amount=amount), days, reason)


def ask_for_model(user: User, team: int | None, model: str, days: int, reason: str) -> RequestForMore:
    return _ask(RequestForMore(user=user, team_id=team, kind="model", model=model), days, reason)


def seen_by(person: Person) -> QuerySet[RequestForMore]:
    """Return the requests that this person made or may decide on, and for who sees all spend every one."""
    every = RequestForMore.objects.all()
    if roles.may(person, roles.SEE_SPEND):
        return every
    return every.filter(Q(user=person.id) | _of_managed(person))


def decided_by(person: Person) -> QuerySet[RequestForMore]:
    """Return the requests that this person may decide on, decided ones too."""
    every = RequestForMore.objects.all()
    return every if roles.may(person, roles.DECIDE) else every.filter(_of_managed(person)).exclude(user=person.id)


def may_decide(person: Person, request: RequestForMore) -> bool:
    return roles.may_decide(person, _asker(request))


def approve(
    user: User, number: int, *, answer: str = "", amount: int | None = None, days: int | None = None
) -> RequestForMore:
    """Grant what is asked for, or ``amount`` atoms and ``days`` instead, from now on, and return the request.

    Raises ``UnknownRequest``, ``NotForYou``, ``NotPossible``.
    """
    with database.writing(SECONDS):
        request = _locked(user.as_person(), number)
        _check_decider(user.as_person(), request)
        request.days = days or request.days
        if request.kind == "raise":
            request.amount = amount or request.amount
            request.grant = give(request.budget, request.amount, request.days, user.email, request.reason)
        else:
            give_model(request.user, request.model, request.days, user.email, request.reason, team=request.team)
        return _decided(request, APPROVED, user, answer)


def decline(user: User, number: int, *, answer: str = "") -> RequestForMore:
    """Raises as ``approve`` does."""
    with database.writing(SECONDS):
        request = _locked(user.as_person(), number)
        _check_decider(user.as_person(), request)
        return _decided(request, DECLINED, user, answer)


def withdraw(user: User, number: int, *, answer: str = "") -> RequestForMore:
    """Take back one's own request. Raises as ``approve`` does."""
    with database.writing(SECONDS):
        request = _locked(user.as_person(), number)
        if request.user_id != user.pk:
            raise NotForYou("Only who made a request withdraws it.")
        return _decided(request, WITHDRAWN, user, answer)


def give(budget: Budget, amount: int, days: int, actor: str, reason: str) -> Grant:
    """Let a budget have ``amount`` atoms on top from now on. Raises ``NotPossible``."""
    if budget.ended_at is not None:
        raise NotPossible("The budget has ended.")
    now = database.now()
    return Grant.objects.create(
        budget=budget, amount=amount, starts_at=now, ends_at=now + timedelta(days=days), actor=actor, reason=reason
    )


def give_model(user: User, model: str, days: int, actor: str, reason: str, *, team: Team | None = None) -> ModelGrant:
    """Let a user's keys use a model, whatever their lists say, from now on; not those of teams other than ``team``."""
    now = database.now()
    ends_at = now + timedelta(days=days)
    return ModelGrant.objects.create(
        user=user, team=team, model=model, starts_at=now, ends_at=ends_at, actor=actor, reason=reason
    )


def end(grant: Grant | ModelGrant) -> None:
    """End a grant now instead of when it would have ended; one that has ended already stays as it is."""
    with database.writing(SECONDS):
        now = database.now()
        current = type(grant).objects.select_for_update(of=("self",)).get(pk=grant.pk)
        if current.ends_at > now:
            current.ends_at = max(now, current.starts_at)
            current.save(update_fields=["ends_at"])
            if isinstance(current, Grant):
                recalls.recall(current.budget, now)
    grant.ends_at = current.ends_at


def _ask(request: RequestForMore, days: int, reason: str) -> RequestForMore:
    request.days, request.reason = days, reason
    with database.writing(SECONDS):
        User.objects.select_for_update().get(pk=request.user_id)  # else two at a time could pass the most
        waiting = RequestForMore.objects.filter(user=request.user_id, state=WAITING)
        if waiting.count() >= MOST_WAITING:
            raise NotPossible(f"{MOST_WAITING} of your requests are waiting: withdraw one, or wait for an answer.")
        if waiting.filter(kind=request.kind, budget=request.budget_id, model=request.model).exists():
            raise NotPossible("You have asked for this already, and the request is waiting.")
        request.save()
    return request


def _of_managed(person: Person) -> Q:
    managed = [team for team in person.teams if roles.may(person, roles.DECIDE, Owner(team_id=team))]
    is_member = Exists(Membership.objects.filter(user=OuterRef("user"), team=OuterRef("team")))
    return Q(is_member, team__in=managed)


def _locked(person: Person, number: int) -> RequestForMore:
    request = seen_by(person).select_for_update(of=("self",)).filter(pk=number).first()
    if request is None:
        raise UnknownRequest(number)
    return request


def _check_decider(person: Person, request: RequestForMore) -> None:
    if not may_decide(person, request):
        raise NotForYou("Only a manager of the team or an admin decides this, and nobody but an admin their own.")


def _asker(request: RequestForMore) -> Owner:
    """Whoever has left the team is no concern of its managers any more."""
    is_member = Membership.objects.filter(user=request.user_id, team=request.team_id).exists()
    return Owner(request.user_id, request.team_id if is_member else None)


def _decided(request: RequestForMore, state: str, user: User, answer: str) -> RequestForMore:
    if request.state != WAITING:
        raise NotPossible(f"This request is {request.state} already.")
    request.state, request.decided_by, request.decided_at, request.answer = state, user.email, database.now(), answer
    request.save()
    return request
