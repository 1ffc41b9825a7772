"""Gemini's answers as OpenAI's, and what of them is read alike in streams. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers import answers
from providers.adapters import gemini_errors
from providers.adapters.values import count, word
from providers.errors import BadAnswer

FINISH_REASONS: Mapping[str, str] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "OTHER"),
        "content_filter",
    ),
}
# The model lost its way: an answer only where it had said something before.
BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
    }
)  # fmt: skip
SERVICE_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
BLOCKED: Mapping[str, Any] = {"finishReason": "PROHIBITED_CONTENT"}


def completion(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chat completion. Raises ``BadAnswer`` where nothing in it is an answer."""
    candidates = candidates_of(answer)
    if not candidates:
        raise BadAnswer()
    choices = [_choice(at, candidate) for at, candidate in enumerate(candidates)]
    messages = [choice["message"] for choice in choices]
    if not any(message["content"] or message.get("tool_calls") for message in messages):
        refuse_broken(candidates)
    whole = answers.completion(
        id=word(answer.get("responseId")),
        model=word(answer.get("modelVersion")),
        message={},
        finish_reason="",
        usage=usage(answer),
    )
    return {**whole, "choices": choices, **service_tier(answer)}


def usage(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the usage, None where the answer tells none. Thoughts are billed as output, and counted beside it."""
    told = answer.get("usageMetadata")
    if not told:
        return None
    thoughts = count(told.get("thoughtsTokenCount"))
    said = answers.usage(
        count(told.get("promptTokenCount")) + count(told.get("toolUsePromptTokenCount")),
        count(told.get("candidatesTokenCount")) + thoughts,
        cached=count(told.get("cachedContentTokenCount")),
        reasoning=thoughts,
    )
    sound = _of("AUDIO", told.get("promptTokensDetails")) - _of("AUDIO", told.get("cacheTokensDetails"))
    if sound > 0:
        said["prompt_tokens_details"]["audio_tokens"] = sound
    if pictures := _of("IMAGE", told.get("candidatesTokensDetails")):
        said["completion_tokens_details"]["image_tokens"] = pictures
    return said


def embeddings(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the embeddings. Raises ``BadAnswer`` where they are no vectors of numbers."""
    told = answer["embeddings"] if "embeddings" in answer else [answer["embedding"]]
    try:
        vectors = msgspec.convert([each["values"] for each in told], list[list[float]])
    except msgspec.ValidationError as error:
        raise BadAnswer() from error
    used = answer.get("usageMetadata")
    return answers.embeddings(vectors, "", count(used.get("promptTokenCount")) or None if used else None)


def read(data: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer in ``data``. Raises ``BadAnswer``, or the error that stands there instead."""
    try:
        answer = gemini_errors.unwrapped(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(answer, dict):
        raise BadAnswer()
    if answer.get("error"):
        raise gemini_errors.inside(answer, headers)
    return answer


def candidates_of(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the candidates; to a prompt that was blocked the answer is an empty one."""
    candidates: Sequence[Mapping[str, Any]] = answer.get("candidates") or ()
    if not candidates and (answer.get("promptFeedback") or {}).get("blockReason"):
        return (BLOCKED,)
    return candidates


def _choice(at: int, candidate: Mapping[str, Any]) -> dict[str, Any]:
    pieces = list(pieces_of(candidate))
    calls = [answers.call(**said) for kind, said in pieces if kind == "call"]
    text = "".join(said for kind, said in pieces if kind == "text")
    reasoning = "".join(said for kind, said in pieces if kind == "reasoning")
    return {
        "index": index_of(at, candidate),
        "message": answers.message(text or (None if calls else ""), reasoning=reasoning, calls=calls),
        "logprobs": logprobs_of(candidate),
        "finish_reason": finish_reason(candidate, bool(calls)) or "stop",
    }


def index_of(at: int, candidate: Mapping[str, Any]) -> int:
    index = candidate.get("index")
    return index if type(index) is int else at


def pieces_of(candidate: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what the parts say, in their order: ("text" | "reasoning", text) and ("call", what a call is made of)."""
    for part in (candidate.get("content") or {}).get("parts") or ():
        if part.get("functionCall"):
            yield "call", _call(part)
        elif text := word(part.get("text")):
            yield ("reasoning" if part.get("thought") else "text"), text


def _call(part: Mapping[str, Any]) -> dict[str, Any]:
    call, signature = part["functionCall"], word(part.get("thoughtSignature"))
    name, arguments = word(call.get("name")), call.get("args")
    if not name or not isinstance(arguments, dict | None):
        raise BadAnswer()
    said = {"id": word(call.get("id")), "name": name, "arguments": answers.written(arguments or {})}
    return said | ({"extra_content": {"google": {"thought_signature": signature}}} if signature else {})


def finish_reason(candidate: Mapping[str, Any], has_calls: bool) -> str | None:
    """Return OpenAI's word; Gemini has none for an answer that ends with calls."""
    given = word(candidate.get("finishReason"))
    if not given:
        return None
    reason = FINISH_REASONS.get(given, "content_filter" if given.startswith("IMAGE_") else "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def refuse_broken(candidates: Sequence[Mapping[str, Any]]) -> None:
    for candidate in candidates:
        reason = candidate.get("finishReason")
        if isinstance(reason, str) and reason in BROKEN:
            raise BadAnswer(f"The model ended without an answer: {reason}.")


def logprobs_of(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    told = candidate.get("logprobsResult")
    if not told:
        return None
    chosen, top = told.get("chosenCandidates") or [], told.get("topCandidates") or []
    beside = [step.get("candidates") or [] for step in top] + [[]] * (len(chosen) - len(top))
    content = [
        {**_token(token), "top_logprobs": [_token(other) for other in others]}
        for token, others in zip(chosen, beside, strict=False)
    ]
    return {"content": content, "refusal": None}


def _token(told: Mapping[str, Any]) -> dict[str, Any]:
    token = word(told.get("token"))
    return {"token": token, "logprob": told.get("logProbability", 0.0), "bytes": list(token.encode())}


def _of(modality: str, details: Any) -> int:
    return sum(count(each.get("tokenCount")) for each in details or () if each.get("modality") == modality)


def service_tier(answer: Mapping[str, Any]) -> dict[str, str]:
    tier = (answer.get("usageMetadata") or {}).get("serviceTier")
    return {"service_tier": SERVICE_TIERS[tier]} if isinstance(tier, str) and tier in SERVICE_TIERS else {}
