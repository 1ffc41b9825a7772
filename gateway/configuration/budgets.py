"""Budgets and limits of a file become rows: a list it gives is the whole list of its owner."""

from __future__ import annotations

from collections.abc import Sequence

from billing import fields, recalls
from billing.models import Budget, Limit
from gateway import figures
from gateway.configuration.amounts import AmountEntry, Identity, LimitsEntry
from gateway.configuration.document import Path
from gateway.configuration.rows import Rows, Words
from gateway.configuration.schema import Configuration
from gateway.configuration.whose import GATEWAY, Whose
from providers.models import ModelRoute

LIMITS = ("rpm", "tpm", "parallel")


def write(configuration: Configuration, rows: Rows) -> None:
    """Write those of the gateway and its routes; those of people are written with them."""
    if configuration.budgets is not None:
        _refuse_routes(configuration, rows)
        write_budgets(GATEWAY, configuration.budgets, ("budgets",), rows)
    for position, route in enumerate(configuration.routes):
        write_of(Whose(f"route {route.model}", route=route.model), route, ("routes", position), rows)


def write_of(whose: Whose, entry: object, path: Path, rows: Rows) -> None:
    """Write what ``entry`` says of the budgets and limits of ``whose``."""
    if entry.budgets is not None:
        write_budgets(whose, entry.budgets, (*path, "budgets"), rows)
    if entry.limits is not None:
        _write_limits(whose, entry.limits, (*path, "limits"), rows)


def write_budgets(whose: Whose, entries: Sequence[AmountEntry], path: Path, rows: Rows) -> None:
    """Make the budgets exactly these; one that is there keeps what it has spent, one that is not named ends."""
    present: dict[Identity, list[Budget]] = {}
    for row in whose.budgets():
        present.setdefault(_identity(row), []).append(row)
    for position, entry in enumerate(entries):
        identity = entry.identity(whose.route)
        known = present.get(identity)
        row = known.pop(0) if known else Budget(**whose.columns, **identity._asdict())
        values = {"amount": entry.atoms(), "mode": entry.mode, "alert_at": entry.alert_at}
        is_lowered = row.pk is not None and entry.atoms() < row.amount
        rows.put(row, _named(whose, identity), values, (*path, position), _words(entry.unit))
        if is_lowered:
            recalls.recall(row, rows.now)
    for identity, left in present.items():
        for row in left:
            rows.end(row, _named(whose, identity))


def _write_limits(whose: Whose, entry: LimitsEntry, path: Path, rows: Rows) -> None:
    row, subject = whose.limit(), f"limits of {whose.name}"
    values = {name: getattr(entry, name) for name in LIMITS}
    stated = {name: value for name, value in values.items() if value is not None}
    if not stated:
        if row is not None:
            rows.remove(row, subject)
    elif row is None:
        rows.put(Limit(**whose.columns, model=whose.route), subject, stated, path)
    else:
        rows.put(row, subject, values, path)


def _refuse_routes(configuration: Configuration, rows: Rows) -> None:
    """A budget that names a route's model is the route's: two places in the file could not both be the whole list."""
    routes = set(ModelRoute.objects.values_list("model", flat=True))
    for position, entry in enumerate(configuration.budgets or ()):
        if entry.model in routes:
            rows.refuse(("budgets", position, "model"), f"is a route: state it under routes: {entry.model}, budgets:")


def _identity(row: Budget) -> Identity:
    return Identity(row.unit, row.period, row.timezone, row.rolling, row.model)


def _named(whose: Whose, budget: Identity) -> str:
    """Return as "budget of team data: tokens per month in Europe/Berlin for gpt-*"."""
    unit = "USD" if budget.unit == "usd" else budget.unit
    period = "in all" if budget.period == "total" else f"per {'rolling ' if budget.rolling else ''}{budget.period}"
    zone = "" if budget.timezone == "UTC" else f" in {budget.timezone}"
    model = f" for {budget.model}" if budget.model and not whose.route else ""
    return f"budget of {whose.name}: {unit} {period}{zone}{model}"


def _words(unit: str) -> Words:
    if unit == "usd":
        return {"amount": lambda atoms: figures.exact_money(fields.to_usd(atoms))}
    return {"amount": lambda atoms: f"{atoms:,}"}
