"""What GET /v1/requests is asked for: whose requests, in what state, which page. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway import handles
from gateway.fieldchecks import Invalid

SCOPES = ("mine", "team", "all")
STATES = ("waiting", "approved", "declined", "withdrawn")
PARAMETERS = frozenset({"scope", "state", "limit", "after"})
LIMIT, MOST = 20, 100


class MoreQuery(NamedTuple):
    """``after`` is the number of the last request on the page before."""

    scope: str
    state: str
    limit: int
    after: int | None


def more_query(given: Iterable[tuple[str, list[str]]]) -> MoreQuery:
    """Return what the parameters say: by default the caller's own, whatever their state. Raises ``Invalid``."""
    parameters = {name: values[-1] for name, values in given}
    for name in parameters.keys() - PARAMETERS:
        raise Invalid(f"Unknown parameter: '{name:.64}'.", name, "unknown_parameter")
    return MoreQuery(
        _one_of(SCOPES, parameters.get("scope") or SCOPES[0], "scope"),
        _one_of(("", *STATES), parameters.get("state", ""), "state"),
        _limit(parameters.get("limit", "")),
        _after(parameters.get("after", "")),
    )


def _one_of(known: tuple[str, ...], value: str, param: str) -> str:
    if value not in known:
        raise Invalid(f"Invalid value for '{param}': use {', '.join(filter(None, known))}.", param)
    return value


def _limit(value: str) -> int:
    if not value:
        return LIMIT
    if not (value.isascii() and value.isdigit() and len(value) < 4 and 1 <= int(value) <= MOST):
        raise Invalid(f"Invalid value for 'limit': use a number from 1 to {MOST}.", "limit")
    return int(value)


def _after(value: str) -> int | None:
    if not value:
        return None
    number = handles.read("request", value)
    if number is None:
        raise Invalid("Invalid value for 'after': use the 'last_id' of the page before.", "after")
    return number
