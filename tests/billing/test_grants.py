"""Requests for more and what is granted: who may, once only, and until when."""

from __future__ import annotations

from datetime import timedelta
from threading import Thread

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import roles
from accounts.models import Membership, ModelGrant, Team, User
from billing import database, grants
from billing.grants import NotForYou, NotPossible, UnknownRequest
from billing.models import Budget, BudgetPeriod, Grant, RequestForMore
from billing.standing import standings

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def team() -> Team:
    return Team.objects.create(name="data")


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice@example.com", role=roles.ADMIN)


@pytest.fixture
def bob(team) -> User:
    bob = User.objects.create_user("bob@example.com")
    Membership.objects.create(user=bob, team=team, role=roles.MANAGER)
    return bob


@pytest.fixture
def charlie(team) -> User:
    charlie = User.objects.create_user("charlie@example.com")
    Membership.objects.create(user=charlie, team=team)
    return charlie


@pytest.fixture
def dave() -> User:
    """A manager, of another team."""
    dave = User.objects.create_user("dave@example.com")
    Membership.objects.create(user=dave, team=Team.objects.create(name="sales"), role=roles.MANAGER)
    return dave


@pytest.fixture
def budget(charlie) -> Budget:
    return Budget.objects.create(user=charlie, amount=100)


@pytest.fixture
def asked(charlie, team, budget) -> RequestForMore:
    return grants.ask_for_raise(charlie, team.pk, budget, 50, 7, "the demo is on Friday")


def test_an_approved_raise_is_a_dated_grant_that_ends_by_itself(asked, bob, budget):
    decided = grants.approve(bob, asked.pk, answer="good luck")
    grant = Grant.objects.get()
    assert (decided.state, decided.decided_by, decided.answer, decided.grant) == (
        "approved",
        bob.email,
        "good luck",
        grant,
    )
    assert (grant.amount, grant.actor, grant.reason) == (50, bob.email, "the demo is on Friday")
    assert grant.ends_at - grant.starts_at == 7 * DAY
    now = database.now()
    assert [each.amount for each in standings([budget], now)] == [150]
    assert [each.amount for each in standings([budget], now + 7 * DAY)] == [100]
    assert [each.amount for each in standings([budget], now - DAY)] == [100]


def test_who_decides_may_grant_another_amount_for_other_days(asked, bob):
    decided = grants.approve(bob, asked.pk, amount=20, days=1)
    grant = Grant.objects.get()
    assert (grant.amount, grant.ends_at - grant.starts_at) == (20, DAY)
    assert (decided.amount, decided.days) == (20, 1)


def test_an_approved_model_is_a_grant_of_the_user(charlie, team, bob):
    asked = grants.ask_for_model(charlie, team.pk, "gpt-5", 3, "to compare")
    grants.approve(bob, asked.pk)
    grant = ModelGrant.objects.get()
    assert (grant.user, grant.model, grant.actor) == (charlie, "gpt-5", bob.email)
    assert grant.ends_at - grant.starts_at == 3 * DAY


@pytest.mark.parametrize("decide", [grants.approve, grants.decline])
def test_nobody_else_decides(asked, charlie, dave, decide):
    with pytest.raises(NotForYou):
        decide(charlie, asked.pk)
    with pytest.raises(UnknownRequest):
        decide(dave, asked.pk)
    viewer = User.objects.create_user("vera@example.com", role=roles.VIEWER)
    with pytest.raises(NotForYou):
        decide(viewer, asked.pk)
    assert not Grant.objects.exists()


def test_a_manager_does_not_decide_their_own_request_and_an_admin_does(bob, alice, team):
    budget = Budget.objects.create(team=team, amount=100)
    of_bob = grants.ask_for_raise(bob, team.pk, budget, 50, 7, "more")
    with pytest.raises(NotForYou):
        grants.approve(bob, of_bob.pk)
    of_alice = grants.ask_for_raise(alice, None, budget, 50, 7, "more")
    assert grants.approve(alice, of_alice.pk).state == "approved"
    assert grants.approve(alice, of_bob.pk).state == "approved"


def test_the_gateways_own_budget_is_raised_by_an_admin_only(charlie, team, bob, alice):
    asked = grants.ask_for_raise(charlie, team.pk, Budget.objects.create(amount=100), 50, 7, "more")
    with pytest.raises(UnknownRequest):
        grants.approve(bob, asked.pk)
    assert grants.approve(alice, asked.pk).state == "approved"


def test_whoever_left_the_team_is_no_concern_of_its_manager(asked, charlie, bob, alice):
    charlie.memberships.all().delete()
    with pytest.raises(UnknownRequest):
        grants.approve(bob, asked.pk)
    assert grants.decline(alice, asked.pk).state == "declined"


@pytest.mark.parametrize("first", [grants.approve, grants.decline])
@pytest.mark.parametrize("second", [grants.approve, grants.decline])
def test_what_is_decided_stays_decided(asked, alice, bob, charlie, first, second):
    first(bob, asked.pk)
    with pytest.raises(NotPossible):
        second(alice, asked.pk)
    with pytest.raises(NotPossible):
        grants.withdraw(charlie, asked.pk)
    assert Grant.objects.count() == (first is grants.approve)


def test_two_who_approve_at_once_grant_once(asked, alice, bob):
    outcomes: list[str] = []

    def approve(user: User) -> None:
        try:
            outcomes.append(grants.approve(user, asked.pk).state)
        except NotPossible:
            outcomes.append("too late")
        finally:
            connection.close()

    threads = [Thread(target=approve, args=[user]) for user in (alice, bob, alice, bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["approved", "too late", "too late", "too late"]
    assert Grant.objects.count() == 1


def test_only_who_asked_withdraws(asked, charlie, bob):
    with pytest.raises(NotForYou):
        grants.withdraw(bob, asked.pk)
    assert grants.withdraw(charlie, asked.pk).state == "withdrawn"
    with pytest.raises(NotPossible):
        grants.approve(bob, asked.pk)


def test_a_budget_that_has_ended_is_not_raised(asked, bob, budget):
    Budget.objects.update(ended_at=database.now())
    with pytest.raises(NotPossible, match="ended"):
        grants.approve(bob, asked.pk)
    assert RequestForMore.objects.get().state == "waiting"


def test_the_same_is_not_asked_for_twice_and_not_too_much_at_a_time(asked, charlie, team, budget):
    with pytest.raises(NotPossible, match="already"):
        grants.ask_for_raise(charlie, team.pk, budget, 10, 1, "again")
    for number in range(grants.MOST_WAITING - 1):
        grants.ask_for_model(charlie, team.pk, f"model-{number}", 1, "try")
    with pytest.raises(NotPossible, match="waiting"):
        grants.ask_for_model(charlie, team.pk, "one-more", 1, "try")


def test_who_sees_which_requests(asked, alice, bob, charlie, dave):
    others = grants.ask_for_model(dave, None, "gpt-5", 1, "mine")
    seen = {user.email: {row.pk for row in grants.seen_by(user.as_person())} for user in (alice, bob, charlie, dave)}
    assert seen == {
        alice.email: {asked.pk, others.pk},
        bob.email: {asked.pk},
        charlie.email: {asked.pk},
        dave.email: {others.pk},
    }


def test_a_grant_ends_early_and_what_processes_hold_is_called_back(asked, alice, budget):
    period = BudgetPeriod.objects.create(budget=budget, start=standings([budget], database.now())[0].start)
    grant = grants.approve(alice, asked.pk).grant
    grants.end(grant)
    assert [each.amount for each in standings([budget], database.now())] == [100]
    period.refresh_from_db()
    assert period.wanted_at is not None
    ended_at = Grant.objects.get().ends_at
    grants.end(grant)
    assert Grant.objects.get().ends_at == ended_at


def test_a_granted_model_ends_early(charlie, team, alice):
    grants.approve(alice, grants.ask_for_model(charlie, team.pk, "gpt-5", 3, "to compare").pk)
    grants.end(ModelGrant.objects.get())
    assert ModelGrant.objects.get().ends_at <= database.now()


@pytest.mark.parametrize("change", [{"amount": 1}, {"actor": "eve"}, {"ends_at": "2199-01-01T00:00:00Z"}])
def test_a_grant_changes_in_nothing_but_an_earlier_end(asked, alice, change):
    grants.approve(alice, asked.pk)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Grant.objects.update(**change)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Grant.objects.update(**change, reason="changed")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        connection.cursor().execute("DELETE FROM billing_grant")
