"""Anthropic's tools and the choice among them in a chat's words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Invalid, boolean, filled, mapping, objects, one_of, string

# Tools of Anthropic's own that the caller runs: its models know them by their type, and no others do.
CALLERS = ("bash_", "computer_", "memory_", "text_editor_")
FIELDS = {"description": string, "input_schema": mapping, "strict": boolean, "cache_control": mapping}


def check(value: Any, param: str) -> None:
    objects()(value, param)
    for at, tool in enumerate(value):
        _check(tool, f"{param}[{at}]")


def _check(tool: Mapping[str, Any], param: str) -> None:
    kind = tool.get("type")
    if kind is not None:
        string(kind, f"{param}.type")
    if kind not in (None, "custom") and not kind.startswith(CALLERS):
        raise Invalid(
            f"A tool of type '{kind}' is run by the provider, and what it costs beside tokens is in no price here: "
            "offer a tool of your own.",
            f"{param}.type",
            "unsupported_value",
        )
    for name in ("name",) if kind not in (None, "custom") else ("name", "input_schema"):
        if tool.get(name) is None:
            raise Invalid(f"Missing required parameter: '{param}.{name}'.", param, "missing_required_parameter")
    filled(tool["name"], f"{param}.name")
    for name, passes in FIELDS.items():
        if tool.get(name) is not None:
            passes(tool[name], f"{param}.{name}")


def check_choice(value: Any, param: str) -> None:
    mapping(value, param)
    one_of("auto", "any", "tool", "none")(value.get("type"), f"{param}.type")
    if value["type"] == "tool":
        if value.get("name") is None:
            raise Invalid(f"Missing required parameter: '{param}.name'.", param, "missing_required_parameter")
        filled(value["name"], f"{param}.name")
    if value.get("disable_parallel_tool_use") is not None:
        boolean(value["disable_parallel_tool_use"], f"{param}.disable_parallel_tool_use")


def chat(given: Sequence[Mapping[str, Any]], choice: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return ``tools``, ``tool_choice`` and ``parallel_tool_calls`` of a chat, where there are tools at all."""
    if not given:
        return {}
    said: dict[str, Any] = {"tools": [_tool(tool) for tool in given]}
    return said | dict(_choice(choice)) if choice else said


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    if tool.get("type") not in (None, "custom"):
        return dict(tool)
    named = {"name": tool["name"], "description": tool.get("description"), "parameters": tool["input_schema"]}
    function = {name: value for name, value in {**named, "strict": tool.get("strict")}.items() if value is not None}
    mark = {"cache_control": tool["cache_control"]} if tool.get("cache_control") else {}
    return {"type": "function", "function": function, **mark}


def _choice(choice: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = choice["type"]
    named = {"type": "function", "function": {"name": choice.get("name")}}
    yield "tool_choice", named if kind == "tool" else CHOICES[kind]
    if choice.get("disable_parallel_tool_use"):
        yield "parallel_tool_calls", False


CHOICES = {"auto": "auto", "any": "required", "none": "none"}
