"""Streams that are no chat: events that say their own type, and the bytes of a sound. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from providers import sse
from providers.adapters import failures
from providers.chunks import Chunk
from providers.errors import BadAnswer, StreamCut, UpstreamError
from providers.sse import Event, Splitter

# A picture in base64 stands in one event; the largest there are have some 20 MB.
MAX_EVENT_BYTES = 32 * 1024 * 1024
LAST = (".done", ".completed")
# between two lines that end in LF, CR or CR LF
BLANK_LINES = (b"\n\n", b"\n\r", b"\r\r")


class Reader(Protocol):
    """Turns the bytes of a stream into chunks. After an error ``error`` stands, and the chunks before it are whole.

    ``done``: there is nothing more to read. ``finished``: the answer has been told to its end.
    """

    error: UpstreamError | None

    @property
    def done(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    def feed(self, data: bytes) -> list[Chunk]: ...
    def close(self) -> list[Chunk]: ...


class EventReader:
    """Events are forwarded as they came. A chunk's ``usage`` is what was told so far, with the pictures so far."""

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self.finished = False
        self._ended = False
        self._framing = Patient()
        self._usage: dict[str, Any] = {}
        # what was told by a service whose events are chunks of a chat
        self._words: list[str] | None = None

    @property
    def done(self) -> bool:
        return self._ended or self.error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        try:
            events = self._framing.feed(data)
        except ValueError:
            self.error = BadAnswer()
            return []
        return self._chunks(events)

    def close(self) -> list[Chunk]:
        """Return what was left when the upstream hung up; ``error`` then says whether that was too early."""
        chunks = self._chunks(self._framing.close()) if self.error is None else []
        if self.error is None and not self.finished:
            self.error = StreamCut()
        return chunks

    def _chunks(self, events: list[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for event in events:
                if not self._ended:
                    chunks.append(self._chunk(event))
        except UpstreamError as error:
            self.error = error
        return chunks

    def _chunk(self, event: Event) -> Chunk:
        if event.data.startswith(b"[DONE]"):
            self._ended = self.finished = True
            return Chunk({}, event.raw) if self._words is None else self._last()
        said = _object(event.data)
        if said.get("error") or event.name == b"error" or said.get("type") == "error":
            raise failures.inside(said, {})
        if "type" not in said and "choices" in said:
            return self._of_chat(said)
        kind = said.get("type")
        if isinstance(kind, str) and kind.endswith(LAST):
            self.finished = True
            self._count(said)
        delta = said.get("delta")
        return Chunk({}, event.raw, dict(self._usage), delta if isinstance(delta, str) else "")

    def _of_chat(self, said: Mapping[str, Any]) -> Chunk:
        """Return a piece of a transcript that is streamed like a chat (vLLM) as the event that it should be."""
        choices = said["choices"] if isinstance(said["choices"], list) else []
        deltas = [choice.get("delta") for choice in choices if isinstance(choice, dict)]
        words = "".join(str(delta.get("content") or "") for delta in deltas if isinstance(delta, dict))
        self._words = [*(self._words or ()), words]
        self._count(said)
        event = _encoded("transcript.text.delta", delta=words) if words else b""
        return Chunk({}, event, dict(self._usage), words)

    def _last(self) -> Chunk:
        return Chunk({}, _encoded("transcript.text.done", text="".join(self._words or ())), dict(self._usage))

    def _count(self, said: Mapping[str, Any]) -> None:
        """Take in the usage of an event that ends something: of several pictures each has its own."""
        if "b64_json" in said or "url" in said:
            self._usage["images"] = self._usage.get("images", 0) + 1
        usage = said.get("usage")
        for name, value in usage.items() if isinstance(usage, dict) else ():
            known = self._usage.get(name)
            if type(value) is int and type(known) is int:
                value += known
            self._usage[name] = value


class ByteReader:
    """A sound's bytes as they come. It is finished when its upstream has said that there are no more."""

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self.finished = False
        self._is_empty = True

    @property
    def done(self) -> bool:
        return self.error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        self._is_empty = False
        return [Chunk({}, data)]

    def close(self) -> list[Chunk]:
        self.finished = True
        if self._is_empty:
            self.error = StreamCut()
        return []


class Patient:
    """Collects the pieces of an event until it is whole: of large ones only the new bytes are looked at."""

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = Splitter(max_bytes)
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._tail = b""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` completed. Raises ``EventTooLarge``."""
        self._pieces.append(data)
        self._held += len(data)
        near = self._tail + data
        self._tail = near[-3:]
        if self._held <= self._max_bytes and not any(line in near for line in BLANK_LINES):
            return []
        return self._splitter.feed(self._taken())

    def close(self) -> list[Event]:
        try:
            return [*self._splitter.feed(self._taken()), *self._splitter.close()]
        except ValueError:
            return []

    def _taken(self) -> bytes:
        held, self._pieces, self._held = b"".join(self._pieces), [], 0
        return held


def _encoded(kind: str, **said: Any) -> bytes:
    return sse.encode(msgspec.json.encode({"type": kind, **said}), kind.encode())


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
    if not isinstance(value, dict):
        raise BadAnswer()
    return value
