"""What an export says: one line for each day and model, and what makes it unreadable. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

ATOM = Decimal("1E-10")
MOST_COUNT = 10**15
MOST_USD = Decimal(10**8)


class BillUnreadable(ValueError):
    """An export is none that is known, or is broken; says where."""


class Line(NamedTuple):
    """``model`` is empty where the export does not tell models apart; what it does not say is None. ``cost`` in USD."""

    day: date
    model: str
    requests: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: Decimal | None = None

    @property
    def is_empty(self) -> bool:
        return self.requests is None and self.input_tokens is None and self.output_tokens is None and self.cost is None


def added_up(lines: Iterable[Line]) -> list[Line]:
    """Return one line for each day and model; costs are rounded once, to what the ledger counts in."""
    sums: dict[tuple[date, str], Line] = {}
    for line in lines:
        key = line.day, line.model
        sums[key] = _plus(sums[key], line) if key in sums else line
    return [_rounded(sums[key]) for key in sorted(sums)]


def _plus(one: Line, other: Line) -> Line:
    return Line(
        one.day,
        one.model,
        _sum(one.requests, other.requests),
        _sum(one.input_tokens, other.input_tokens),
        _sum(one.output_tokens, other.output_tokens),
        other.cost if one.cost is None else one.cost if other.cost is None else one.cost + other.cost,
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _rounded(line: Line) -> Line:
    """Return the line as a column can hold it."""
    if max(line.requests or 0, line.input_tokens or 0, line.output_tokens or 0) > MOST_COUNT:
        raise BillUnreadable(f"the counts of {line.model} on {line.day} are beyond any reason")
    if line.cost is None:
        return line
    if abs(line.cost) > MOST_USD:
        raise BillUnreadable(f"the cost of {line.model} on {line.day} is beyond any reason")
    return line._replace(cost=line.cost.quantize(ATOM, ROUND_HALF_EVEN))
