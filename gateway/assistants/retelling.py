"""What deltas have told of a message or a step, put together again as clients do it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

REPLACED = ("index", "type")


def content_told(events: Iterable[tuple[str, Mapping[str, Any]]], message: str) -> list[dict[str, Any]]:
    """Return the content of a message as far as ``events`` have told it."""
    content: list[dict[str, Any]] = _whole(_deltas(events, "thread.message.delta", message)).get("content", [])
    return content


def calls_told(events: Iterable[tuple[str, Mapping[str, Any]]], step: str) -> list[dict[str, Any]]:
    """Return the calls of a step as far as ``events`` have told them."""
    details = _whole(_deltas(events, "thread.run.step.delta", step)).get("step_details", {})
    calls: list[dict[str, Any]] = details.get("tool_calls", [])
    return calls


def _deltas(events: Iterable[tuple[str, Mapping[str, Any]]], name: str, id: str) -> Iterable[Mapping[str, Any]]:
    return (data["delta"] for said, data in events if said == name and data["id"] == id)


def _whole(deltas: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for delta in deltas:
        whole = merged(whole, delta)
    unnumbered: dict[str, Any] = _unnumbered(whole)
    return unnumbered


def merged(whole: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``whole`` with what ``delta`` adds, by the rules of OpenAI's clients."""
    result = dict(whole)
    for name, value in delta.items():
        result[name] = _joined(name, result.get(name), value)
    return result


def _joined(name: str, old: Any, new: Any) -> Any:
    if old is None or name in REPLACED:
        return _in_places([], new) if isinstance(new, list) else new
    if isinstance(old, str) and isinstance(new, str):
        return old + new
    if isinstance(old, dict) and isinstance(new, dict):
        return merged(old, new)
    if isinstance(old, list) and isinstance(new, list):
        return _in_places(old, new)
    return new


def _in_places(old: list[Any], new: list[Any]) -> list[Any]:
    result = list(old)
    for entry in new:
        if not isinstance(entry, dict) or "index" not in entry:
            result.append(entry)
            continue
        at = next((at for at, known in enumerate(result) if known.get("index") == entry["index"]), None)
        if at is None:
            result.append(merged({}, entry))
        else:
            result[at] = merged(result[at], entry)
    return result


def _unnumbered(value: Any) -> Any:
    if isinstance(value, list):
        return [_unnumbered(each) for each in value]
    if isinstance(value, dict):
        return {name: _unnumbered(each) for name, each in value.items() if name != "index"}
    return value
