"""Server-sent events: the same bytes give the same events, however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.sse import Event, EventTooLarge, Splitter, encode


def split(*pieces: bytes, **options: int) -> list[Event]:
    splitter = Splitter(**options)
    return [event for piece in pieces for event in splitter.feed(piece)] + splitter.close()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\n", [b"a", b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (b": hello\n\ndata: a\n\n", [b"a"]),
        (b": hello\ndata: a\n\n", [b"a"]),
        (b"id: 3\nretry: 5\ndata: a\nunknown\n\n", [b"a"]),
        (b"event: ping\n\n", []),
        (b"data\n\n", [b""]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        ("data: ä€😀\n\n".encode(), ["ä€😀".encode()]),
        (b"data: a\n\ndata: b", [b"a", b"b"]),
        (b"data: a\n\ndata: b\n", [b"a", b"b"]),
        (b"data: a\n\n: bye", [b"a"]),
        (b"", []),
    ],
)
def test_events_are_told_apart(sent, expected):
    assert [event.data for event in split(sent)] == expected
    assert [event.data for event in split(*(sent[i : i + 1] for i in range(len(sent))))] == expected


LINES = st.sampled_from(
    [b"data: x", b"data:", b"data: \xc3\xa4", b"event: e", b": note", b"", b"\xef\xbb\xbf", b"id: 1"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n"])
STREAMS = st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=12).map(b"".join)


@given(STREAMS, st.lists(st.integers(0, 80), max_size=8))
def test_any_cut_gives_the_same_events(stream, cuts):
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(places)]
    assert split(*pieces) == split(stream)


@given(st.lists(st.binary(max_size=30).map(lambda data: data.replace(b"\r", b"")), max_size=6))
def test_what_is_encoded_is_read_again(texts):
    assert [event.data for event in split(b"".join(map(encode, texts)))] == texts


@given(st.lists(st.sampled_from([b"data: x\n\n", b"event: e\ndata: y\r\n\r\n", b"data: 1\ndata: 2\n\n"])))
def test_raw_bytes_of_events_are_the_stream(events):
    assert b"".join(event.raw for event in split(*events)) == b"".join(events)


def test_an_event_has_its_name():
    assert split(encode(b"1\n2", b"delta")) == [Event(b"1\n2", b"event: delta\ndata: 1\ndata: 2\n\n", b"delta")]


@pytest.mark.parametrize("pieces", [[b"data: " + b"x" * 50 + b"\n\n"], [b"data: ", b"x" * 50], [b"x" * 25] * 2])
def test_an_event_may_be_only_so_long(pieces):
    with pytest.raises(EventTooLarge):
        split(*pieces, max_bytes=40)


def test_many_events_may_be_longer_together():
    assert len(split(b"data: x\n\n" * 50, max_bytes=40)) == 50
