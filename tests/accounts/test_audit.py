"""Who changed what: the audit log of everything that is configuration."""

from __future__ import annotations

import asyncio

import pytest
from asgiref.sync import sync_to_async
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts import audit
from accounts.audit import audited
from accounts.middleware import audit as middleware
from accounts.models import Team, User
from gateway.configuration.tables import TABLES
from providers.models import Provider
from providers.secrets import encrypt

pytestmark = pytest.mark.django_db


def test_everything_that_is_configuration_is_logged():
    assert {table.model for table in TABLES} <= set(auditlog.get_models())


def test_before_and_after_stand_in_the_log():
    team = Team.objects.create(name="data", models_allowed=["gpt-*"])
    with audited("tollgate apply (alice)", reason="file tollgate.yaml"):
        team.models_allowed = ["claude"]
        team.save()
    changed = LogEntry.objects.get_for_object(team).first()
    assert changed.changes == {"models_allowed": ['["gpt-*"]', '["claude"]']}
    assert changed.additional_data == {"by": "tollgate apply (alice)", "reason": "file tollgate.yaml"}
    assert changed.actor is None


def test_the_inner_origin_holds_and_the_outer_comes_back():
    with audited("outer"):
        with audited("inner"):
            inner = Team.objects.create(name="a")
        outer = Team.objects.create(name="b")
    after = Team.objects.create(name="c")
    by = [LogEntry.objects.get_for_object(team).get().additional_data for team in (inner, outer, after)]
    assert by == [{"by": "inner"}, {"by": "outer"}, None]


def test_a_changed_secret_is_seen_to_have_changed_and_nothing_more():
    provider = Provider.objects.create(name="openai", secret=encrypt("first"), options={"headers": {"x-key": "hush"}})
    provider.secret, provider.options = encrypt("second"), {"headers": {"x-key": "hush hush"}, "allow_private": True}
    provider.save()
    changed, made = LogEntry.objects.get_for_object(provider)
    assert made.changes["secret"] == ["", "(hidden)"]
    assert changed.changes["secret"] == ["(hidden)", "(hidden)"]
    assert "allow_private" in changed.changes["options"][1]
    assert "hush" not in str(list(LogEntry.objects.values()))


def test_a_changed_password_is_seen_to_have_changed_and_nothing_more():
    user = User.objects.create_user("dev@example.com", "correct horse battery")
    user.set_password("another horse battery")
    user.save()
    assert LogEntry.objects.get_for_object(user).first().changes == {"password": ["(hidden)", "(hidden)"]}


def test_an_entry_is_signed_once_and_keeps_its_author():
    with audited("alice"):
        entry = LogEntry.objects.get_for_object(Team.objects.create(name="a")).get()
    with audited("bob"):
        entry.save()
    assert LogEntry.objects.get(pk=entry.pk).additional_data == {"by": "alice"}


@pytest.fixture
def request_of(rf: RequestFactory):
    def make(user: User | AnonymousUser) -> HttpRequest:
        request = rf.get("/", REMOTE_ADDR="203.0.113.9")
        request.user = user
        return request

    return make


def make_team(request: HttpRequest) -> HttpResponse:
    Team.objects.create(name="data")
    return HttpResponse()


def test_pages_sign_with_who_is_signed_in_and_from_where(request_of):
    user = User.objects.create_user("dev@example.com")
    middleware(make_team)(request_of(user))
    entry = LogEntry.objects.get_for_model(Team).get()
    assert (entry.actor, entry.actor_email, entry.remote_addr) == (user, "dev@example.com", "203.0.113.9")


def test_pages_nobody_is_signed_in_to_sign_with_the_address(request_of):
    middleware(make_team)(request_of(AnonymousUser()))
    entry = LogEntry.objects.get_for_model(Team).get()
    assert (entry.actor, entry.remote_addr) == (None, "203.0.113.9")


def test_behind_a_trusted_proxy_the_address_is_the_clients(request_of, settings):
    settings.TRUSTED_PROXIES = ["203.0.113.0/24"]
    request = request_of(AnonymousUser())
    request.META["HTTP_X_FORWARDED_FOR"] = "198.51.100.7"
    middleware(make_team)(request)
    assert LogEntry.objects.get_for_model(Team).get().remote_addr == "198.51.100.7"


@pytest.mark.django_db(transaction=True)
def test_async_pages_at_the_same_time_sign_each_with_their_own(request_of):
    people = [User.objects.create_user(f"{name}@example.com") for name in ("alice", "bob")]

    async def page(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        await sync_to_async(Team.objects.create)(name=request.user.email)
        return HttpResponse()

    async def both() -> None:
        await asyncio.gather(*(middleware(page)(request_of(user)) for user in people))

    asyncio.run(both())
    entries = LogEntry.objects.get_for_model(Team)
    assert {(entry.object_repr, entry.actor_email) for entry in entries} == {
        (user.email, user.email) for user in people
    }


def test_an_event_without_a_change_has_its_facts():
    user = User.objects.create_user("dev@example.com")
    audit.record(user, "exported", rows=3)
    assert LogEntry.objects.get_for_object(user).first().additional_data == {"event": "exported", "rows": 3}
