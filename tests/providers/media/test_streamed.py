"""Streams that are no chat: forwarded byte for byte, however they arrive, with what they tell of their usage."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import BadAnswer, RateLimited, StreamCut
from providers.streamed import ByteReader, EventReader, Patient, Reader

PIXELS = base64.b64encode(bytes(range(256)) * 4000).decode()


def event(end: str = "\n", name: str = "", **said: Any) -> bytes:
    head = f"event: {name}{end}" if name else ""
    return f"{head}data: {json.dumps(said)}{end}{end}".encode()


def text(end: str = "\n", done: bool = False) -> bytes:
    usage = {"type": "tokens", "input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    events = [event(end, type="transcript.text.delta", delta=word) for word in ("Good", " day")]
    events.append(event(end, type="transcript.text.done", text="Good day", usage=usage))
    return b"".join(events) + (f"data: [DONE]{end}{end}".encode() if done else b"")


def picture() -> bytes:
    usage = {"input_tokens": 5, "output_tokens": 100, "total_tokens": 105, "input_tokens_details": {"text_tokens": 5}}
    kinds = [("image_generation.partial_image", {}), ("image_generation.completed", {"usage": usage})]
    return b"".join(event(name=kind, type=kind, b64_json=PIXELS, **more) for kind, more in kinds)


def read(reader: Reader, data: bytes, cut: int) -> list[Any]:
    chunks = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]
    return chunks if reader.done else chunks + reader.close()


@pytest.mark.parametrize("cut", [1, 7, 100_000])
@pytest.mark.parametrize("data", [text(), text("\r\n"), text("\r\n", done=True), text(done=True), text("\r")])
def test_events_are_forwarded_as_they_came_with_usage_and_words(data, cut):
    reader = EventReader()
    chunks = read(reader, data, cut)
    assert reader.error is None
    assert reader.finished
    assert b"".join(chunk.wire() for chunk in chunks).rstrip() == data.rstrip()
    assert "".join(chunk.text for chunk in chunks) == "Good day"
    assert chunks[-1].usage is None or chunks[-1].usage["output_tokens"] == 2
    assert [chunk.usage for chunk in chunks if chunk.usage][-1]["input_tokens"] == 7


@pytest.mark.parametrize("cut", [4096, 65_536, 10_000_000])
def test_pictures_are_counted_and_larger_than_other_events(cut):
    reader = EventReader()
    chunks = read(reader, picture(), cut)
    assert b"".join(chunk.wire() for chunk in chunks) == picture()
    assert reader.error is None
    assert chunks[-1].usage == {"images": 1, "input_tokens": 5, "output_tokens": 100, "total_tokens": 105,
                                "input_tokens_details": {"text_tokens": 5}}  # fmt: skip


def test_of_several_pictures_each_has_its_own_usage():
    reader = EventReader()
    chunks = read(reader, picture() * 2, 65_536)
    assert chunks[-1].usage["images"] == 2
    assert chunks[-1].usage["output_tokens"] == 200


@pytest.mark.parametrize("cut", [1, 100_000])
def test_a_transcript_that_is_streamed_like_a_chat_is_told_in_events(cut):
    chunks = [{"object": "transcription.chunk", "choices": [{"delta": {"content": word}}]} for word in ("Good", " day")]
    chunks += [{"choices": [{"delta": {"content": ""}, "finish_reason": "stop"}]},
               {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}}]  # fmt: skip
    data = b"".join(event(**each) for each in chunks) + b"data: [DONE]\n\n"
    reader = EventReader()
    told = read(reader, data, cut)
    said = [json.loads(line[6:]) for each in told for line in each.wire().decode().splitlines() if line[:5] == "data:"]
    assert said == [
        {"type": "transcript.text.delta", "delta": "Good"}, {"type": "transcript.text.delta", "delta": " day"},
        {"type": "transcript.text.done", "text": "Good day"},
    ]  # fmt: skip
    assert told[-1].usage["prompt_tokens"] == 9
    assert "".join(each.text for each in told) == "Good day"
    assert (reader.error, reader.finished) == (None, True)


def test_nothing_is_read_after_the_last_word():
    reader = EventReader()
    chunks = reader.feed(text(done=True) + event(type="transcript.text.delta", delta="more"))
    assert reader.done
    assert b"more" not in b"".join(chunk.wire() for chunk in chunks)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_stream_that_is_cut_says_so(share):
    reader = EventReader()
    read(reader, text()[: int(len(text()) * share)], 7)
    assert isinstance(reader.error, StreamCut | BadAnswer)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (event(error={"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}), RateLimited),
        (event(name="error", type="error", error={"code": "429", "message": "x"}), RateLimited),
        (b"data: nonsense\n\n", BadAnswer),
        (b"data: [1]\n\n", BadAnswer),
        (b"data: " + b"x" * 40_000_000, BadAnswer),
    ],
)
def test_an_error_within_a_stream_is_one_with_a_name(data, kind):
    reader = EventReader()
    reader.feed(data)
    assert isinstance(reader.error, kind)
    assert reader.close() == []


@given(st.binary(max_size=200), st.integers(1, 9))
def test_whatever_comes_is_events_or_an_error_with_a_name(data, cut):
    reader = EventReader()
    for chunk in read(reader, data, cut):
        assert isinstance(chunk.wire(), bytes)
    assert reader.error is not None or reader.finished


def test_a_sound_is_passed_on_as_it_comes():
    reader = ByteReader()
    assert [chunk.raw for chunk in reader.feed(b"RIFF")] == [b"RIFF"]
    assert not reader.finished
    assert [chunk.raw for chunk in reader.feed(b"\0" * 9)] == [b"\0" * 9]
    assert reader.close() == []
    assert reader.finished
    assert reader.error is None


def test_no_sound_at_all_is_a_stream_that_was_cut():
    reader = ByteReader()
    reader.close()
    assert isinstance(reader.error, StreamCut)


@given(st.lists(st.sampled_from([b"data: a", b"data: bb", b"\n", b"\r\n", b"\n\n", b": c", b"\r"]), max_size=12),
       st.integers(1, 5))  # fmt: skip
def test_patience_changes_no_event(pieces, cut):
    data = b"".join(pieces)
    whole, patient = Patient(), Patient()
    expected = [*whole.feed(data), *whole.close()]
    found = [each for at in range(0, len(data), cut) for each in patient.feed(data[at : at + cut])]
    assert [each.data for each in (*found, *patient.close())] == [each.data for each in expected]
