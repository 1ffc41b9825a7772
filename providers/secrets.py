"""Provider secrets at rest: encrypted columns, the newest key first."""

from __future__ import annotations

from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import models


class SecretUnreadable(Exception):
    """A stored secret was encrypted with a key this process does not have."""


@lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(secret: str) -> str:
    return _fernet(tuple(settings.ENCRYPTION_KEYS)).encrypt(secret.encode()).decode()


def decrypt(token: str) -> str:
    """Return the clear secret. Raises ``SecretUnreadable``."""
    try:
        return _fernet(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise SecretUnreadable("a provider secret was encrypted with another key") from error


def holds(token: str, secret: str) -> bool:
    """Whether ``token`` is this secret, encrypted; one that cannot be read any more is not."""
    if not token:
        return not secret
    try:
        return decrypt(token) == secret
    except SecretUnreadable:
        return False


class EncryptedField(models.TextField):
    """Text that stands encrypted in the table; the attribute holds the token until ``decrypt`` is called on it.

    Kept as the token on purpose: a dump, a repr or an audit entry of the row never has the clear text.
    """
