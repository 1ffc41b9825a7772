"""Which functions a caller offers to a model, and whether one of them must be called. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from providers.errors import RequestRejected
from providers.parameters import unsupported

MODES = ("auto", "none", "required")


class Choice(NamedTuple):
    """``functions`` are those that may be called: name, description, parameters, strict.

    ``mode`` is "auto", "none", "required", or "" where the caller leaves it to the model; ``name`` is the one function
    that must be called, "" where no particular one must be: its mode is "required".
    """

    functions: tuple[Mapping[str, Any], ...] = ()
    mode: str = ""
    name: str = ""


def read(body: Mapping[str, Any]) -> Choice:
    """Return what the body's ``tools`` and ``tool_choice`` say. Raises ``RequestRejected`` with the place."""
    functions = tuple(_function(tool, f"tools[{at}]") for at, tool in enumerate(body.get("tools") or ()))
    choice = body.get("tool_choice")
    if choice is None or choice in MODES:
        return _allowed(functions, choice or "")
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind == "function":
        return _allowed(functions, "required", _name(choice, functions))
    if kind == "allowed_tools" and isinstance(choice.get(kind), Mapping):
        allowed = choice[kind]
        names = {_name(tool, functions) for tool in allowed.get("tools") or ()}
        mode = "required" if allowed.get("mode") == "required" else "auto"
        return _allowed(tuple(each for each in functions if each["name"] in names), mode)
    raise unsupported("tool_choice", "This tool_choice cannot be said to the model that answers here.")


def _allowed(functions: tuple[Mapping[str, Any], ...], mode: str, name: str = "") -> Choice:
    if mode == "required" and not functions:
        raise RequestRejected("A tool_choice that requires a call needs tools.", param="tool_choice")
    return Choice(functions, mode, name)


def _function(tool: Any, place: str) -> Mapping[str, Any]:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise unsupported("tools", f"Only functions can be offered to this model as tools: {place} is none.")
    return function


def _name(chosen: Any, functions: Sequence[Mapping[str, Any]]) -> str:
    function = chosen.get("function") if isinstance(chosen, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or name not in {each["name"] for each in functions}:
        raise RequestRejected("A tool_choice names functions that are among the tools.", param="tool_choice")
    return name
