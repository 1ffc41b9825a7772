"""Signing in and out, and the lock after too many failed tries."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.test import Client

from accounts import roles
from accounts.models import User

PASSWORD = "correct horse battery"
PAGE = "/accounts/login/"


@pytest.fixture(autouse=True)
def _settings(settings):
    settings.AUTHENTICATION_BACKENDS = ["accounts.signin.Backend"]
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def dev(db: None) -> User:
    return User.objects.create_user("dev@example.com", PASSWORD, role=roles.ADMIN)


def sign_in(client: Client, email: str = "dev@example.com", password: str = PASSWORD, address: str = "203.0.113.9"):
    return client.post(PAGE, {"username": email, "password": password}, REMOTE_ADDR=address)


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def events() -> list[str]:
    entries = LogEntry.objects.filter(action=LogEntry.Action.ACCESS).order_by("pk")
    return [entry.additional_data["event"] for entry in entries]


def test_the_page_is_there(client, db):
    answer = client.get(PAGE)
    assert answer.status_code == 200
    assert b'name="password"' in answer.content


def test_an_admin_comes_to_the_admin_pages_and_the_address_may_be_typed_in_capitals(client, dev):
    answer = sign_in(client, "DEV@Example.com")
    assert (answer.status_code, answer.headers["location"]) == (302, "/admin/")
    assert is_signed_in(client)


def test_a_member_comes_to_the_home_page(client, db):
    User.objects.create_user("m@example.com", PASSWORD)
    assert sign_in(client, "m@example.com").headers["location"] == "/"


def test_it_leads_back_to_where_one_came_from_and_nowhere_else(client, dev):
    for target, place in {"/admin/accounts/": "/admin/accounts/", "https://evil.example/": "/admin/"}.items():
        answer = client.post(f"{PAGE}?next={target}", {"username": dev.email, "password": PASSWORD})
        assert answer.headers["location"] == place
        client.logout()


@pytest.mark.parametrize("wrong", ["password", "address", "inactive"])
def test_every_failure_looks_the_same(wrong, client, dev):
    User.objects.create_user("gone@example.com", PASSWORD, is_active=False)
    answer = {
        "password": lambda: sign_in(client, password="wrong"),
        "address": lambda: sign_in(client, "nobody@example.com"),
        "inactive": lambda: sign_in(client, "gone@example.com"),
    }[wrong]()
    assert b"No active user has this e-mail and password." in answer.content
    assert not is_signed_in(client)


def test_signing_in_failing_and_signing_out_stand_in_the_log_with_who_and_from_where(client, dev):
    sign_in(client, password="wrong")
    sign_in(client)
    client.post("/accounts/logout/", REMOTE_ADDR="203.0.113.9")
    assert events() == ["failed sign-in", "signed in", "signed out"]
    entries = list(LogEntry.objects.filter(action=LogEntry.Action.ACCESS).order_by("pk"))
    assert {entry.remote_addr for entry in entries} == {"203.0.113.9"}
    assert {entry.object_repr for entry in entries} == {dev.email}
    assert [entry.actor for entry in entries] == [None, dev, dev]


def test_a_password_typed_where_the_address_belongs_is_not_written_down(client, dev):
    sign_in(client, PASSWORD)
    assert events() == ["failed sign-in"]
    assert PASSWORD not in str(list(LogEntry.objects.values()))


def test_after_five_failures_the_right_password_is_refused_too_and_the_page_says_so(client, dev):
    for _ in range(5):
        sign_in(client, password="wrong")
    answer = sign_in(client)
    assert b"Too many failed tries. Wait 15 minutes" in answer.content
    assert not is_signed_in(client)


def test_the_lock_is_for_this_address_and_this_person_only(client, dev):
    for _ in range(5):
        sign_in(client, password="wrong")
    assert sign_in(client, address="198.51.100.1").status_code == 302
    User.objects.create_user("other@example.com", PASSWORD)
    assert sign_in(client, "other@example.com").status_code == 302


def test_a_locked_pair_fills_no_table(client, dev):
    for _ in range(20):
        sign_in(client, password="wrong")
    assert events() == ["failed sign-in"] * 5


def test_the_lock_ends_after_15_minutes(client, dev):
    for _ in range(5):
        sign_in(client, password="wrong")
    for entry in LogEntry.objects.filter(action=LogEntry.Action.ACCESS):
        entry.timestamp -= timedelta(minutes=15)
        entry.save()
    assert sign_in(client).status_code == 302


def test_a_sign_in_in_between_begins_the_count_again(client, dev):
    for password in ["wrong"] * 4 + [PASSWORD] + ["wrong"] * 4 + [PASSWORD]:
        client.logout()
        answer = sign_in(client, password=password)
    assert answer.status_code == 302
    assert is_signed_in(client)


def test_the_admins_own_sign_in_page_is_behind_the_same_lock(client, dev):
    for _ in range(5):
        sign_in(client, password="wrong")
    client.post("/admin/login/", {"username": dev.email, "password": PASSWORD}, REMOTE_ADDR="203.0.113.9")
    assert not is_signed_in(client)
