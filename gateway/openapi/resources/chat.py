"""Chat completions, and the older text completions."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.openapi.checks import body_of
from gateway.openapi.operation import Operation
from gateway.openapi.schemas import (
    ANYTHING,
    COUNT,
    FLAG,
    OBJECT,
    SECONDS,
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
    words,
)

TAGS = {"Chat": "Conversations, and continuing a text: any model, in OpenAI's format."}

# what an upstream adds of its own stays in the answer
FINISH: Schema = said(
    or_null(TEXT), "Why it ended: stop, length, tool_calls, content_filter or function_call; null while it goes on."
)
FUNCTION_CALL = record({"name": TEXT, "arguments": said(TEXT, "JSON, as text; the model may get it wrong.")})

# of whatever operation
COMMON = {
    "model": "The public name of a model, as GET /v1/models lists it; without one the default route of the operation.",
    "stream": "Whether the answer comes as server-sent events, as it is made.",
    "n": "How many answers.",
    "user": "Who asks, at the caller's side: `end_user` of the usage.",
    "metadata": "Pairs of the caller's own; `tags` in it are labels for the ledger.",
    "seed": "The same seed gives similar answers, where the upstream can.",
}
TEXTS = {
    "messages": "The conversation so far.",
    "max_tokens": "The most tokens of output; the older name.",
    "max_completion_tokens": "The most tokens of output, thoughts included.",
    "tools": "What the model may call.",
    "tool_choice": "none, auto, required, or the tool to call.",
    "response_format": "Text, any JSON, or JSON of a schema.",
    "stop": "Texts at which the answer ends.",
    "logit_bias": "By token id: from -100 (never) to 100 (only this).",
    "prompt": "What to continue.",
    "suffix": "What comes after the text that is inserted.",
    "echo": "Whether the prompt is repeated.",
    "functions": "The older form of tools.",
    "function_call": "The older form of tool_choice.",
}
# taken and passed on as they are; nothing here checks them
FORWARDED: dict[str, Schema] = {
    "reasoning_effort": said(ANYTHING, "How much to think: none, minimal, low, medium, high, xhigh or max."),
    "logprobs": said(ANYTHING, "Whether the tokens' probabilities are told."),
    "modalities": said(ANYTHING, "What the answer is made of: text, audio."),
    "audio": said(ANYTHING, "The voice and format of an answer that is spoken."),
    "prediction": said(ANYTHING, "Text that is likely in the answer."),
    "verbosity": said(ANYTHING, "low, medium or high."),
    "web_search_options": said(ANYTHING, "How the upstream searches the web."),
    "prompt_cache_key": said(ANYTHING, "Which prompts share a cache at the upstream."),
    "safety_identifier": said(ANYTHING, "A stable name of the end user, for the upstream."),
}
# of a stored answer, in seconds
AGE: Schema = or_null({"type": "number", "minimum": 0, "maximum": 10**9})
CACHE: Schema = record(
    {},
    {
        "no-cache": or_null(FLAG),
        "no-store": or_null(FLAG),
        "ttl": AGE,
        "s-maxage": AGE,
        "namespace": or_null({"type": "string", "maxLength": 200}),
    },
)
# what the gateway takes for itself: docs/callers.md
OWN: dict[str, Schema] = {
    "fallbacks": said(either(array(TEXT, maxItems=10), {"type": "null"}), "Models to try when this one fails."),
    "timeout": said(either({"type": "number", "exclusiveMinimum": 0, "maximum": 86400}, {"type": "null"}), "Seconds."),
    "num_retries": said(either(COUNT, {"type": "null"}), "How often to try the same model again."),
    "caching": said(or_null(FLAG), "False: a stored answer will not do."),
    "cache": said(or_null(CACHE), "Whether a stored answer will do, and whether this one may be kept."),
}


def request(operation: str, texts: Mapping[str, str] = {}, **forwarded: Schema) -> Schema:
    """Return the body of an operation: what is checked, what is passed on, what is the gateway's own."""
    return explained(body_of(operation), {**COMMON, **texts}, **forwarded, **OWN)


TOOL_CALL = record({"id": TEXT, "type": words("function", "custom")}, {"function": FUNCTION_CALL, "custom": OBJECT})
MESSAGE = record(
    {"role": always("assistant"), "content": or_null(TEXT)},
    {
        "refusal": or_null(TEXT),
        "tool_calls": array(ref("ToolCall")),
        "function_call": or_null(FUNCTION_CALL),
        "annotations": array(OBJECT, "Sources of what is said."),
        "audio": or_null(OBJECT),
    },
)
DELTA = record(
    {},
    {
        "role": always("assistant"),
        "content": or_null(TEXT),
        "refusal": or_null(TEXT),
        "tool_calls": array(record({"index": COUNT}, {"id": TEXT, "type": TEXT, "function": OBJECT, "custom": OBJECT})),
        "function_call": OBJECT,
    },
)
USAGE = record(
    {"prompt_tokens": COUNT, "completion_tokens": COUNT, "total_tokens": COUNT},
    {
        "prompt_tokens_details": or_null(said(OBJECT, "Of the prompt: cached_tokens, audio_tokens.")),
        "completion_tokens_details": or_null(said(OBJECT, "Of the answer: reasoning_tokens, audio_tokens.")),
    },
    "What is billed, in tokens.",
)
IDENTITY = {"id": TEXT, "created": SECONDS, "model": said(TEXT, "The upstream's own name of what answered.")}
EXTRAS = {"service_tier": or_null(TEXT), "system_fingerprint": or_null(TEXT)}
COMPLETION_CHOICE = record({"index": COUNT, "text": TEXT, "finish_reason": FINISH}, {"logprobs": or_null(OBJECT)})

SCHEMAS: dict[str, Schema] = {
    "ChatCompletionRequest": request("chat.completions", TEXTS, **FORWARDED),
    "ToolCall": TOOL_CALL,
    "ChatMessage": MESSAGE,
    "Usage": USAGE,
    "ChatCompletion": record(
        {
            **IDENTITY,
            "object": always("chat.completion"),
            "choices": array(
                record(
                    {"index": COUNT, "message": ref("ChatMessage"), "finish_reason": FINISH},
                    {"logprobs": or_null(OBJECT)},
                )
            ),
        },
        {"usage": ref("Usage"), **EXTRAS},
    ),
    "ChatCompletionChunk": record(
        {
            **IDENTITY,
            "object": always("chat.completion.chunk"),
            "choices": array(
                record({"index": COUNT, "delta": DELTA, "finish_reason": FINISH}, {"logprobs": or_null(OBJECT)}),
                "Empty in the chunk that has the usage.",
            ),
        },
        {"usage": either(ref("Usage"), {"type": "null"}), **EXTRAS},
    ),
    "CompletionRequest": request("completions", TEXTS),
    "Completion": record(
        {**IDENTITY, "object": always("text_completion"), "choices": array(COMPLETION_CHOICE)},
        {"usage": either(ref("Usage"), {"type": "null"}), **EXTRAS},
    ),
}

CHAT = Operation(
    "Chat",
    "Answer a conversation",
    "With `stream: true` each event is a chunk and `[DONE]` ends them; an error in mid-stream is an event too.",
    body=ref("ChatCompletionRequest"),
    example={"model": "demo", "messages": [{"role": "user", "content": "Hello"}]},
    answer=ref("ChatCompletion"),
    events=either(ref("ChatCompletionChunk"), ref("Error")),
    calls_model=True,
)
COMPLETE = Operation(
    "Chat",
    "Continue a text",
    "OpenAI's older format. A model that only chats is asked in a chat.",
    body=ref("CompletionRequest"),
    example={"model": "demo", "prompt": "Once upon a time"},
    answer=ref("Completion"),
    events=either(ref("Completion"), ref("Error")),
    calls_model=True,
)

OPERATIONS = {
    "POST /v1/chat/completions": CHAT,
    "POST /v1/completions": COMPLETE,
}
