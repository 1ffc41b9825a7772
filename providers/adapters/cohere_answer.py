"""Answers of Cohere's v2 API as OpenAI's: chats whole and streamed, embeddings, rankings. Pure but for the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from providers import answers
from providers.adapters import failures
from providers.adapters.values import word
from providers.answers import Chunk, Chunks
from providers.errors import BadAnswer, ServerError
from providers.sse import Event

FINISH_REASONS: Mapping[str, str] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
FAILED = ("ERROR", "TIMEOUT")
_decode = msgspec.json.Decoder().decode


def read(data: bytes) -> dict[str, Any]:
    """Return the object in ``data``. Raises ``BadAnswer``."""
    try:
        said = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(said, dict):
        raise BadAnswer()
    return said


def completion(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chat completion. Raises ``BadAnswer``, or ``ServerError`` where the model gave up."""
    message = said["message"]
    parts = message.get("content") or ()
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    thoughts = [_thought(word(part["thinking"])) for part in parts if part["type"] == "thinking"]
    text = "".join(word(part["text"]) for part in parts if part["type"] == "text")
    whole = answers.completion(
        id=word(said.get("id")),
        model="",
        message=answers.message(
            text or (None if calls else ""),
            reasoning="".join(each["thinking"] for each in thoughts) + word(message.get("tool_plan")),
            calls=calls,
            thinking_blocks=thoughts,
            citations=message.get("citations"),
        ),
        finish_reason=finish_reason(said["finish_reason"]),
        usage=usage(said.get("usage")),
    )
    whole["choices"][0]["logprobs"] = logprobs(said.get("logprobs"))
    return whole


def embeddings(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the vectors. Raises ``BadAnswer``."""
    given = said["embeddings"]
    vectors = given["float"] if isinstance(given, Mapping) else given
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise BadAnswer()
    billed = (said.get("meta") or {}).get("billed_units") or {}
    return answers.embeddings(vectors, "", _count(billed["input_tokens"]) if "input_tokens" in billed else None)


def ranking(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``{id, results: [{index, relevance_score}], meta}``, the best first, and ``usage`` where it is told.

    ``meta.billed_units.search_units`` is what it is billed by. Raises ``BadAnswer``.
    """
    results, meta = said["results"], said.get("meta") or {}
    if not isinstance(results, list):
        raise BadAnswer()
    told = {
        "id": word(said.get("id")),
        "results": [{"index": _count(each["index"]), "relevance_score": _score(each)} for each in results],
        "meta": meta,
    }
    tokens = meta.get("tokens") or {}
    return told | ({"usage": answers.usage(_count(tokens["input_tokens"]), 0)} if "input_tokens" in tokens else {})


def usage(told: Any) -> dict[str, Any] | None:
    """Return the tokens that were read, with those of the service's own instructions, which it does not bill."""
    tokens = told.get("tokens") if told else None
    if tokens:
        cached = _count(told.get("cached_tokens"))
        return answers.usage(_count(tokens.get("input_tokens")), _count(tokens.get("output_tokens")), cached=cached)
    billed = told.get("billed_units") if told else None
    return answers.usage(_count(billed.get("input_tokens")), _count(billed.get("output_tokens"))) if billed else None


def finish_reason(given: Any) -> str:
    """Return OpenAI's word. Raises ``ServerError`` where the answer did not come to an end."""
    if given in FAILED:
        raise ServerError()
    return FINISH_REASONS.get(word(given), "stop")


def logprobs(told: Any) -> dict[str, Any] | None:
    """Return each piece of the text with the sum of its tokens' logprobs: tokens' own texts are not told."""
    if not told:
        return None
    return {"content": [_chance(word(each.get("text")), each.get("logprobs") or ()) for each in told], "refusal": None}


def _chance(text: str, chances: Sequence[float]) -> dict[str, Any]:
    return {"token": text, "logprob": sum(chances), "bytes": list(text.encode("utf-8", "replace")), "top_logprobs": []}


def _thought(text: str) -> dict[str, str]:
    return {"type": "thinking", "thinking": text}


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return answers.call(word(call.get("id")), word(function["name"]), word(function.get("arguments")) or "{}")


def _count(value: Any) -> int:
    """Return a count, which may come as a float."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadAnswer()
    return int(value)


def _score(result: Mapping[str, Any]) -> float:
    score = result["relevance_score"]
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise BadAnswer()
    return score


class StreamDecoder:
    """Follows one message. Calls are numbered anew: the events' numbers count all that the message has.

    Thoughts and citations are told once more in one piece each at the end, as what goes back to the model has to be
    whole, and clients cannot put together lists without numbers.
    """

    __slots__ = ("_calls", "_chunks", "_citations", "_spoken", "_thought", "done")

    def __init__(self, model: str) -> None:
        self.done = False
        self._chunks = Chunks(model)
        self._calls: dict[Any, int] = {}
        self._spoken: set[int] = set()
        self._thought: list[dict[str, str]] = []
        self._citations: list[Any] = []

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks. Raises ``BadAnswer``, or the error that the event is."""
        if self.done or not event.data or event.data.startswith(b"[DONE]"):
            return ()
        told = read(event.data)
        kind = told.get("type")
        if kind in HANDLERS:
            return list(HANDLERS[kind](self, told))
        if kind in (None, "error") or event.name == b"error":
            raise failures.inside(told, {})
        return ()

    def _message_start(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        self._chunks.id = word(told.get("id")) or self._chunks.id
        yield self._chunks.begin()

    def _content(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        content = told["delta"]["message"]["content"]
        if "thinking" in content or content.get("type") == "thinking":
            yield from self._think(told["type"], word(content.get("thinking")))
        if text := word(content.get("text")):
            said = self._chunks.text(text)
            item = told.get("logprobs")
            said[0]["choices"][0]["logprobs"] = logprobs([item] if item else None)
            yield said

    def _think(self, kind: str, text: str) -> Iterator[Chunk]:
        if kind == "content-start" or not self._thought:
            self._thought.append(_thought(""))
        self._thought[-1]["thinking"] += text
        if text:
            yield self._chunks.reasoning(text)

    def _tool_plan(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        yield self._chunks.reasoning(word(told["delta"]["message"]["tool_plan"]))

    def _tool_call_start(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        call = told["delta"]["message"]["tool_calls"]
        function = call["function"]
        self._calls[told.get("index")] = index = self._chunks.calls
        yield self._chunks.call(word(call.get("id")), word(function["name"]))
        yield from self._more(index, word(function.get("arguments")))

    def _tool_call_delta(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        function = told["delta"]["message"]["tool_calls"]["function"]
        yield from self._more(self._calls[told.get("index")], word(function.get("arguments")))

    def _tool_call_end(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        index = self._calls[told.get("index")]
        if index not in self._spoken:
            yield from self._more(index, "{}")

    def _more(self, index: int, arguments: str) -> Iterator[Chunk]:
        if arguments:
            self._spoken.add(index)
            yield self._chunks.more_of(index, arguments)

    def _citation_start(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        self._citations.append(told["delta"]["message"]["citations"])
        yield from ()

    def _message_end(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        delta = told["delta"]
        if delta.get("error"):
            raise ServerError()
        reason, used = finish_reason(delta["finish_reason"]), usage(delta.get("usage"))
        self.done = True
        thoughts = [{"index": index, **each} for index, each in enumerate(self._thought)]
        whole = {"thinking_blocks": thoughts, "citations": self._citations}
        if told_again := {name: value for name, value in whole.items() if value}:
            yield self._chunks.delta(**told_again)
        yield self._chunks.finish(reason)
        if used:
            yield self._chunks.usage(used)


HANDLERS = {
    "message-start": StreamDecoder._message_start,
    "content-start": StreamDecoder._content,
    "content-delta": StreamDecoder._content,
    "tool-plan-delta": StreamDecoder._tool_plan,
    "tool-call-start": StreamDecoder._tool_call_start,
    "tool-call-delta": StreamDecoder._tool_call_delta,
    "tool-call-end": StreamDecoder._tool_call_end,
    "citation-start": StreamDecoder._citation_start,
    "message-end": StreamDecoder._message_end,
}
