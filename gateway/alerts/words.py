"""How an alert is worded: the same facts for an e-mail, a webhook and a chat. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from gateway import figures

TYPES = {"budget": "budget.threshold", "ledger": "ledger.differences", "machine": "machine.lost", "test": "test"}
TITLES = {
    "ledger": "The ledger does not add up",
    "machine": "A machine fell silent",
    "test": "This is a test",
}
VERBS = {"usd": "spent", "tokens": "used", "requests": "made"}
CALENDAR = {"day": "this day", "week": "this week", "month": "this month", "total": "in all"}
ROLLING = {"day": "in the last 24 hours", "week": "in the last 7 days", "month": "in the last 30 days"}


class Message(NamedTuple):
    """``data`` has texts only: a number in JSON is a float to many readers."""

    type: str
    title: str
    text: str
    data: dict[str, str | None]


class Threshold(NamedTuple):
    """A budget's threshold that was crossed. Amounts are USD, tokens or requests; ``amount`` is with what is granted.

    ``owner`` is a name, empty for the whole gateway; ``start`` and ``renews_at`` are None where the budget never renews
    at one moment.
    """

    budget: int
    period_row: int
    scope: str
    owner: str
    model: str
    unit: str
    amount: Decimal
    spent: Decimal
    share: Decimal
    mode: str
    period: str
    timezone: str
    is_rolling: bool
    start: datetime | None
    renews_at: datetime | None


def of_threshold(alert: int, crossed: Threshold) -> Message:
    """Word a budget's alert: who, how much of what, since when, and what happens next."""
    title = title_of(crossed.share, crossed.scope, crossed.owner)
    data = {
        "alert": str(alert),
        "budget": str(crossed.budget),
        "period": str(crossed.period_row),
        "scope": crossed.scope,
        "owner": crossed.owner or None,
        "model": crossed.model or None,
        "unit": crossed.unit,
        "amount": f"{crossed.amount:f}",
        "spent": f"{crossed.spent:f}",
        "left": f"{crossed.amount - crossed.spent:f}",
        "threshold": f"{crossed.share:f}",
        "mode": crossed.mode,
        "every": crossed.period,
        "timezone": crossed.timezone,
        "started_at": _iso(crossed.start),
        "renews_at": _iso(crossed.renews_at),
    }
    return _message("budget", title, f"{_sentence(crossed)} {_consequence(crossed)}", data)


def title_of(share: Decimal, scope: str, owner: str) -> str:
    """Return as "80 % of a budget is used: the team data"."""
    return f"{(100 * share).normalize():f} % of a budget is used: {_whose(scope, owner)}"


def of_text(kind: str, alert: int, text: str) -> Message:
    """Word an alert of another kind, whose text stands in its row."""
    return _message(kind, TITLES[kind], text, {"alert": str(alert)})


def of_test() -> Message:
    text = "Somebody pressed “Send a test” in Tollgate's admin. Alerts will arrive here like this one."
    return _message("test", TITLES["test"], text, {})


def _message(kind: str, title: str, text: str, data: dict[str, str | None]) -> Message:
    title = " ".join(title.split())
    return Message(TYPES[kind], title, text, {**data, "title": title, "text": text})


def _sentence(crossed: Threshold) -> str:
    """Return as "The team data has spent $401.20 of $500.00 for gpt-* this month."."""
    whose = _whose(crossed.scope, crossed.owner)
    when = (ROLLING if crossed.is_rolling else CALENDAR).get(crossed.period, CALENDAR["total"])
    models = f" for {crossed.model}" if crossed.model else ""
    spent, amount = _amount(crossed.spent, crossed.unit), _amount(crossed.amount, crossed.unit)
    things = "" if crossed.unit == "usd" else f" {crossed.unit}"
    return f"{whose[:1].upper()}{whose[1:]} has {VERBS[crossed.unit]} {spent} of {amount}{things}{models} {when}."


def _consequence(crossed: Threshold) -> str:
    if crossed.mode == "observe":
        what = "The budget only observes: nothing is refused."
    elif crossed.spent >= crossed.amount:
        what = "Requests that it binds are refused."
    else:
        what = "Requests are refused when it is used up."
    if crossed.renews_at is not None:
        return f"{what} It renews on {_moment(crossed.renews_at, crossed.timezone)}."
    return f"{what} {'What is older leaves it by and by.' if crossed.is_rolling else 'It does not renew.'}"


def _whose(scope: str, owner: str) -> str:
    return f"the {scope} {owner}" if owner else "the whole gateway"


def _amount(amount: Decimal, unit: str) -> str:
    return figures.money(amount) if unit == "usd" else figures.tokens(int(amount))


def _moment(at: datetime, timezone: str) -> str:
    return f"{at.astimezone(ZoneInfo(timezone)):%-d %b %Y %H:%M} {timezone}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
