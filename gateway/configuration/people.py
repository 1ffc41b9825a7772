"""Teams, users and keys of a file become rows."""

from __future__ import annotations

from django.db.models import Q

from accounts import roles
from accounts.models import ApiKey, Membership, Team, User
from accounts.people import NoAddress, user_with
from gateway.configuration import budgets
from gateway.configuration.changes import CHANGED, GONE, NEW, Change, difference
from gateway.configuration.document import Path
from gateway.configuration.rows import Rows
from gateway.configuration.schema import Configuration, KeyEntry, TeamEntry, UserEntry
from gateway.configuration.whose import Whose


def write(configuration: Configuration, rows: Rows) -> None:
    for position, team in enumerate(configuration.teams):
        _write_team(team, ("teams", position), rows)
    for position, user in enumerate(configuration.users):
        _write_user(user, ("users", position), rows)
    for position, key in enumerate(configuration.keys):
        _write_key(key, ("keys", position), rows)
    for position, team in enumerate(configuration.teams):
        if team.managers is not None:
            _write_managers(team, configuration, ("teams", position, "managers"), rows)


def _write_team(entry: TeamEntry, path: Path, rows: Rows) -> None:
    team = Team.objects.filter(name=entry.name).first() or Team(name=entry.name)
    rows.put(team, f"team {team.name}", entry.given("models"), path)
    if team.pk is not None:
        budgets.write_of(Whose(f"team {team.name}", team), entry, path, rows)


def _write_user(entry: UserEntry, path: Path, rows: Rows) -> None:
    try:
        user, is_new = user_with(entry.email)
    except NoAddress as error:
        rows.refuse((*path, "email"), str(error))
        return
    if is_new:
        rows.changes.append(Change(NEW, f"user {user.email}"))
    rows.put(user, f"user {user.email}", entry.given("role"), path)
    if entry.teams is not None:
        _write_memberships(user, entry.teams, path, rows)
    budgets.write_of(Whose(f"user {user.email}", user), entry, path, rows)


def _write_memberships(user: User, names: list[str], path: Path, rows: Rows) -> None:
    """Make the user a member of exactly these teams; a role that is there stays."""
    present = {membership.team.name: membership for membership in user.memberships.select_related("team")}
    teams = {team.name: team for team in Team.objects.filter(name__in=names)}
    for position, name in enumerate(names):
        if name not in teams:
            rows.refuse((*path, "teams", position), f"there is no team {name!r}")
        elif name not in present:
            present[name] = Membership.objects.create(user=user, team=teams[name])
            rows.changes.append(Change(NEW, f"{user.email} in team {name}"))
    for name in present.keys() - set(names):
        present[name].delete()
        rows.changes.append(Change(GONE, f"{user.email} in team {name}"))


def _write_managers(entry: TeamEntry, configuration: Configuration, path: Path, rows: Rows) -> None:
    """Make exactly these the team's managers; one who is no more stays as a member."""
    team = Team.objects.get(name=entry.name)
    elsewhere = {user.email for user in configuration.users if user.teams is not None and team.name not in user.teams}
    present = {each.user.email: each for each in team.memberships.select_related("user")}
    for position, email in enumerate(entry.managers or ()):
        user = User.objects.filter(email=email).first()
        if user is None:
            rows.refuse((*path, position), f"there is no user {email!r}: name them under users:")
        elif email in elsewhere:
            rows.refuse((*path, position), f"is not in the team: users: gives {email!r} other teams")
        elif email not in present:
            Membership.objects.create(user=user, team=team, role=roles.MANAGER)
            rows.changes.append(Change(NEW, f"{email} in team {team.name}", ("role: manager",)))
        else:
            _give_role(present[email], roles.MANAGER, rows)
    for email in present.keys() - set(entry.managers or ()):
        _give_role(present[email], roles.MEMBER, rows)


def _give_role(membership: Membership, role: str, rows: Rows) -> None:
    if membership.role != role:
        subject = f"{membership.user.email} in team {membership.team.name}"
        rows.changes.append(Change(CHANGED, subject, (difference("role", membership.role, role),)))
        membership.role = role
        membership.save(update_fields=["role"])


def _write_key(entry: KeyEntry, path: Path, rows: Rows) -> None:
    found = list(_keys_of(entry))
    owners = {(key.user_id, key.team_id) for key in found}
    if not found:
        rows.refuse(path, f"no living key is named {entry.name!r} there: issue it with 'tollgate issue_key'")
    elif len(owners) > 1:
        rows.refuse(path, f"several keys are named {entry.name!r}: say whose with user: or team:")
    else:
        values = entry.given("models", "addresses", "may_override")
        if "expires" in entry.model_fields_set:
            values["expires"] = entry.expires
        for key in found:
            name = f"key {entry.name} ({key.public_id})"
            rows.put(key, name, values, path)
            budgets.write_of(Whose(name, key), entry, path, rows)


def _keys_of(entry: KeyEntry) -> list[ApiKey]:
    """Return the keys meant: living ones, and not those whose successor is there already."""
    chosen = Q(name=entry.name, revoked_at=None, rotated_to=None)
    if entry.user is not None:
        chosen &= Q(user__email=entry.user)
    if entry.team is not None:
        chosen &= Q(team__name=entry.team)
    return list(ApiKey.objects.filter(chosen))
