"""Puts a stream's events together to the message that they tell, by the rules of the format; broken rules are named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

FIELDS = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}
KINDS = {"text": {"text_delta", "citations_delta"}, "thinking": {"thinking_delta", "signature_delta"},
         "tool_use": {"input_json_delta"}, "redacted_thinking": set()}  # fmt: skip


def put_together(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the message. Asserts the grammar: start, blocks one after the other, delta, stop."""
    told = [event for event in events if event["type"] != "ping"]
    assert told[0]["type"] == "message_start", told[:1]
    message = {**told[0]["message"], "content": []}
    assert (message["stop_reason"], told[0]["message"]["content"]) == (None, [])
    assert [event["type"] for event in told[-2:]] == ["message_delta", "message_stop"]
    is_open = False
    for event in told[1:-2]:
        kind = event["type"]
        assert is_open is (kind != "content_block_start"), event
        if kind == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append({**event["content_block"], "json": ""})
        assert event["index"] == len(message["content"]) - 1
        if kind == "content_block_delta":
            _add(message["content"][-1], event["delta"])
        is_open = kind != "content_block_stop"
    assert not is_open
    for block in message["content"]:
        written = block.pop("json")
        if block["type"] == "tool_use" and written:
            block["input"] = json.loads(written)
    usage = {name: value for name, value in told[-2]["usage"].items() if value is not None}
    return {**message, **told[-2]["delta"], "usage": {**message["usage"], **usage}}


def _add(block: dict[str, Any], delta: dict[str, Any]) -> None:
    assert delta["type"] in KINDS[block["type"]], (block["type"], delta)
    if delta["type"] == "input_json_delta":
        block["json"] += delta["partial_json"]
    elif delta["type"] != "citations_delta":
        block[FIELDS[delta["type"]]] += delta[FIELDS[delta["type"]]]


def events_of(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a body; the name of each is its type."""
    found = []
    for block in body.decode().split("\n\n"):
        if block.strip():
            name, data = block.split("\n", 1)
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            found.append(event)
    return found
