"""Alice the admin, Bob the manager, Charlie the member, Dave who manages another team, and a machine of the team."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from accounts import keys
from tests.live import Gateway

CREATED = "2026-11-01 00:00:00+00:00"


class People(NamedTuple):
    """Their keys; Bob's and Charlie's are keys of their team ``team``, Dave's of ``other``."""

    alice: str
    bob: str
    charlie: str
    dave: str
    machine: str
    team: str
    other: str
    tag: str

    def email(self, name: str) -> str:
        return f"{name}-{self.tag}@example.com"

    def user(self, gateway: Gateway, name: str) -> int:
        ((id,),) = gateway.sql("SELECT id FROM accounts_user WHERE email = %s", self.email(name))
        return id

    def team_id(self, gateway: Gateway) -> int:
        ((id,),) = gateway.sql("SELECT id FROM accounts_team WHERE name = %s", self.team)
        return id


def settle_in(gateway: Gateway) -> People:
    """Make the people in a gateway, under names that nobody else has."""
    tag = secrets.token_hex(4)
    made = {name: _team(gateway, f"{name}-{tag}") for name in ("data", "sales")}
    alice = _user(gateway, f"alice-{tag}@example.com", role="admin")
    bob, charlie, dave = (_user(gateway, f"{name}-{tag}@example.com") for name in ("bob", "charlie", "dave"))
    for user, team, role in ((bob, "data", "manager"), (charlie, "data", "member"), (dave, "sales", "manager")):
        _insert(gateway, "accounts_membership", user_id=user, team_id=made[team], role=role)
    gateway.take_in()
    return People(
        alice=issue(gateway, user_id=alice),
        bob=issue(gateway, user_id=bob, team_id=made["data"]),
        charlie=issue(gateway, user_id=charlie, team_id=made["data"]),
        dave=issue(gateway, user_id=dave, team_id=made["sales"]),
        machine=issue(gateway, team_id=made["data"]),
        team=f"data-{tag}",
        other=f"sales-{tag}",
        tag=tag,
    )


def issue(gateway: Gateway, models: str = "[]", **owner: int) -> str:
    """Return the secret of a new key; a command would take seconds."""
    issued = keys.issue()
    _insert(
        gateway, "accounts_apikey", public_id=issued.public_id, digest=issued.digest, name="", models_allowed=models,
        addresses="[]", created_at=CREATED, **owner,
    )  # fmt: skip
    return issued.secret


def _team(gateway: Gateway, name: str) -> int:
    return _insert(gateway, "accounts_team", name=name, models_allowed="[]", is_active=True, created_at=CREATED)


def _user(gateway: Gateway, email: str, role: str = "member") -> int:
    return _insert(
        gateway, "accounts_user", email=email, password="!", name="", role=role, is_active=True, created_at=CREATED
    )


def _insert(gateway: Gateway, table: str, **row: object) -> int:
    places = ", ".join("%s" for _ in row)
    sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places}) RETURNING id"
    ((id,),) = gateway.sql(sql, *row.values())
    return id
