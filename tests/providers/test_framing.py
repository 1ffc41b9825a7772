"""Frames and lines: the same however they arrive, and what is damaged is said to be."""

from __future__ import annotations

import json
import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.framing import BadFrame, Frames, Lines
from providers.sse import EventTooLarge


def frame(name: str, payload: object, kind: str = "event", extra: bytes = b"") -> bytes:
    """Return one frame of AWS's event stream; ``extra`` are encoded headers before the others."""
    key = {"event": ":event-type", "exception": ":exception-type", "error": ":error-code"}[kind]
    headers = extra + b"".join(
        bytes([len(each)]) + each.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for each, value in ((":message-type", kind), (key, name), (":content-type", "application/json"))
    )
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    begun = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
    return begun + struct.pack(">I", zlib.crc32(begun))


STREAM = frame("a", {"x": 1}) + frame("b", b"") + frame("throttlingException", {"message": "m"}, "exception")


def test_frames_have_a_name_and_a_payload_and_exceptions_are_marked():
    assert [(event.name, event.data) for event in Frames().feed(STREAM)] == [
        (b"a", b'{"x": 1}'), (b"b", b""), (b"!throttlingException", b'{"message": "m"}'),
    ]  # fmt: skip
    (event,) = Frames().feed(frame("BadGateway", b"", "error"))
    assert event.name == b"!BadGateway"


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_frames_are_the_same_however_they_arrive(cuts: list[int]):
    frames, places = Frames(), [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[begin:end] for begin, end in pairwise(places)]
    assert [event for piece in pieces for event in frames.feed(piece)] == Frames().feed(STREAM)
    assert frames.close() == []


@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_what_stands_before_a_damaged_frame_counts_however_it_arrives(cut: int):
    damaged = bytearray(STREAM)
    damaged[-1] ^= 1
    frames, events = Frames(), []

    def read() -> None:
        for at in range(0, len(damaged), cut):
            events.extend(frames.feed(bytes(damaged[at : at + cut])))
        frames.close()

    with pytest.raises(BadFrame):
        read()
    assert [event.name for event in events] == [b"a", b"b"]


def test_headers_of_every_kind_are_passed_over():
    extra = b"".join(
        b"\x01k" + bytes([kind]) + value
        for kind, value in (
            (0, b""), (1, b""), (2, b"1"), (3, b"12"), (4, b"1234"), (5, b"12345678"), (6, b"\0\x03abc"),
            (8, b"12345678"), (9, b"1234567812345678"),
        )
    )  # fmt: skip
    (event,) = Frames().feed(frame("a", {}, extra=extra))
    assert event.name == b"a"


@given(st.integers(0, len(STREAM) - 1), st.integers(1, 255))
def test_a_changed_byte_is_found_out(place: int, by: int):
    damaged = STREAM[:place] + bytes([STREAM[place] ^ by]) + STREAM[place + 1 :]
    frames = Frames()
    with pytest.raises((BadFrame, EventTooLarge)):
        _ = frames.feed(damaged), frames.close()


def test_a_frame_that_is_too_long_is_refused_before_it_has_come():
    prelude = struct.pack(">II", 2**31, 0)
    with pytest.raises(EventTooLarge):
        Frames().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


@pytest.mark.parametrize("headers", [b"\x05ab", b"\x01k\x07\xff", b"\x01k\x63"])
def test_headers_that_cannot_be_read_are_damage(headers: bytes):
    prelude = struct.pack(">II", len(headers) + 16, len(headers))
    begun = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers
    with pytest.raises(BadFrame):
        Frames().feed(begun + struct.pack(">I", zlib.crc32(begun)))


@given(st.integers(1, 20))
def test_lines_are_the_same_however_they_arrive(size: int):
    sent = b'{"a": 1}\r\n\n{"b": 2}\n{"c": 3}'
    lines = Lines()
    events = [event for at in range(0, len(sent), size) for event in lines.feed(sent[at : at + size])]
    assert [event.data for event in events + lines.close()] == [b'{"a": 1}', b'{"b": 2}', b'{"c": 3}']


def test_a_line_that_is_too_long_is_refused():
    with pytest.raises(EventTooLarge):
        Lines(max_bytes=4).feed(b"12345")
