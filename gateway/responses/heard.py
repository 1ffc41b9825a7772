"""What a chat answer says, read whatever its parts are: what is of another kind says nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_delta(message: Any) -> dict[str, Any]:
    """Return a whole message as one delta: its lists count from 0."""
    if not isinstance(message, dict):
        return {}
    calls = [{**call, "index": at} for at, call in enumerate(objects(message.get("tool_calls")))]
    return {**message, "tool_calls": calls}


def text(value: Any) -> str:
    """Return a text, that of the parts where it comes in parts."""
    if isinstance(value, list):
        return "".join(text(part.get("text")) for part in objects(value))
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def logprobs(given: Any) -> list[dict[str, Any]]:
    """Return the chances of a choice's tokens with every field that they have in Responses."""
    listed = objects(given.get("content")) if isinstance(given, dict) else []
    return [
        {**_chance(each), "top_logprobs": [_chance(o) for o in objects(each.get("top_logprobs"))]} for each in listed
    ]


def _chance(given: Mapping[str, Any]) -> dict[str, Any]:
    token, spelt = text(given.get("token")), given.get("bytes")
    spelt = spelt if isinstance(spelt, list) else list(token.encode("utf-8", "replace"))
    chance = given.get("logprob")
    return {"token": token, "logprob": chance if isinstance(chance, int | float) else 0.0, "bytes": spelt}


def citation(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a source as Responses says it; chat knows web pages only."""
    cited = given.get("url_citation")
    if not isinstance(cited, dict) or not isinstance(cited.get("url"), str):
        return None
    url = cited["url"]
    title = cited.get("title") if isinstance(cited.get("title"), str) else url
    places = {name: cited[name] if type(cited.get(name)) is int else 0 for name in ("start_index", "end_index")}
    return {"type": "url_citation", "url": url, "title": title, **places}
