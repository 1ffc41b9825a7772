"""Assistants and threads: what OpenAI's Assistants API kept, kept here."""

from __future__ import annotations

from gateway.assistants import asked, bounds
from gateway.openapi.operation import Operation
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
    deleted,
    either,
    number,
    or_null,
    page,
    paging,
    record,
    ref,
    said,
    whole,
    words,
)
from gateway.responses.fields import EFFORTS
from gateway.responses.listing import DEFAULT, MOST

TAGS = {
    "Assistants": "Who is asked: a model, its instructions and tools. They are the user's, within the key's team, as "
    "is all that is kept here. The header `OpenAI-Beta` may be there and need not.",
    "Threads": "Messages in their order, which runs of assistants read and add to.",
}


def strict(always: dict[str, Schema], sometimes: dict[str, Schema] | None = None, text: str = "") -> Schema:
    """Return an object with no properties but those named; what is not ``always`` there may be null."""
    schema = record(always, {name: or_null(each) for name, each in (sometimes or {}).items()}, text)
    return {**schema, "additionalProperties": False}


def string(most: int, **more: str) -> Schema:
    return {"type": "string", "maxLength": most, **more}


FILLED: Schema = {"type": "string", "pattern": r"\S"}
PAIRS: Schema = {
    "type": "object",
    "additionalProperties": string(bounds.LONGEST_VALUE),
    "maxProperties": bounds.MOST_PAIRS,
    "propertyNames": {"maxLength": bounds.LONGEST_NAME},
}
NAME = string(asked.LONGEST_FUNCTION_NAME, pattern=r"^[a-zA-Z0-9_-]+$")
FILES = array(FILLED, maxItems=asked.MOST_FILES)
SEARCH = strict(
    {},
    {
        "max_num_results": whole(1, 50),
        "ranking_options": strict({"score_threshold": number(0, 1)}, {"ranker": words("auto", "default_2024_08_21")}),
    },
)
FUNCTION = strict({"name": NAME}, {"description": TEXT, "parameters": OBJECT, "strict": FLAG})
TOOL = either(
    strict({"type": words("code_interpreter", "retrieval", text="retrieval is what file_search was called once.")}),
    strict({"type": always("file_search")}, {"file_search": SEARCH}),
    strict({"type": always("function"), "function": FUNCTION}),
)
NEW_STORE = strict(
    {},
    {
        "file_ids": array(FILLED, maxItems=asked.MOST_STORED_FILES),
        "chunking_strategy": OBJECT,
        "metadata": PAIRS,
    },
)
RESOURCES = strict(
    {},
    {
        "code_interpreter": strict({}, {"file_ids": FILES}),
        "file_search": strict(
            {},
            {
                "vector_store_ids": array(FILLED, maxItems=1),
                "vector_stores": array(NEW_STORE, "One to make, instead of the id of one.", maxItems=1),
            },
        ),
    },
    "What files and vector stores the tools may use.",
)
FORMAT = either(
    words("auto"),
    strict(
        {"type": words("text", "json_object", "json_schema")},
        {"json_schema": strict({"name": NAME}, {"description": TEXT, "schema": OBJECT, "strict": FLAG})},
    ),
)
OLDER_FILES = "From the v1 era: files for all tools that read files."
SAID = {
    "name": string(asked.LONGEST_NAME),
    "description": string(asked.LONGEST_DESCRIPTION),
    "instructions": string(asked.LONGEST_TEXT),
    "tools": array(ref("AssistantTool"), maxItems=asked.MOST_TOOLS),
    "tool_resources": ref("ToolResources"),
    "metadata": PAIRS,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "reasoning_effort": words(*EFFORTS),
    "response_format": FORMAT,
    "file_ids": said(FILES, OLDER_FILES),
}

DETAIL = words(*asked.DETAILS)
PART = either(
    strict({"type": always("text"), "text": string(asked.LONGEST_TEXT)}),
    strict({"type": always("image_file"), "image_file": strict({"file_id": FILLED}, {"detail": DETAIL})}),
    strict({"type": always("image_url"), "image_url": strict({"url": TEXT}, {"detail": DETAIL})}),
)
ATTACHMENT = strict(
    {"file_id": FILLED},
    {"tools": array(strict({"type": words("code_interpreter", "file_search", "retrieval")}))},
)
SHOWN_PART = record({"type": words("text", "image_file", "image_url", "refusal")}, {"text": OBJECT})

CREATED = {"created_at": SECONDS, "created": said(SECONDS, "The same, as LocalAI called it.")}
SHOWN_FILES = said(array(TEXT), "All files that it names, as the v1 era and LocalAI said it.")
SHOWN_RESOURCES = record({}, {"code_interpreter": OBJECT, "file_search": OBJECT})

SCHEMAS: dict[str, Schema] = {
    "AssistantTool": TOOL,
    "ToolResources": RESOURCES,
    "AssistantRequest": strict({"model": FILLED}, SAID),
    "AssistantChanges": strict({}, {"model": FILLED, **SAID}),
    "Assistant": record(
        {
            "id": said(TEXT, "`asst_…`."),
            "object": always("assistant"),
            **CREATED,
            "name": or_null(TEXT),
            "description": or_null(TEXT),
            "model": TEXT,
            "instructions": or_null(TEXT),
            "tools": array(ref("AssistantTool")),
            "tool_resources": SHOWN_RESOURCES,
            "file_ids": SHOWN_FILES,
            "metadata": METADATA,
            "temperature": NUMBER,
            "top_p": NUMBER,
            "reasoning_effort": or_null(TEXT),
            "response_format": FORMAT,
        }
    ),
    "ThreadRequest": strict(
        {}, {"messages": array(ref("ThreadMessageRequest")), "tool_resources": ref("ToolResources"), "metadata": PAIRS}
    ),
    "ThreadChanges": strict({}, {"tool_resources": ref("ToolResources"), "metadata": PAIRS}),
    "Thread": record(
        {
            "id": said(TEXT, "`thread_…`."),
            "object": always("thread"),
            **CREATED,
            "metadata": METADATA,
            "tool_resources": SHOWN_RESOURCES,
            "file_ids": SHOWN_FILES,
        }
    ),
    "ThreadMessageRequest": strict(
        {
            "role": words(*asked.ROLES),
            "content": either({**string(asked.LONGEST_TEXT), "pattern": r"\S"}, array(PART, minItems=1)),
        },
        {
            "attachments": array(ATTACHMENT, "Files for the tools named."),
            "metadata": PAIRS,
            "file_ids": array(FILLED, OLDER_FILES, maxItems=asked.MOST_OLDER_FILES),
        },
    ),
    "MetadataChanges": strict({}, {"metadata": PAIRS}),
    "ThreadMessage": record(
        {
            "id": said(TEXT, "`msg_…`."),
            "object": always("thread.message"),
            **CREATED,
            "assistant_id": or_null(TEXT),
            "thread_id": TEXT,
            "run_id": or_null(TEXT),
            "status": words("in_progress", "incomplete", "completed"),
            "incomplete_details": or_null(record({"reason": TEXT})),
            "incomplete_at": or_null(COUNT),
            "completed_at": or_null(COUNT),
            "role": words(*asked.ROLES),
            "content": array(SHOWN_PART),
            "attachments": array(record({"file_id": TEXT, "tools": array(OBJECT)})),
            "file_ids": SHOWN_FILES,
            "metadata": METADATA,
        }
    ),
    "FileToAttach": strict({"file_id": FILLED}),
    "AssistantFile": record(
        {"id": TEXT, "object": always("assistant.file"), "created_at": SECONDS, "assistant_id": TEXT}
    ),
    "ThreadMessageFile": record(
        {"id": TEXT, "object": always("thread.message.file"), "created_at": SECONDS, "message_id": TEXT}
    ),
}

ASSISTANT: dict[str, Schema] = {"assistant_id": {"type": "string", "pattern": "^[^/]+$", "description": "`asst_…`."}}
THREAD: dict[str, Schema] = {"thread_id": {"type": "string", "pattern": "^[^/]+$", "description": "`thread_…`."}}
MESSAGE: dict[str, Schema] = {
    **THREAD,
    "message_id": {"type": "string", "pattern": "^[^/]+$", "description": "`msg_…`."},
}
FILE: dict[str, Schema] = {"file_id": {"type": "string", "pattern": "^[^/]+$", "description": "`file-…`."}}
PAGES = paging(DEFAULT, MOST, before=said(TEXT, "The id of the first item of the page after."))
OPERATIONS = {
    "POST /v1/assistants": Operation(
        "Assistants",
        "Make an assistant",
        body=ref("AssistantRequest"),
        example={"model": "demo", "name": "Tutor", "instructions": "Explain in one sentence."},
        answer=ref("Assistant"),
        also=[403, 404, 409],
    ),
    "GET /v1/assistants": Operation(
        "Assistants", "List assistants", query=PAGES, answer=page(ref("Assistant")), also=[400]
    ),
    "GET /v1/assistants/{assistant_id}": Operation(
        "Assistants", "Describe an assistant", path=ASSISTANT, answer=ref("Assistant"), also=[404]
    ),
    "POST /v1/assistants/{assistant_id}": Operation(
        "Assistants",
        "Change an assistant",
        "What is not named stays; null takes it away.",
        path=ASSISTANT,
        body=ref("AssistantChanges"),
        answer=ref("Assistant"),
        also=[403, 404, 409],
    ),
    "DELETE /v1/assistants/{assistant_id}": Operation(
        "Assistants",
        "Delete an assistant",
        "Its runs go on and stay.",
        path=ASSISTANT,
        answer=deleted("assistant.deleted"),
        also=[404],
    ),
    "GET /v1/assistants/{assistant_id}/files": Operation(
        "Assistants",
        "List the files of an assistant, as the v1 era did",
        path=ASSISTANT,
        query=PAGES,
        answer=page(ref("AssistantFile")),
        also=[400, 404],
    ),
    "POST /v1/assistants/{assistant_id}/files": Operation(
        "Assistants",
        "Attach a file to an assistant, as the v1 era did",
        path=ASSISTANT,
        body=ref("FileToAttach"),
        answer=ref("AssistantFile"),
        also=[404, 409],
    ),
    "GET /v1/assistants/{assistant_id}/files/{file_id}": Operation(
        "Assistants",
        "Describe a file of an assistant",
        path={**ASSISTANT, **FILE},
        answer=ref("AssistantFile"),
        also=[404],
    ),
    "DELETE /v1/assistants/{assistant_id}/files/{file_id}": Operation(
        "Assistants",
        "Take a file from an assistant",
        "The file itself stays.",
        path={**ASSISTANT, **FILE},
        answer=deleted("assistant.file.deleted"),
        also=[404],
    ),
    "POST /v1/threads": Operation(
        "Threads",
        "Begin a thread",
        body=ref("ThreadRequest"),
        example={"messages": [{"role": "user", "content": "Hello"}]},
        answer=ref("Thread"),
        also=[404, 409],
    ),
    "GET /v1/threads/{thread_id}": Operation(
        "Threads", "Describe a thread", path=THREAD, answer=ref("Thread"), also=[404]
    ),
    "POST /v1/threads/{thread_id}": Operation(
        "Threads",
        "Change a thread's metadata and resources",
        path=THREAD,
        body=ref("ThreadChanges"),
        answer=ref("Thread"),
        also=[404, 409],
    ),
    "DELETE /v1/threads/{thread_id}": Operation(
        "Threads",
        "Delete a thread",
        "Its messages and runs go with it; what a run of it is doing ends.",
        path=THREAD,
        answer=deleted("thread.deleted"),
        also=[404],
    ),
    "POST /v1/threads/{thread_id}/messages": Operation(
        "Threads",
        "Add a message",
        "Not while a run works on the thread.",
        path=THREAD,
        body=ref("ThreadMessageRequest"),
        example={"role": "user", "content": "Hello"},
        answer=ref("ThreadMessage"),
        also=[404, 409],
    ),
    "GET /v1/threads/{thread_id}/messages": Operation(
        "Threads",
        "List messages",
        path=THREAD,
        query={**PAGES, "run_id": said(TEXT, "Only those that this run wrote.")},
        answer=page(ref("ThreadMessage")),
        also=[400, 404],
    ),
    "GET /v1/threads/{thread_id}/messages/{message_id}": Operation(
        "Threads", "Describe a message", path=MESSAGE, answer=ref("ThreadMessage"), also=[404]
    ),
    "POST /v1/threads/{thread_id}/messages/{message_id}": Operation(
        "Threads",
        "Change a message's metadata",
        path=MESSAGE,
        body=ref("MetadataChanges"),
        answer=ref("ThreadMessage"),
        also=[404],
    ),
    "DELETE /v1/threads/{thread_id}/messages/{message_id}": Operation(
        "Threads", "Delete a message", path=MESSAGE, answer=deleted("thread.message.deleted"), also=[400, 404]
    ),
    "GET /v1/threads/{thread_id}/messages/{message_id}/files": Operation(
        "Threads",
        "List the files of a message, as the v1 era did",
        path=MESSAGE,
        query=PAGES,
        answer=page(ref("ThreadMessageFile")),
        also=[400, 404],
    ),
    "GET /v1/threads/{thread_id}/messages/{message_id}/files/{file_id}": Operation(
        "Threads",
        "Describe a file of a message",
        path={**MESSAGE, **FILE},
        answer=ref("ThreadMessageFile"),
        also=[404],
    ),
    "GET /v1/threads/{thread_id}/runs/{run_id}/events": Operation(
        "Threads",
        "Follow a run",
        "Its events again, then those to come, until it has ended or waits for its caller: for a client that lost its "
        "stream, whose last event's `id` in the header `Last-Event-ID` is where this goes on.",
        path={**THREAD, "run_id": {"type": "string", "pattern": "^[^/]+$", "description": "`run_…`."}},
        events=OBJECT,
        also=[400, 404],
    ),
}
