"""How a budget reads at a moment: whose it is, what is spent, reserved and left, how that looks as a bar. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

CALENDAR = {"day": "today", "week": "this week", "month": "this month", "total": "in all"}
ROLLING = {"day": "in the last 24 hours", "week": "in the last 7 days", "month": "in the last 30 days"}
EACH = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}
EACH_ROLLING = {"day": "in any 24 hours", "week": "in any 7 days", "month": "in any 30 days"}
NEAR = 0.8
TELLING = 1 / 31

OK, WARN, BAD = "tg-ok", "tg-warn", "tg-bad"


class Tick(NamedTuple):
    """A threshold on a bar of a hundred: where, and what it says."""

    at: float
    words: str


class Bar(NamedTuple):
    """Shares of a hundred: ``spent`` from the left, ``reserved`` after it."""

    spent: float
    reserved: float
    ticks: tuple[Tick, ...]


class Stand(NamedTuple):
    """A budget in its period, in atoms of its unit, between ``start`` and ``renews_at``: None where it never renews."""

    amount: int
    posted: int
    lent: int
    start: datetime
    renews_at: datetime | None
    is_enforced: bool
    alert_at: Sequence[float] = ()

    @property
    def share(self) -> float:
        """Return what is spent or reserved of the amount; a budget of nothing is used up."""
        return (self.posted + self.lent) / self.amount if self.amount > 0 else 1.0

    @property
    def spent_share(self) -> float:
        return self.posted / self.amount if self.amount > 0 else 1.0

    @property
    def is_used_up(self) -> bool:
        return self.posted >= self.amount


def bar(stand: Stand) -> Bar:
    """Return the bar; past the amount it is full, and thresholds past it stand at its end."""
    spent = _percent(stand.spent_share)
    reserved = min(_percent(stand.share), 100.0) - spent
    ticks = tuple(Tick(_percent(share), f"alert at {100 * share:g} %") for share in stand.alert_at if share <= 1)
    return Bar(spent, round(max(reserved, 0.0), 2), ticks)


def state(stand: Stand) -> tuple[str, str]:
    """Return how a budget is in a word or two, and its tone."""
    if stand.is_used_up:
        return ("used up", BAD) if stand.is_enforced else ("would refuse", WARN)
    if stand.share >= NEAR:
        return "near", WARN
    return "room", OK


def course(stand: Stand, now: datetime) -> int | None:
    """Return what its period comes to at its pace so far; None where that says nothing yet, or it has no end."""
    if stand.renews_at is None:
        return None
    gone, whole = now - stand.start, stand.renews_at - stand.start
    if gone < whole * TELLING or not stand.posted:
        return None
    return round(stand.posted * (whole / gone))


def when(period: str, rolling: bool) -> str:
    """Return as "this month"."""
    return (ROLLING if rolling else CALENDAR)[period]


def each(period: str, rolling: bool) -> str:
    """Return as "a month"."""
    return (EACH_ROLLING if rolling else EACH)[period]


def renewal(renews_at: datetime | None, timezone: str, rolling: bool) -> str:
    """Return as "renews 1 Dec 00:00 Europe/Berlin"."""
    if renews_at is not None:
        return f"renews {renews_at.astimezone(ZoneInfo(timezone)):%-d %b %H:%M} {timezone}"
    return "renews hour by hour" if rolling else "does not renew"


def named(kind: str, owner: str, model: str) -> str:
    """Return as "team data, for gpt-*"."""
    whose = f"{kind} {owner}" if owner else f"everybody, for {model}" if model else "the whole gateway"
    return f"{whose}, for {model}" if owner and model else whose


def _percent(share: float) -> float:
    return round(100 * min(share, 1.0), 2)
