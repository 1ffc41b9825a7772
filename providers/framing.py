"""Streams that are not server-sent events: lines of JSON, and Amazon's binary frames. Pure."""

from __future__ import annotations

import zlib
from struct import Struct

from providers.sse import MAX_EVENT_BYTES, Event, EventTooLarge

_PRELUDE = Struct(">III")
_CHECKSUM = Struct(">I")
_LENGTH = Struct(">H")
# the sizes of a header's value by its type; types 6 and 7 say their own
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_STRING = 7


class BadFrame(ValueError):
    """The bytes are no frame: a length or a checksum is wrong."""


class Lines:
    """One event a line, as newline-delimited JSON has it. Empty lines are left out."""

    __slots__ = ("_rest", "max_bytes")

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """Return the lines that ``data`` completed. Raises ``EventTooLarge``."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > self.max_bytes or any(len(line) > self.max_bytes for line in lines):
            raise EventTooLarge(f"a line is longer than {self.max_bytes} bytes")
        return [Event(line, line) for each in lines if (line := each.strip())]

    def close(self) -> list[Event]:
        line, self._rest = self._rest.strip(), b""
        return [Event(line, line)] if line else []


class Frames:
    """``application/vnd.amazon.eventstream``: an event's ``name`` is its event type, ``data`` its payload.

    A frame that is an exception or an error has a name that begins with ``!``.
    """

    __slots__ = ("_rest", "max_bytes")

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[Event]:
        """Return the frames that ``data`` completed. Raises ``EventTooLarge``, ``BadFrame``.

        What stands before a damaged frame is returned first: the damage is told by the next call.
        """
        self._rest += data
        events: list[Event] = []
        try:
            while event := self._next():
                events.append(event)
        except ValueError:
            if not events:
                raise
        return events

    def close(self) -> list[Event]:
        """Return nothing: a frame that is not whole is none. Raises as ``feed`` where that could not tell."""
        return self.feed(b"")

    def _next(self) -> Event | None:
        """Take one frame off what was read, None where that is not whole yet."""
        if len(self._rest) < _PRELUDE.size:
            return None
        total, headers, checksum = _PRELUDE.unpack_from(self._rest)
        if total > self.max_bytes:
            raise EventTooLarge(f"a frame is longer than {self.max_bytes} bytes")
        if zlib.crc32(self._rest[:8]) != checksum or total < headers + 16:
            raise BadFrame("the beginning of a frame is damaged")
        if len(self._rest) < total:
            return None
        event = _frame(self._rest[:total], headers)
        self._rest = self._rest[total:]
        return event


def _frame(raw: bytes, headers: int) -> Event:
    (checksum,) = _CHECKSUM.unpack_from(raw, len(raw) - 4)
    if zlib.crc32(raw[:-4]) != checksum:
        raise BadFrame("a frame is damaged")
    said = _headers(raw[12 : 12 + headers])
    kind = said.get(b":message-type", b"event")
    name = said.get(b":event-type" if kind == b"event" else b":exception-type") or said.get(b":error-code", b"")
    return Event(raw[12 + headers : -4], raw, name if kind == b"event" else b"!" + name)


def _headers(block: bytes) -> dict[bytes, bytes]:
    """Return the headers that are texts. Raises ``BadFrame``."""
    found, at = {}, 0
    try:
        while at < len(block):
            name = block[at + 1 : at + 1 + block[at]]
            at += 1 + block[at]
            kind = block[at]
            at += 1
            size = _SIZES.get(kind)
            if size is None:
                (size,) = _LENGTH.unpack_from(block, at)
                at += 2
            if kind == _STRING:
                found[name] = block[at : at + size]
            at += size
    except Exception as error:
        raise BadFrame("the headers of a frame are damaged") from error
    return found
