"""Three people of known rights, and what they may do to whom."""

from __future__ import annotations

import pytest

from accounts import issuing, roles
from accounts.models import Membership, Team, User
from accounts.roles import (
    CONFIGURE,
    DECIDE,
    EDIT_MEMBERS,
    ISSUE_KEY,
    REVOKE_KEY,
    SEE_KEYS,
    SEE_SPEND,
    Owner,
    Person,
    may,
    may_decide,
)

DATA, SALES = 1, 2
ALICE = Person(id=1, role=roles.ADMIN)
BOB = Person(id=2, teams={DATA: roles.MANAGER})
CHARLIE = Person(id=3, teams={DATA: roles.MEMBER})
VERA = Person(id=4, role=roles.VIEWER)

ALL = {SEE_KEYS, ISSUE_KEY, REVOKE_KEY, SEE_SPEND, EDIT_MEMBERS, CONFIGURE, DECIDE}
OWN = {SEE_KEYS, ISSUE_KEY, REVOKE_KEY, SEE_SPEND}
SEE = {SEE_KEYS, SEE_SPEND}

GATEWAY = None
BOBS, CHARLIES, VERAS = Owner(BOB.id), Owner(CHARLIE.id), Owner(VERA.id)
DATAS, SALESS = Owner(team_id=DATA), Owner(team_id=SALES)
CHARLIES_IN_DATA, CHARLIES_IN_SALES = Owner(CHARLIE.id, DATA), Owner(CHARLIE.id, SALES)

TABLE = [
    # whose                Alice, admin   Bob, manager           Charlie, member     Vera, viewer
    (GATEWAY, ALL, set(), set(), SEE),
    (BOBS, ALL, OWN, set(), SEE),
    (CHARLIES, ALL, set(), OWN, SEE),
    (VERAS, ALL, set(), set(), OWN),
    (DATAS, ALL, OWN | {EDIT_MEMBERS, DECIDE}, set(), SEE),
    (SALESS, ALL, set(), set(), SEE),
    (CHARLIES_IN_DATA, ALL, OWN | {EDIT_MEMBERS, DECIDE}, OWN, SEE),
    (CHARLIES_IN_SALES, ALL, set(), OWN - {ISSUE_KEY}, SEE),  # he left it
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row[0]))
def test_who_may_do_what_to_whom(row):
    owner, *allowed = row
    for person, actions in zip((ALICE, BOB, CHARLIE, VERA), allowed, strict=True):
        assert {action for action in ALL if may(person, action, owner)} == actions, person


@pytest.mark.parametrize(
    ("asker", "deciders"),
    [
        (CHARLIES_IN_DATA, {"Alice", "Bob"}),
        (CHARLIES, {"Alice"}),
        (CHARLIES_IN_SALES, {"Alice"}),
        (Owner(BOB.id, DATA), {"Alice"}),  # not his own
        (Owner(ALICE.id, DATA), {"Alice", "Bob"}),
        (VERAS, {"Alice"}),
    ],
)
def test_who_decides_what_somebody_asks_for(asker, deciders):
    people = {"Alice": ALICE, "Bob": BOB, "Charlie": CHARLIE, "Vera": VERA}
    assert {name for name, person in people.items() if may_decide(person, asker)} == deciders


def test_nobody_inactive_may_do_anything():
    gone = Person(id=1, role=roles.ADMIN, is_active=False)
    assert not any(may(gone, action, Owner(1)) for action in ALL)


def test_people_and_keys_of_the_tables_are_judged_by_the_same_rules(db):
    team = Team.objects.create(name="data")
    bob, charlie = (User.objects.create_user(f"{name}@example.com") for name in ("bob", "charlie"))
    Membership.objects.create(user=bob, team=team, role=roles.MANAGER)
    Membership.objects.create(user=charlie, team=team)
    key = issuing.issue(user=charlie, team=team).key
    assert may(bob.as_person(), REVOKE_KEY, key.owner)
    assert may(charlie.as_person(), ISSUE_KEY, key.owner)
    assert not may(charlie.as_person(), ISSUE_KEY, Owner(bob.pk, team.pk))


@pytest.mark.parametrize(
    ("role", "enters", "changes", "views"),
    [(roles.ADMIN, True, True, True), (roles.VIEWER, True, False, True), (roles.MEMBER, False, False, False)],
)
def test_the_admin_pages_are_for_admins_and_to_look_at_for_viewers(role, enters, changes, views):
    assert roles.may_enter_admin(role) is enters
    assert roles.has_permission(role, "accounts.change_user") is changes
    assert roles.has_permission(role, "accounts.view_user") is views
