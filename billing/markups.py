"""By what factor a team is charged more or less than the provider's price. Dated rows, looked up without a query."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import NamedTuple

from billing.pricing import UNCHANGED

GLOB = frozenset("*?[")


class MarkupRow(NamedTuple):
    """A factor since a moment: of a team or (None) of everybody, for a model's name or glob or (empty) for all."""

    team: int | None
    model: str
    since: datetime
    millionths: int


class _Timeline(NamedTuple):
    """``millionths[i]`` is in force from ``since[i]`` on."""

    model: str
    since: tuple[datetime, ...]
    millionths: tuple[int, ...]

    def at(self, moment: datetime) -> int | None:
        position = bisect_right(self.since, moment)
        return self.millionths[position - 1] if position else None


class MarkupTable:
    """All factors; never changes. Pure."""

    def __init__(self, rows: Iterable[MarkupRow] = ()) -> None:
        dated: dict[tuple[int | None, str], list[MarkupRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.since):
            dated[row.team, row.model].append(row)
        self._of: dict[int | None, list[_Timeline]] = defaultdict(list)
        for team, model in sorted(dated, key=lambda key: _nearness(key[1])):
            own = dated[team, model]
            since, millionths = tuple(row.since for row in own), tuple(row.millionths for row in own)
            self._of[team].append(_Timeline(model, since, millionths))
        self._of.default_factory = None

    def of(self, team: int | None, models: Iterable[str], at: datetime) -> int:
        """Return the factor in millionths on what ``team`` is charged ``at`` a moment for a model of these names.

        The most specific row in force counts: for the team and the model, for the team, for the model, for all. A name
        goes before a glob, a longer glob before a shorter one.
        """
        if not self._of:
            return UNCHANGED
        names = tuple(models)
        for whose in dict.fromkeys((team, None)):
            for timeline in self._of.get(whose, ()):
                if timeline.model and not any(fnmatchcase(name, timeline.model) for name in names):
                    continue
                millionths = timeline.at(at)
                if millionths is not None:
                    return millionths
        return UNCHANGED


def _nearness(model: str) -> tuple[bool, bool, int, str]:
    """Return what sorts names first, then globs by how much they say, then what is for all."""
    return (not model, bool(GLOB & set(model)), -len(model), model)
