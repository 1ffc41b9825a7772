"""Keys that a first start makes for itself: files only their owner may read."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from cryptography.fernet import Fernet


def secret_key(path: Path) -> str:
    return _kept(path, lambda: secrets.token_urlsafe(50))


def encryption_keys(given: str, path: Path) -> list[str]:
    """Return the Fernet keys, newest first: ``given`` (comma-separated), else the lines of the file at ``path``."""
    text = given or _kept(path, lambda: Fernet.generate_key().decode())
    return [key for key in text.replace("\n", ",").split(",") if key]


def _kept(path: Path, make: Callable[[], str]) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return _keep(path, make())


def _keep(path: Path, value: str) -> str:
    """Write whole and 0600, or read what another process wrote first."""
    draft = path.with_suffix(f".{os.getpid()}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(value)
    try:
        os.link(draft, path)
    except FileExistsError:
        return path.read_text().strip()
    finally:
        draft.unlink()
    return value
