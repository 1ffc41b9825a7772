"""What the recordings of other wire formats say, read by rules of our own: the oracle for what adapters make of them.

Pure, and written without a look at the adapters: it only adds up what stands in the recorded bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Said(NamedTuple):
    """``tools`` are (name, arguments); ``usage`` {our ledger's words: tokens}, empty where it was not told."""

    text: str
    tools: list[tuple[str, Any]]
    finish: str
    usage: dict[str, int]


def usage(prompt: int, completion: int, cached: int = 0, written: int = 0, reasoning: int = 0) -> dict[str, int]:
    counts = {"prompt": prompt, "completion": completion, "cached": cached, "written": written, "reasoning": reasoning}
    return {name: count or 0 for name, count in counts.items()}


def sse(body: bytes) -> Iterator[dict[str, Any]]:
    for line in body.splitlines():
        if line.startswith(b"data: {"):
            yield json.loads(line[6:])


def frames(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (event type, payload) of Amazon's frames; checksums are not looked at."""
    while body:
        total, size = struct.unpack_from(">II", body)
        headers = body[12 : 12 + size]
        at = headers.index(b":event-type") + len(b":event-type") + 1
        (length,) = struct.unpack_from(">H", headers, at)
        yield headers[at + 2 : at + 2 + length].decode(), json.loads(body[12 + size : total - 4])
        body = body[total:]


# Anthropic

ANTHROPIC_ENDS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "stop_sequence": "stop"}


def anthropic(body: bytes, streamed: bool) -> Said:
    blocks: list[dict[str, Any]] = []
    counts: dict[str, Any] = {}
    end = ""
    if streamed:
        for event in sse(body):
            counts |= (event.get("message") or event).get("usage") or {}
            end = (event.get("delta") or {}).get("stop_reason") or end
            _anthropic_block(blocks, event)
    else:
        answer = json.loads(body)
        blocks, counts, end = answer["content"], answer["usage"], answer["stop_reason"]
    read, written = counts.get("cache_read_input_tokens") or 0, counts.get("cache_creation_input_tokens") or 0
    thought = (counts.get("output_tokens_details") or {}).get("thinking_tokens") or 0
    return Said(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        [(block["name"], _arguments(block)) for block in blocks if block["type"] == "tool_use"],
        ANTHROPIC_ENDS[end],
        usage(counts["input_tokens"] + read + written, counts["output_tokens"], read, written, thought),
    )


def _anthropic_block(blocks: list[dict[str, Any]], event: dict[str, Any]) -> None:
    if event["type"] == "content_block_start":
        blocks.append({"json": "", **event["content_block"]})
    elif event["type"] == "content_block_delta":
        delta = event["delta"]
        if "text" in delta:
            blocks[-1]["text"] += delta["text"]
        blocks[-1]["json"] += delta.get("partial_json", "")


def _arguments(block: dict[str, Any]) -> Any:
    return json.loads(block["json"]) if block.get("json") else block["input"]


# Gemini

GEMINI_ENDS = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}


def gemini(body: bytes, streamed: bool) -> Said:
    answers = list(sse(body)) if streamed else [json.loads(body)]
    parts = [part for answer in answers for part in answer["candidates"][0].get("content", {}).get("parts", ())]
    ends = [answer["candidates"][0].get("finishReason") for answer in answers]
    counts = answers[-1]["usageMetadata"]
    tools = [(part["functionCall"]["name"], part["functionCall"].get("args") or {}) for part in parts
             if "functionCall" in part]  # fmt: skip
    thought = counts.get("thoughtsTokenCount") or 0
    return Said(
        "".join(part.get("text", "") for part in parts if not part.get("thought")),
        tools,
        "tool_calls" if tools else GEMINI_ENDS[next(end for end in reversed(ends) if end)],
        usage(
            counts["promptTokenCount"] + (counts.get("toolUsePromptTokenCount") or 0),
            (counts.get("candidatesTokenCount") or 0) + thought,
            counts.get("cachedContentTokenCount") or 0,
            reasoning=thought,
        ),
    )


# Bedrock

BEDROCK_ENDS = {"end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls", "stop_sequence": "stop"}


def bedrock(body: bytes, streamed: bool) -> Said:
    if not streamed:
        answer = json.loads(body)
        content = answer["output"]["message"]["content"]
        return _bedrock(content, answer["stopReason"], answer["usage"])
    content, end, counts = {}, "", {}
    for name, event in frames(body):
        block = content.setdefault(event.get("contentBlockIndex"), {})
        if name == "contentBlockStart" and "toolUse" in event["start"]:
            block["toolUse"] = {**event["start"]["toolUse"], "input": ""}
        elif name == "contentBlockDelta" and "toolUse" in event["delta"]:
            block["toolUse"]["input"] += event["delta"]["toolUse"]["input"]
        elif name == "contentBlockDelta":
            block["text"] = block.get("text", "") + event["delta"].get("text", "")
        end, counts = event.get("stopReason", end), event.get("usage", counts)
    for block in content.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return _bedrock(list(content.values()), end, counts)


def _bedrock(content: list[dict[str, Any]], end: str, counts: dict[str, Any]) -> Said:
    read, written = counts.get("cacheReadInputTokens") or 0, counts.get("cacheWriteInputTokens") or 0
    return Said(
        "".join(block.get("text", "") for block in content),
        [(block["toolUse"]["name"], block["toolUse"]["input"]) for block in content if "toolUse" in block],
        BEDROCK_ENDS[end],
        usage(counts["inputTokens"] + read + written, counts["outputTokens"], read, written),
    )


# Cohere

COHERE_ENDS = {"COMPLETE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


def cohere(body: bytes, streamed: bool) -> Said:
    if not streamed:
        answer = json.loads(body)
        message = answer["message"]
        text = "".join(part.get("text", "") for part in message.get("content") or ())
        calls = [call["function"] for call in message.get("tool_calls") or ()]
        return _cohere(text, calls, answer["finish_reason"], answer["usage"])
    text, calls, end, counts = "", [], "", {}
    for event in sse(body):
        message = (event.get("delta") or {}).get("message") or {}
        if event["type"] == "tool-call-start":
            calls.append(dict(message["tool_calls"]["function"]))
        elif event["type"] == "tool-call-delta":
            calls[-1]["arguments"] += message["tool_calls"]["function"]["arguments"]
        elif event["type"] == "content-delta":
            text += message["content"]["text"]
        elif event["type"] == "message-end":
            end, counts = event["delta"]["finish_reason"], event["delta"]["usage"]
    return _cohere(text, calls, end, counts)


def _cohere(text: str, calls: list[dict[str, Any]], end: str, counts: dict[str, Any]) -> Said:
    tokens = counts["tokens"]
    return Said(
        text,
        [(call["name"], json.loads(call["arguments"] or "{}")) for call in calls],
        COHERE_ENDS[end],
        usage(int(tokens["input_tokens"]), int(tokens["output_tokens"]), int(counts.get("cached_tokens") or 0)),
    )


# Mistral, as OpenAI but for the pieces of its content

MISTRAL_ENDS = {"stop": "stop", "length": "length", "model_length": "length", "tool_calls": "tool_calls"}


def mistral(body: bytes, streamed: bool) -> Said:
    answer = json.loads(body)
    (choice,) = answer["choices"]
    content = choice["message"]["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content or ""}]
    calls = [call["function"] for call in choice["message"].get("tool_calls") or ()]
    counts = answer["usage"]
    return Said(
        "".join(part["text"] for part in parts if part["type"] == "text"),
        [(call["name"], json.loads(call["arguments"])) for call in calls],
        MISTRAL_ENDS[choice["finish_reason"]],
        usage(
            counts["prompt_tokens"],
            counts["completion_tokens"],
            (counts.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
        ),
    )


# Ollama


def ollama(body: bytes, streamed: bool) -> Said:
    lines = [json.loads(line) for line in body.splitlines() if line.strip()]
    calls = [call["function"] for line in lines for call in line["message"].get("tool_calls") or ()]
    last = lines[-1]
    return Said(
        "".join(line["message"]["content"] for line in lines),
        [(call["name"], call["arguments"]) for call in calls],
        "tool_calls" if calls else last.get("done_reason", "stop"),
        usage(last.get("prompt_eval_count", 0), last.get("eval_count", 0)),
    )


READERS: dict[str, Callable[[bytes, bool], Said]] = {
    "anthropic": anthropic, "gemini": gemini, "bedrock": bedrock, "cohere": cohere, "mistral": mistral,
    "ollama": ollama,
}  # fmt: skip


def vectors(provider: str, body: bytes) -> list[list[float]]:
    """Return the vectors of a recorded embeddings answer."""
    answer = json.loads(body)
    if provider == "gemini":
        return [each["values"] for each in answer["embeddings"]]
    if provider == "cohere":
        return answer["embeddings"]["float"]
    if provider == "bedrock":
        return [each["embedding"] for each in answer["embeddings"]]
    return [each["embedding"] for each in answer["data"]]
