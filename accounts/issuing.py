"""Issuing, revoking and rotating API keys: each is audited, and the secret leaves in the result only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import callers, keys
from accounts.models import ApiKey, Membership, Team, User


class NotIssued(ValueError):
    """A key that nobody could use; the message says why."""


class NotRotated(ValueError):
    """A key that is dead or has its successor already."""


@dataclass(frozen=True, slots=True)
class NewKey:
    key: ApiKey
    secret: str = field(repr=False)


@transaction.atomic
def issue(
    *,
    user: User | None = None,
    team: Team | None = None,
    name: str = "",
    models: Iterable[str] = (),
    addresses: Iterable[str] = (),
    expires_at: datetime | None = None,
) -> NewKey:
    """Issue a key to a user, to a user in a team, or to a team alone. Raises ``NotIssued``."""
    _check_owner(user, team)
    return _make(
        ApiKey(
            user=user,
            team=team,
            name=name,
            models_allowed=list(models),
            addresses=_checked(addresses),
            expires_at=expires_at,
        )
    )


@transaction.atomic
def revoke(key: ApiKey, now: datetime | None = None) -> None:
    """Refuse ``key`` from now on, everywhere within a second. A second call changes nothing."""
    current = ApiKey.objects.select_for_update().get(pk=key.pk)
    if current.revoked_at is None:
        current.revoked_at = now or timezone.now()
        current.save(update_fields=["revoked_at"])
    key.revoked_at = current.revoked_at


@transaction.atomic
def rotate(key: ApiKey, overlap: timedelta = timedelta(), now: datetime | None = None) -> NewKey:
    """Issue the successor of ``key``, with its settings and its lifetime; the old one ends after ``overlap``.

    Raises ``NotRotated``.
    """
    moment = now or timezone.now()
    old = ApiKey.objects.select_for_update().get(pk=key.pk)
    _check_living(old, moment)
    successor = _make(
        ApiKey(
            user=old.user,
            team=old.team,
            name=old.name,
            models_allowed=old.models_allowed,
            addresses=old.addresses,
            may_override=old.may_override,
            expires_at=old.expires_at and moment + (old.expires_at - old.created_at),
            rotated_from=old,
        )
    )
    end = moment + overlap
    old.expires_at = min(old.expires_at or end, end)
    old.save(update_fields=["expires_at"])
    key.expires_at = old.expires_at
    return successor


def _make(key: ApiKey) -> NewKey:
    issued = keys.issue()
    key.public_id, key.digest = issued.public_id, issued.digest
    key.save()
    return NewKey(key, issued.secret)


def _check_owner(user: User | None, team: Team | None) -> None:
    if user is None and team is None:
        raise NotIssued("a key needs a user or a team")
    if user is not None and not user.is_active:
        raise NotIssued(f"{user.email} is not active")
    if team is not None and not team.is_active:
        raise NotIssued(f"the team {team.name} is not active")
    if user is not None and team is not None and not Membership.objects.filter(user=user, team=team).exists():
        raise NotIssued(f"{user.email} is not in the team {team.name}")


def _checked(addresses: Iterable[str]) -> list[str]:
    allowed = list(addresses)
    try:
        callers.networks(allowed)
    except ValueError as error:
        raise NotIssued(str(error)) from error
    return allowed


def _check_living(key: ApiKey, now: datetime) -> None:
    if key.revoked_at is not None:
        raise NotRotated("a revoked key is not rotated: issue a new one")
    if key.expires_at is not None and key.expires_at <= now:
        raise NotRotated("an expired key is not rotated: issue a new one")
    if hasattr(key, "rotated_to"):
        raise NotRotated(f"this key was rotated already; its successor is {key.rotated_to.public_id}")
