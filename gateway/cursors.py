"""Lists that are read page by page, as OpenAI's are: what a query string asks for, how a page is written. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.fieldchecks import Invalid

ORDERS = ("desc", "asc")


class Cursor(NamedTuple):
    """``after`` is the id of the last item of the page before, "" for the first page. ``order`` is by creation."""

    limit: int
    order: str = "desc"
    after: str = ""


def cursor_of(given: Mapping[str, list[str]], default: int, most: int) -> Cursor:
    """Return which page a query string asks for. Raises ``Invalid``."""
    said = {name: values[-1] for name, values in given.items() if values}
    order = said.get("order") or ORDERS[0]
    if order not in ORDERS:
        raise Invalid("Invalid value for 'order': expected one of 'asc', 'desc'.", "order")
    return Cursor(_limit(said.get("limit", ""), default, most), order, plain(said.get("after", ""), "after"))


def plain(said: str, param: str) -> str:
    """Return a text that may be looked up. Raises ``Invalid``."""
    if "\0" in said:
        raise Invalid(f"Invalid value for '{param}': it has a NUL character.", param)
    return said


def _limit(said: str, default: int, most: int) -> int:
    if not said:
        return default
    if not (said.isascii() and said.isdigit()):
        raise Invalid("Invalid type for 'limit': expected an integer.", "limit", "invalid_type")
    if not 1 <= int(said[:9]) <= most:
        raise Invalid(f"Invalid value for 'limit': expected a value between 1 and {most}.", "limit")
    return int(said)


def page(items: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Return the page of ``items``, of which there may be one more than ``limit``: then there are more.

    Its ends are strings in an empty one too, as the specification has it.
    """
    data = items[:limit]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": "", "last_id": ""}
    return {"object": "list", "data": data, **ends, "has_more": len(items) > limit}
