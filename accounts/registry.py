"""What the tables say about keys: rows of digests become callers or refusals."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from accounts import roles
from accounts.callers import Caller, Granted, networks, restrictions
from accounts.errors import KeyRefused, RevokedKey
from accounts.models import ApiKey, Membership, ModelGrant

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """A key with what its owner says about it; the fields are named as the query names them."""

    digest: str
    pk: int
    public_id: str
    name: str
    models_allowed: list[str]
    addresses: list[str]
    may_override: bool
    expires_at: datetime | None
    revoked_at: datetime | None
    user_id: int | None
    email: str | None
    role: str | None
    user_is_active: bool | None
    team_id: int | None
    team_name: str | None
    team_models: list[str] | None
    team_is_active: bool | None
    is_member: bool


class Given(NamedTuple):
    """A granted model, and the team that granted it."""

    team_id: int | None
    grant: Granted

    def covers(self, team_id: int | None) -> bool:
        return self.team_id is None or team_id in (None, self.team_id)


OF_OWNERS = {
    "email": F("user__email"),
    "role": F("user__role"),
    "user_is_active": F("user__is_active"),
    "team_name": F("team__name"),
    "team_models": F("team__models_allowed"),
    "team_is_active": F("team__is_active"),
    "is_member": Exists(Membership.objects.filter(user=OuterRef("user"), team=OuterRef("team"))),
}


def read(digests: Sequence[str]) -> dict[str, Caller | type[KeyRefused]]:
    """Return what each known digest stands for, in two queries; unknown digests are left out."""
    rows = [Row._make(values) for values in _rows(digests)]
    granted = _granted({row.user_id for row in rows if row.user_id is not None})
    return {row.digest: _verdict(row, granted[row.user_id]) for row in rows}


def _rows(digests: Sequence[str]) -> QuerySet:
    # plain values: a thousand keys are read again at every change, and instances take twice as long
    return ApiKey.objects.filter(digest__in=digests).annotate(**OF_OWNERS).order_by().values_list(*Row._fields)


def _granted(users: Iterable[int]) -> dict[int | None, list[Given]]:
    """Return {user: the grants of models in force or to come}; who uses one asks the clock."""
    found: dict[int | None, list[Given]] = defaultdict(list)
    rows = ModelGrant.objects.filter(user__in=users, ends_at__gt=Now()).order_by("pk")
    for user, team, *grant in rows.values_list("user", "team", "model", "starts_at", "ends_at"):
        found[user].append(Given(team, Granted(*grant)))
    return found


def _verdict(row: Row, granted: Iterable[Given]) -> Caller | type[KeyRefused]:
    if _is_dead(row):
        return RevokedKey
    try:
        return _caller(row, tuple(given.grant for given in granted if given.covers(row.team_id)))
    except (TypeError, ValueError) as error:
        # one row that bypassed validation must not keep the others from being read
        log.error("API key %s is refused, its row cannot be read: %s", row.public_id, error)
        return RevokedKey


def _caller(row: Row, granted: tuple[Granted, ...]) -> Caller:
    return Caller(
        key_id=row.pk,
        public_id=row.public_id,
        key_name=row.name,
        user_id=row.user_id,
        user_email=row.email or "",
        team_id=row.team_id,
        team_name=row.team_name or "",
        role=row.role or roles.MEMBER,
        models=restrictions(row.models_allowed, row.team_models),
        addresses=networks(row.addresses),
        expires_at=row.expires_at,
        granted=granted,
        may_override=row.may_override,
    )


def _is_dead(row: Row) -> bool:
    return (
        row.revoked_at is not None
        or row.user_is_active is False
        or row.team_is_active is False
        or (row.user_id is not None and row.team_id is not None and not row.is_member)
    )
