"""What is asked of each endpoint to see that its answers are those of OpenAI's specification: one row each.

A row is a series of steps, so that what one makes, another can read. ``tests/conformance/test_endpoints.py`` takes them
all, and fails for an operation of the specification that is served and has no row.
"""

from __future__ import annotations

import io
import json
import wave
from typing import Any, NamedTuple

JSON, EVENTS = "application/json", "text/event-stream"
HELLO = [{"role": "user", "content": "Say hello."}]
CALL = {"type": "function", "name": "get_weather", "description": "w", "strict": False, "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
}}  # fmt: skip
JOKE = {
    "type": "object",
    "properties": {"setup": {"type": "string"}, "funny": {"type": "boolean"}},
    "required": ["setup", "funny"],
    "additionalProperties": False,
}
TALK = [
    {"role": "user", "content": [{"type": "input_text", "text": "What is the weather?"}]},
    {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": '{"city": "Bonn"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
]


class Step(NamedTuple):
    """One request. ``asks`` is a method and a path of the specification; its parameters are ids that were kept.

    ``keeps``: under what name the id in the answer is kept, of a list that of its first item. ``kind``: how the content
    type of the answer begins. ``waits_for``: asked again until the status is one of these.
    ``may_be_late``: what is to be ended may have ended. ``keeps_call``: the call that a run waits for is kept as
    ``call_id``.
    """

    asks: str
    body: Any = None
    form: dict[str, str] | None = None
    files: dict[str, tuple[str, bytes]] | None = None
    keeps: str = ""
    kind: str = JSON
    waits_for: tuple[str, ...] = ()
    may_be_late: bool = False
    keeps_call: bool = False


def sound(seconds: float = 0.5) -> bytes:
    """Return silence as a WAV file."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(seconds * 16000)))
    return buffer.getvalue()


def picture() -> bytes:
    """Return the smallest of PNG files."""
    return bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000"
        "0500010d0a2db40000000049454e44ae426082"
    )


def lines(*bodies: dict[str, Any], url: str = "/v1/chat/completions") -> bytes:
    """Return the file of a batch."""
    asked = [{"custom_id": f"line-{at}", "method": "POST", "url": url, "body": body} for at, body in enumerate(bodies)]
    return "\n".join(map(json.dumps, asked)).encode()


def _response(**said: Any) -> Step:
    return Step("POST /responses", {"model": "demo", "input": "Hello", **said})


def _streamed_response(**said: Any) -> Step:
    return _response(stream=True, **said)._replace(kind=EVENTS)


def _heard(operation: str, **fields: str) -> Step:
    return Step(f"POST /audio/{operation}", form={"model": "demo", **fields}, files={"file": ("a.wav", sound())})


UPLOAD = Step(
    "POST /files", form={"purpose": "user_data"}, files={"file": ("notes.txt", b"some notes")}, keeps="file_id"
)
STORED = {"file_id": "{file_id}", "attributes": {"about": "boats"}}
STORED_TOGETHER = {"file_ids": ["{file_id}"], "chunking_strategy": {"type": "auto"}}
BATCH_INPUT = Step(
    "POST /files",
    form={"purpose": "batch"},
    files={"file": ("calls.jsonl", lines({"model": "demo", "messages": HELLO}, {"model": "unheard-of"}))},
    keeps="input_file_id",
)
BATCH = {"input_file_id": "{input_file_id}", "endpoint": "/v1/chat/completions", "completion_window": "24h"}
MANY = [{"model": "demo", "messages": HELLO}] * 300
ENDED = ("completed", "failed", "expired", "cancelled")
DRAWN = {"model": "demo", "prompt": "A boat", "size": "64x64"}
CONVERSATION = Step("POST /conversations", {"metadata": {"topic": "boats"}, "items": TALK[:1]}, keeps="conversation_id")

WEATHER = {"type": "function", "function": {key: CALL[key] for key in ("name", "description", "parameters")}}
ASKING = {"messages": [{"role": "user", "content": "How is the weather?"}]}
ASSISTANT = Step("POST /assistants", {"model": "demo"}, keeps="assistant_id")
CALLING_ASSISTANT = Step("POST /assistants", {"model": "demo", "tools": [WEATHER]}, keeps="assistant_id")
RUN_WITH_THREAD = [
    Step("POST /threads", ASKING, keeps="thread_id"),
    Step("POST /threads/{thread_id}/runs", {"assistant_id": "{assistant_id}"}, keeps="run_id"),
]
WAITED_FOR = Step("GET /threads/{thread_id}/runs/{run_id}", waits_for=("completed", "requires_action", "failed"))

ROWS: dict[str, list[Step]] = {
    "models": [Step("GET /models", keeps="model"), Step("GET /models/{model}")],
    "chat": [Step("POST /chat/completions", {"model": "demo", "messages": HELLO})],
    "chat, streamed": [
        Step(
            "POST /chat/completions",
            {"model": "demo", "messages": HELLO, "stream": True},
            kind=EVENTS,
        )
    ],
    "completions": [Step("POST /completions", {"model": "demo", "prompt": "Once"})],
    "embeddings": [Step("POST /embeddings", {"model": "demo-embedding", "input": ["a", "b"]})],
    "responses": [_response()],
    "responses, streamed": [_streamed_response()],
    "responses with tools": [_response(tools=[CALL], tool_choice="required")],
    "responses with tools, streamed": [_streamed_response(tools=[CALL], tool_choice="required")],
    "responses after a tool": [_response(input=TALK, tools=[CALL])],
    "responses as JSON": [
        _response(text={"format": {"type": "json_schema", "name": "joke", "schema": JOKE, "strict": True}})
    ],
    "responses cut short": [_response(max_output_tokens=16, input="Tell a long story.")],
    "responses with parameters": [
        _response(instructions="Be brief.", temperature=0.5, top_p=0.5, metadata={"a": "b"}, store=False, user="u")
    ],
    "responses, kept": [
        _response()._replace(keeps="response_id"),
        Step("GET /responses/{response_id}"),
        Step("GET /responses/{response_id}/input_items"),
        _response(previous_response_id="{response_id}"),
        Step("DELETE /responses/{response_id}"),
    ],
    "responses in the background": [
        _response(background=True)._replace(keeps="response_id"),
        Step("GET /responses/{response_id}", waits_for=("completed", "failed")),
    ],
    "responses in the background, cancelled": [
        _response(background=True)._replace(keeps="response_id"),
        Step("POST /responses/{response_id}/cancel", may_be_late=True),
    ],
    "responses counted": [Step("POST /responses/input_tokens", {"model": "demo", "input": "Hello"})],
    "conversations": [
        CONVERSATION,
        Step("GET /conversations/{conversation_id}"),
        Step("POST /conversations/{conversation_id}", {"metadata": {"topic": "lakes"}}),
        Step("POST /conversations/{conversation_id}/items", {"items": TALK}),
        _response(conversation="{conversation_id}"),
        Step("GET /conversations/{conversation_id}/items", keeps="item_id"),
        Step("GET /conversations/{conversation_id}/items/{item_id}"),
        Step("DELETE /conversations/{conversation_id}/items/{item_id}"),
        Step("DELETE /conversations/{conversation_id}"),
    ],
    "assistants": [
        Step("POST /assistants", {"model": "demo", "tools": [{"type": "code_interpreter"}]}, keeps="assistant_id"),
        Step("GET /assistants"),
        Step("GET /assistants/{assistant_id}"),
        Step("POST /assistants/{assistant_id}", {"name": "Tutor", "tools": [{"type": "retrieval"}]}),
        Step("DELETE /assistants/{assistant_id}"),
    ],
    "threads": [
        Step("POST /threads", {"messages": [{"role": "user", "content": "Hello"}]}, keeps="thread_id"),
        Step("GET /threads/{thread_id}"),
        Step("POST /threads/{thread_id}", {"metadata": {"topic": "boats"}}),
        Step("POST /threads/{thread_id}/messages", {"role": "user", "content": "Boats?"}, keeps="message_id"),
        Step("GET /threads/{thread_id}/messages"),
        Step("GET /threads/{thread_id}/messages/{message_id}"),
        Step("POST /threads/{thread_id}/messages/{message_id}", {"metadata": {"topic": "lakes"}}),
        Step("DELETE /threads/{thread_id}/messages/{message_id}"),
        Step("DELETE /threads/{thread_id}"),
    ],
    "runs": [
        ASSISTANT,
        *RUN_WITH_THREAD,
        WAITED_FOR,
        Step("POST /threads/{thread_id}/runs/{run_id}", {"metadata": {"topic": "boats"}}),
        Step("GET /threads/{thread_id}/runs"),
        Step("GET /threads/{thread_id}/runs/{run_id}/steps", keeps="step_id"),
        Step("GET /threads/{thread_id}/runs/{run_id}/steps/{step_id}"),
        Step("GET /threads/{thread_id}/messages"),
    ],
    "runs that call tools": [
        CALLING_ASSISTANT,
        *RUN_WITH_THREAD,
        WAITED_FOR._replace(keeps_call=True),
        Step(
            "POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs",
            {"tool_outputs": [{"tool_call_id": "{call_id}", "output": "sunny"}]},
        ),
        WAITED_FOR._replace(waits_for=("completed", "failed")),
        Step("GET /threads/{thread_id}/runs/{run_id}/steps"),
    ],
    "runs cancelled": [
        CALLING_ASSISTANT,
        *RUN_WITH_THREAD,
        WAITED_FOR,
        Step("POST /threads/{thread_id}/runs/{run_id}/cancel"),
    ],
    "runs with their threads": [
        ASSISTANT,
        Step("POST /threads/runs", {"assistant_id": "{assistant_id}", "thread": ASKING}),
    ],
    "images": [Step("POST /images/generations", DRAWN)],
    "images by address": [Step("POST /images/generations", {**DRAWN, "response_format": "url"})],
    "images, streamed": [
        Step("POST /images/generations", {**DRAWN, "stream": True, "partial_images": 1}, kind=EVENTS)
    ],
    "images edited": [
        Step("POST /images/edits", form={"model": "demo", "prompt": "A"}, files={"image": ("a.png", picture())})
    ],
    "images edited, streamed": [
        Step(
            "POST /images/edits",
            form={"model": "demo", "prompt": "A", "stream": "true"},
            files={"image": ("a.png", picture())},
            kind=EVENTS,
        )
    ],
    "images varied": [
        Step("POST /images/variations", form={"model": "demo"}, files={"image": ("a.png", picture())})
    ],
    "speech": [
        Step("POST /audio/speech", {"model": "demo", "input": "Hello", "voice": "alloy"}, kind="audio/")
    ],
    "speech in events": [
        Step(
            "POST /audio/speech",
            {"model": "demo", "input": "Hello", "voice": "alloy", "stream_format": "sse"},
            kind=EVENTS,
        )
    ],
    "transcriptions": [_heard("transcriptions")],
    "transcriptions in detail": [_heard("transcriptions", response_format="verbose_json")],
    **{
        f"transcriptions as {format}": [_heard("transcriptions", response_format=format)._replace(kind="text/")]
        for format in ("text", "srt", "vtt")
    },
    "transcriptions, streamed": [
        _heard("transcriptions", stream="true")._replace(kind=EVENTS)
    ],
    "translations": [_heard("translations")],
    "translations in detail": [_heard("translations", response_format="verbose_json")],
    "moderations": [
        Step("POST /moderations", {"model": "demo", "input": "Hello"}),
        Step("POST /moderations", {"model": "demo", "input": ["Hello", "you"]}),
    ],
    "files": [
        UPLOAD,
        Step("GET /files"),
        Step("GET /files/{file_id}"),
        Step("GET /files/{file_id}/content", kind="application/octet-stream"),
        Step("DELETE /files/{file_id}"),
    ],
    "vector stores": [
        UPLOAD,
        Step("POST /vector_stores", {"name": "Boats"}, keeps="vector_store_id"),
        Step("GET /vector_stores"),
        Step("POST /vector_stores/{vector_store_id}", {"expires_after": {"anchor": "last_active_at", "days": 7}}),
        Step("POST /vector_stores/{vector_store_id}/files", STORED, keeps="file_id"),
        Step("GET /vector_stores/{vector_store_id}/files/{file_id}", waits_for=ENDED),
        Step("GET /vector_stores/{vector_store_id}/files"),
        Step("POST /vector_stores/{vector_store_id}/files/{file_id}", {"attributes": {"about": "boats", "rank": 1}}),
        Step("GET /vector_stores/{vector_store_id}/files/{file_id}/content"),
        Step("POST /vector_stores/{vector_store_id}/search", {"query": "What floats?"}),
        Step("GET /vector_stores/{vector_store_id}"),
        Step("DELETE /vector_stores/{vector_store_id}/files/{file_id}"),
        Step("POST /vector_stores/{vector_store_id}/file_batches", STORED_TOGETHER, keeps="batch_id"),
        Step("GET /vector_stores/{vector_store_id}/file_batches/{batch_id}"),
        Step("GET /vector_stores/{vector_store_id}/file_batches/{batch_id}/files"),
        Step("POST /vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel"),
        Step("DELETE /vector_stores/{vector_store_id}"),
    ],
    "batches": [
        BATCH_INPUT,
        Step("POST /batches", BATCH, keeps="batch_id"),
        Step("GET /batches"),
        Step("GET /batches/{batch_id}", waits_for=ENDED, keeps="batch_id"),
    ],
    "batches, cancelled": [
        BATCH_INPUT._replace(files={"file": ("calls.jsonl", lines(*MANY))}),
        Step("POST /batches", BATCH, keeps="batch_id"),
        Step("POST /batches/{batch_id}/cancel", may_be_late=True),
    ],
}  # fmt: skip
