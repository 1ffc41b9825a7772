"""Limits as pages show them. Pure."""

from __future__ import annotations

from typing import Protocol

WORDS = {"rpm": "requests a minute", "tpm": "tokens a minute", "parallel": "at one time"}


class Limited(Protocol):
    rpm: int | None
    tpm: int | None
    parallel: int | None


def words(limit: Limited) -> str:
    """Return as "600 requests a minute, 50 at one time"."""
    given = ((name, getattr(limit, name)) for name in WORDS)
    return ", ".join(f"{value:,} {WORDS[name]}" for name, value in given if value is not None) or "nothing limited"
