"""LiteLLM's tables of keys, users and teams, exported as CSV. Pure: people, keys and what they may spend."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from gateway.litellm import words
from gateway.litellm.leftovers import Leftovers

DIGEST = re.compile(r"[0-9a-f]{64}")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
# where nobody has told who is behind an id; the domain is reserved for what leads nowhere
UNKNOWN_DOMAIN = "litellm.invalid"
# keys of nobody need an owner
TEAM_OF_NOBODY = "litellm"
MOST_CELL = 10_000_000

# of a key's row: what is taken, and what says nothing that matters here
TAKEN = {
    "token", "key_name", "key_alias", "expires", "models", "user_id", "team_id", "max_parallel_requests", "blocked",
    "tpm_limit", "rpm_limit", "max_budget", "budget_duration", "spend",
}  # fmt: skip
SILENT = {
    "created_at", "created_by", "updated_at", "updated_by", "last_active", "budget_reset_at", "soft_budget_cooldown",
    "settings", "permissions", "config", "model_spend", "rotation_count", "auto_rotate", "last_rotation_at",
    "key_rotation_at", "rotation_interval", "object_permission_id", "organization_id", "litellm_budget_table",
}  # fmt: skip


class NotATable(ValueError):
    """A file that is not the table it should be; the message says why."""


class Owner(NamedTuple):
    """Whose a key is: of a user, of a team, or of a user in a team."""

    user: str = ""
    team: str = ""


@dataclass
class Key:
    """``digest`` is the hexadecimal SHA-256 of the whole secret, which nobody here knows."""

    digest: str
    name: str
    owner: Owner
    models: list[str] = field(default_factory=list)
    expires_at: datetime | None = None
    is_blocked: bool = False
    allowance: dict[str, Any] = field(default_factory=dict)


class People(NamedTuple):
    """Their ids as we name them: {user id: e-mail}, {team id: name}; and what teams and users may spend."""

    emails: Mapping[str, str] = {}
    teams: Mapping[str, str] = {}
    allowances: Mapping[Owner, dict[str, Any]] = {}


def read_people(users: str, teams: str, leftovers: Leftovers) -> People:
    """Read the two tables, either of which may be empty. Raises ``NotATable``."""
    emails: dict[str, str] = {}
    names: dict[str, str] = {}
    allowances: dict[Owner, dict[str, Any]] = {}
    for row, place in _rows(users, "user_id", "users"):
        email = row.get("user_email", "").strip().lower()
        emails[row["user_id"]] = email if ADDRESS.fullmatch(email) else _address(row["user_id"])
        allowances[Owner(user=emails[row["user_id"]])] = _allowance(row, place, leftovers)
    for row, place in _rows(teams, "team_id", "teams"):
        names[row["team_id"]] = row.get("team_alias", "").strip() or row["team_id"]
        allowances[Owner(team=names[row["team_id"]])] = _allowance(row, place, leftovers)
    return People(emails, names, {owner: said for owner, said in allowances.items() if said})


def read_keys(text: str, people: People, leftovers: Leftovers) -> list[Key]:
    """Read LiteLLM_VerificationToken. Raises ``NotATable``."""
    keys = []
    for row, place in _rows(text, "token", "keys"):
        if not DIGEST.fullmatch(row["token"]):
            leftovers.note(f"{place}.token", "is no SHA-256 of a secret: such a key has to be issued anew")
            continue
        keys.append(_key(row, place, people, leftovers))
        for name, value in row.items():
            if name not in TAKEN | SILENT and not _says_nothing(value):
                leftovers.note(f"{place}.{name}")
    return _with_names_of_their_own(keys)


def document(keys: Iterable[Key], people: People) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what to apply before the keys are there (teams and users), and after: their limits and budgets."""
    keys = list(keys)
    owners = [key.owner for key in keys]
    teams = dict.fromkeys([*people.teams.values(), *(owner.team for owner in owners if owner.team)])
    emails = dict.fromkeys([*people.emails.values(), *(owner.user for owner in owners if owner.user)])
    members = {email: sorted({o.team for o in owners if o.user == email and o.team}) for email in emails}
    before = {
        "teams": [{"name": name, **people.allowances.get(Owner(team=name), {})} for name in teams],
        "users": [
            {
                "email": email,
                **({"teams": members[email]} if members[email] else {}),
                **people.allowances.get(Owner(user=email), {}),
            }
            for email in emails
        ],
    }
    living = [key for key in keys if key.allowance and not key.is_blocked]
    after = {"keys": [{"name": key.name, **_whose(key.owner), **key.allowance} for key in living]}
    return before, after


def _whose(owner: Owner) -> dict[str, str]:
    return {name: value for name, value in owner._asdict().items() if value}


def _key(row: Mapping[str, str], place: str, people: People, leftovers: Leftovers) -> Key:
    if _number(row.get("spend")):
        leftovers.note(f"{place}.spend", f"${_number(row['spend']):f} spent there are not counted here")
    return Key(
        row["token"],
        row.get("key_alias", "").strip() or row.get("key_name", "").strip() or row["token"][:10],
        _owner(row, place, people, leftovers),
        _models(row.get("models", ""), place, leftovers),
        _moment(row.get("expires", ""), place, leftovers),
        row.get("blocked", "").strip().lower() in {"t", "true", "1"},
        _allowance(row, place, leftovers),
    )


def _owner(row: Mapping[str, str], place: str, people: People, leftovers: Leftovers) -> Owner:
    user, team = row.get("user_id", "").strip(), row.get("team_id", "").strip()
    if user and user not in people.emails:
        address = _address(user)
        if address.endswith(UNKNOWN_DOMAIN):
            leftovers.note(f"{place}.user_id", f"whose e-mail {user!r} is was not told: it is {address} here")
        user = address
    elif user:
        user = people.emails[user]
    if not user and not team:
        leftovers.note(f"{place}.user_id", f"is nobody's key: it belongs to the team {TEAM_OF_NOBODY} here")
        return Owner(team=TEAM_OF_NOBODY)
    return Owner(user, people.teams.get(team, team))


def _address(user: str) -> str:
    if ADDRESS.fullmatch(user):
        return user.lower()
    return f"{re.sub(r'[^a-z0-9._-]+', '-', user.lower()).strip('-.') or 'user'}@{UNKNOWN_DOMAIN}"


def _models(text: str, place: str, leftovers: Leftovers) -> list[str]:
    """Return the globs of a list as PostgreSQL or JSON writes it: {a,b} or ["a","b"]."""
    try:
        names = json.loads(text) if text.lstrip().startswith("[") else next(csv.reader([text.strip().strip("{}")]), [])
    except ValueError:
        leftovers.note(
            f"{place}.models", f"{text[:100]!r} is no list that can be read: the key may use none until then"
        )
        return ["!unreadable"]
    return [] if words.EVERY_MODEL & set(names) else [str(name) for name in names if name]


def _allowance(row: Mapping[str, str], place: str, leftovers: Leftovers) -> dict[str, Any]:
    """Return the ``limits`` and ``budgets`` of a row of any of the tables."""
    given = {"rpm": row.get("rpm_limit"), "tpm": row.get("tpm_limit"), "parallel": row.get("max_parallel_requests")}
    limits = {name: int(number) for name, value in given.items() if (number := _number(value)) is not None}
    amount = _number(row.get("max_budget"))
    budgets = [] if amount is None else [_budget(amount, row.get("budget_duration", "").strip(), place, leftovers)]
    return {name: value for name, value in (("limits", limits), ("budgets", budgets)) if value}


def _budget(amount: Decimal, duration: str, place: str, leftovers: Leftovers) -> dict[str, Any]:
    period = words.PERIODS.get(duration.lower(), "total" if not duration else "month")
    if duration and duration.lower() not in words.PERIODS:
        leftovers.note(f"{place}.budget_duration", f"there is no period of {duration!r}: it is a month here")
    elif duration:
        leftovers.note(f"{place}.budget_duration", f"a {period} of the calendar, in UTC, from its beginning on")
    return {"amount": f"{amount:f}", "period": period}


def _moment(text: str, place: str, leftovers: Leftovers) -> datetime | None:
    if _says_nothing(text):
        return None
    try:
        moment = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        leftovers.note(f"{place}.expires", f"{text[:40]!r} is no time: the key has ended here")
        return datetime(2000, 1, 1, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str | None) -> Decimal | None:
    try:
        number = Decimal(text or "")
    except InvalidOperation:
        return None
    return number if number.is_finite() and number >= 0 else None


def _says_nothing(value: str | None) -> bool:
    return (value or "").strip().lower() in {"", "{}", "[]", "null", "none", "f", "false", "0", "0.0", "\\n"}


def _rows(text: str, needed: str, name: str) -> Iterable[tuple[dict[str, str], str]]:
    """Yield the rows and their places, as ``keys[0]``. Raises ``NotATable``."""
    if not text.strip():
        return
    csv.field_size_limit(MOST_CELL)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    if needed not in (reader.fieldnames or ()):
        raise NotATable(f"the table of {name} has no column {needed}")
    try:
        for position, row in enumerate(reader):
            yield (
                {str(key): value or "" for key, value in row.items() if key and not isinstance(value, list)},
                (f"{name}[{position}]"),
            )
    except csv.Error as error:
        raise NotATable(f"the table of {name} cannot be read: {error}") from None


def _with_names_of_their_own(keys: list[Key]) -> list[Key]:
    """Several keys of one name are told apart by their digests, as our file finds keys by name."""
    counts = Counter(key.name for key in keys)
    for key in keys:
        if counts[key.name] > 1:
            key.name = f"{key.name[:180]} {key.digest[:8]}"
    return keys
