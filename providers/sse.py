"""Server-sent events, both ways. Pure: bytes in any cut become events, and events become bytes."""

from __future__ import annotations

import re

import msgspec

MAX_EVENT_BYTES = 1024 * 1024
BOM = b"\xef\xbb\xbf"

# A line may end in CR LF, LF or CR; the atomic group keeps CR LF from counting as two.
_LINE_END = re.compile(rb"\r\n|\n|\r")
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r){2}")


class Event(msgspec.Struct, frozen=True, gc=False):
    """``raw`` is the event as it came, the blank line after it included; ``data`` its joined data lines."""

    data: bytes
    raw: bytes
    name: bytes = b""


class EventTooLarge(ValueError):
    """An event is longer than the splitter may hold."""


class Splitter:
    """Gives the same events for the same bytes, however they are cut. Comments and empty events are left out."""

    __slots__ = ("_begun", "_rest", "max_bytes")

    def __init__(self, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self.max_bytes = max_bytes
        self._rest = b""
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that ``data`` completed. Raises ``EventTooLarge``."""
        if self._rest:
            data = self._rest + data
        if not self._begun:
            if len(data) < len(BOM) and BOM.startswith(data):
                self._rest = data
                return []
            data, self._begun = data.removeprefix(BOM), True
        events, self._rest = _plain(data) if b"\r" not in data else _any(data)
        if len(data) > self.max_bytes:
            self._refuse_giants(events)
        return events

    def close(self) -> list[Event]:
        """Return the last event where the stream ended without its blank line."""
        rest, self._rest = self._rest, b""
        if not rest:
            return []
        event = _parsed(rest)
        if event is None:
            return []
        return [Event(event.data, rest.strip(b"\r\n") + b"\n\n", event.name)]

    def _refuse_giants(self, events: list[Event]) -> None:
        if len(self._rest) > self.max_bytes or any(len(event.raw) > self.max_bytes for event in events):
            raise EventTooLarge(f"an event is longer than {self.max_bytes} bytes")


def encode(data: bytes, name: bytes = b"") -> bytes:
    """Return one event's bytes; line ends inside ``data`` become data lines."""
    head = b"event: " + name + b"\n" if name else b""
    return head + b"".join(b"data: " + line + b"\n" for line in _LINE_END.split(data)) + b"\n"


def _plain(data: bytes) -> tuple[list[Event], bytes]:
    """Split where every line ends in LF. The usual event is one data line; all else goes the long way."""
    *blocks, rest = data.split(b"\n\n")
    events = []
    for block in blocks:
        if block.startswith(b"data: ") and b"\n" not in block:
            events.append(Event(block[6:], block + b"\n\n"))
        elif event := _parsed(block + b"\n\n"):
            events.append(event)
    return events, rest


def _any(data: bytes) -> tuple[list[Event], bytes]:
    events, begin = [], 0
    for end in _EVENT_END.finditer(data):
        if end.end() == len(data) and data.endswith(b"\r"):
            break  # an LF may follow that belongs to this event
        if event := _parsed(data[begin : end.end()]):
            events.append(event)
        begin = end.end()
    return events, data[begin:]


def _parsed(raw: bytes) -> Event | None:
    lines: list[bytes] = []
    name = b""
    for line in _LINE_END.split(raw):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return Event(b"\n".join(lines), raw.lstrip(b"\r\n"), name) if lines else None
