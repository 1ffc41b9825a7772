"""What one payer spent: by model and by time as sums are kept, by anything else counted from the records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from billing import breakdown, reports
from billing.posting import pair
from billing.reports import Share, Sums

MODEL = "model"


class Payer(NamedTuple):
    """``dimension`` is "user", "team" or "api_key"."""

    dimension: str
    id: int


class Grouping(NamedTuple):
    """By a dimension, by a step of time ("hour", "day", "month") of ``zone``'s calendar, by both or by neither."""

    by: str = ""
    step: str = ""
    zone: tzinfo = UTC


class Spent(NamedTuple):
    """A group's sums; what it was not grouped by is None."""

    at: datetime | None
    value: str | None
    sums: Sums


def total(payer: Payer, start: datetime, end: datetime) -> Sums:
    return reports.total(start, end, payer.dimension, str(payer.id))


def spent(payer: Payer, start: datetime, end: datetime, grouping: Grouping) -> list[Spent]:
    """Return the groups in the order of time, in each the dearest first. Raises ``breakdown.TooMany``."""
    if grouping.by not in ("", MODEL):
        return _counted(payer, start, end, grouping)
    dimension, names = _kept(payer, start, end, grouping.by)
    if not grouping.step:
        return _rows(None, reports.by_value(dimension, start, end, names), names)
    steps = reports.over_time(dimension, start, end, grouping.step, grouping.zone, names)
    return [row for at, values in steps.items() for row in _rows(at, reports.ordered(values), names)]


def _kept(payer: Payer, start: datetime, end: datetime, by: str) -> tuple[str, Mapping[str, str | None]]:
    """Return the dimension of spend that knows this, and {its value: what the group is called}."""
    if by != MODEL:
        return payer.dimension, {str(payer.id): None}
    models = [share.value for share in reports.by_value(MODEL, start, end)]
    return f"{payer.dimension}_{MODEL}", {pair(payer.id, model): model for model in models}


def _counted(payer: Payer, start: datetime, end: datetime, grouping: Grouping) -> list[Spent]:
    counted = breakdown.by(grouping.by, start, end, {payer.dimension: str(payer.id)})
    if not grouping.step:
        return _rows(None, counted.by_value())
    steps = counted.over_time(grouping.step, grouping.zone)
    return [row for at, values in steps.items() for row in _rows(at, reports.ordered(values))]


def _rows(at: datetime | None, shares: Iterable[Share], names: Mapping[str, str | None] | None = None) -> list[Spent]:
    return [Spent(at, share.value if names is None else names[share.value], share.sums) for share in shares]
