"""Anthropic's answers as OpenAI's, and what of them is read alike in streams. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers import answers
from providers.adapters import anthropic_errors
from providers.adapters.anthropic_tools import JSON_TOOL
from providers.adapters.values import count, word
from providers.errors import BadAnswer
from providers.translated import Translated

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
THOUGHTS = ("thinking", "redacted_thinking")
SERVICE_TIERS = {"standard": "default", "priority": "priority", "batch": "batch"}


def read(data: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the object in ``data``. Raises ``BadAnswer``, or the error that it is."""
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(answer, dict):
        raise BadAnswer()
    if answer.get("type") == "error" or answer.get("error"):
        raise anthropic_errors.inside(answer, headers)
    return answer


def completion(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chat completion of a message. Raises ``BadAnswer``."""
    blocks = answer["content"]
    if not isinstance(blocks, list):
        raise BadAnswer()
    calls = [block for block in blocks if block["type"] == "tool_use"]
    texts = [word(block["text"]) for block in blocks if block["type"] == "text"]
    texts += [answers.written(block["input"]) for block in calls if block["name"] == JSON_TOOL]
    calls = [block for block in calls if block["name"] != JSON_TOOL]
    message = answers.message(
        "".join(texts) if texts or not calls else None,
        reasoning="".join(word(block.get("thinking")) for block in blocks if block["type"] == "thinking"),
        calls=[answers.call(word(block["id"]), word(block["name"]), arguments(block["input"])) for block in calls],
        refusal=refusal(answer),
        thinking_blocks=[block for block in blocks if block["type"] in THOUGHTS],
    )
    whole = answers.completion(
        id=word(answer.get("id")),
        model=word(answer.get("model")),
        message=message,
        finish_reason=finish_reason(answer.get("stop_reason"), bool(calls)),
        usage=usage(answer.get("usage")),
    )
    return whole | service_tier(answer.get("usage"))


def with_original(whole: dict[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the completion with the message beside it, unless that has a call which is the answer itself."""
    is_told = all(block.get("name") != JSON_TOOL for block in answer["content"])
    return Translated(whole, answer) if is_told else whole


def usage(told: Any) -> dict[str, Any] | None:
    """Return OpenAI's usage: what was read from the cache or written to it is part of the prompt there."""
    if not told:
        return None
    read, written = count(told.get("cache_read_input_tokens")), count(told.get("cache_creation_input_tokens"))
    kept = told.get("cache_creation") or {}
    details = told.get("output_tokens_details") or {}
    return answers.usage(
        count(told.get("input_tokens")) + read + written,
        count(told.get("output_tokens")),
        cached=read,
        written=written,
        written_1h=min(written, count(kept.get("ephemeral_1h_input_tokens"))),
        reasoning=count(details.get("thinking_tokens")),
    )


def service_tier(told: Any) -> dict[str, str]:
    tier = told.get("service_tier") if told else None
    return {"service_tier": SERVICE_TIERS[tier]} if isinstance(tier, str) and tier in SERVICE_TIERS else {}


def finish_reason(given: Any, has_calls: bool) -> str:
    """Return OpenAI's word. Where the only call was the answer itself, the answer has just ended."""
    reason = FINISH_REASONS.get(word(given), "stop")
    return "stop" if reason == "tool_calls" and not has_calls else reason


def refusal(told: Mapping[str, Any]) -> str | None:
    if told.get("stop_reason") != "refusal":
        return None
    return word((told.get("stop_details") or {}).get("explanation")) or "The model refused to answer."


def arguments(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer()
    return value
