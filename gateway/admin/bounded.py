"""What the pages of users, teams, keys and routes show of their budgets and limits: a few queries for a whole list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.db.models import Model, Q
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing import clock
from billing.models import Limit
from gateway.pages import ownlimits
from gateway.pages.budgets import Purse, in_force, name_of, purses_of, tightest

SHARED = Q(user=None, team=None, api_key=None)


class Bound(NamedTuple):
    """A limit and how it reads."""

    limit: Limit
    whose: str
    words: str


def add_budgets(rows: Sequence[Model], column: str) -> None:
    """Set ``purse`` on each row: the tightest budget of its own, or None."""
    found: dict[Any, list[Purse]] = defaultdict(list)
    if rows:
        for purse in purses_of(in_force().filter(_of(column, rows)), clock.now()):
            found[_owner(purse, column)].append(purse)
    for row in rows:
        row.purse = tightest(found[_value(row, column)])


def cell(row: Model) -> SafeString | str:
    """Return the bar of a row that ``add_budgets`` has seen."""
    return render_to_string("gateway/budget_cell.html", {"purse": row.purse}) if row.purse else "–"


def context_of(row: Model, column: str, others: Q | None = None) -> dict[str, Any]:
    """Return what the part of a row's page shows: its budgets and limits, and those that ``others`` find."""
    whose = _of(column, [row])
    purses = purses_of(in_force().filter(whose if others is None else whose | others), clock.now())
    limits = Limit.objects.filter(whose if others is None else whose | others).select_related("user", "team", "api_key")
    return {
        "purses": purses,
        "limits": [Bound(limit, name_of(limit), ownlimits.words(limit)) for limit in limits.order_by("pk")],
        "add_query": urlencode({column: _value(row, column)}),
        "shows_others": others is not None,
    }


def sentence(row: Model, column: str) -> SafeString | str:
    """Return how the tightest budget of its own stands, to stand in the sentence of the row's page."""
    purse = tightest(purses_of(in_force().filter(_of(column, [row])), clock.now()))
    if purse is None:
        return ""
    text = '<a href="{}">{} of {}</a> {} · {} · '
    return format_html(text, purse.url, purse.spent, purse.amount, purse.when, purse.renewal)


def _of(column: str, rows: Sequence[Model]) -> Q:
    values = [_value(row, column) for row in rows]
    return SHARED & Q(model__in=values) if column == "model" else Q(**{f"{column}__in": values})


def _value(row: Model, column: str) -> Any:
    return row.model if column == "model" else row.pk


def _owner(purse: Purse, column: str) -> Any:
    return purse.budget.model if column == "model" else getattr(purse.budget, f"{column}_id")
