"""The deprecated ``functions`` and ``function_call``, said with tools and back again. Pure.

For upstreams whose quirks say ``functions: translate``; the rest get them as the caller wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.errors import RequestRejected


def are_used(body: Mapping[str, Any]) -> bool:
    """Whether the request says anything in the deprecated way, its history included."""
    if body.get("functions") or body.get("function_call"):
        return True
    messages = body.get("messages")
    return isinstance(messages, list) and any(
        isinstance(message, dict) and (message.get("function_call") or message.get("role") == "function")
        for message in messages
    )


def to_tools(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with tools in place of functions. Raises ``RequestRejected`` where it has both."""
    functions = body.get("functions")
    if functions and body.get("tools"):
        raise RequestRejected("'functions' and 'tools' cannot be used together.", param="functions")
    sent = {name: value for name, value in body.items() if name not in ("functions", "function_call")}
    if functions:
        sent["tools"] = [{"type": "function", "function": function} for function in functions]
        sent["parallel_tool_calls"] = False
        choice = body.get("function_call")
        if choice is not None:
            sent["tool_choice"] = choice if isinstance(choice, str) else {"type": "function", "function": choice}
    if isinstance(body.get("messages"), list):
        sent["messages"] = _messages(body["messages"])
    return sent


def from_tools(answer: dict[str, Any]) -> bool:
    """Turn an answer's tool call into a function call in place; return whether that changed it."""
    changed = False
    for choice in answer["choices"]:
        message = choice.get("message")
        calls = message.pop("tool_calls", None) if isinstance(message, dict) else None
        if calls and calls[0].get("function"):
            message["function_call"] = calls[0]["function"]
            changed = True
        changed |= _finish(choice)
    return changed


class StreamTranslator:
    """Turns the tool deltas of one stream into function deltas. Only a choice's first call has a place there."""

    def feed(self, chunk: dict[str, Any]) -> bool:
        """Translate in place; return whether that changed the chunk."""
        changed = False
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if "tool_calls" in delta:
                calls = [call for call in delta.pop("tool_calls") if call.get("index") == 0]
                if calls and calls[0].get("function"):
                    delta["function_call"] = calls[0]["function"]
                changed = True
            changed |= _finish(choice)
        return changed


def _finish(choice: dict[str, Any]) -> bool:
    if choice.get("finish_reason") != "tool_calls":
        return False
    choice["finish_reason"] = "function_call"
    return True


def _messages(messages: list[Any]) -> list[Any]:
    sent = []
    call_id = ""
    for position, message in enumerate(messages):
        if not isinstance(message, dict):
            sent.append(message)
        elif message.get("function_call"):
            call_id = f"call_{position:024d}"
            rest = {name: value for name, value in message.items() if name != "function_call"}
            call = {"id": call_id, "type": "function", "function": message["function_call"]}
            sent.append({**rest, "content": rest.get("content"), "tool_calls": [call]})
        elif message.get("role") == "function":
            sent.append({"role": "tool", "tool_call_id": call_id, "content": message.get("content") or ""})
        else:
            sent.append(message)
    return sent
