"""Pages of items, next to the one that stands before or behind them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway import cursors
from gateway.cursors import cursor_of
from gateway.fieldchecks import Invalid, one_of
from gateway.responses.fields import INCLUDED

DEFAULT, MOST = 20, 100


class Query(NamedTuple):
    """Which items of a list are wanted: at most ``limit``, next to the item ``after`` or ``before``, "" for none."""

    limit: int = DEFAULT
    order: str = "desc"
    after: str = ""
    before: str = ""


def query_of(given: Mapping[str, list[str]]) -> Query:
    """Return what a query string asks for. Raises ``Invalid``."""
    cursor = cursor_of(given, DEFAULT, MOST)
    before = given.get("before", [""])[-1]
    if cursor.after and before:
        raise Invalid("'after' and 'before' cannot both be given.", "before")
    return Query(*cursor, before)


def starting_after(given: Mapping[str, list[str]]) -> int:
    """Return the number of the event after which a stream is to go on; before all where none is named."""
    said = given.get("starting_after", [""])[-1]
    if not said:
        return -1
    if not (said.isascii() and said.isdigit() and len(said) < 16):
        raise Invalid("Invalid type for 'starting_after': expected an integer.", "starting_after", "invalid_type")
    return int(said)


def check_include(given: Mapping[str, list[str]]) -> None:
    """Check what a query string asks to be included; what is stored is shown whole. Raises ``Invalid``."""
    for value in (*given.get("include", ()), *given.get("include[]", ())):
        one_of(*INCLUDED)(value, "include")


def page(items: Sequence[dict[str, Any]], query: Query) -> dict[str, Any]:
    """Return the page of ``items``, which are in the order that they came in. Raises ``Invalid``."""
    ordered = list(items) if query.order == "asc" else list(items)[::-1]
    if query.before:
        return paged(ordered[: _place(ordered, query.before, "before")][::-1], query)
    return paged(ordered[_place(ordered, query.after, "after") + 1 :] if query.after else ordered, query)


def paged(beyond: list[dict[str, Any]], query: Query) -> dict[str, Any]:
    """Return the page of the items ``beyond`` the query's cursor, which begin next to it."""
    found = cursors.page(beyond, query.limit)
    return {**cursors.page(found["data"][::-1], query.limit), "has_more": found["has_more"]} if query.before else found


def _place(ordered: list[dict[str, Any]], id: str, param: str) -> int:
    place = next((place for place, item in enumerate(ordered) if item.get("id") == id), None)
    if place is None:
        raise Invalid(f"Invalid value for '{param}': no item of this list has the id '{id}'.", param)
    return place
