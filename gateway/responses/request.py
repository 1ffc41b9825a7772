"""The body of a request for a Response: checked, and said as a chat or to an upstream that speaks Responses. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.fieldchecks import Invalid
from gateway.responses import fields, format, tools
from gateway.responses.items import items_of as items_of
from gateway.responses.messages import messages_of

# What a chat takes under the same name.
SAME = (
    "frequency_penalty", "model", "moderation", "presence_penalty", "prompt_cache_key", "prompt_cache_options",
    "prompt_cache_retention", "safety_identifier", "service_tier", "stream", "temperature", "top_p", "user",
)  # fmt: skip
# What is said in another way, or is for the gateway alone.
OURS = frozenset(
    {"background", "conversation", "include", "input", "instructions", "max_output_tokens", "max_tool_calls",
     "metadata", "parallel_tool_calls", "previous_response_id", "prompt", "reasoning", "store", "stream_options",
     "text", "tool_choice", "tools", "top_logprobs", "truncation"}
)  # fmt: skip
LOGPROBS = "message.output_text.logprobs"


def checked(body: Any) -> dict[str, Any]:
    """Return ``body`` where it may be asked for; what is not known here is kept. Raises ``Invalid``."""
    if not isinstance(body, dict):
        raise Invalid("The request body must be a JSON object.", code="invalid_type")
    for name, value in body.items():
        if value is None:
            continue
        if name in fields.MOVED:
            raise _moved(name)
        check = fields.FIELDS.get(name)
        if check is not None:
            check(value, name)
    fields.agree(body)
    return body


def _moved(name: str) -> Invalid:
    place = fields.MOVED[name]
    hint = f" In the Responses API it is '{place}'." if place else ""
    return Invalid(f"Unsupported parameter: '{name}'.{hint}", name, "unsupported_parameter")


def chat_body(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the body of a chat that continues ``items``: what came before, then the input of ``body``.

    Raises ``Invalid`` for what chat cannot do.
    """
    before = length_before(body, items)
    messages = messages_of(items, lambda at: place(at, before))
    chat = {name: value for name, value in body.items() if name not in OURS and name not in SAME}
    chat |= {name: body[name] for name in SAME if body.get(name) is not None}
    chat["messages"] = [*_instructions(body), *messages]
    if body.get("max_output_tokens") is not None:
        chat["max_completion_tokens"] = body["max_output_tokens"]
    return chat | _stream_options(body) | _logprobs(body) | tags(body) | format.to_chat(body) | tools.to_chat(body)


def length_before(body: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> int:
    """Return how many of ``items`` came before the input of ``body``."""
    given = body.get("input")
    return len(items) - (len(given) if isinstance(given, list) else given is not None)


def place(at: int, before: int) -> str:
    """Return where the caller finds an item, given how many came before the input."""
    return f"input[{at - before}]" if at >= before else "input"


def _instructions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    instructions = body.get("instructions")
    return [{"role": "system", "content": instructions}] if instructions else []


def _stream_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """A Response ends with its usage, streamed or not."""
    return (
        {"stream_options": {**(body.get("stream_options") or {}), "include_usage": True}} if body.get("stream") else {}
    )


def _logprobs(body: Mapping[str, Any]) -> dict[str, Any]:
    most = body.get("top_logprobs")
    if not most and LOGPROBS not in (body.get("include") or ()):
        return {}
    return {"logprobs": True, **({"top_logprobs": most} if most else {})}


def tags(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata that the gateway itself reads; a chat's upstream takes it only with what it stores."""
    metadata = body.get("metadata") or {}
    return {"metadata": metadata} if "tags" in metadata else {}
