"""What a key allows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from accounts.callers import Caller, Granted, networks, restrictions

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def caller(
    *levels: list[str],
    addresses: tuple[str, ...] = (),
    expires_at: datetime | None = None,
    granted: tuple[Granted, ...] = (),
) -> Caller:
    return Caller(
        key_id=1,
        public_id="p",
        key_name="",
        user_id=1,
        user_email="dev@example.com",
        team_id=None,
        team_name="",
        role="member",
        models=restrictions(*levels),
        addresses=networks(list(addresses)),
        expires_at=expires_at,
        granted=granted,
    )


@pytest.mark.parametrize(
    ("levels", "model", "may"),
    [
        ([], "anything", True),
        ([[], []], "anything", True),
        ([["gpt-*"]], "gpt-4o", True),
        ([["gpt-*"]], "claude", False),
        ([["gpt-*", "claude"]], "claude", True),
        ([["gpt-*"], ["*-mini"]], "gpt-4o-mini", True),
        ([["gpt-*"], ["*-mini"]], "gpt-4o", False),
        ([["gpt-*"], []], "gpt-4o", True),
        ([["openai/*"]], "openai/gpt-4o", True),
        ([["GPT-*"]], "gpt-4o", False),
    ],
)
def test_a_model_must_fit_a_glob_of_every_level_that_restricts(levels, model, may):
    assert caller(*levels).may_use(model, NOW) is may


@pytest.mark.parametrize(
    ("model", "at", "may"),
    [
        ("claude-opus", NOW, True),
        ("claude-opus", NOW + timedelta(days=7, microseconds=-1), True),
        ("claude-opus", NOW + timedelta(days=7), False),
        ("claude-opus", NOW - timedelta(microseconds=1), False),
        ("gemini", NOW, False),
        ("gpt-4o", NOW + timedelta(days=8), True),
    ],
)
def test_a_granted_model_passes_every_list_until_its_grant_ends(model, at, may):
    grant = Granted("claude-*", NOW, NOW + timedelta(days=7))
    assert caller(["gpt-*"], ["gpt-4*"], granted=(grant,)).may_use(model, at) is may


@pytest.mark.parametrize(
    ("allowed", "address", "may"),
    [
        ((), "203.0.113.9", True),
        ((), None, True),
        (("203.0.113.0/24",), "203.0.113.9", True),
        (("203.0.113.9",), "203.0.113.9", True),
        (("203.0.113.9",), "203.0.113.10", False),
        (("203.0.113.0/24",), "::ffff:203.0.113.9", True),
        (("2001:db8::/32",), "2001:db8::1", True),
        (("2001:db8::/32",), "203.0.113.9", False),
        (("203.0.113.0/24",), "not an address", False),
        (("203.0.113.0/24",), None, False),
    ],
)
def test_a_key_with_addresses_may_come_from_those_only(allowed, address, may):
    assert caller(addresses=allowed).may_come_from(address) is may


def test_a_key_ends_at_the_moment_it_expires():
    assert caller(expires_at=NOW).has_expired(NOW)
    assert not caller(expires_at=NOW).has_expired(NOW.replace(year=2025))
    assert not caller().has_expired(NOW)
