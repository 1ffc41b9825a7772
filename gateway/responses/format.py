"""How an answer is to look and how hard its model is to think: to a chat model, and in the Response. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLAIN: Mapping[str, Any] = {"type": "text"}


def to_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``text`` and ``reasoning`` are in a chat body."""
    said, thought = body.get("text") or {}, body.get("reasoning") or {}
    chat = {
        "response_format": _response_format(said.get("format") or PLAIN),
        "verbosity": said.get("verbosity"),
        "reasoning_effort": thought.get("effort"),
    }
    return {name: value for name, value in chat.items() if value is not None}


def _response_format(format: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the format as chat has it, one level deeper; nothing for plain text, which is what chat answers anyway."""
    if format["type"] == "json_schema":
        rest = {name: value for name, value in format.items() if name != "type" and value is not None}
        return {"type": "json_schema", "json_schema": rest}
    return None if format["type"] == "text" else dict(format)


def text(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Response's ``text``."""
    said = body.get("text") or {}
    return {"format": _shown(said.get("format") or PLAIN), "verbosity": said.get("verbosity") or "medium"}


def _shown(format: Mapping[str, Any]) -> dict[str, Any]:
    if format["type"] != "json_schema":
        return dict(format)
    return {"description": None, **format, "strict": bool(format.get("strict"))}


def reasoning(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Response's ``reasoning``."""
    return {"effort": None, "summary": None, **(body.get("reasoning") or {})}


def cache_options(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the Response's ``prompt_cache_options``, whole where something of them was said."""
    said = body.get("prompt_cache_options")
    return {"mode": "implicit", "ttl": "30m", **said} if said else None
