"""Margins and discounts of a file become dated factors."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import NamedTuple

from accounts.models import Team
from billing.models import Markup
from billing.pricing import UNCHANGED
from gateway.configuration.changes import NEW, Change
from gateway.configuration.document import Path
from gateway.configuration.moments import Dated, begins_at
from gateway.configuration.pricing import BEGINNING, Stated
from gateway.configuration.rows import Rows
from gateway.configuration.schema import Configuration

UNIT = "factor"


class Key(NamedTuple):
    """Whom and what a factor is for; empty: everybody, every model."""

    team: str
    model: str

    def __str__(self) -> str:
        return f"of {self.team or 'everybody'} on {self.model or 'every model'}"


def write(configuration: Configuration, rows: Rows) -> None:
    for key, stated in _by_key(configuration).items():
        team = Team.objects.filter(name=key.team).first()
        stated.sort(key=lambda factor: factor.since or BEGINNING)
        for factor, following in zip(stated, [*stated[1:], None], strict=True):
            if key.team and team is None:
                rows.refuse(factor.path, f"there is no team {key.team!r}")
            elif following is not None and following.since == factor.since:
                rows.refuse(following.path, f"the markup {key} has another factor from the same moment")
            else:
                _write_factor(key, team, factor, following, rows)


def _by_key(configuration: Configuration) -> dict[Key, list[Stated]]:
    stated: dict[Key, list[Stated]] = defaultdict(list)
    for position, team in enumerate(configuration.teams):
        if team.markup is not None:
            path: Path = ("teams", position, "markup")
            stated[Key(team.name, "")].append(Stated(None, team.markup, path))
    for position, entry in enumerate(configuration.markups):
        key = Key(entry.team or "", entry.model or "")
        stated[key].append(Stated(entry.since, entry.factor, ("markups", position, UNIT)))
    return stated


def _write_factor(key: Key, team: Team | None, factor: Stated, following: Stated | None, rows: Rows) -> None:
    present = Markup.objects.filter(team=team, model=key.model)
    dated = [Dated(row.valid_from, Decimal(row.millionths) / UNCHANGED, UNIT, True) for row in present]
    begin = begins_at(factor.since, following and following.since, factor.amount, UNIT, dated, rows.now)
    if begin is None:
        return
    Markup.objects.create(team=team, model=key.model, millionths=int(factor.amount * UNCHANGED), valid_from=begin)
    rows.changes.append(Change(NEW, f"markup {key}", (f"factor {factor.amount} since {begin.isoformat()}",)))
