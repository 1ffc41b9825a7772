"""What the first start makes."""

from __future__ import annotations

import pytest

from accounts.first import first_admin, first_key
from accounts.keys import is_malformed
from accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db


def test_the_first_admin_gets_a_password_and_the_second_start_makes_none():
    user, password = first_admin()
    assert user.email == "admin@localhost"
    assert user.is_superuser
    assert user.is_staff
    assert User.objects.get().check_password(password)
    assert first_admin() is None


def test_a_given_address_and_password_are_used_and_not_told_again():
    user, password = first_admin("Boss@Example.com", "correct horse battery")
    assert (user.email, password) == ("boss@example.com", None)
    assert user.check_password("correct horse battery")


def test_somebody_who_was_there_before_becomes_the_admin():
    User.objects.create_user("boss@example.com")
    user, password = first_admin("boss@example.com")
    assert User.objects.get().is_superuser
    assert user.check_password(password)


def test_the_first_key_is_made_once():
    user = User.objects.create_user("boss@example.com")
    secret = first_key(user)
    assert not is_malformed(secret)
    assert ApiKey.objects.get().user == user
    assert first_key(user) is None
