"""Whom a budget or a limit binds. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple, Protocol


class Scope(Protocol):
    """At most one owner; none: everybody. ``model`` is a name or a glob, empty: every model."""

    @property
    def user_id(self) -> int | None: ...
    @property
    def team_id(self) -> int | None: ...
    @property
    def api_key_id(self) -> int | None: ...
    @property
    def model(self) -> str: ...


class Payer(NamedTuple):
    """Who makes a call, by ids."""

    user: int | None
    team: int | None
    api_key: int | None


def binds(scope: Scope, payer: Payer, models: Iterable[str]) -> bool:
    """Say whether ``scope`` binds a call of ``payer`` that goes by the names ``models`` (as called, and the route's).

    All scopes that bind count together: of the gateway, the team, the user, the key, and those for the model.
    """
    owners = ((scope.user_id, payer.user), (scope.team_id, payer.team), (scope.api_key_id, payer.api_key))
    if any(owner is not None and owner != own for owner, own in owners):
        return False
    return not scope.model or any(fnmatchcase(model, scope.model) for model in models)
