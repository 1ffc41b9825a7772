"""Converse's answers as OpenAI's. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers import answers
from providers.adapters import bedrock_errors
from providers.adapters.anthropic_tools import JSON_TOOL
from providers.adapters.shapes import Response
from providers.adapters.values import count, word
from providers.errors import BadAnswer

FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "refusal": "content_filter",
}
SERVICE_TIERS = frozenset({"priority", "default", "flex"})


def read(response: Response) -> dict[str, Any]:
    """Return the object in a response. Raises ``BadAnswer``, or the error that it is."""
    answer = decoded(response.body)
    if bedrock_errors.is_exception(answer):
        raise bedrock_errors.error(_error_type(answer), answer, 500, response.headers)
    return answer


def decoded(data: bytes) -> dict[str, Any]:
    """Return the object in ``data``. Raises ``BadAnswer``."""
    try:
        answer = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(answer, dict):
        raise BadAnswer()
    return answer


def completion(answer: Mapping[str, Any], id: str = "") -> dict[str, Any]:
    """Return the chat completion. Raises ``BadAnswer``."""
    blocks = answer["output"]["message"]["content"]
    if not isinstance(blocks, list):
        raise BadAnswer()
    calls = [block["toolUse"] for block in blocks if is_call(block.get("toolUse"))]
    texts = [word(block["text"]) for block in blocks if "text" in block] + _cited(blocks)
    texts += [answers.written(_input(call)) for call in calls if call["name"] == JSON_TOOL]
    calls = [call for call in calls if call["name"] != JSON_TOOL]
    thoughts = [thought(block["reasoningContent"]) for block in blocks if "reasoningContent" in block]
    message = answers.message(
        "".join(texts) if texts or not calls else None,
        reasoning="".join(block.get("thinking", "") for block in thoughts),
        calls=[answers.call(word(call["toolUseId"]), word(call["name"]), _input(call)) for call in calls],
        thinking_blocks=thoughts,
    )
    whole = answers.completion(
        id=f"chatcmpl-{id}" if id else "",
        model="",
        message=message,
        finish_reason=finish_reason(answer.get("stopReason"), bool(calls)),
        usage=usage(answer.get("usage")),
    )
    return whole | service_tier(answer)


def thought(told: Mapping[str, Any]) -> dict[str, str]:
    """Return a block of reasoning in Anthropic's shape, as clients keep it and send it back."""
    if "redactedContent" in told:
        return {"type": "redacted_thinking", "data": word(told["redactedContent"])}
    text = told.get("reasoningText") or {}
    signed = {"signature": word(text["signature"])} if text.get("signature") else {}
    return {"type": "thinking", "thinking": word(text.get("text")), **signed}


def is_call(told: Any) -> bool:
    """Whether a ``toolUse`` is for the caller to answer; what runs over there is not."""
    return told is not None and told.get("type") != "server_tool_use"


def usage(told: Any) -> dict[str, Any] | None:
    """Return OpenAI's usage: what was read from the cache or written to it is part of the prompt there."""
    if not told:
        return None
    read, written = count(told.get("cacheReadInputTokens")), count(told.get("cacheWriteInputTokens"))
    details: Sequence[Any] = told.get("cacheDetails") or ()
    kept = sum(count(each.get("inputTokens")) for each in details if each.get("ttl") == "1h")
    return answers.usage(
        count(told.get("inputTokens")) + read + written,
        count(told.get("outputTokens")),
        cached=read,
        written=written,
        written_1h=min(written, kept),
    )


def finish_reason(given: Any, has_calls: bool) -> str:
    """Return OpenAI's word. Where the only call was the answer itself, the answer has just ended.

    Raises ``BadAnswer`` where the model wrote what its host could not read.
    """
    if word(given).startswith("malformed_"):
        raise BadAnswer()
    reason = FINISH_REASONS.get(word(given), "stop")
    return "stop" if reason == "tool_calls" and not has_calls else reason


def service_tier(told: Mapping[str, Any]) -> dict[str, str]:
    tier = (told.get("serviceTier") or {}).get("type")
    return {"service_tier": tier} if isinstance(tier, str) and tier in SERVICE_TIERS else {}


def _cited(blocks: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the texts that stand beside what they cite."""
    cited = [block["citationsContent"] for block in blocks if "citationsContent" in block]
    return [word(part.get("text")) for each in cited for part in each.get("content") or ()]


def _input(call: Mapping[str, Any]) -> dict[str, Any]:
    given = call.get("input")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise BadAnswer()
    return given


def _error_type(answer: Mapping[str, Any]) -> str:
    return str((answer.get("Output") or answer)["__type"])
