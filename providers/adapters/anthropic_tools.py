"""Tools and the choice among them in Anthropic's words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from providers import claude
from providers.claude import Capabilities
from providers.conversation import Conversation
from providers.errors import RequestRejected
from providers.parameters import unsupported

# The tool of models without schemas for their answers: what it is called with is the answer.
JSON_TOOL = "tollgate_answer_in_json"
ONLY_JSON = "Answer with one JSON object and with nothing else: no words around it, no code fence."
NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def tools(
    body: Mapping[str, Any], conversation: Conversation, able: Capabilities, wanted: Any = None
) -> dict[str, Any]:
    """Return ``tools`` and ``tool_choice``. ``wanted`` is the schema of the answer.

    Raises ``RequestRejected`` with the place of what cannot be said.
    """
    offered = [_tool(tool, f"tools[{at}]", able) for at, tool in enumerate(body.get("tools") or ())]
    choice = _choice(body, offered, able) if offered else None
    allowed = _allowed(offered, body.get("tool_choice")) if offered else []
    if wanted is not None and not able.has_schema and able.forces_tools:
        return _answering(allowed, choice, wanted)
    return {"tools": allowed, "tool_choice": choice} if offered else _of_history(conversation)


def _of_history(conversation: Conversation) -> dict[str, Any]:
    """Return the tools that were called before, without which calls may not stand in a conversation."""
    called = sorted({call.name for turn in conversation.turns for call in turn.calls})
    tools = [{"name": name, "input_schema": NOTHING} for name in called]
    return {"tools": tools, "tool_choice": {"type": "none"}} if tools else {}


def _answering(offered: list[dict[str, Any]], choice: dict[str, Any] | None, wanted: Any) -> dict[str, Any]:
    """Return the tools with the one that takes the answer, which has to be called unless another may be."""
    kind = choice["type"] if choice else "auto" if offered else "none"
    answer = {"name": JSON_TOOL, "description": f"Takes the answer. {ONLY_JSON}", "input_schema": wanted}
    if kind == "none":
        choice = {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}
    elif kind != "tool":
        choice = {**(choice or {}), "type": "any"}
    return {"tools": [*offered, answer], "tool_choice": choice}


def _tool(tool: Any, place: str, able: Capabilities) -> dict[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise RequestRejected("Only functions can be offered to this model as tools.", param=place)
    is_strict = function.get("strict") is True and able.has_schema
    taken = {**NOTHING, **(function.get("parameters") or {})}
    said = {
        "name": function["name"],
        "description": function.get("description"),
        "input_schema": claude.schema(taken) if is_strict else taken,
        "strict": is_strict,
        "cache_control": tool.get("cache_control") or function.get("cache_control"),
    }
    return {name: value for name, value in said.items() if value}


def _choice(body: Mapping[str, Any], offered: Sequence[Mapping[str, Any]], able: Capabilities) -> dict[str, Any] | None:
    choice = _chosen(body.get("tool_choice"), [tool["name"] for tool in offered])
    if claude.forces_call(body) and not able.forces_tools:
        raise unsupported("tool_choice", "The model that answers here cannot be made to call a tool.")
    if body.get("parallel_tool_calls") is False and (choice or {}).get("type") != "none":
        return {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return choice


def _chosen(given: Any, names: Sequence[str]) -> dict[str, Any] | None:
    """Return the choice; None leaves it to the model, as it does by itself."""
    if given is None:
        return None
    if given in ("auto", "none"):
        return {"type": given}
    if given == "required":
        return {"type": "any"}
    kind = given.get("type") if isinstance(given, Mapping) else None
    if kind == "function":
        return {"type": "tool", "name": _name(given, names)}
    if kind == "allowed_tools" and isinstance(given.get(kind), Mapping):
        return {"type": "any" if given[kind].get("mode") == "required" else "auto"}
    raise unsupported("tool_choice", "This tool_choice cannot be said to the model that answers here.")


def _allowed(offered: list[dict[str, Any]], choice: Any) -> list[dict[str, Any]]:
    """Return those that the caller allows: only what is offered can be called."""
    if not isinstance(choice, Mapping) or choice.get("type") != "allowed_tools":
        return offered
    every = [tool["name"] for tool in offered]
    names = {_name(tool, every) for tool in choice["allowed_tools"].get("tools") or ()}
    if not names:
        raise RequestRejected("A tool_choice of allowed tools names some.", param="tool_choice")
    return [tool for tool in offered if tool["name"] in names]


def _name(tool: Any, names: Sequence[str]) -> str:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or name not in names:
        raise RequestRejected("A tool_choice names functions that are among the tools.", param="tool_choice")
    return name
