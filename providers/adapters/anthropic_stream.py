"""Anthropic's streams as OpenAI's chunks. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from providers import answers
from providers.adapters.anthropic_answer import THOUGHTS, arguments, finish_reason, read, refusal, service_tier, usage
from providers.adapters.anthropic_tools import JSON_TOOL
from providers.adapters.values import word
from providers.answers import Chunk, Chunks
from providers.errors import BadAnswer
from providers.sse import Event
from providers.translated import Translated


class StreamDecoder:
    """Follows the blocks of one message, which come one after the other.

    ``keeps_events``: each event stands beside its first chunk, which says nothing where the event has none.
    """

    __slots__ = ("_block", "_chunks", "_has_arguments", "_keeps_events", "_thoughts", "_usage", "done")

    def __init__(self, *, keeps_events: bool = False) -> None:
        self.done = False
        self._keeps_events = keeps_events
        self._chunks: Chunks | None = None
        self._usage: dict[str, Any] = {}
        self._block: dict[str, Any] = {}
        self._has_arguments = False
        self._thoughts = 0

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks; unknown ones have none. Raises ``BadAnswer``, or the error that the event is."""
        if not event.data or self.done:
            return ()
        told = read(event.data, {})
        chunks = self._read(told)
        return _with_event(chunks, told) if self._keeps_events else chunks

    def _read(self, told: Mapping[str, Any]) -> Sequence[Chunk]:
        kind = word(told.get("type"))
        if kind == "message_start":
            return (self._begin(told["message"]),)
        if kind not in EVENTS:
            return ()
        if self._chunks is None:
            raise BadAnswer()
        return list(EVENTS[kind](self, told, self._chunks))

    def _begin(self, message: Mapping[str, Any]) -> Chunk:
        self._chunks = Chunks(word(message.get("model")), word(message.get("id")))
        self._usage |= message.get("usage") or {}
        return self._chunks.begin()

    def _block_start(self, told: Mapping[str, Any], chunks: Chunks) -> Iterator[Chunk]:
        self._block, self._has_arguments = dict(told["content_block"]), False
        kind = self._block["type"]
        if kind == "tool_use" and self._block["name"] != JSON_TOOL:
            yield chunks.call(word(self._block["id"]), word(self._block["name"]))
        elif kind == "text" and self._block.get("text"):
            yield chunks.text(word(self._block["text"]))

    def _block_delta(self, told: Mapping[str, Any], chunks: Chunks) -> Iterator[Chunk]:
        delta = told["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            yield chunks.text(word(delta["text"]))
        elif kind == "input_json_delta" and delta["partial_json"] and self._block["type"] == "tool_use":
            self._has_arguments = True
            yield self._argument(word(delta["partial_json"]), chunks)
        elif kind == "thinking_delta":
            self._add("thinking", delta)
            yield chunks.reasoning(word(delta["thinking"]))
        elif kind == "signature_delta":
            self._add("signature", delta)

    def _block_stop(self, told: Mapping[str, Any], chunks: Chunks) -> Iterator[Chunk]:
        kind = self._block.get("type")
        if kind == "tool_use" and not self._has_arguments:
            yield self._argument(answers.written(arguments(self._block.get("input") or {})), chunks)
        elif kind in THOUGHTS:
            # by their index clients put together what comes in lists
            yield chunks.delta(thinking_blocks=[{"index": self._thoughts, **self._block}])
            self._thoughts += 1
        self._block = {}

    def _message_delta(self, told: Mapping[str, Any], chunks: Chunks) -> Iterator[Chunk]:
        self._usage |= {name: value for name, value in (told.get("usage") or {}).items() if value is not None}
        delta = told.get("delta") or {}
        if words := refusal(delta):
            yield chunks.delta(refusal=words)
        if delta.get("stop_reason"):
            yield chunks.finish(finish_reason(delta["stop_reason"], chunks.calls > 0))

    def _message_stop(self, told: Mapping[str, Any], chunks: Chunks) -> Iterator[Chunk]:
        self.done = True
        counted = usage(self._usage)
        if counted is not None:
            chunk, raw = chunks.usage(counted)
            yield {**chunk, **service_tier(self._usage)}, raw

    def _argument(self, text: str, chunks: Chunks) -> Chunk:
        return chunks.text(text) if self._block.get("name") == JSON_TOOL else chunks.more(text)

    def _add(self, name: str, delta: Mapping[str, Any]) -> None:
        self._block[name] = word(self._block.get(name)) + word(delta[name])


def _with_event(chunks: Sequence[Chunk], event: Mapping[str, Any]) -> Sequence[Chunk]:
    """Return the chunks, the event beside the first of them; one that no chat sees where there are none."""
    (first, raw), *rest = chunks or [({"choices": []}, b"")]
    return [(Translated(first, event), raw), *rest]


EVENTS: Mapping[str, Callable[[StreamDecoder, Mapping[str, Any], Chunks], Iterator[Chunk]]] = {
    "content_block_start": StreamDecoder._block_start,
    "content_block_delta": StreamDecoder._block_delta,
    "content_block_stop": StreamDecoder._block_stop,
    "message_delta": StreamDecoder._message_delta,
    "message_stop": StreamDecoder._message_stop,
}
