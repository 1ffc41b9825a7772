"""Theirs beside ours: what a provider counted and what the ledger has, for each day and model. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from billing.bills.lines import Line, added_up
from billing.bills.names import matched

Place = tuple[date, str]


class Ours(NamedTuple):
    """What the ledger has; ``cost`` is in USD at the provider's prices and leaves out the ``unpriced`` requests."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0

    def plus(self, other: Ours) -> Ours:
        return Ours(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
            self.unpriced + other.unpriced,
        )


class Row(NamedTuple):
    """One day of one model; ``model`` is empty for all together. A side without anything is None.

    ``tells_cost``: the export says what that day cost, so that a model it leaves out cost nothing there.
    """

    day: date | None
    model: str
    theirs: Line | None
    ours: Ours | None
    tells_cost: bool

    @property
    def their_cost(self) -> Decimal | None:
        told = None if self.theirs is None else self.theirs.cost
        return Decimal(0) if told is None and self.tells_cost else told

    @property
    def difference(self) -> Decimal | None:
        """Return what the ledger has beyond the bill in USD; negative where the bill has more."""
        if self.their_cost is None:
            return None
        return (self.ours.cost if self.ours else Decimal(0)) - self.their_cost

    @property
    def is_missing_here(self) -> bool:
        return self.ours is None

    @property
    def is_missing_there(self) -> bool:
        return self.theirs is None


def compare(bills: Sequence[Iterable[Line]], ours: Mapping[Place, Ours]) -> list[Row]:
    """Return the rows of the days that the bills have, in order of day and model.

    ``bills`` are of one provider, the oldest first: where two tell the cost, or the usage, of one model's day, the
    newer one is taken. What they say of all models together counts on days of which none tells models apart.
    """
    told = [list(lines) for lines in bills]
    names = matched({line.model for lines in told for line in lines} - {""}, {model for _, model in ours})
    theirs = _told_apart(_newest([_under(names, lines) for lines in told]))
    days = {day for day, _ in theirs}
    whole = {day for day, model in theirs if not model}
    here: dict[Place, Ours] = defaultdict(Ours)
    for (day, model), counted in ours.items():
        if day in days:
            place = (day, "" if day in whole else names[model])
            here[place] = here[place].plus(counted)
    with_cost = {day for (day, _), line in theirs.items() if line.cost is not None}
    return [
        Row(place[0], place[1], theirs.get(place), here.get(place), place[0] in with_cost)
        for place in sorted(theirs.keys() | here.keys())
    ]


def total(rows: Sequence[Row]) -> Row:
    """Return the sum of ``rows``; theirs is only what the bills tell."""
    ours = Ours()
    for row in rows:
        ours = ours.plus(row.ours or Ours())
    theirs = added_up(row.theirs._replace(day=date.min, model="") for row in rows if row.theirs is not None)
    tells_cost = any(row.tells_cost for row in rows)
    return Row(None, "", theirs[0] if theirs else None, ours, tells_cost)


def _under(names: Mapping[str, str], lines: Iterable[Line]) -> list[Line]:
    return added_up(line._replace(model=names.get(line.model, "")) for line in lines)


def _newest(bills: Iterable[Iterable[Line]]) -> dict[Place, Line]:
    found: dict[Place, Line] = {}
    for lines in bills:
        for line in lines:
            earlier = found.get((line.day, line.model), line)
            counts = line if _counts(line) else earlier
            cost = earlier.cost if line.cost is None else line.cost
            found[line.day, line.model] = counts._replace(cost=cost)
    return found


def _told_apart(lines: dict[Place, Line]) -> dict[Place, Line]:
    """Leave out what is told of all models on days of which models are told."""
    days = {day for day, model in lines if model}
    return {(day, model): line for (day, model), line in lines.items() if model or day not in days}


def _counts(line: Line) -> bool:
    return not line._replace(cost=None).is_empty
