"""A whole answer, told as the chunks of a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.caching.messages import events_of
from providers.chunks import Chunk
from providers.translated import Translated, original_of

CHUNKS = {"chat.completion": "chat.completion.chunk"}
# what a model thinks comes before what it says, and what it calls after that
THOUGHTS = ("reasoning_content", "reasoning", "thinking_blocks")
CALLS = ("tool_calls", "function_call")
# what of a call comes in pieces
ARGUMENTS = ("arguments", "input")
MOST_PIECES = 8
LEAST_PIECE = 16


def chunks_of(answer: Mapping[str, Any], *, shows_usage: bool) -> list[Chunk]:
    """Return the chunks of ``answer``; that of its usage is for the gateway alone unless ``shows_usage``.

    One that was said in another dialect is told in that alone.
    """
    original = original_of(answer)
    if original is not None:
        return [Chunk(Translated({"choices": []}, event), b"") for event in events_of(original)]
    said = answer.get("object", "")
    head = {name: value for name, value in answer.items() if name not in ("choices", "usage")}
    head["object"] = CHUNKS.get(said, said)
    usage = answer.get("usage")
    unsaid = {"usage": None} if shows_usage and usage else {}
    chunks = [
        Chunk({**head, "choices": [told], **unsaid}, None) for choice in answer["choices"] for told in _told(choice)
    ]
    if usage:
        chunks.append(Chunk({**head, "choices": [], "usage": usage}, None if shows_usage else b"", usage))
    return chunks


def _told(choice: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a choice in pieces: the first has its logprobs, the last its end and what else is said of it."""
    index, logprobs = choice["index"], choice.get("logprobs")
    parts = _deltas(choice["message"]) if "message" in choice else _texts(choice.get("text") or "")
    for part in parts:
        yield {"index": index, **part, "logprobs": logprobs, "finish_reason": None}
        logprobs = None
    rest = {name: value for name, value in choice.items() if name not in ("index", "message", "text", "logprobs")}
    yield {"index": index, **({"delta": {}} if "message" in choice else {"text": ""}), "logprobs": None, **rest}


def _texts(text: str) -> Iterator[dict[str, Any]]:
    for piece in _pieces(text) or [""]:
        yield {"text": piece}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    empty = {name: value for name, value in message.items() if value is None or value == ""}
    begun = {"content": ""} if isinstance(message.get("content"), str) else {}
    yield {"delta": {"role": message.get("role") or "assistant", **empty, **begun}}
    for name in sorted(message.keys() - empty.keys() - {"role"}, key=_place):
        for value in _values(name, message[name]):
            yield {"delta": {name: value}}


def _place(name: str) -> tuple[int, str]:
    return (0 if name in THOUGHTS else 2 if name in CALLS else 1, name)


def _values(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, str):
        yield from _pieces(value)
    elif name == "function_call":
        yield from _call(value)
    elif name == "tool_calls":
        for index, call in enumerate(value):
            yield from ([{"index": index, **part}] for part in _tool(call))
    elif name == "thinking_blocks":
        yield from ([{"index": index, **block}] for index, block in enumerate(value))
    else:
        yield value


def _tool(call: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a tool call: its names first, then what it is called with."""
    kind = next((kind for kind in ("function", "custom") if isinstance(call.get(kind), dict)), None)
    if kind is None:
        yield dict(call)
        return
    first, *others = _call(call[kind])
    yield {**call, kind: first}
    yield from ({kind: other} for other in others)


def _call(called: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    with_ = next((name for name in ARGUMENTS if isinstance(called.get(name), str)), None)
    if with_ is None:
        yield dict(called)
        return
    yield {**called, with_: ""}
    yield from ({with_: piece} for piece in _pieces(called[with_]))


def _pieces(text: str) -> list[str]:
    size = max(LEAST_PIECE, -(-len(text) // MOST_PIECES))
    return [text[start : start + size] for start in range(0, len(text), size)]
