"""What the first start makes: an admin to sign in as, and a key to call with."""

from __future__ import annotations

import secrets

from django.db import transaction

from accounts import issuing, roles
from accounts.audit import audited
from accounts.models import ApiKey, User

EMAIL = "admin@localhost"
ACTOR = "first start"


@transaction.atomic
def first_admin(email: str | None = None, password: str | None = None) -> tuple[User, str | None] | None:
    """Make the first admin; ``None`` where there is one. The second value is the password made here, if it was."""
    if User.objects.filter(role=roles.ADMIN, is_active=True).exists():
        return None
    made = None if password else secrets.token_urlsafe(15)
    address = (email or EMAIL).strip().lower()
    with audited(ACTOR):
        user = User.objects.filter(email=address).first() or User(email=address)
        user.role, user.is_active = roles.ADMIN, True
        user.set_password(password or made)
        user.save()
    return user, made


@transaction.atomic
def first_key(user: User) -> str | None:
    """Issue the first key to ``user`` and return its secret; ``None`` where there is any key."""
    if ApiKey.objects.exists():
        return None
    with audited(ACTOR):
        return issuing.issue(user=user, name="first").secret
