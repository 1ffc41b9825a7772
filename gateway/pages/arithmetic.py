"""One record's explanation as its page shows it: class times price line by line, and its way on one axis of time."""

from __future__ import annotations

from typing import NamedTuple

from billing.fields import to_usd
from billing.models import UsageRecord
from gateway import explanation, figures
from gateway.explanation import Explanation, Tried
from providers.errors import ANSWERED

WIDTH = 600
# what is shorter would not be seen
LEAST_WIDTH = 2.0


class Line(NamedTuple):
    """``quantity`` of a class, at a price per unit, makes an amount; both None where no price is known."""

    component: str
    quantity: str
    price: str | None
    per: str
    amount: str | None


class Bill(NamedTuple):
    """``markup`` is "+10 %" where the team is charged more or less than the provider's price; the amounts hold it."""

    lines: list[Line]
    markup: str = ""


class Bar(NamedTuple):
    """A span of time on an axis of ``WIDTH``, and what it says; ``tone`` is a class of the stylesheet."""

    label: str
    detail: str
    x: float
    width: float
    tone: str
    said: str


def of(record: UsageRecord) -> Bill:
    bill = explanation.bill_of(record)
    return Bill([_line(line) for line in bill.lines], figures.markup(record.markup))


def _line(line: explanation.Line) -> Line:
    component = line.component.replace("_", " ")
    is_time = line.component == "second"
    quantity = "" if line.quantity is None else figures.duration(line.quantity) if is_time else f"{line.quantity:,}"
    amount = None if line.atoms is None else figures.exact_money(to_usd(line.atoms))
    if line.price is None:
        return Line(component, quantity, None if amount is None else "–", "", amount)
    per = "million" if line.price.unit == "million" else line.component
    per = " ".join(filter(None, (per, line.price.variant, line.price.service_tier)))
    priced_as = "" if line.price.component == line.component else f", priced as {line.price.component}"
    price = figures.exact_money(to_usd(line.price.amount_atoms))
    return Line(component, quantity, price, f"{per}{priced_as}".replace("_", " "), amount)


def timeline(told: Explanation) -> list[Bar]:
    """Return admission, attempts and delivery, as they came; nothing where nobody noted when it ended."""
    total = told.times.ended
    if not total:
        return []
    bars = []
    if told.times.admitted is not None:
        said = f"admitted after {figures.duration(told.times.admitted)}"
        bars.append(
            bar("Gateway", "key, model, limits", (0.0, told.times.sent or told.times.admitted), total, "", said)
        )
    bars += [_attempt(tried, total) for tried in told.attempts]
    first = told.times.first_token
    if first is not None:
        flowed = figures.duration(max(0, total - first))
        said = f"first token after {figures.duration(first)}, then {flowed}"
        bars.append(bar("Delivery", "first token to end", (first, total), total, "tg-flow", said))
    bars.append(bar("In all", "", (0.0, total), total, "tg-wait", f"ended after {figures.duration(total)}"))
    return bars


def _attempt(tried: Tried, total: float) -> Bar:
    start = tried.start or 0.0
    end = total if tried.duration is None else start + tried.duration
    status = f" {tried.status}" if tried.status and tried.outcome != ANSWERED else ""
    took = "" if tried.duration is None else f" after {figures.duration(tried.duration)}"
    reason = "" if tried.reason in ("", "first") else f", {tried.reason.replace('_', ' ')}"
    tone = "tg-flow" if tried.outcome == ANSWERED else "tg-failed"
    label = f"Attempt {tried.number}{reason}"
    return bar(label, f"{tried.provider}/{tried.model}", (start, end), total, tone, f"{tried.outcome}{status}{took}")


def bar(label: str, detail: str, span: tuple[float, float], total: float, tone: str, said: str) -> Bar:
    """Return a bar for ``span`` of ``total``, both in milliseconds."""
    start, end = (min(max(0.0, each), total) for each in span)
    width = max(LEAST_WIDTH, WIDTH * (end - start) / total)
    x = min(WIDTH * start / total, WIDTH - width)
    return Bar(label, detail, round(x, 1), round(width, 1), tone or "tg-wait", said)
