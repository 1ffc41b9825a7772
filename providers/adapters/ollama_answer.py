"""Ollama's answers, whole and as lines of JSON, as OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from providers import answers
from providers.adapters import failures
from providers.adapters.shapes import Response
from providers.answers import Chunk, Chunks
from providers.errors import BadAnswer
from providers.sse import Event

_decode = msgspec.json.Decoder().decode


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    said = _object(response.body)
    return (_embeddings(said) if operation == "embeddings" else _completion(said)), None


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


class StreamDecoder:
    """Each line is the next piece of the message; the last one says how it ended and what it took."""

    __slots__ = ("_chunks", "done")

    def __init__(self) -> None:
        self.done = False
        self._chunks: Chunks | None = None

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the line's chunks. Raises ``BadAnswer``, or the error that the line is."""
        line = _object(event.data)
        chunks, began = self._chunks, []
        if chunks is None:
            chunks = self._chunks = Chunks(str(line.get("model") or ""))
            began = [chunks.begin()]
        said = began + _said(chunks, line)
        if not line.get("done"):
            return said
        self.done = True
        used = _usage(line)
        return [*said, chunks.finish(_reason(line, chunks.calls)), *([chunks.usage(used)] if used else [])]


def _said(chunks: Chunks, line: Mapping[str, Any]) -> list[Chunk]:
    message, said = line.get("message") or {}, []
    if message.get("thinking"):
        said.append(chunks.reasoning(message["thinking"]))
    if message.get("content"):
        said.append(chunks.text(message["content"]))
    if said and (chances := _logprobs(line)):
        said[-1][0]["choices"][0]["logprobs"] = chances
    return said + [chunks.call(*_call(call)) for call in message.get("tool_calls") or ()]


def _completion(said: Mapping[str, Any]) -> dict[str, Any]:
    message = said["message"]
    calls = [answers.call(*_call(call)) for call in message.get("tool_calls") or ()]
    told = answers.message(message.get("content") or None, reasoning=message.get("thinking") or "", calls=calls)
    if told["content"] is None and not calls:
        told["content"] = ""
    model = str(said.get("model") or "")
    answer = answers.completion(
        id="", model=model, message=told, finish_reason=_reason(said, len(calls)), usage=_usage(said)
    )
    answer["choices"][0]["logprobs"] = _logprobs(said)
    return answer


def _embeddings(said: Mapping[str, Any]) -> dict[str, Any]:
    # one vector by itself is what servers answer that still go by the former endpoint's shape
    vectors = said["embeddings"] if "embeddings" in said else [said["embedding"]]
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise BadAnswer()
    return answers.embeddings(vectors, str(said.get("model") or ""), _count(said, "prompt_eval_count"))


def _call(call: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return a call's id, which may be missing, its name, and its arguments as text."""
    function = call["function"]
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else answers.written(arguments or {})
    return str(call.get("id") or ""), str(function["name"]), text


def _reason(said: Mapping[str, Any], calls: int) -> str:
    """Return how it ended: a model that calls says "stop" as well, and one that was loaded only says "load"."""
    return "tool_calls" if calls else str(said.get("done_reason") or "stop")


def _usage(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what it took; the prompt's count is missing where the prompt was still in memory."""
    prompt, completion = _count(said, "prompt_eval_count"), _count(said, "eval_count")
    return None if prompt is None or completion is None else answers.usage(prompt, completion)


def _count(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    return value if type(value) is int else None


def _logprobs(said: Mapping[str, Any]) -> dict[str, Any] | None:
    chances = said.get("logprobs")
    if not chances:
        return None
    return {"content": [_chance(each) | {"top_logprobs": _top(each)} for each in chances], "refusal": None}


def _top(chance: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [_chance(each) for each in chance.get("top_logprobs") or ()]


def _chance(said: Mapping[str, Any]) -> dict[str, Any]:
    return {"token": said["token"], "logprob": said["logprob"], "bytes": said.get("bytes")}


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(value, dict):
        raise BadAnswer()
    if value.get("error"):
        raise failures.inside(value, {})
    return value
