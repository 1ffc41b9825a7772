"""How money and moments are written in the API's answers. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal


def usd(amount: Decimal) -> str:
    """Return dollars with all ten decimals, as text: most clients would make an inexact float of a JSON number."""
    return f"{amount:.10f}"


def quantity(amount: Decimal | int) -> str | int:
    """Return dollars as ``usd`` does, a count of tokens or requests as the number it is."""
    return usd(amount) if isinstance(amount, Decimal) else amount


def moment(at: datetime | None) -> str | None:
    """Return a moment as RFC 3339 in UTC, whole seconds."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
