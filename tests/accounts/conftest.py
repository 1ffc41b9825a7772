"""People, teams and keys to test with."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.issuing import NewKey, issue
from accounts.models import Membership, Team, User


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("dev@example.com", "correct horse battery")


@pytest.fixture
def team(db: None) -> Team:
    return Team.objects.create(name="data")


@pytest.fixture
def member(user: User, team: Team) -> User:
    Membership.objects.create(user=user, team=team)
    return user


@pytest.fixture
def new_key(user: User) -> Callable[..., NewKey]:
    return lambda **settings: issue(**{"user": user, **settings})
