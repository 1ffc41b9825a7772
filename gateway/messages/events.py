"""A chat's chunks as the events of a streamed message: one content block is open at a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.messages import answer

Event = dict[str, Any]
PING: Event = {"type": "ping"}


@dataclass(slots=True, eq=False)
class Block:
    """A content block: ``begun`` as its start says it; ``pieces`` are what is to be said of it yet.

    ``said`` is what was, of a call's arguments or of a thought.
    """

    begun: Event
    pieces: list[str] = field(default_factory=list)
    said: str = ""

    @property
    def kind(self) -> str:
        return str(self.begun["type"])

    @property
    def is_whole(self) -> bool:
        """Whether nothing more can come: texts and thoughts end where another block begins, calls with their input."""
        return self.kind != "tool_use" or _is_json(self.said)


class Message:
    """Writes the events of one streamed message."""

    def __init__(self, stops: Sequence[str] = (), prompt_tokens: int = 0) -> None:
        self._stops = stops
        self._prompt_tokens = prompt_tokens
        self._has_begun = False
        self._open: Block | None = None
        self._waiting: list[Block] = []
        self._called: dict[Any, Block] = {}
        self._index = -1
        self._choice: Mapping[str, Any] = {}
        self._usage: Any = None
        self._refusal = ""
        self._characters = 0

    def feed(self, chunk: Mapping[str, Any], usage: Any = None) -> list[Event]:
        """Return the events that ``chunk`` makes; its ``usage`` may stand beside it."""
        self._usage = usage or chunk.get("usage") or self._usage
        events = [] if self._has_begun else list(self._begin(chunk))
        for choice in (chunk.get("choices") or ())[:1]:
            events += self._delta(choice.get("delta") or {})
            if choice.get("finish_reason"):
                self._choice = choice
        return events

    def end(self) -> list[Event]:
        """Return what closes the message."""
        events = [] if self._has_begun else list(self._begin({}))
        for block in [*self._waiting]:
            events += self._turn_to(block)
        events += self._stop()
        ended = answer.ending(self._choice, self._stops, bool(self._called), self._refusal)
        used = answer.usage(self._usage, self._prompt_tokens, -(-self._characters // 4))
        return [
            *events,
            {"type": "message_delta", "delta": {**ended.said, "container": None}, "usage": used},
            {"type": "message_stop"},
        ]

    def _begin(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        self._has_begun = True
        usage = {**answer.usage(None, self._prompt_tokens), "service_tier": "standard", "server_tool_use": None}
        said: Event = {
            "id": answer.message_id(chunk.get("id")), "type": "message", "role": "assistant",
            "model": chunk.get("model") or "", "content": [], "stop_reason": None, "stop_sequence": None,
            "stop_details": None, "container": None, "usage": usage,
        }  # fmt: skip
        yield {"type": "message_start", "message": said}
        yield PING

    def _delta(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        for names, write in SAYS.items():
            if said := next(filter(None, map(delta.get, names)), None):
                yield from write(self, said)

    def _reasoning(self, text: Any) -> Iterator[Event]:
        if isinstance(text, str):
            yield from self._more("thinking", text)

    def _thoughts(self, blocks: Any) -> Iterator[Event]:
        """Prove the thought that was told, or tell one that was not."""
        for thought in answer.thoughts(blocks):
            if thought["type"] == "redacted_thinking":
                yield from self._turn_to(Block(thought))
                yield from self._stop()
                continue
            told = self._open.said if self._open is not None and self._open.kind == "thinking" else ""
            if not told or told != thought.get("thinking", ""):
                yield from self._turn_to(Block(dict(THOUGHT)))
                if thought.get("thinking"):
                    yield self._piece("thinking_delta", "thinking", thought["thinking"])
            yield self._piece("signature_delta", "signature", thought["signature"])
            yield from self._stop()

    def _text(self, text: Any) -> Iterator[Event]:
        if isinstance(text, str):
            yield from self._more("text", text)

    def _refuse(self, text: Any) -> Iterator[Event]:
        if isinstance(text, str):
            self._refusal += text
            yield from self._more("text", text)

    def _calls(self, calls: Any) -> Iterator[Event]:
        for call in calls:
            yield from self._call(call)

    def _call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        block = self._block_of(call)
        arguments = (call.get("function") or {}).get("arguments") or ""
        piece = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        yield from self._add(block, piece)

    def _block_of(self, call: Mapping[str, Any]) -> Block:
        """Return the block of a call, a new one that waits where it has just begun."""
        index = call.get("index", 0)
        if index not in self._called:
            self._called[index] = Block(answer.begun(call))
            self._waiting.append(self._called[index])
        return self._called[index]

    def _more(self, kind: str, text: str) -> Iterator[Event]:
        """Say ``text`` in the block that is open, or the next one; while a call is not whole it waits."""
        last = self._waiting[-1] if self._waiting else self._open
        if last is None or last.kind != kind:
            last = Block(dict(BEGINNINGS[kind]))
            self._waiting.append(last)
        yield from self._add(last, text)

    def _add(self, block: Block, piece: str) -> Iterator[Event]:
        """Say more of ``block``. One that is closed was whole: no more than white space comes then."""
        if block is self._open:
            yield from self._say(piece)
        elif block in self._waiting:
            block.pieces.append(piece)
            if self._open is None or self._open.is_whole:
                yield from self._turn_to(self._waiting[0])

    def _turn_to(self, block: Block) -> Iterator[Event]:
        """Close what is open and say what ``block`` has so far."""
        yield from self._stop()
        if block in self._waiting:
            self._waiting.remove(block)
        self._open = block
        self._index += 1
        yield {"type": "content_block_start", "index": self._index, "content_block": block.begun}
        pieces, block.pieces = block.pieces, []
        yield from self._say("".join(pieces))

    def _say(self, text: str) -> Iterator[Event]:
        if text and self._open is not None:
            yield self._piece(*DELTAS[self._open.kind], text)

    def _piece(self, kind: str, name: str, text: str) -> Event:
        if self._open is not None and kind != "signature_delta":
            self._open.said += text
            self._characters += len(text)
        return {"type": "content_block_delta", "index": self._index, "delta": {"type": kind, name: text}}

    def _stop(self) -> Iterator[Event]:
        if self._open is not None:
            self._open = None
            yield {"type": "content_block_stop", "index": self._index}


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


THOUGHT: Mapping[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
BEGINNINGS: Mapping[str, Mapping[str, Any]] = {
    "thinking": THOUGHT,
    "text": {"type": "text", "text": "", "citations": None},
}
DELTAS: Mapping[str, tuple[str, str]] = {
    "thinking": ("thinking_delta", "thinking"),
    "text": ("text_delta", "text"),
    "tool_use": ("input_json_delta", "partial_json"),
}
# what a delta says, by the names that it has for it
SAYS: Mapping[tuple[str, ...], Callable[[Message, Any], Iterator[Event]]] = {
    ("reasoning_content", "reasoning"): Message._reasoning,
    ("thinking_blocks",): Message._thoughts,
    ("content",): Message._text,
    ("refusal",): Message._refuse,
    ("tool_calls",): Message._calls,
}
