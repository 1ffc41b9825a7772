"""What each role may do: the one place where rights are decided. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

ADMIN = "admin"
VIEWER = "viewer"
MEMBER = "member"
MANAGER = "manager"

GATEWAY_ROLES = [(ADMIN, "admin"), (VIEWER, "viewer"), (MEMBER, "member")]
TEAM_ROLES = [(MANAGER, "manager"), (MEMBER, "member")]

SEE_KEYS = "see keys"
ISSUE_KEY = "issue key"
REVOKE_KEY = "revoke key"
SEE_SPEND = "see spend"
EDIT_MEMBERS = "edit members"
CONFIGURE = "configure"
DECIDE = "decide"

SEEING = frozenset({SEE_KEYS, SEE_SPEND})
HANDLING = SEEING | {ISSUE_KEY, REVOKE_KEY}

# what the gateway role allows towards everybody
BY_ROLE = {ADMIN: HANDLING | {EDIT_MEMBERS, CONFIGURE, DECIDE}, VIEWER: SEEING, MEMBER: frozenset()}

# what being this to the owner of a key or of spend allows
ONESELF = "oneself"
FORMER = "formerly of the team"
RELATIONS = {
    ONESELF: HANDLING,
    FORMER: HANDLING - {ISSUE_KEY},
    MANAGER: HANDLING | {EDIT_MEMBERS, DECIDE},
    MEMBER: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts: the gateway role, and the role in each team by its id."""

    id: int
    role: str = MEMBER
    teams: Mapping[int, str] = field(default_factory=dict)
    is_active: bool = True


class Owner(NamedTuple):
    """Whose key or spend: a user's, a user's in a team, or a team's alone."""

    user_id: int | None = None
    team_id: int | None = None


def may(person: Person, action: str, owner: Owner | None = None) -> bool:
    """Return whether ``person`` may do ``action`` to what ``owner`` has; without an owner: to the whole gateway."""
    if not person.is_active:
        return False
    if action in BY_ROLE[person.role]:
        return True
    return owner is not None and any(action in RELATIONS[relation] for relation in _relations(person, owner))


def may_decide(person: Person, asker: Owner) -> bool:
    """Return whether ``person`` decides what ``asker`` asks for: nobody but an admin grants themselves anything."""
    return may(person, DECIDE, asker) and (person.role == ADMIN or person.id != asker.user_id)


def may_enter_admin(role: str) -> bool:
    return role in {ADMIN, VIEWER}


def has_permission(role: str, permission: str) -> bool:
    """Return whether ``role`` holds Django's ``permission`` ("app.verb_model"): admins all, viewers the views."""
    if role == ADMIN:
        return True
    return role == VIEWER and permission.rpartition(".")[2].startswith("view_")


def _relations(person: Person, owner: Owner) -> set[str]:
    role_in_team = person.teams.get(owner.team_id) if owner.team_id is not None else None
    relations = {role_in_team} if role_in_team else set()
    if owner.user_id == person.id:
        relations.add(ONESELF if owner.team_id is None or role_in_team else FORMER)
    return relations
