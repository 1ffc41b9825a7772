"""What is said of a budget that keeps a call from being answered. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol
from zoneinfo import ZoneInfo

ATOMS_PER_USD = 10**10


class Terms(Protocol):
    @property
    def user_id(self) -> int | None: ...
    @property
    def team_id(self) -> int | None: ...
    @property
    def api_key_id(self) -> int | None: ...
    @property
    def model(self) -> str: ...
    @property
    def amount(self) -> int: ...
    @property
    def unit(self) -> str: ...
    @property
    def period(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def rolling(self) -> bool: ...


def exhausted(terms: Terms, need: int, left: int, renews_at: datetime | None) -> str:
    """Return which budget is used up, what of it is left and when it renews.

    Of the whole gateway's budget no amount is told: it is not the caller's to know.
    """
    said = f"{named(terms)} does not cover this request"
    if is_private(terms):
        said += "."
    else:
        said += f": {amount(left, terms.unit)} left, and it can cost up to {amount(need, terms.unit)}."
    return f"{said} {renewal(terms, renews_at)} GET /v1/budgets lists your budgets, POST /v1/requests asks for more."


def busy(terms: Terms) -> str:
    return f"What is left of {named(terms, inside=True)} is held by requests that are being answered. Please try again."


def is_private(terms: Terms) -> bool:
    return terms.user_id is None and terms.team_id is None and terms.api_key_id is None


def named(terms: Terms, inside: bool = False) -> str:
    """Return for instance "The team's budget of $500.00 per month for gpt-*"."""
    whose = (("the user's", terms.user_id), ("the team's", terms.team_id), ("the API key's", terms.api_key_id))
    owner = next((owner for owner, id in whose if id is not None), "the gateway's")
    size = "" if is_private(terms) else f" of {amount(terms.amount, terms.unit)}"
    model = f" for {terms.model}" if terms.model else ""
    said = f"{owner} budget{size}{_period(terms)}{model}"
    return said if inside else said[0].upper() + said[1:]


def amount(atoms: int, unit: str) -> str:
    if unit != "usd":
        return f"{atoms:,} {unit if atoms != 1 else unit.removesuffix('s')}"
    usd = Decimal(atoms) / ATOMS_PER_USD
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.6f}"


def renewal(terms: Terms, renews_at: datetime | None) -> str:
    if renews_at is not None:
        return f"It renews at {renews_at.astimezone(ZoneInfo(terms.timezone)):%Y-%m-%d %H:%M} {terms.timezone}."
    return "It renews hour by hour." if terms.rolling and terms.period != "total" else "It does not renew."


def _period(terms: Terms) -> str:
    if terms.period == "total":
        return " in all"
    return f" per rolling {terms.period}" if terms.rolling else f" per {terms.period}"
