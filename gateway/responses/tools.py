"""Tools and the choice among them: flat in Responses, nested in chat. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fieldchecks import Invalid, boolean, filled, mapping, objects, string

MODES = ("none", "auto", "required")
MOST = 128
CALLABLE = ("function", "custom")


def tools(value: Any, param: str) -> None:
    """Check the tools; those that are no functions and no custom tools only by their type."""
    objects(0, MOST)(value, param)
    for at, tool in enumerate(value):
        _tool(tool, f"{param}[{at}]")


def _tool(tool: Mapping[str, Any], param: str) -> None:
    kind = _needed(tool, "type", param)
    if kind not in CALLABLE:
        return
    _needed(tool, "name", param)
    for name, check in FIELDS[kind].items():
        if tool.get(name) is not None:
            check(tool[name], f"{param}.{name}")
    if kind == "custom" and tool.get("format") is not None:
        _grammar(tool["format"], f"{param}.format")


def _grammar(format: Mapping[str, Any], param: str) -> None:
    kind = _needed(format, "type", param)
    if kind == "grammar":
        for name in ("definition", "syntax"):
            _needed(format, name, param)
    elif kind != "text":
        raise Invalid(f"Invalid value for '{param}.type': expected one of 'text', 'grammar'.", f"{param}.type")


def _needed(holder: Mapping[str, Any], name: str, param: str) -> str:
    path = f"{param}.{name}"
    if holder.get(name) is None:
        raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    filled(holder[name], path)
    return str(holder[name])


FIELDS: Mapping[str, Mapping[str, Any]] = {
    "function": {"description": string, "parameters": mapping, "strict": boolean},
    "custom": {"description": string, "format": mapping},
}


def tool_choice(value: Any, param: str) -> None:
    """Check the choice: a mode, or an object that names what is to be called."""
    if isinstance(value, str):
        if value not in MODES:
            names = ", ".join(f"'{mode}'" for mode in MODES)
            raise Invalid(f"Invalid value for '{param}': expected one of {names}, or an object.", param)
        return
    mapping(value, param)
    kind = _needed(value, "type", param)
    if kind in CALLABLE:
        _needed(value, "name", param)
    elif kind == "allowed_tools":
        objects(1, MOST)(value.get("tools"), f"{param}.tools")
        if value.get("mode") not in ("auto", "required"):
            raise Invalid(f"Invalid value for '{param}.mode': expected one of 'auto', 'required'.", f"{param}.mode")
        for at, tool in enumerate(value["tools"]):
            if _needed(tool, "type", f"{param}.tools[{at}]") in CALLABLE:
                _needed(tool, "name", f"{param}.tools[{at}]")


def to_chat(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls`` of a chat body.

    Raises ``Invalid`` for tools that the provider's side would have to run: a chat model can only ask for a call.
    """
    offered = [_nested(tool, f"tools[{at}]") for at, tool in enumerate(body.get("tools") or ())]
    choice = body.get("tool_choice")
    if not offered:
        if choice not in (None, "auto", "none"):
            raise Invalid("A 'tool_choice' that asks for a call needs 'tools'.", "tool_choice")
        return {}
    chat = {
        "tools": offered,
        "tool_choice": None if choice is None else _choice(choice),
        "parallel_tool_calls": body.get("parallel_tool_calls"),
    }
    return {name: value for name, value in chat.items() if value is not None}


def _nested(tool: Mapping[str, Any], param: str) -> dict[str, Any]:
    kind = tool["type"]
    if kind not in CALLABLE:
        raise Invalid(
            f"Tools of type '{kind}' are not supported with this model: 'function' and 'custom' are.",
            f"{param}.type",
            "unsupported_value",
        )
    told = {name: tool[name] for name in ("name", *FIELDS[kind]) if tool.get(name) is not None}
    if "format" in told:
        told["format"] = _format(told["format"])
    return {"type": kind, kind: told}


def _format(format: Mapping[str, Any]) -> dict[str, Any]:
    if format["type"] != "grammar":
        return dict(format)
    return {"type": "grammar", "grammar": {name: format[name] for name in ("syntax", "definition")}}


def _choice(choice: Any) -> Any:
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        allowed = [_named(tool, f"tool_choice.tools[{at}]") for at, tool in enumerate(choice["tools"])]
        return {"type": "allowed_tools", "allowed_tools": {"mode": choice["mode"], "tools": allowed}}
    return _named(choice, "tool_choice")


def _named(tool: Mapping[str, Any], param: str) -> dict[str, Any]:
    kind = tool["type"]
    if kind not in CALLABLE:
        raise Invalid(
            f"A tool of type '{kind}' cannot be chosen with this model.", f"{param}.type", "unsupported_value"
        )
    return {"type": kind, kind: {"name": tool["name"]}}


def shown(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the Response's ``tools``, functions with all their fields."""
    return [_shown(tool) for tool in body.get("tools") or ()]


def _shown(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool["type"] != "function":
        return dict(tool)
    return {"description": None, "parameters": None, "strict": None, **tool}
