"""Users who first appear by their address alone, on the command line or in a file."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from accounts.models import User


class NoAddress(ValueError):
    """Something given as an e-mail address that is none."""


def user_with(email: str) -> tuple[User, bool]:
    """Return the user of this address and whether they were made just now, without a password. Raises ``NoAddress``."""
    address = email.strip().lower()
    user = User.objects.filter(email=address).first()
    if user is not None:
        return user, False
    try:
        validate_email(address)
    except ValidationError:
        raise NoAddress(f"{email!r} is no e-mail address") from None
    return User.objects.create_user(address), True
