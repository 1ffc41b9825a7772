"""Tools as a chat model is offered them: functions are the caller's, the others become functions of ours. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

FILE_SEARCH, CODE_INTERPRETER = "file_search", "code_interpreter"
OURS = (FILE_SEARCH, CODE_INTERPRETER)
FOLDER = "/mnt/data"
MOST_QUERIES = 5

SEARCH_TEXT = (
    "Searches the files that belong to this conversation. Use it for whatever they may tell. Each passage that it "
    "finds begins with a mark such as 【1:0†notes.txt】: where an answer relies on a passage, write its mark behind "
    "the sentence, unchanged."
)
CODE_TEXT = (
    "Executes Python in a process of its own and returns what it prints, and the value of its last expression. It has "
    "no network. Files that it leaves in {folder} can be linked to as sandbox:{folder}/name."
)
QUERIES = {
    "type": "object",
    "properties": {
        "queries": {
            "type": "array",
            "items": {"type": "string"},
            "description": f"What to search for, in other words each: at most {MOST_QUERIES}.",
        }
    },
    "required": ["queries"],
}
CODE = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "The Python to execute."}},
    "required": ["code"],
}


def names(tools: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return what the tools of ours among ``tools`` are called as functions: as no function of the caller's is."""
    taken = {tool["function"]["name"] for tool in tools if tool["type"] == "function"}
    found = {}
    for kind in OURS:
        if any(tool["type"] == kind for tool in tools):
            found[kind] = _free(kind, taken)
    return found


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def offered(
    asked: Mapping[str, Any], names: Mapping[str, str], files: Sequence[str], *, has_called: bool
) -> dict[str, Any]:
    """Return what a chat says of the run's tools. ``files`` are the names of those that code can read.

    A call that is asked for in any case is asked for once: who ``has_called`` decides by itself what comes next.
    """
    tools = [_tool(tool, names, files) for tool in asked.get("tools") or ()]
    if not tools:
        return {}
    choice = asked.get("tool_choice")
    if has_called and choice != "none":
        choice = None
    said: dict[str, Any] = {"tools": tools}
    if choice not in (None, "auto"):
        said["tool_choice"] = choice if isinstance(choice, str) else _chosen(choice, names)
    if asked.get("parallel_tool_calls") is False:
        said["parallel_tool_calls"] = False
    return said


def _tool(tool: Mapping[str, Any], names: Mapping[str, str], files: Sequence[str]) -> dict[str, Any]:
    kind = tool["type"]
    if kind == FILE_SEARCH:
        return _function(names[kind], SEARCH_TEXT, QUERIES)
    if kind == CODE_INTERPRETER:
        there = f" There are: {', '.join(f'{FOLDER}/{name}' for name in files)}." if files else ""
        return _function(names[kind], CODE_TEXT.format(folder=FOLDER) + there, CODE)
    function = {name: value for name, value in tool["function"].items() if value is not None}
    return {"type": "function", "function": function}


def _function(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": dict(parameters)},
    }


def _chosen(choice: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    name = names[choice["type"]] if choice["type"] in names else choice["function"]["name"]
    return {"type": "function", "function": {"name": name}}


def queries_of(arguments: str) -> list[str]:
    """Return what a search is asked for; nothing where a model has not kept to the format."""
    said = _object(arguments)
    given = said.get("queries") or said.get("query") or []
    texts = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return [text for text in texts if isinstance(text, str) and text.strip()][:MOST_QUERIES]


def code_of(arguments: str) -> str:
    """Return the code to execute: models forget at times to put it into an object."""
    code = _object(arguments).get("code")
    return code if isinstance(code, str) else "" if arguments.lstrip().startswith("{") else arguments


def _object(arguments: str) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
