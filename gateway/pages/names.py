"""What the values of a spend dimension are called, and where one looks at their requests."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Model

from accounts.models import ApiKey, Team, User

DIMENSIONS = {
    "model": "model",
    "provider": "provider",
    "upstream_model": "upstream model",
    "user": "user",
    "team": "team",
    "api_key": "API key",
    "operation": "operation",
    "tag": "tag",
    "end_user": "end user",
}
ROWS: dict[str, type[Model]] = {"user": User, "team": Team, "api_key": ApiKey}


def names_of(dimension: str, values: Iterable[str]) -> dict[str, str]:
    """Return what each value is called; one whose row is gone keeps its number."""
    if dimension not in ROWS:
        return {value: value for value in values}
    wanted = [value for value in values if value.isdigit()]
    rows = ROWS[dimension]._default_manager.filter(pk__in=wanted)
    called = {str(row.pk): str(row) for row in rows}
    return {value: called.get(value, f"{DIMENSIONS[dimension]} {value}") for value in values}
