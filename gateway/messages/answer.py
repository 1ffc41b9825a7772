"""A chat's answer as a message of Anthropic's Messages API. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from billing.pricing import usage_of
from gateway import bodies
from gateway.responses import heard
from providers.translated import original_of

STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
SERVICE_TIERS: Mapping[str, str] = {"default": "standard", "priority": "priority", "batch": "batch"}
# what a call was made with that is no JSON object, as the model was cut short or has erred
UNREADABLE = "unreadable_arguments"
NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]")


class Ending(msgspec.Struct):
    """How an answer ended: ``sequence`` is the caller's that stopped it, where that is known."""

    reason: str
    sequence: str | None = None
    refusal: str | None = None

    @property
    def said(self) -> dict[str, Any]:
        """Return it as messages and streams say it."""
        is_refused = self.reason == "refusal"
        details = {"type": "refusal", "category": None, "explanation": self.refusal} if is_refused else None
        return {"stop_reason": self.reason, "stop_sequence": self.sequence, "stop_details": details}


def message(answer: Mapping[str, Any], stops: Sequence[str] = (), prompt_tokens: int = 0) -> dict[str, Any]:
    """Return the message: as the upstream said it where that speaks Messages too.

    ``prompt_tokens`` is our estimate, for upstreams that tell no usage; ``stops`` are the caller's.
    """
    original: dict[str, Any] | None = original_of(answer)
    if original is not None:
        return original
    choice = next(iter(heard.objects(answer.get("choices"))), {})
    told = heard.mapping(choice.get("message"))
    return {
        "id": message_id(answer.get("id")),
        "type": "message",
        "role": "assistant",
        "model": answer.get("model") or "",
        "content": list(_blocks(told)),
        **ending(choice, stops, bool(heard.objects(told.get("tool_calls"))), told.get("refusal")).said,
        "container": None,
        "usage": _usage(answer, prompt_tokens),
    }


def message_id(id: Any) -> str:
    """Return the id of an answer as one of a message."""
    if not isinstance(id, str) or not id:
        return f"msg_{uuid4().hex[:24]}"
    return id if id.startswith("msg_") else f"msg_{NOT_IN_AN_ID.sub('', id.removeprefix('chatcmpl-'))}"


def ending(choice: Mapping[str, Any], stops: Sequence[str], has_calls: bool, refusal: Any = None) -> Ending:
    """Return how a choice ended; some servers say beside it which sequence it was."""
    reason = STOP_REASONS.get(choice.get("finish_reason") or "stop", "end_turn")
    if has_calls and reason == "end_turn":
        reason = "tool_use"
    if isinstance(refusal, str) and refusal:
        return Ending("refusal", refusal=refusal)
    hit = choice.get("stop_reason")
    if reason == "end_turn" and isinstance(hit, str) and hit in stops:
        return Ending("stop_sequence", hit)
    return Ending(reason)


def usage(told: Any, prompt_tokens: int = 0, completion_tokens: int = 0) -> dict[str, Any]:
    """Return usage as Anthropic counts it: what was read from a cache or written to it is beside the input.

    The estimates are for where nothing was told.
    """
    if not isinstance(told, Mapping) or not any(told.values()):
        return _counts(prompt_tokens, 0, 0, 0, completion_tokens, 0)
    used, _ = usage_of(dict(told))
    output = used.completion_tokens
    fresh = used.input + used.audio_in + used.image_in
    return _counts(fresh, used.cached_input, used.cache_write, used.cache_write_1h, output, used.reasoning)


def _counts(read: int, cached: int, written: int, written_1h: int, output: int, thought: int) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "cache_creation_input_tokens": written + written_1h,
        "cache_read_input_tokens": cached,
        "cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": written_1h},
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thought},
    }


def service_tier(said: Any) -> str:
    return SERVICE_TIERS.get(said, "standard") if isinstance(said, str) else "standard"


def thoughts(blocks: Any) -> list[dict[str, Any]]:
    """Return those of a chat's thinking blocks that a message can have: with the proof that goes back to the model."""
    found = [block for block in blocks if isinstance(block, Mapping)] if isinstance(blocks, list) else []
    read = ({**THOUGHTS.get(block.get("type", ""), {}), **block} for block in found)
    kept = [block for block in read if block.get("signature") or block.get("data")]
    return [
        {name: value for name, value in block.items() if name != "index"}
        for block in kept
        if block["type"] in THOUGHTS and isinstance(block.get("thinking", ""), str)
    ]


THOUGHTS: Mapping[str, dict[str, Any]] = {"thinking": {"thinking": ""}, "redacted_thinking": {}}


def _blocks(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    proven = thoughts(told.get("thinking_blocks"))
    reasoning = told.get("reasoning_content") or told.get("reasoning")
    if reasoning and isinstance(reasoning, str) and not any(thought["type"] == "thinking" for thought in proven):
        yield {"type": "thinking", "thinking": reasoning, "signature": ""}
    yield from proven
    text = heard.text(told.get("content"))
    refusal = told.get("refusal")
    for words in (text, refusal if isinstance(refusal, str) else ""):
        if words:
            yield {"type": "text", "text": words, "citations": None}
    yield from map(_call, heard.objects(told.get("tool_calls")))


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return begun(call) | {"input": _input(heard.mapping(call.get("function")).get("arguments"))}


def begun(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the block of a call, whose input is still to come."""
    extra = {"extra_content": call["extra_content"]} if call.get("extra_content") else {}
    name = heard.mapping(call.get("function")).get("name") or ""
    return {"type": "tool_use", "id": call.get("id") or "", "name": name, "input": {}, **extra}


def _input(arguments: Any) -> dict[str, Any]:
    if isinstance(arguments, dict):
        return arguments
    try:
        value = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError, TypeError):
        value = None
    return value if isinstance(value, dict) else {UNREADABLE: arguments}


def _usage(answer: Mapping[str, Any], prompt_tokens: int) -> dict[str, Any]:
    said = -(-len(bodies.answer_text(dict(answer)).encode(errors="replace")) // bodies.BYTES_PER_TOKEN)
    return {
        **usage(answer.get("usage"), prompt_tokens, said),
        "service_tier": service_tier(answer.get("service_tier")),
        "server_tool_use": None,
    }
