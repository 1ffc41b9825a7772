"""A stream put together again as the SDKs do it: strings are concatenated, tools go by their index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from providers.exchange import Chunk


def seen(chunks: Iterable[Chunk]) -> list[dict[str, Any]]:
    """Return the chunks that the caller gets, parsed from the bytes that go out."""
    events = b"".join(chunk.wire() for chunk in chunks).split(b"\n\n")
    return [json.loads(event[6:]) for event in events if event.startswith(b"data: {")]


def choices(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each choice as a whole answer has it: its message or text, and its finish_reason."""
    found: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            whole = found.setdefault(choice["index"], {"finish_reason": None})
            whole["finish_reason"] = choice["finish_reason"] or whole["finish_reason"]
            if "text" in choice:
                whole["text"] = whole.get("text", "") + choice["text"]
            else:
                _add(whole.setdefault("message", {}), choice["delta"])
    return [found[index] for index in sorted(found)]


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if name in ("tool_calls", "thinking_blocks"):
            for call in value:
                calls = message.setdefault(name, [])
                if call["index"] == len(calls):
                    calls.append({})
                _add(calls[call["index"]], {key: part for key, part in call.items() if key != "index"})
        elif isinstance(value, dict):
            _add(message.setdefault(name, {}), value)
        elif isinstance(value, str):
            message[name] = (message.get(name) or "") + value
        else:
            message.setdefault(name, value)
