"""Items with every field that they are listed with. Pure but for their new ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4


def kind_of(item: Mapping[str, Any]) -> str:
    """Return the item's type; messages and references may leave theirs out."""
    kind = item.get("type")
    return str(kind) if kind is not None else "message" if "role" in item else "item_reference"


def items_of(input: Any) -> list[dict[str, Any]]:
    """Return an input that was checked as items with all their fields; references stay what they are."""
    if input is None:
        return []
    if isinstance(input, str):
        return [_message({"role": "user", "content": input})]
    return [_whole(item) for item in input]


def _whole(item: Mapping[str, Any]) -> dict[str, Any]:
    kind = kind_of(item)
    return WHOLE[kind](item) if kind in WHOLE else {**item, "type": kind}


def _message(item: Mapping[str, Any]) -> dict[str, Any]:
    own = "output_text" if item["role"] == "assistant" else "input_text"
    content = item["content"]
    parts = [{"type": own, "text": content}] if isinstance(content, str) else content
    return {
        **_identified(item, "msg", "message"), "content": [_whole_part(part, own) for part in parts]
    }  # fmt: skip


def _whole_part(part: Mapping[str, Any], own: str = "input_text") -> dict[str, Any]:
    kind = part["type"] if own == "input_text" or part["type"] != "input_text" else own
    return {
        **DEFAULTS.get(kind, {}),
        **{name: value for name, value in part.items() if value is not None},
        "type": kind,
    }


DEFAULTS: Mapping[str, dict[str, Any]] = {
    "output_text": {"annotations": [], "logprobs": []},
    "input_image": {"detail": "auto", "image_url": None},
}


def _call(prefix: str, kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda item: _identified(item, prefix, kind)


def _result(prefix: str, kind: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    def whole(item: Mapping[str, Any]) -> dict[str, Any]:
        output = item["output"]
        parts = output if isinstance(output, str) else [_whole_part(part) for part in output]
        return {**_identified(item, prefix, kind), "output": parts}

    return whole


def _reasoning(item: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in item.items() if value is not None}
    return {**said, "type": "reasoning", "id": item.get("id") or new_id("rs")}


def _identified(item: Mapping[str, Any], prefix: str, kind: str) -> dict[str, Any]:
    said = {name: value for name, value in item.items() if value is not None}
    return {"status": "completed", **said, "type": kind, "id": item.get("id") or new_id(prefix)}


def new_id(prefix: str) -> str:
    return f"{prefix}_{uuid4().hex}"


WHOLE: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "message": _message,
    "function_call": _call("fc", "function_call"),
    "custom_tool_call": _call("ctc", "custom_tool_call"),
    "function_call_output": _result("fco", "function_call_output"),
    "custom_tool_call_output": _result("ctco", "custom_tool_call_output"),
    "reasoning": _reasoning,
}
