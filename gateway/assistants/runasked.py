"""What is asked of runs: checked, and put together with what their assistant says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.assistants import prompting
from gateway.assistants.asked import (
    LONGEST_TEXT,
    MESSAGE,
    MESSAGE_NEEDS,
    RUNS_CODE,
    SEARCHES,
    Message,
    Thread,
    checked_thread,
    messages_of,
    resources,
    response_format,
    tools_of,
)
from gateway.assistants.bounds import items, metadata, record, request, text
from gateway.fieldchecks import Check, Invalid, boolean, filled, integer, mapping, number, one_of, string
from gateway.responses.fields import EFFORTS

MOST_TOOLS = 20
# of prompts; an answer may be as short as one token
LEAST_TOKENS = 256
MODES = ("none", "auto", "required")
INCLUDED = "step_details.tool_calls[*].file_search.results[*].content"
# what a run takes over from its assistant where it does not say otherwise
INHERITED = ("model", "tools", "temperature", "top_p", "response_format", "reasoning_effort")
OWN = ("max_prompt_tokens", "max_completion_tokens", "truncation_strategy", "tool_choice", "parallel_tool_calls")


class Asked(NamedTuple):
    """A run to make, on a thread with further ``messages`` or on one that is made with it. ``body`` is what is said."""

    assistant: str
    body: dict[str, Any]
    messages: list[Message]
    metadata: dict[str, str]
    thread: Thread | None = None


def run_of(body: Any) -> Asked:
    """Return a run to make on a thread. Raises ``Invalid``."""
    given = request(body, RUN, ("assistant_id",))
    return _asked(given, messages_of(given.get("additional_messages"), "additional_messages"), None)


def run_with_thread_of(body: Any) -> Asked:
    """Return a run to make with its thread. Raises ``Invalid``."""
    given = request(body, RUN_WITH_THREAD, ("assistant_id",))
    return _asked(given, [], checked_thread(given.get("thread")))


def _asked(given: Mapping[str, Any], messages: list[Message], thread: Thread | None) -> Asked:
    said = {name: value for name, value in given.items() if value is not None}
    if "tools" in said:
        said["tools"] = tools_of(said["tools"], "tools", MOST_TOOLS)
    return Asked(said["assistant_id"], said, messages, said.get("metadata") or {}, thread)


def fixed(asked: Asked, assistant: Mapping[str, Any], thread: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run goes by from now on: its own word, else that of its ``assistant``; files of both are there.

    Raises ``Invalid`` where it asks for a tool that it does not have.
    """
    said = {name: _first(asked.body.get(name), assistant.get(name)) for name in INHERITED}
    said |= {name: asked.body.get(name) for name in OWN}
    own = _first(asked.body.get("instructions"), assistant.get("instructions"))
    said["instructions"] = prompting.instructed(own, asked.body.get("additional_instructions"))
    given = _first(asked.body.get("tool_resources"), assistant.get("tool_resources"))
    said["tool_resources"] = joined(given or {}, thread.get("tool_resources") or {})
    _check_choice(said.get("tool_choice"), said.get("tools") or ())
    return {name: value for name, value in said.items() if value is not None}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files and vector stores of an assistant and of a thread."""
    found: dict[str, Any] = {}
    for tool, name in ((RUNS_CODE, "file_ids"), (SEARCHES, "vector_store_ids")):
        ids = [id for each in (one, other) for id in (each.get(tool) or {}).get(name) or ()]
        if ids:
            found[tool] = {name: list(dict.fromkeys(ids))}
    return found


def _check_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> None:
    if choice == "required" and not tools:
        raise Invalid("A 'tool_choice' that asks for a call needs 'tools'.", "tool_choice")
    if not isinstance(choice, Mapping):
        return
    name = (choice.get("function") or {}).get("name")
    if not any(tool["type"] == choice["type"] and _name(tool) == name for tool in tools):
        shown = f"function '{name:.64}'" if name else choice["type"]
        raise Invalid(f"Invalid value for 'tool_choice': the run has no tool {shown}.", "tool_choice")


def _name(tool: Mapping[str, Any]) -> str | None:
    return (tool.get("function") or {}).get("name")


def has_question(thread: Thread | None) -> bool:
    """Whether there is a message of a user on a thread to make."""
    return thread is not None and any(message.role == "user" for message in thread.messages)


def executes_code(said: Mapping[str, Any]) -> bool:
    """Whether a run may execute code."""
    return said.get("tool_choice") != "none" and any(tool["type"] == RUNS_CODE for tool in said.get("tools") or ())


def outputs_of(body: Any) -> dict[str, str]:
    """Return what came of the calls of functions, by id. Raises ``Invalid``."""
    given = request(body, OUTPUTS, ("tool_outputs",))
    outputs: dict[str, str] = {}
    for at, each in enumerate(given["tool_outputs"]):
        if each["tool_call_id"] in outputs:
            path = f"tool_outputs[{at}].tool_call_id"
            raise Invalid(f"Invalid value for '{path}': there are two outputs of this call.", path)
        outputs[each["tool_call_id"]] = each.get("output") or ""
    return outputs


def includes_results(given: Mapping[str, list[str]]) -> bool:
    """Whether a query string asks for the content of what searches have found. Raises ``Invalid``."""
    wanted = [value for name in ("include", "include[]") for value in given.get(name, ())]
    for value in wanted:
        one_of(INCLUDED)(value, "include")
    return bool(wanted)


def _choice(value: Any, param: str) -> None:
    if isinstance(value, str):
        one_of(*MODES)(value, param)
        return
    mapping(value, param)
    one_of("function", SEARCHES, RUNS_CODE)(value.get("type"), f"{param}.type")
    needed = ["function"] if value["type"] == "function" else []
    record({"type": string, "function": record({"name": filled}, ["name"])}, needed)(value, param)


def _truncation(value: Any, param: str) -> None:
    record({"type": one_of("auto", "last_messages"), "last_messages": integer(1)}, ["type"])(value, param)
    if value["type"] == "last_messages" and value.get("last_messages") is None:
        path = f"{param}.last_messages"
        raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


SHARED: Mapping[str, Check] = {
    "assistant_id": filled,
    "model": filled,
    "instructions": text(LONGEST_TEXT),
    "tools": items(mapping, MOST_TOOLS),
    "metadata": metadata,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stream": boolean,
    "max_prompt_tokens": integer(LEAST_TOKENS),
    "max_completion_tokens": integer(1),
    "truncation_strategy": _truncation,
    "tool_choice": _choice,
    "parallel_tool_calls": boolean,
    "response_format": response_format,
    "reasoning_effort": one_of(*EFFORTS),
}
RUN: Mapping[str, Check] = {
    **SHARED,
    "additional_instructions": text(LONGEST_TEXT),
    "additional_messages": items(record(MESSAGE, MESSAGE_NEEDS)),
}
RUN_WITH_THREAD: Mapping[str, Check] = {**SHARED, "thread": mapping, "tool_resources": resources}
OUTPUTS: Mapping[str, Check] = {
    "tool_outputs": items(record({"tool_call_id": filled, "output": string}, ["tool_call_id"]), least=1),
    "stream": boolean,
}
