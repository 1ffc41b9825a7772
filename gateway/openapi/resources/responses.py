"""Responses: OpenAI's newer way to ask a model, and what is stored of it."""

from __future__ import annotations

from gateway.openapi import headers
from gateway.openapi.checks import body
from gateway.openapi.operation import Operation
from gateway.openapi.resources.chat import COMMON, OWN
from gateway.openapi.schemas import (
    ANYTHING,
    COUNT,
    FLAG,
    METADATA,
    NUMBER,
    OBJECT,
    TEXT,
    Schema,
    always,
    array,
    deleted,
    either,
    explained,
    mapping,
    or_null,
    paging,
    record,
    ref,
    said,
    words,
)
from gateway.responses import fields
from gateway.responses.listing import DEFAULT, MOST

TAGS = {
    "Responses": "Any model in OpenAI's newer format: stored, continued, in the background. Native where the "
    "upstream speaks it, over its chat elsewhere."
}

PAIRS = {
    **mapping({"type": "string", "maxLength": fields.LONGEST_VALUE}),
    "maxProperties": fields.MOST_METADATA,
    "propertyNames": {"maxLength": fields.LONGEST_KEY},
}
FORMAT = either(
    record({"type": words("text", "json_object")}),
    record(
        {"type": always("json_schema"), "name": TEXT, "schema": OBJECT},
        {"strict": or_null(FLAG), "description": or_null(TEXT)},
    ),
)
TEXTS = {
    "input": "A text, or items: messages, calls of tools, their results.",
    "instructions": "What the model is told before the input; not carried over to the next response.",
    "previous_response_id": "The response that this one continues.",
    "conversation": "The conversation that this one is a part of: its id, or an object with it.",
    "store": "Whether it is kept, to be read and continued.",
    "background": "Whether to answer at once with a response that is made later.",
    "max_output_tokens": "The most tokens of output, thoughts included.",
    "include": "What else is to be told.",
    "reasoning": "How much to think, and whether a summary is told.",
    "text": "What the answer is: text, any JSON, JSON of a schema.",
    "tools": "What the model may call.",
    "tool_choice": "none, auto, required, or the tool to call.",
    "truncation": "What to do where the input is too long for the model: nothing, or leave out the oldest.",
}


def request() -> Schema:
    schema = body(
        fields.FIELDS,
        input=either(TEXT, array(ref("InputItem"))),
        tools=array(record({"type": TEXT}), maxItems=128),
        tool_choice=either(words("none", "auto", "required"), record({"type": TEXT})),
        text=record({}, {"format": or_null(FORMAT), "verbosity": or_null(words("low", "medium", "high"))}),
        metadata=PAIRS,
        conversation=either({"type": "string", "pattern": r"\S"}, record({"id": TEXT})),
        include=array(words(*fields.INCLUDED)),
    )
    return explained(schema, {**COMMON, **TEXTS}, **OWN)


USAGE = record(
    {
        "input_tokens": COUNT,
        "input_tokens_details": said(OBJECT, "cached_tokens, cache_write_tokens."),
        "output_tokens": COUNT,
        "output_tokens_details": said(OBJECT, "reasoning_tokens."),
        "total_tokens": COUNT,
    }
)
STATUS = words("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")

SCHEMAS: dict[str, Schema] = {
    "ResponseRequest": request(),
    "Response": record(
        {
            "id": said(TEXT, "`resp_…`."),
            "object": always("response"),
            "created_at": NUMBER,
            "status": STATUS,
            "error": or_null(record({"code": TEXT, "message": TEXT})),
            "incomplete_details": or_null(OBJECT),
            "instructions": said(ANYTHING, "As given."),
            "metadata": or_null(METADATA),
            "model": TEXT,
            "output": array(ref("OutputItem")),
            "parallel_tool_calls": FLAG,
            "temperature": or_null(NUMBER),
            "tool_choice": either(TEXT, OBJECT),
            "tools": array(OBJECT),
            "top_p": or_null(NUMBER),
        },
        {
            "background": or_null(FLAG),
            "completed_at": or_null(NUMBER),
            "conversation": or_null(record({"id": TEXT})),
            "max_output_tokens": or_null(COUNT),
            "max_tool_calls": or_null(COUNT),
            "previous_response_id": or_null(TEXT),
            "reasoning": or_null(OBJECT),
            "service_tier": or_null(TEXT),
            "store": or_null(FLAG),
            "text": or_null(OBJECT),
            "truncation": or_null(TEXT),
            "usage": or_null(USAGE),
            "user": or_null(TEXT),
        },
    ),
    "ResponseEvent": record(
        {"type": said(TEXT, "The event's name, such as response.output_text.delta."), "sequence_number": COUNT},
        {"response": ref("Response"), "item": OBJECT, "part": OBJECT, "delta": TEXT},
        "An event of a stream; the last is response.completed, response.incomplete, response.failed or error.",
    ),
    "InputTokens": record({"object": always("response.input_tokens"), "input_tokens": COUNT}),
}

ID: dict[str, Schema] = {"response_id": {"type": "string", "pattern": "^[^/]+$", "description": "`resp_…`."}}
INCLUDE: dict[str, Schema] = {"include": array(words(*fields.INCLUDED), "What else is to be told.")}
TAG = "Responses"
OPERATIONS = {
    "POST /v1/responses": Operation(
        TAG,
        "Make a response",
        "With `background: true` the answer is the response as it is queued; read it until its status is an end.",
        body=ref("ResponseRequest"),
        example={"model": "demo", "input": "Hello"},
        answer=ref("Response"),
        events=ref("ResponseEvent"),
        calls_model=True,
        also=[409],
    ),
    "POST /v1/responses/input_tokens": Operation(
        TAG,
        "Count what a response would read",
        body=ref("ResponseRequest"),
        example={"model": "demo", "input": "Hello"},
        answer=ref("InputTokens"),
        headers=headers.COUNTS,
        calls_model=True,
    ),
    "GET /v1/responses/{response_id}": Operation(
        TAG,
        "Describe a stored response",
        path=ID,
        query={
            **INCLUDE,
            "stream": said(FLAG, "Its events again, of one that was streamed in the background."),
            "starting_after": said(COUNT, "Only events after the one of this number."),
        },
        answer=ref("Response"),
        events=ref("ResponseEvent"),
        also=[400, 404],
    ),
    "DELETE /v1/responses/{response_id}": Operation(
        TAG, "Delete a stored response", path=ID, answer=deleted("response.deleted"), also=[404, 409]
    ),
    "POST /v1/responses/{response_id}/cancel": Operation(
        TAG, "End a response in the background", path=ID, answer=ref("Response"), also=[400, 404, 409, 413]
    ),
    "GET /v1/responses/{response_id}/input_items": Operation(
        TAG,
        "List what a response was made of",
        path=ID,
        query={**paging(DEFAULT, MOST, before=said(TEXT, "The id of the first item of the page after.")), **INCLUDE},
        answer=ref("ItemList"),
        also=[400, 404],
    ),
}
