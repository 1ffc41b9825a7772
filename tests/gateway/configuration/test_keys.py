"""Keys that exist get what a file says of them, by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from auditlog.models import LogEntry
from django.utils import timezone

from accounts import issuing
from accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db


@pytest.fixture
def key() -> ApiKey:
    return issuing.issue(user=User.objects.create_user("dev@example.com"), name="ci").key


def test_a_key_that_exists_gets_models_addresses_and_an_end(apply, key):
    text = 'keys: [{name: ci, user: dev@example.com, models: ["gpt-*"], addresses: [10.0.0.1/8], expires: 2030-01-01}]'
    apply(text)
    key.refresh_from_db()
    assert (key.models_allowed, key.addresses) == (["gpt-*"], ["10.0.0.0/8"])
    assert key.expires_at == datetime(2030, 1, 1, tzinfo=UTC)
    assert apply(text) == "Nothing to change.\n"
    apply("keys: [{name: ci, expires: null}]")
    key.refresh_from_db()
    assert key.expires_at is None


def test_a_key_may_be_let_name_its_own_upstream_and_so_may_its_successor(apply, key):
    assert "may_override" in apply("keys: [{name: ci, may_override: true}]")
    key.refresh_from_db()
    assert key.may_override
    assert issuing.rotate(key, timedelta(hours=1)).key.may_override
    assert any("may_override" in entry.changes for entry in LogEntry.objects.get_for_object(key))


def test_a_rotated_key_keeps_its_end(apply, key):
    issuing.rotate(key, timedelta(hours=1))
    apply("keys: [{name: ci, expires: 2099-01-01}]")
    key.refresh_from_db()
    assert key.expires_at < timezone.now() + timedelta(hours=2)
    assert key.rotated_to.expires_at.year == 2099


def test_whose_key_is_meant_must_be_clear(refused, key):
    issuing.issue(user=User.objects.create_user("other@example.com"), name="ci")
    assert refused("keys: [{name: ci, models: [a]}]") == [
        "keys[0] (line 1): several keys are named 'ci': say whose with user: or team:"
    ]
    issuing.revoke(key)
    assert "no living key is named 'ci'" in refused("keys: [{name: ci, user: dev@example.com}]")[0]
