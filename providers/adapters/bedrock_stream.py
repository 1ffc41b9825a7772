"""ConverseStream's events as OpenAI's chunks. Pure but for the time of day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.adapters import bedrock_errors
from providers.adapters.anthropic_tools import JSON_TOOL
from providers.adapters.bedrock_answer import decoded, finish_reason, is_call, service_tier, thought, usage
from providers.adapters.values import word
from providers.answers import Chunk, Chunks
from providers.errors import BadAnswer
from providers.sse import Event


class StreamDecoder:
    """Follows the blocks of one message, which may be told between each other. Usage comes after the end."""

    __slots__ = ("_blocks", "_chunks", "_thoughts", "done")

    def __init__(self) -> None:
        self.done = False
        self._chunks = Chunks()
        self._thoughts = 0
        self._blocks: dict[int, dict[str, Any]] = {}

    def feed(self, event: Event) -> Sequence[Chunk]:
        """Return the event's chunks. Raises ``BadAnswer``, or the error that the event is."""
        if self.done:
            return ()
        name = event.name.decode("ascii", "replace")
        if name.startswith("!"):
            told = decoded(event.data) if event.data else {}
            raise bedrock_errors.error(name[1:], told, bedrock_errors.EXCEPTION_OF_A_STREAM, {})
        handle = getattr(self, f"_{name}") if name in EVENTS else None
        return list(handle(decoded(event.data))) if handle is not None else ()

    def _messageStart(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        yield self._chunks.begin()

    def _contentBlockStart(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        call = told["start"].get("toolUse")
        if not is_call(call):
            return
        block = self._block(told)
        block |= {"name": word(call["name"]), "call": self._chunks.calls, "has_arguments": False}
        if block["name"] != JSON_TOOL:
            yield self._chunks.call(word(call["toolUseId"]), block["name"])

    def _contentBlockDelta(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        delta, block = told["delta"], self._block(told)
        if delta.get("text"):
            yield self._chunks.text(word(delta["text"]))
        if delta.get("toolUse") and "name" in block:
            yield from self._arguments(block, word(delta["toolUse"]["input"]))
        if delta.get("reasoningContent"):
            yield from self._reasoning(block, delta["reasoningContent"])

    def _contentBlockStop(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        block = self._blocks.pop(_index(told), {})
        if "name" in block and not block["has_arguments"]:
            yield from self._arguments(block, "{}")
        if "thought" in block:
            yield self._chunks.delta(thinking_blocks=[{"index": self._thoughts, **thought(block["thought"])}])
            self._thoughts += 1

    def _messageStop(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        yield self._chunks.finish(finish_reason(told.get("stopReason"), self._chunks.calls > 0))

    def _metadata(self, told: Mapping[str, Any]) -> Iterator[Chunk]:
        self.done = True
        counted = usage(told.get("usage"))
        if counted is not None:
            chunk, raw = self._chunks.usage(counted)
            yield {**chunk, **service_tier(told)}, raw

    def _arguments(self, block: dict[str, Any], text: str) -> Iterator[Chunk]:
        if text:
            block["has_arguments"] = True
            is_answer = block["name"] == JSON_TOOL
            yield self._chunks.text(text) if is_answer else self._chunks.more_of(block["call"], text)

    def _reasoning(self, block: dict[str, Any], told: Mapping[str, Any]) -> Iterator[Chunk]:
        """Put the block together, which a client has to send back as it was, and tell its text."""
        said = block.setdefault("thought", {})
        if "redactedContent" in told:
            said["redactedContent"] = said.get("redactedContent", "") + word(told["redactedContent"])
            return
        whole = said.setdefault("reasoningText", {})
        for name in ("text", "signature"):
            whole[name] = whole.get(name, "") + word(told.get(name))
        if told.get("text"):
            yield self._chunks.reasoning(word(told["text"]))

    def _block(self, told: Mapping[str, Any]) -> dict[str, Any]:
        return self._blocks.setdefault(_index(told), {})


def _index(told: Mapping[str, Any]) -> int:
    index = told.get("contentBlockIndex", 0)
    if type(index) is not int:
        raise BadAnswer()
    return index


EVENTS = frozenset({"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop",
                    "metadata"})  # fmt: skip
