"""Items that refer to others, and ids that name one item only. Pure but for new ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.responses.items import new_id
from gateway.responses.refusals import is_id

REFERENCE = "item_reference"
MOST = 5_000
PREFIXES = {
    "message": "msg", "function_call": "fc", "function_call_output": "fco", "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco", "reasoning": "rs",
}  # fmt: skip


def wanted(given: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the ids that ``given`` refers to. Raises ``Invalid`` where they are too many to be looked up."""
    ids = [item["id"] for item in given if item.get("type") == REFERENCE]
    if len(ids) > MOST:
        raise Invalid(f"Invalid value for 'input': {len(ids)} references, at most {MOST}.", "input")
    return ids


def resolved(given: Iterable[dict[str, Any]], known: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items, those that are ``known`` in the places of references to them."""
    return [known[item["id"]] if item.get("type") == REFERENCE else item for item in given]


def distinct(given: Iterable[dict[str, Any]], before: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the items under ids that neither ``before`` nor another one of them has: lists are paged by them."""
    taken = {item.get("id") for item in before}
    found = []
    for item in given:
        if not is_id(item.get("id") or "") or item["id"] in taken:
            item = _named(item)
        taken.add(item["id"])
        found.append(item)
    return found


def identified(given: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the items, those that have no id under a new one."""
    return [item if item.get("id") else _named(item) for item in given]


def _named(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "id": new_id(PREFIXES.get(item["type"], "item"))}
