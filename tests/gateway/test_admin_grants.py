"""Requests for more and grants on the admin's pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry

from accounts import roles
from accounts.models import Membership, ModelGrant, Team, User
from billing import clock, grants
from billing.models import Budget, Grant, RequestForMore

pytestmark = pytest.mark.django_db
USD = 10**10


@pytest.fixture
def people():
    made = {role: User.objects.create_user(f"{role}@example.com", role=role) for role, _ in roles.GATEWAY_ROLES}
    team = Team.objects.create(name="data")
    Membership.objects.create(user=made["member"], team=team)
    return made


@pytest.fixture
def admin(client, people):
    client.force_login(people["admin"])
    return client


@pytest.fixture
def budget(people):
    return Budget.objects.create(user=people["member"], amount=50 * USD)


@pytest.fixture
def asked(people, budget):
    team = Team.objects.get().pk
    return grants.ask_for_raise(people["member"], team, budget, 20 * USD, 7, "the <demo> is on Friday")


@pytest.fixture
def asked_model(people):
    return grants.ask_for_model(people["member"], Team.objects.get().pk, "gpt-5", 3, "to compare")


def page(request: RequestForMore, verb: str) -> str:
    return f"/admin/billing/requestformore/{request.pk}/{verb}/"


def test_the_list_opens_with_who_waits(admin, asked, asked_model):
    text = admin.get("/admin/billing/requestformore/").content.decode()
    assert "2 requests wait" in text
    assert "member@example.com" in text
    assert "$20.00" in text
    assert "gpt-5" in text
    assert "the &lt;demo&gt; is on Friday" in text


def test_nobody_waiting_is_said(admin):
    assert "Nobody waits for an answer" in admin.get("/admin/billing/requestformore/").content.decode()


def test_an_admin_approves_with_another_amount(admin, asked, people):
    form = admin.get(page(asked, "approve")).content.decode()
    assert 'value="20"' in form
    sent = admin.post(page(asked, "approve"), {"amount": "12.5", "days": "2", "answer": "enough"})
    assert sent.status_code == 302
    grant = Grant.objects.get()
    assert (grant.amount, grant.ends_at - grant.starts_at, grant.actor) == (
        125 * USD // 10, timedelta(days=2), people["admin"].email,
    )  # fmt: skip
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("approved", "enough")
    assert LogEntry.objects.filter(actor=people["admin"], content_type__model="requestformore").exists()
    text = admin.get(page(asked, "change")).content.decode()
    assert "approved" in text
    assert f"/admin/billing/grant/{grant.pk}/change/" in text


def test_a_model_is_approved(admin, asked_model):
    assert admin.post(page(asked_model, "approve"), {"days": "3", "answer": ""}).status_code == 302
    assert ModelGrant.objects.get().model == "gpt-5"


@pytest.mark.parametrize("amount", ["0", "-1", "x", "", "1e30", "0.00000000001"])
def test_an_amount_that_cannot_be_is_refused_in_the_form(admin, asked, amount):
    sent = admin.post(page(asked, "approve"), {"amount": amount, "days": "2"})
    assert sent.status_code == 200
    assert not Grant.objects.exists()


def test_an_admin_declines(admin, asked):
    assert admin.get(page(asked, "decline")).status_code == 200
    admin.post(page(asked, "decline"), {"answer": "next month"})
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == ("declined", "next month")
    assert not Grant.objects.exists()


def test_what_is_decided_is_not_decided_again(admin, asked):
    admin.post(page(asked, "decline"), {"answer": ""})
    assert admin.post(page(asked, "approve"), {"amount": "1", "days": "1"}).status_code == 403
    assert not Grant.objects.exists()


def test_a_viewer_looks_and_decides_nothing(client, people, asked):
    client.force_login(people["viewer"])
    assert client.get("/admin/billing/requestformore/").status_code == 200
    assert client.get(page(asked, "change")).status_code == 200
    for verb in ("approve", "decline"):
        assert client.post(page(asked, verb), {"amount": "1", "days": "1"}).status_code == 403
    assert client.get("/admin/billing/grant/add/").status_code == 403
    client.force_login(people["member"])
    assert client.get("/admin/billing/requestformore/").status_code == 302


def test_a_grant_is_given_unasked_and_ends_early(admin, budget, people):
    terms = {"budget": budget.pk, "amount": "5", "days": "30", "reason": "goodwill"}
    assert admin.get(f"/admin/billing/grant/add/?budget={budget.pk}").status_code == 200
    assert admin.post("/admin/billing/grant/add/", terms).status_code == 302
    grant = Grant.objects.get()
    assert (grant.amount, grant.actor, grant.reason) == (5 * USD, people["admin"].email, "goodwill")
    assert "in force" in admin.get("/admin/billing/grant/").content.decode()
    end = f"/admin/billing/grant/{grant.pk}/end/"
    assert "End now" in admin.get(end).content.decode()
    assert admin.post(end).status_code == 302
    grant.refresh_from_db()
    assert grant.ends_at <= clock.now() + timedelta(seconds=5)
    assert "ended" in admin.get(f"/admin/billing/grant/{grant.pk}/change/").content.decode()


def test_a_model_is_granted_unasked_and_ends_early(admin, people):
    terms = {"user": people["member"].pk, "model": "gpt-5", "days": "30", "reason": "a trial"}
    assert admin.post("/admin/accounts/modelgrant/add/", terms).status_code == 302
    grant = ModelGrant.objects.get()
    assert "gpt-5 for member@example.com" in admin.get("/admin/accounts/modelgrant/").content.decode()
    assert admin.post(f"/admin/accounts/modelgrant/{grant.pk}/end/").status_code == 302
    grant.refresh_from_db()
    assert grant.ends_at <= clock.now() + timedelta(seconds=5)


def test_a_viewer_ends_nothing(client, people, budget):
    grant = grants.give(budget, USD, 1, "admin", "")
    client.force_login(people["viewer"])
    assert client.get(f"/admin/billing/grant/{grant.pk}/change/").status_code == 200
    assert client.post(f"/admin/billing/grant/{grant.pk}/end/").status_code == 403
