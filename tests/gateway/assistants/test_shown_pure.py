"""Assistants, threads, messages, runs and steps have the fields that OpenAI's had, and obey its specification."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.assistants import shown
from gateway.assistants.rows import Assistant, Message, Run, RunStep, Thread
from gateway.assistants.states import OPEN, TERMINAL
from tests.conformance import shared
from tests.gateway.assistants import recorded
from tests.gateway.responses import specification

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
UNIX = int(NOW.timestamp())
EXTRA = {"created", "file_ids"}
needs_recordings = pytest.mark.skipif(not shared.PRESENT, reason=shared.ABSENT)

assistant = Assistant(handle="asst_1", created_at=NOW, body={"model": "demo"})
thread = Thread(handle="thread_1", created_at=NOW, body={})
message = Message(handle="msg_1", created_at=NOW, completed_at=NOW, role="user", status="completed")


def run(status: str = "queued", **columns: Any) -> Run:
    return Run(
        handle="run_1", assistant="asst_1", status=status, asked={"model": "demo", **columns.pop("asked", {})},
        created_at=NOW, expires_at=NOW + timedelta(seconds=600), **columns,
    )  # fmt: skip


def step(**columns: Any) -> RunStep:
    details = {"type": "message_creation", "message_creation": {"message_id": "msg_1"}}
    return RunStep(handle="step_1", created_at=NOW, **{"type": "message_creation", "details": details, **columns})


def step_shown(row: RunStep, *, include_results: bool = False) -> dict[str, Any]:
    return shown.step(row, "run_1", "thread_1", "asst_1", include_results, NOW)


SHOWN = {
    "assistant": ("AssistantObject", shown.assistant(assistant)),
    "thread": ("ThreadObject", shown.thread(thread)),
    "thread.message": ("MessageObject", shown.message(message, "thread_1")),
    "thread.run": ("RunObject", shown.run(run(), "thread_1")),
    "thread.run.step": ("RunStepObject", step_shown(step())),
}


@needs_recordings
@pytest.mark.parametrize("kind", ["assistant", "thread", "thread.message", "thread.run"])
def test_the_fields_are_those_of_the_recordings_and_two_of_older_clients(kind: str):
    _, body = SHOWN[kind]
    assert body.keys() == recorded.fields()[kind] | EXTRA


@needs_recordings
def test_a_step_has_the_fields_of_the_recordings_and_those_that_the_specification_demands():
    assert SHOWN["thread.run.step"][1].keys() == recorded.fields()["thread.run.step"] | {"expired_at", "metadata"}


@specification.needed
@pytest.mark.parametrize(("schema", "body"), SHOWN.values(), ids=SHOWN)
def test_an_object_obeys_the_specification(schema: str, body: dict[str, Any]):
    assert specification.openai(schema, body) == []


@specification.needed
@pytest.mark.parametrize("status", [*OPEN, *TERMINAL])
def test_a_run_obeys_it_in_every_state(status: str):
    assert specification.openai("RunObject", shown.run(run(status), "thread_1")) == []


def test_times_are_whole_seconds():
    body = shown.assistant(assistant)
    assert (body["created_at"], body["created"]) == (UNIX, UNIX)


def test_what_nobody_set_is_shown_as_openai_does():
    body = shown.assistant(assistant)
    assert (body["temperature"], body["top_p"], body["response_format"]) == (1.0, 1.0, "auto")
    assert (body["name"], body["instructions"], body["reasoning_effort"]) == (None, None, None)
    assert (body["tools"], body["tool_resources"], body["metadata"], body["file_ids"]) == ([], {}, {}, [])


def test_a_temperature_of_zero_is_zero():
    cold = Assistant(handle="a", created_at=NOW, body={"model": "demo", "temperature": 0, "top_p": 0.0})
    assert (shown.assistant(cold)["temperature"], shown.assistant(cold)["top_p"]) == (0, 0.0)


def test_a_tool_without_resources_is_shown_with_empty_ones():
    tools = [{"type": "code_interpreter"}, {"type": "file_search"}, {"type": "function", "function": {"name": "f"}}]
    body = shown.assistant(Assistant(handle="a", created_at=NOW, body={"model": "demo", "tools": tools}))
    assert body["tool_resources"] == {"code_interpreter": {"file_ids": []}, "file_search": {"vector_store_ids": []}}


def test_files_of_all_resources_are_named_once():
    resources = {"code_interpreter": {"file_ids": ["file-1", "file-2"]}}
    body = {"model": "demo", "tool_resources": resources, "store_files": ["file-2", "file-3"]}
    assert shown.assistant(Assistant(handle="a", created_at=NOW, body=body))["file_ids"] == [
        "file-1",
        "file-2",
        "file-3",
    ]
    attached = Message(handle="m", created_at=NOW, role="user", attachments=[{"file_id": "file-1", "tools": []}] * 2)
    assert shown.message(attached, "thread_1")["file_ids"] == ["file-1"]


@pytest.mark.parametrize("status", OPEN)
def test_an_open_run_expires_and_tells_no_tokens(status: str):
    body = shown.run(run(status, usage={"prompt_tokens": 3}), "thread_1")
    assert (body["expires_at"], body["usage"]) == (UNIX + 600, None)


@pytest.mark.parametrize("status", TERMINAL)
def test_an_ended_run_expires_no_more_and_tells_its_tokens(status: str):
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    body = shown.run(run(status, usage=usage), "thread_1")
    assert (body["expires_at"], body["usage"]) == (None, usage)
    assert shown.run(run(status), "thread_1")["usage"] == shown.NO_TOKENS


def test_a_run_shows_what_it_goes_by():
    asked = {"parallel_tool_calls": False, "truncation_strategy": {"type": "last_messages", "last_messages": 3}}
    body = shown.run(run(asked=asked), "thread_1")
    assert body["parallel_tool_calls"] is False
    assert body["truncation_strategy"] == {"type": "last_messages", "last_messages": 3}
    assert shown.run(run(), "thread_1")["truncation_strategy"] == {"type": "auto", "last_messages": None}
    assert (body["tool_choice"], body["response_format"]) == ("auto", "auto")


def test_a_message_tells_why_it_is_incomplete():
    cut = Message(
        handle="m", created_at=NOW, role="assistant", status="incomplete", incomplete_reason="max_tokens", run="run_1",
        assistant="asst_1", incomplete_at=NOW,
    )  # fmt: skip
    body = shown.message(cut, "thread_1")
    assert (body["incomplete_details"], body["incomplete_at"], body["completed_at"]) == (
        {"reason": "max_tokens"}, UNIX, None,
    )  # fmt: skip
    assert (body["run_id"], body["assistant_id"]) == ("run_1", "asst_1")
    assert SHOWN["thread.message"][1]["run_id"] is None


def test_what_a_search_has_found_is_shown_where_it_is_asked_for():
    result = {"file_id": "file-1", "file_name": "a.txt", "score": 0.5, "content": [{"type": "text", "text": "found"}]}
    search = {"id": "call_1", "type": "file_search", "file_search": {"ranking_options": {}, "results": [result]}}
    function = {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{}", "output": None}}
    row = step(type="tool_calls", details={"type": "tool_calls", "tool_calls": [search, function]})
    told = step_shown(row, include_results=True)["step_details"]["tool_calls"]
    assert told == [search, function]
    plain, other = step_shown(row)["step_details"]["tool_calls"]
    assert plain["file_search"]["results"] == [{"file_id": "file-1", "file_name": "a.txt", "score": 0.5}]
    assert other == function
    assert row.details["tool_calls"][0]["file_search"]["results"][0]["content"] == result["content"]
