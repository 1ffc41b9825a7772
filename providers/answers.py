"""OpenAI-format answers, whole and in chunks, as adapters of other formats build them. Pure but for the time of day."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

Chunk = tuple[dict[str, Any], bytes | None]


def completion(
    *,
    id: str,
    model: str,
    message: Mapping[str, Any],
    finish_reason: str,
    usage: Mapping[str, Any] | None,
    created: int | None = None,
) -> dict[str, Any]:
    """Return a whole chat completion of one choice."""
    return {
        "id": id or new_id(),
        "object": "chat.completion",
        "created": now() if created is None else created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        **({"usage": usage} if usage else {}),
    }


def message(
    text: str | None = None,
    *,
    reasoning: str = "",
    calls: Sequence[Mapping[str, Any]] = (),
    refusal: str | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """Return an assistant's message; what of ``extra`` is empty is left out."""
    said: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal}
    if reasoning:
        said["reasoning_content"] = reasoning
    if calls:
        said["tool_calls"] = list(calls)
    return said | {name: value for name, value in extra.items() if value}


def call(id: str, name: str, arguments: Any, **extra: Any) -> dict[str, Any]:
    """Return a tool call; ``arguments`` may be an object or its JSON text."""
    text = arguments if isinstance(arguments, str) else written(arguments or {})
    return {"id": id or new_call_id(), "type": "function", "function": {"name": name, "arguments": text}, **extra}


def usage(
    prompt: int, completion: int, *, cached: int = 0, written: int = 0, written_1h: int = 0, reasoning: int = 0
) -> dict[str, Any]:
    """Return usage as OpenAI counts: ``cached`` and ``written`` within the prompt, ``reasoning`` within the answer.

    ``written_1h`` is the part of ``written`` that is kept for an hour.
    """
    said: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    if written:
        said["prompt_tokens_details"]["cache_write_tokens"] = written
    if written_1h:
        said["prompt_tokens_details"]["cache_write_1h_tokens"] = written_1h
    return said


class Chunks:
    """Writes the chunks of one choice of a streamed answer, all under one ``id``, ``model`` and time."""

    __slots__ = ("_calls", "created", "id", "index", "model")

    def __init__(self, model: str = "", id: str = "", index: int = 0) -> None:
        self.id = id or new_id()
        self.model = model
        self.index = index
        self.created = now()
        self._calls = 0

    def of_choice(self, index: int) -> Chunks:
        """Return what writes another choice of the same answer."""
        other = Chunks(self.model, self.id, index)
        other.created = self.created
        return other

    @property
    def calls(self) -> int:
        """How many tool calls were begun."""
        return self._calls

    def delta(self, **delta: Any) -> Chunk:
        return self._chunk({"index": self.index, "delta": delta, "logprobs": None, "finish_reason": None})

    def begin(self) -> Chunk:
        return self.delta(role="assistant", content="")

    def text(self, text: str) -> Chunk:
        return self.delta(content=text)

    def reasoning(self, text: str) -> Chunk:
        return self.delta(reasoning_content=text)

    def call(self, id: str, name: str, arguments: str = "", **extra: Any) -> Chunk:
        """Begin the next tool call; ``more`` goes on with the last one."""
        self._calls += 1
        return self.delta(tool_calls=[{"index": self._calls - 1, **call(id, name, arguments, **extra)}])

    def more(self, arguments: str) -> Chunk:
        return self.more_of(self._calls - 1, arguments)

    def more_of(self, index: int, arguments: str) -> Chunk:
        return self.delta(tool_calls=[{"index": index, "function": {"arguments": arguments}}])

    def finish(self, reason: str) -> Chunk:
        return self._chunk({"index": self.index, "delta": {}, "logprobs": None, "finish_reason": reason})

    def usage(self, usage: Mapping[str, Any]) -> Chunk:
        return {**self._head(), "choices": [], "usage": dict(usage)}, None

    def _chunk(self, choice: dict[str, Any]) -> Chunk:
        return {**self._head(), "choices": [choice]}, None

    def _head(self) -> dict[str, Any]:
        return {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}


def embeddings(vectors: Sequence[Any], model: str, tokens: int | None) -> dict[str, Any]:
    """Return an embeddings answer; without ``tokens`` the gateway counts for itself."""
    data = [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)]
    used = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return {"object": "list", "data": data, "model": model, **used}


def written(value: Any) -> str:
    """Return ``value`` as JSON text."""
    return msgspec.json.encode(value).decode()


def new_id() -> str:
    return f"chatcmpl-{uuid4().hex}"


def new_call_id() -> str:
    return f"call_{uuid4().hex[:24]}"


def now() -> int:
    return int(time.time())
