"""How assistants, threads, messages, runs and their steps look to callers. Pure: a row goes in, its JSON comes out.

The fields are those of OpenAI's recorded answers of the v2 era, and two that older clients know: ``created``, and
``file_ids`` with all files that the object names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.assistants.states import TERMINAL

NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
EMPTY: Mapping[str, dict[str, list[str]]] = {
    "code_interpreter": {"file_ids": []},
    "file_search": {"vector_store_ids": []},
}
WHOLE_THREAD = {"type": "auto", "last_messages": None}


def assistant(row: Any) -> dict[str, Any]:
    """Return an assistant; what nobody set is shown with OpenAI's defaults, and stays unset in ``row.body``."""
    body: Mapping[str, Any] = row.body
    return {
        "id": row.handle,
        "object": "assistant",
        **_created(row),
        "name": body.get("name"),
        "description": body.get("description"),
        "model": body["model"],
        "instructions": body.get("instructions"),
        "tools": body.get("tools") or [],
        "tool_resources": _with_room(body),
        "file_ids": resource_files(body),
        "metadata": body.get("metadata") or {},
        **_sampling(body),
        "response_format": body.get("response_format") or "auto",
    }


def thread(row: Any) -> dict[str, Any]:
    return {
        "id": row.handle,
        "object": "thread",
        **_created(row),
        "metadata": row.body.get("metadata") or {},
        "tool_resources": row.body.get("tool_resources") or {},
        "file_ids": resource_files(row.body),
    }


def message(row: Any, thread_handle: str) -> dict[str, Any]:
    return {
        "id": row.handle,
        "object": "thread.message",
        **_created(row),
        "assistant_id": row.assistant or None,
        "thread_id": thread_handle,
        "run_id": row.run or None,
        "status": row.status,
        "incomplete_details": _reason(row),
        "incomplete_at": _unix(row.incomplete_at),
        "completed_at": _unix(row.completed_at),
        "role": row.role,
        "content": row.content,
        "attachments": row.attachments or [],
        "file_ids": message_files(row),
        "metadata": row.metadata or {},
    }


def run(row: Any, thread_handle: str) -> dict[str, Any]:
    """Return a run. Its tokens are told when it has ended, and then it expires no more."""
    asked, has_ended = row.asked, row.status in TERMINAL
    return {
        "id": row.handle,
        "object": "thread.run",
        **_created(row),
        "assistant_id": row.assistant,
        "thread_id": thread_handle,
        "status": row.status,
        "started_at": _unix(row.started_at),
        "expires_at": None if has_ended else _unix(row.expires_at),
        "cancelled_at": _unix(row.cancelled_at),
        "failed_at": _unix(row.failed_at),
        "completed_at": _unix(row.completed_at),
        "required_action": row.required_action,
        "last_error": row.last_error,
        "model": asked["model"],
        "instructions": asked.get("instructions"),
        "tools": asked.get("tools") or [],
        "tool_resources": asked.get("tool_resources") or {},
        "file_ids": resource_files(asked),
        "metadata": row.metadata or {},
        **_sampling(asked),
        "max_completion_tokens": asked.get("max_completion_tokens"),
        "max_prompt_tokens": asked.get("max_prompt_tokens"),
        "truncation_strategy": {**WHOLE_THREAD, **(asked.get("truncation_strategy") or {})},
        "incomplete_details": _reason(row),
        "usage": {**NO_TOKENS, **row.usage} if has_ended else None,
        "response_format": asked.get("response_format") or "auto",
        "tool_choice": asked.get("tool_choice") or "auto",
        "parallel_tool_calls": asked.get("parallel_tool_calls") is not False,
    }


def step(
    row: Any,
    run_handle: str,
    thread_handle: str,
    assistant: str,
    include_results: bool = False,
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    """Return a step of a run that would expire at ``expires_at``; with what a search has found, where asked for."""
    return {
        "id": row.handle,
        "object": "thread.run.step",
        "created_at": _unix(row.created_at),
        "run_id": run_handle,
        "assistant_id": assistant,
        "thread_id": thread_handle,
        "type": row.type,
        "status": row.status,
        "cancelled_at": _unix(row.cancelled_at),
        "completed_at": _unix(row.completed_at),
        "expired_at": _unix(row.expired_at),
        "expires_at": _unix(expires_at),
        "failed_at": _unix(row.failed_at),
        "last_error": row.last_error,
        "step_details": row.details if include_results else _without_contents(row.details),
        "metadata": row.metadata or {},
        "usage": row.usage,
    }


def assistant_file(id: str, row: Any) -> dict[str, Any]:
    """Return a file as an assistant's, in the words of the v1 era; when it was attached is not kept."""
    return {"id": id, "object": "assistant.file", "created_at": _unix(row.created_at), "assistant_id": row.handle}


def message_file(id: str, row: Any) -> dict[str, Any]:
    """Return a file as a message's, in the words of the v1 era."""
    return {"id": id, "object": "thread.message.file", "created_at": _unix(row.created_at), "message_id": row.handle}


def message_files(row: Any) -> list[str]:
    return _distinct(each["file_id"] for each in row.attachments or () if each.get("file_id"))


def resource_files(body: Mapping[str, Any]) -> list[str]:
    """Return the files that ``tool_resources`` name, and those of the vector store made from ``store_files``."""
    resources = body.get("tool_resources") or {}
    run = (resources.get("code_interpreter") or {}).get("file_ids") or ()
    return _distinct([*run, *(body.get("store_files") or ())])


def _with_room(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resources of an assistant, empty ones of the tools that have none."""
    empty = {tool["type"]: EMPTY[tool["type"]] for tool in body.get("tools") or () if tool["type"] in EMPTY}
    return {**empty, **(body.get("tool_resources") or {})}


def _sampling(body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "temperature": _or(body.get("temperature"), 1.0),
        "top_p": _or(body.get("top_p"), 1.0),
        "reasoning_effort": body.get("reasoning_effort"),
    }


def _or(said: Any, default: Any) -> Any:
    return default if said is None else said


def _created(row: Any) -> dict[str, int | None]:
    at = _unix(row.created_at)
    return {"created_at": at, "created": at}


def _reason(row: Any) -> dict[str, str] | None:
    return {"reason": row.incomplete_reason} if row.incomplete_reason else None


def _without_contents(details: Mapping[str, Any]) -> Mapping[str, Any]:
    if not details.get("tool_calls"):
        return details
    return {**details, "tool_calls": [_without_content(call) for call in details["tool_calls"]]}


def _without_content(call: Mapping[str, Any]) -> Mapping[str, Any]:
    search = call.get("file_search") or {}
    if not search.get("results"):
        return call
    results = [{key: value for key, value in each.items() if key != "content"} for each in search["results"]]
    return {**call, "file_search": {**search, "results": results}}


def _distinct(ids: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _unix(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
