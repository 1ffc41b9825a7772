"""Issuing, revoking and rotating keys."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts import issuing
from accounts.audit import audited
from accounts.keys import digest_of
from accounts.models import ApiKey, Team, User

HOUR = timedelta(hours=1)


def test_the_table_has_the_digest_and_not_the_secret(new_key):
    new = new_key(name="laptop")
    row = ApiKey.objects.values().get()
    assert row["digest"] == digest_of(new.secret)
    assert new.secret not in str(row)
    assert new.secret not in repr(new)


def test_a_team_alone_has_keys_too(team):
    assert issuing.issue(team=team).key.user is None


@pytest.mark.parametrize("of", ["nobody", "inactive user", "inactive team", "no member", "address"])
def test_a_key_that_nobody_could_use_is_not_issued(of, user, team):
    refused = {
        "nobody": {},
        "inactive user": {"user": User(email="gone@example.com", is_active=False)},
        "inactive team": {"team": Team(name="gone", is_active=False)},
        "no member": {"user": user, "team": team},
        "address": {"user": user, "addresses": ["10.0.0.0/99"]},
    }
    with pytest.raises(issuing.NotIssued):
        issuing.issue(**refused[of])
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [("addresses", ["10.0.0.0/99"]), ("addresses", "10.0.0.1"), ("models_allowed", "gpt-*"), ("models_allowed", [5])],
)
def test_a_form_cannot_save_a_key_that_could_not_be_read(field, value, new_key):
    key = new_key().key
    setattr(key, field, value)
    with pytest.raises(ValidationError) as error:
        key.full_clean()
    assert set(error.value.message_dict) == {field}


def test_revoking_twice_keeps_the_first_moment(new_key):
    key, now = new_key().key, timezone.now()
    issuing.revoke(key, now)
    issuing.revoke(key, now + HOUR)
    assert ApiKey.objects.get().revoked_at == now


def test_a_rotated_key_overlaps_with_its_successor_which_has_its_settings(member, team):
    settings = {"name": "ci", "models": ["gpt-*"], "addresses": ["10.0.0.0/8"]}
    old, now = issuing.issue(user=member, team=team, **settings).key, timezone.now()
    new = issuing.rotate(old, HOUR, now).key
    assert (new.user, new.team, new.name, new.models_allowed, new.addresses) == (
        member, team, "ci", ["gpt-*"], ["10.0.0.0/8"],
    )  # fmt: skip
    assert ApiKey.objects.get(pk=old.pk).expires_at == now + HOUR
    assert new.expires_at is None
    assert new.rotated_from == old


def test_the_overlap_does_not_lengthen_a_key_and_the_successor_lives_as_long_as_it_did(new_key):
    old = new_key(expires_at=timezone.now() + timedelta(days=30)).key
    now = old.expires_at - timedelta(minutes=5)
    new = issuing.rotate(old, HOUR, now).key
    assert old.expires_at == now + timedelta(minutes=5)
    assert new.expires_at == now + (old.expires_at - old.created_at)


def test_dead_and_rotated_keys_are_not_rotated(new_key):
    now = timezone.now()
    revoked, expired, rotated = new_key().key, new_key(expires_at=now - HOUR).key, new_key().key
    issuing.revoke(revoked)
    issuing.rotate(rotated, HOUR)
    for key in (revoked, expired, rotated):
        with pytest.raises(issuing.NotRotated):
            issuing.rotate(key, HOUR, now)


def test_the_log_says_who_what_from_where_and_why_and_has_no_secret(user, new_key):
    with audited(user, "203.0.113.9", "a new laptop"):
        new = new_key(name="laptop")
        issuing.revoke(new.key)
    revoked, issued = LogEntry.objects.get_for_object(new.key)
    assert issued.actor == user
    assert issued.remote_addr == "203.0.113.9"
    assert issued.additional_data == {"reason": "a new laptop"}
    assert issued.changes["name"] == ["None", "laptop"]
    assert set(revoked.changes) == {"revoked_at"}
    text = str(list(LogEntry.objects.values()))
    assert new.secret not in text
    assert new.key.digest not in text
