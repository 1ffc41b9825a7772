"""What is asked of assistants, threads and messages: checked, and put into today's words where it is older. Pure.

Older are ``file_ids``, which name files for all tools, and the tool ``retrieval``, which is ``file_search`` now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.assistants.bounds import items, metadata, record, request, text
from gateway.fieldchecks import Check, Invalid, boolean, filled, integer, mapping, number, one_of, string
from gateway.responses.fields import EFFORTS
from gateway.validation import LINKS

LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_TEXT = 256, 512, 256_000
MOST_TOOLS, MOST_FILES, MOST_OLDER_FILES, MOST_STORED_FILES = 128, 20, 10, 10_000
DETAILS = ("auto", "low", "high")
ROLES = ("user", "assistant")
RUNS_CODE, SEARCHES, FUNCTION = "code_interpreter", "file_search", "function"
NO_FILES: Mapping[str, Sequence[str]] = {"file_ids": ()}
OLDER_TOOLS = {"retrieval": SEARCHES}
TOOLS = (RUNS_CODE, SEARCHES, FUNCTION, *OLDER_TOOLS)
FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]+", re.ASCII)
LONGEST_FUNCTION_NAME = 64


class Message(NamedTuple):
    """A message to add to a thread, its ``content`` as it will be shown."""

    role: str
    content: list[dict[str, Any]]
    attachments: list[dict[str, Any]]
    metadata: dict[str, str]

    @property
    def files(self) -> list[str]:
        """All files that it names."""
        shown = [part["image_file"]["file_id"] for part in self.content if part["type"] == "image_file"]
        return [*shown, *(each["file_id"] for each in self.attachments)]

    def files_for(self, tool: str) -> list[str]:
        """Those that are attached for ``tool``."""
        return [each["file_id"] for each in self.attachments if any(tool == one["type"] for one in each["tools"])]


class Thread(NamedTuple):
    """A thread to make; ``resources`` may describe a vector store that is yet to be made."""

    messages: list[Message]
    resources: dict[str, Any]
    metadata: dict[str, str]


def assistant_of(body: Any) -> dict[str, Any]:
    """Return an assistant to make, without what is not said; its resources as those of ``Thread``."""
    given = request(body, ASSISTANT, ("model",))
    return _translated({name: value for name, value in given.items() if value is not None}, ())


def assistant_changes_of(body: Any, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is to be changed of an assistant that has ``tools``; None is what is to be taken away."""
    given = request(body, ASSISTANT)
    return _translated({name: value for name, value in given.items() if name != "model" or value}, tools)


def _translated(given: dict[str, Any], tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    files = given.pop("file_ids", None)
    if given.get("tools") is not None:
        given = {**given, "tools": tools_of(given["tools"])}
    if isinstance(given.get("response_format"), dict):
        given = {**given, "response_format": _format_of(given["response_format"])}
    if files is None:
        return given
    resources = with_files(given.get("tool_resources") or {}, given.get("tools", tools) or (), files)
    return {**given, "tool_resources": resources}


def with_files(
    resources: Mapping[str, Any], tools: Iterable[Mapping[str, Any]], files: Sequence[str]
) -> dict[str, Any]:
    """Return ``resources`` with files for those of ``tools`` that read files; without one, for running code.

    Raises ``Invalid`` where the files to search are named as a vector store too.
    """
    types = {tool["type"] for tool in tools}
    made = resources_of(resources)
    if RUNS_CODE in types or SEARCHES not in types:
        there = made.get(RUNS_CODE, NO_FILES)["file_ids"]
        made[RUNS_CODE] = {"file_ids": list(dict.fromkeys([*there, *files]))}
        FILES(made[RUNS_CODE]["file_ids"], "file_ids")
    if SEARCHES in types:
        if made.get(SEARCHES):
            raise Invalid("Mutually exclusive parameters: 'file_ids' and 'tool_resources.file_search'.", "file_ids")
        made[SEARCHES] = {"vector_stores": [{"file_ids": list(files)}]} if files else {"vector_store_ids": []}
    return made


def resources_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return resources without what is null in them; files for running code stand there once."""
    said = {name: _said(value) for name, value in given.items() if value is not None}
    if RUNS_CODE in said:
        said[RUNS_CODE] = {"file_ids": list(dict.fromkeys(said[RUNS_CODE].get("file_ids", ())))}
    return said


def _said(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item for name, item in value.items() if item is not None}


def changed(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an assistant or a thread is after ``changes``; of its resources, those of other tools stay."""
    said = {name: value for name, value in {**body, **changes}.items() if value is not None}
    if "tool_resources" not in changes:
        return said
    resources = changes["tool_resources"]
    if resources is not None:
        said["tool_resources"] = {**(body.get("tool_resources") or {}), **resources}
    if (resources is None or SEARCHES in resources) and "store_files" not in changes:
        said.pop("store_files", None)
    return said


def tools_of(given: Any, param: str = "tools", most: int = MOST_TOOLS) -> list[dict[str, Any]]:
    """Return tools in today's words, each kind that is no function once. Raises ``Invalid``."""
    items(_tool, most)(given, param)
    today = [_today(tool) for tool in given]
    places = {tool["type"]: place for place, tool in reversed(list(enumerate(today)))}
    return [tool for place, tool in enumerate(today) if tool["type"] == FUNCTION or places[tool["type"]] == place]


def _today(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool without what is null in it; in a schema of arguments, null is a value."""
    said = _said(tool)
    if tool["type"] == FUNCTION:
        said[FUNCTION] = _said(tool[FUNCTION])
    return {**said, "type": OLDER_TOOLS.get(tool["type"], tool["type"])}


def _tool(value: Any, param: str) -> None:
    mapping(value, param)
    if value.get("type") is None:
        path = f"{param}.type"
        raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    one_of(*TOOLS)(value["type"], f"{param}.type")
    TOOL_FIELDS[value["type"]](value, param)


def _function_name(value: Any, param: str) -> None:
    text(LONGEST_FUNCTION_NAME)(value, param)
    if not FUNCTION_NAME.fullmatch(value):
        raise Invalid(
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$'.",
            param,
        )


RANKING: Mapping[str, Check] = {"ranker": one_of("auto", "default_2024_08_21"), "score_threshold": number(0, 1)}
SEARCH: Mapping[str, Check] = {
    "max_num_results": integer(1, 50),
    "ranking_options": record(RANKING, ["score_threshold"]),
}
FUNCTION_FIELDS: Mapping[str, Check] = {
    "name": _function_name,
    "description": string,
    "parameters": mapping,
    "strict": boolean,
}
TOOL_FIELDS: Mapping[str, Check] = {
    RUNS_CODE: record({"type": string}),
    "retrieval": record({"type": string}),
    SEARCHES: record({"type": string, SEARCHES: record(SEARCH)}),
    FUNCTION: record({"type": string, FUNCTION: record(FUNCTION_FIELDS, ["name"])}, [FUNCTION]),
}


def resources(value: Any, param: str) -> None:
    """What files and vector stores tools may use; a store that is yet to be made is described instead of named."""
    _RESOURCES(value, param)
    search = value.get(SEARCHES) or {}
    if search.get("vector_store_ids") and search.get("vector_stores"):
        raise Invalid(
            f"Mutually exclusive parameters: '{param}.file_search.vector_store_ids' and "
            f"'{param}.file_search.vector_stores'.",
            f"{param}.file_search",
            "mutually_exclusive_parameters",
        )


FILES = items(filled, MOST_FILES)
NEW_STORE: Mapping[str, Check] = {
    "file_ids": items(filled, MOST_STORED_FILES),
    "chunking_strategy": mapping,
    "metadata": metadata,
}
_RESOURCES = record(
    {
        RUNS_CODE: record({"file_ids": FILES}),
        SEARCHES: record({"vector_store_ids": items(filled, 1), "vector_stores": items(record(NEW_STORE), 1)}),
    }
)


def response_format(value: Any, param: str) -> None:
    if value == "auto":
        return
    if not isinstance(value, dict):
        raise Invalid(f"Invalid type for '{param}': expected 'auto' or an object.", param, "invalid_type")
    _FORMAT(value, param)
    if value["type"] == "json_schema" and not value.get("json_schema"):
        path = f"{param}.json_schema"
        raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def _format_of(given: Mapping[str, Any]) -> dict[str, Any]:
    said = _said(given)
    return {**said, "json_schema": _said(said["json_schema"])} if "json_schema" in said else said


FORMAT_SCHEMA: Mapping[str, Check] = {
    "name": _function_name,
    "description": string,
    "schema": mapping,
    "strict": boolean,
}
_FORMAT = record(
    {"type": one_of("text", "json_object", "json_schema"), "json_schema": record(FORMAT_SCHEMA, ["name"])}, ["type"]
)

ASSISTANT: Mapping[str, Check] = {
    "model": filled,
    "name": text(LONGEST_NAME),
    "description": text(LONGEST_DESCRIPTION),
    "instructions": text(LONGEST_TEXT),
    "tools": items(_tool, MOST_TOOLS),
    "tool_resources": resources,
    "metadata": metadata,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "reasoning_effort": one_of(*EFFORTS),
    "response_format": response_format,
    "file_ids": FILES,
}


def thread_of(body: Any) -> Thread:
    """Return a thread to make; no body asks for an empty one. Raises ``Invalid``."""
    return _thread({} if body is None else request(body, THREAD), "")


def checked_thread(given: Any, param: str = "thread") -> Thread:
    """Return the thread that stands at ``param`` of a body. Raises ``Invalid``."""
    if given is None:
        return _thread({}, param)
    record(THREAD)(given, param)
    return _thread(given, f"{param}.")


def _thread(given: Mapping[str, Any], before: str) -> Thread:
    messages = messages_of(given.get("messages"), f"{before}messages")
    return Thread(messages, given.get("tool_resources") or {}, given.get("metadata") or {})


def thread_changes_of(body: Any) -> dict[str, Any]:
    """Return what is to be changed of a thread; None is what is to be taken away."""
    return dict(request(body, THREAD_CHANGES))


def message_of(body: Any) -> Message:
    """Return a message to add. Raises ``Invalid``."""
    return _message(request(body, MESSAGE, MESSAGE_NEEDS))


def messages_of(given: Any, param: str = "messages") -> list[Message]:
    """Return the messages that stand at ``param`` of a body. Raises ``Invalid``."""
    if given is None:
        return []
    items(record(MESSAGE, MESSAGE_NEEDS))(given, param)
    return [_message(each) for each in given]


def _message(given: Mapping[str, Any]) -> Message:
    older = [{"file_id": id, "tools": [{"type": SEARCHES}, {"type": RUNS_CODE}]} for id in given.get("file_ids") or ()]
    attachments = [{"file_id": each["file_id"], "tools": _types(each)} for each in given.get("attachments") or ()]
    return Message(given["role"], _content(given["content"]), [*attachments, *older], given.get("metadata") or {})


def _types(attachment: Mapping[str, Any]) -> list[dict[str, str]]:
    said = (OLDER_TOOLS.get(tool["type"], tool["type"]) for tool in attachment.get("tools") or ())
    return [{"type": type} for type in dict.fromkeys(said)]


def metadata_of(body: Any) -> dict[str, str] | None:
    """Return the metadata that a body, which may have nothing else, puts in the place of what was there.

    None where it says nothing of it: then that stays.
    """
    given = request(body, {"metadata": metadata})
    return (given["metadata"] or {}) if "metadata" in given else None


def file_of(body: Any) -> str:
    """Return the file that a body of the v1 era attaches. Raises ``Invalid``."""
    id: str = request(body, {"file_id": filled}, ["file_id"])["file_id"]
    return id


def text_part(value: str) -> dict[str, Any]:
    return {"type": "text", "text": {"value": value, "annotations": []}}


def _content(given: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [text_part(given)] if isinstance(given, str) else [_part(part) for part in given]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    type = part["type"]
    if type == "text":
        return text_part(part["text"])
    return {"type": type, type: {**part[type], "detail": part[type].get("detail") or DETAILS[0]}}


def content(value: Any, param: str) -> None:
    if isinstance(value, str):
        text(LONGEST_TEXT)(value, param)
        if not value.strip():
            raise Invalid("Message content must be non-empty.", param)
        return
    if not isinstance(value, list):
        raise Invalid(
            f"Invalid type for '{param}': expected a string or an array of content parts.", param, "invalid_type"
        )
    items(_checked_part, least=1)(value, param)


def _checked_part(value: Any, param: str) -> None:
    mapping(value, param)
    if value.get("type") is None:
        path = f"{param}.type"
        raise Invalid(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    one_of(*PARTS)(value["type"], f"{param}.type")
    PARTS[value["type"]](value, param)


def _link(value: Any, param: str) -> None:
    string(value, param)
    if not value.startswith(LINKS):
        raise Invalid(f"Invalid '{param}'. Expected a valid URL, but got a value with an invalid format.", param)


PARTS: Mapping[str, Check] = {
    "text": record({"type": string, "text": text(LONGEST_TEXT)}, ["text"]),
    "image_file": record(
        {"type": string, "image_file": record({"file_id": filled, "detail": one_of(*DETAILS)}, ["file_id"])},
        ["image_file"],
    ),
    "image_url": record(
        {"type": string, "image_url": record({"url": _link, "detail": one_of(*DETAILS)}, ["url"])}, ["image_url"]
    ),
}
ATTACHED_FOR = record({"type": one_of(RUNS_CODE, SEARCHES, *OLDER_TOOLS)}, ["type"])
MESSAGE_NEEDS = ("role", "content")
MESSAGE: Mapping[str, Check] = {
    "role": one_of(*ROLES),
    "content": content,
    "attachments": items(record({"file_id": filled, "tools": items(ATTACHED_FOR)}, ["file_id"])),
    "metadata": metadata,
    "file_ids": items(filled, MOST_OLDER_FILES),
}
THREAD: Mapping[str, Check] = {
    "messages": items(record(MESSAGE, MESSAGE_NEEDS)),
    "tool_resources": resources,
    "metadata": metadata,
}
THREAD_CHANGES: Mapping[str, Check] = {"tool_resources": resources, "metadata": metadata}
