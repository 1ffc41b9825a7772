"""A request in Anthropic's own words, as the caller of the gateway's Messages said them. Pure.

A chat has no place for all of them: the order of thoughts and calls among texts, marks on pictures and results, what
is known of documents, citations, Anthropic's own tools. What the caller says goes out as it came; what the model cannot
take is left out as of any chat.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers.adapters import anthropic_messages, anthropic_tools

SAID = ("messages", "system", "tools", "tool_choice", "stop_sequences", "metadata", "service_tier", "cache_control")


def body(original: Mapping[str, Any], chat: Mapping[str, Any], able: Any) -> dict[str, Any]:
    """Return the request's body: ``chat`` is what would be sent of the caller's words as a chat."""
    if any(tool.get("name") == anthropic_tools.JSON_TOOL for tool in chat.get("tools") or ()):
        return dict(chat)
    said = {**chat, **{name: original[name] for name in SAID if name in original}}
    said["messages"] = [_message(message) for message in original["messages"]]
    thinking = original.get("thinking") or {}
    if not thinking:
        said.pop("thinking", None)
    elif thinking["type"] == "between_tools":
        said["thinking"] = thinking
    said["output_config"] = _output(original.get("output_config") or {}, chat, bool(thinking), able)
    return {name: value for name, value in said.items() if name != "output_config" or value}


def named(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``body`` with functions in the place of Anthropic's own tools, for what is looked up by name."""
    tools = body.get("tools")
    if not tools or all(tool["type"] == "function" for tool in tools):
        return body
    functions = [
        tool if tool["type"] == "function" else {"type": "function", "function": {"name": tool["name"]}}
        for tool in tools
    ]
    return {**body, "tools": functions}


def _output(said: Mapping[str, Any], chat: Mapping[str, Any], thinks: bool, able: Any) -> dict[str, Any]:
    """Return how the answer is to be: of the effort what the model knows of it."""
    kept = {name: value for name, value in said.items() if name != "effort" and value is not None}
    fitted = (chat.get("output_config") or {}).get("effort")
    return {**kept, "effort": fitted} if fitted and ("effort" in said or thinks) and able.adapts else kept


def _message(message: Mapping[str, Any]) -> Mapping[str, Any]:
    blocks = message["content"]
    return message if isinstance(blocks, str) else {**message, "content": [_block(block) for block in blocks]}


def _block(block: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a block; calls of other models have ids and extras of their own."""
    name = IDS.get(block["type"])
    if name is None:
        return block
    kept = {key: value for key, value in block.items() if key != "extra_content"}
    return {**kept, name: anthropic_messages.tool_id(block[name])}


IDS: Mapping[str, str] = {"tool_use": "id", "tool_result": "tool_use_id"}
