"""Runs: an assistant at work on a thread, step by step."""

from __future__ import annotations

from gateway.assistants import asked, runasked
from gateway.assistants.states import OPEN, TERMINAL
from gateway.openapi.operation import Operation
from gateway.openapi.resources.assistants import (
    CREATED,
    FILLED,
    FORMAT,
    PAGES,
    PAIRS,
    SHOWN_FILES,
    SHOWN_RESOURCES,
    THREAD,
    strict,
    string,
)
from gateway.openapi.schemas import (
    COUNT,
    FLAG,
    METADATA,
    NUMBER,
    OBJECT,
    SECONDS,
    TEXT,
    Schema,
    always,
    array,
    either,
    number,
    or_null,
    page,
    record,
    ref,
    said,
    whole,
    words,
)
from gateway.responses.fields import EFFORTS

TAGS = {"Runs": "An assistant at work on a thread: it goes on whether anybody follows it or not."}

CHOICE = either(
    words(*runasked.MODES),
    strict({"type": words("code_interpreter", "file_search")}),
    strict({"type": always("function"), "function": strict({"name": FILLED})}),
)
TRUNCATION = strict({"type": words("auto", "last_messages")}, {"last_messages": whole(1)})
SHARED = {
    "model": FILLED,
    "instructions": said(string(asked.LONGEST_TEXT), "Instead of the assistant's."),
    "tools": array(ref("AssistantTool"), "Instead of the assistant's.", maxItems=runasked.MOST_TOOLS),
    "metadata": PAIRS,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "stream": FLAG,
    "max_prompt_tokens": whole(runasked.LEAST_TOKENS, text="Of all calls of the run together."),
    "max_completion_tokens": whole(1, text="Of all calls of the run together."),
    "truncation_strategy": said(TRUNCATION, "What is left out of a thread that is too long."),
    "tool_choice": CHOICE,
    "parallel_tool_calls": FLAG,
    "response_format": FORMAT,
    "reasoning_effort": words(*EFFORTS),
}
ERROR = record({"code": TEXT, "message": TEXT})
TOKENS = record({"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT})
MOMENT = or_null(SECONDS)

SCHEMAS: dict[str, Schema] = {
    "RunRequest": strict(
        {"assistant_id": FILLED},
        {
            **SHARED,
            "additional_instructions": said(string(asked.LONGEST_TEXT), "Behind the instructions."),
            "additional_messages": array(ref("ThreadMessageRequest"), "Added to the thread first."),
        },
    ),
    "RunWithThreadRequest": strict(
        {"assistant_id": FILLED},
        {**SHARED, "thread": ref("ThreadRequest"), "tool_resources": ref("ToolResources")},
    ),
    "ToolOutputs": strict(
        {"tool_outputs": array(strict({"tool_call_id": FILLED}, {"output": TEXT}), "Of all calls.", minItems=1)},
        {"stream": FLAG},
    ),
    "Run": record(
        {
            "id": said(TEXT, "`run_…`."),
            "object": always("thread.run"),
            **CREATED,
            "assistant_id": TEXT,
            "thread_id": TEXT,
            "status": words(*OPEN, *TERMINAL),
            "started_at": MOMENT,
            "expires_at": MOMENT,
            "cancelled_at": MOMENT,
            "failed_at": MOMENT,
            "completed_at": MOMENT,
            "required_action": or_null(OBJECT),
            "last_error": or_null(ERROR),
            "model": TEXT,
            "instructions": or_null(TEXT),
            "tools": array(ref("AssistantTool")),
            "tool_resources": SHOWN_RESOURCES,
            "file_ids": SHOWN_FILES,
            "metadata": METADATA,
            "temperature": NUMBER,
            "top_p": NUMBER,
            "reasoning_effort": or_null(TEXT),
            "max_completion_tokens": or_null(COUNT),
            "max_prompt_tokens": or_null(COUNT),
            "truncation_strategy": TRUNCATION,
            "incomplete_details": or_null(record({"reason": TEXT})),
            "usage": said(or_null(TOKENS), "Of all calls, when it has ended."),
            "response_format": FORMAT,
            "tool_choice": CHOICE,
            "parallel_tool_calls": FLAG,
        }
    ),
    "RunStep": record(
        {
            "id": said(TEXT, "`step_…`."),
            "object": always("thread.run.step"),
            "created_at": SECONDS,
            "run_id": TEXT,
            "assistant_id": TEXT,
            "thread_id": TEXT,
            "type": words("message_creation", "tool_calls"),
            "status": words("in_progress", "cancelled", "failed", "completed", "expired"),
            "cancelled_at": MOMENT,
            "completed_at": MOMENT,
            "expired_at": MOMENT,
            "expires_at": MOMENT,
            "failed_at": MOMENT,
            "last_error": or_null(ERROR),
            "step_details": record({"type": TEXT}),
            "metadata": METADATA,
            "usage": or_null(TOKENS),
        }
    ),
}

EVENTS: Schema = {
    **OBJECT,
    "description": "A thread, run, step or message as it is now, or what a step or a message has grown by; the event's "
    "name says which. The last is `done` with [DONE].",
}
RUN: dict[str, Schema] = {**THREAD, "run_id": {"type": "string", "pattern": "^[^/]+$", "description": "`run_…`."}}
STEP: dict[str, Schema] = {**RUN, "step_id": {"type": "string", "pattern": "^[^/]+$", "description": "`step_…`."}}
INCLUDE: dict[str, Schema] = {
    "include": array(words(runasked.INCLUDED), "What else is to be told: the texts that searches have found.")
}
TAG = "Runs"
OPERATIONS = {
    "POST /v1/threads/runs": Operation(
        TAG,
        "Begin a thread and a run on it",
        id="postThreadsWithRun",
        query=INCLUDE,
        body=ref("RunWithThreadRequest"),
        answer=ref("Run"),
        events=EVENTS,
        also=[403, 404, 409],
    ),
    "POST /v1/threads/{thread_id}/runs": Operation(
        TAG,
        "Begin a run",
        "One at a time works on a thread. Its calls of models are admitted, limited and billed one by one.",
        path=THREAD,
        query=INCLUDE,
        body=ref("RunRequest"),
        answer=ref("Run"),
        events=EVENTS,
        also=[403, 404, 409],
    ),
    "GET /v1/threads/{thread_id}/runs": Operation(
        TAG, "List the runs of a thread", path=THREAD, query=PAGES, answer=page(ref("Run")), also=[400, 404]
    ),
    "GET /v1/threads/{thread_id}/runs/{run_id}": Operation(
        TAG, "Describe a run", path=RUN, answer=ref("Run"), headers=["openai-poll-after-ms"], also=[404]
    ),
    "POST /v1/threads/{thread_id}/runs/{run_id}": Operation(
        TAG,
        "Change a run's metadata",
        path=RUN,
        body=ref("MetadataChanges"),
        answer=ref("Run"),
        also=[404],
    ),
    "POST /v1/threads/{thread_id}/runs/{run_id}/cancel": Operation(
        TAG, "Cancel a run", path=RUN, answer=ref("Run"), also=[400, 404, 413]
    ),
    "POST /v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs": Operation(
        TAG,
        "Go on with a run that waits for the results of its calls",
        "Of all calls in one request.",
        path=RUN,
        body=ref("ToolOutputs"),
        answer=ref("Run"),
        events=EVENTS,
        also=[404, 409],
    ),
    "GET /v1/threads/{thread_id}/runs/{run_id}/steps": Operation(
        TAG,
        "List the steps of a run",
        path=RUN,
        query={**PAGES, **INCLUDE},
        answer=page(ref("RunStep")),
        also=[400, 404],
    ),
    "GET /v1/threads/{thread_id}/runs/{run_id}/steps/{step_id}": Operation(
        TAG, "Describe a step", path=STEP, query=INCLUDE, answer=ref("RunStep"), also=[400, 404]
    ),
}
