"""Anthropic's Messages API."""

from __future__ import annotations

from gateway.messages import request
from gateway.openapi import headers
from gateway.openapi.checks import FILLED, body
from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import COMMON, OWN
from gateway.openapi.schemas import (
    COUNT,
    FLAG,
    OBJECT,
    TEXT,
    Schema,
    always,
    array,
    either,
    explained,
    or_null,
    record,
    ref,
    said,
    whole,
    words,
)

TAGS = {"Messages": "Any chat model in Anthropic's format, with Anthropic's clients and the agents built on them."}

BLOCKS = either(TEXT, array(OBJECT), text="Text, or content blocks.")
THINKING = either(
    record({"type": always("enabled"), "budget_tokens": whole(1)}),
    record(
        {"type": words(*(kind for kind in request.THINKING if kind != "enabled"))}, {"budget_tokens": or_null(whole(1))}
    ),
)
FORMAT = record({"type": always("json_schema"), "schema": OBJECT})
CHOICE = either(
    record({"type": words("auto", "any", "none")}, {"disable_parallel_tool_use": or_null(FLAG)}),
    record({"type": always("tool"), "name": FILLED}, {"disable_parallel_tool_use": or_null(FLAG)}),
)
BY_HAND: dict[str, Schema] = {
    "messages": array(record({"role": words("user", "assistant", "system"), "content": BLOCKS}), minItems=1),
    "system": BLOCKS,
    "stop_sequences": array(FILLED),
    "tools": array(record({"name": FILLED}, {"type": or_null(TEXT), "input_schema": OBJECT})),
    "tool_choice": CHOICE,
    "thinking": THINKING,
    "output_config": record({}, {"effort": or_null(words(*request.EFFORTS)), "format": or_null(FORMAT)}),
    "output_format": FORMAT,
    "metadata": record({}, {"user_id": or_null(TEXT)}),
}
TEXTS = {
    "max_tokens": "The most tokens of output.",
    "system": "What the model is told before the conversation.",
    "stop_sequences": "Texts at which the answer ends.",
    "tools": "What the model may call. Tools that Anthropic itself runs are refused.",
    "thinking": "Whether and how much to think.",
    "output_config": "How much effort, and the JSON schema of the answer.",
}
REFUSED: dict[str, Schema] = {name: {"type": "null"} for name in sorted(request.REFUSED)}


def _request(*required: str) -> Schema:
    return explained(body(request.FIELDS, required, **BY_HAND), {**COMMON, **TEXTS}, **REFUSED, **OWN)


USAGE = record(
    {"input_tokens": COUNT, "output_tokens": COUNT},
    {"cache_creation_input_tokens": or_null(COUNT), "cache_read_input_tokens": or_null(COUNT)},
    "What is billed; what was read from a cache or written to it stands beside the input.",
)
EVENTS = (
    "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
    "message_stop", "ping",
)  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "MessageRequest": _request("max_tokens", "messages"),
    "MessageToCount": _request("messages"),
    "Message": record(
        {
            "id": TEXT,
            "type": always("message"),
            "role": always("assistant"),
            "model": TEXT,
            "content": array(record({"type": TEXT}, {"text": TEXT}), "Text, thoughts and calls of tools."),
            "stop_reason": said(or_null(TEXT), "end_turn, max_tokens, stop_sequence, tool_use or refusal."),
            "stop_sequence": or_null(TEXT),
            "usage": USAGE,
        }
    ),
    "MessageEvent": record(
        {"type": words(*EVENTS)},
        {"message": ref("Message"), "index": COUNT, "content_block": OBJECT, "delta": OBJECT, "usage": OBJECT},
    ),
    "MessageCount": record({"input_tokens": COUNT}),
}

OPERATIONS = {
    "POST /v1/messages": Operation(
        "Messages",
        "Answer a conversation",
        body=ref("MessageRequest"),
        example={"model": "demo", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]},
        answer=ref("Message"),
        events=either(ref("MessageEvent"), ref("AnthropicError")),
        calls_model=True,
    ),
    "POST /v1/messages/count_tokens": Operation(
        "Messages",
        "Count the tokens of a conversation",
        "As the upstream counts, or else an estimate. Recorded, at no cost.",
        body=ref("MessageToCount"),
        example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
        answer=ref("MessageCount"),
        headers=headers.COUNTS,
        calls_model=True,
    ),
}
