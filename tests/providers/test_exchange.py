"""What a caller gets of one target's answer, and what of it may be forwarded as it came."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters.shapes import Response
from providers.errors import BadAnswer, RequestRejected, StreamCut, UpstreamBusy, UpstreamError
from providers.exchange import Exchange, StreamReader
from providers.targets import Target, Upstream
from tests.providers.fake import HELLO, chunk, events

KEYS = st.sampled_from(
    ["choices", "delta", "index", "role", "content", "tool_calls", "function", "id", "usage", "message", "data",
     "finish_reason", "embedding", "arguments", "error", "code", "function_call", "text"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def exchange(operation: str = "chat.completions", quirks: dict[str, Any] | None = None, **body: Any) -> Exchange:
    return Exchange(operation, body, Target(1, Upstream("up", "openai", quirks=quirks or {}), "m"))


def read(reader: StreamReader, *pieces: bytes) -> bytes:
    chunks = [each for piece in pieces for each in reader.feed(piece)] + reader.close()
    return b"".join(each.wire() for each in chunks)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_a_null_usage_that_only_we_asked_for_leaves_no_trace(separators):
    def written(*chunks: dict[str, Any]) -> bytes:
        return b"".join(b"data: %b\n\n" % json.dumps(each, separators=separators).encode() for each in chunks)

    sent = written(*(each | {"usage": None} for each in HELLO))
    assert read(exchange(stream=True).reader(), sent) == written(*HELLO)


def test_text_that_looks_like_a_usage_key_stays():
    tricky = chunk({"content": 'say ,"usage":null and "usage": null'}, usage=None)
    nested = chunk({"content": "x"}, x={"a": 1, "usage": None}, usage=None)
    expected = [{name: value for name, value in each.items() if name != "usage"} for each in (tricky, nested)]
    sent = read(exchange(stream=True).reader(), events(HELLO[0], tricky, nested, HELLO[-1]))
    assert [json.loads(line[6:]) for line in sent.decode().split("\n\n") if line][1:3] == expected


def test_usage_on_the_last_choice_is_for_us_alone():
    usage = {"total_tokens": 3}
    reader = exchange(stream=True).reader()
    chunks = reader.feed(events(*HELLO[:-1], chunk({}, "stop", usage=usage)))
    assert chunks[-1].usage == usage
    assert b"usage" not in b"".join(each.wire() for each in chunks)


def test_a_chunk_tells_what_was_said():
    said = chunk(
        {"content": "a", "reasoning_content": "b", "tool_calls": [{"index": 0, "function": {"arguments": "c"}}]}
    )
    reader = exchange(stream=True).reader()
    assert [each.text for each in reader.feed(events(HELLO[0], said, done=False))] == ["", "abc"]


def test_a_completions_chunk_tells_what_was_said():
    sent = {"choices": [{"text": "a", "index": 0, "finish_reason": None}]}
    assert exchange("completions", stream=True).reader().feed(events(sent, done=False))[0].text == "a"


def test_a_finish_that_was_forgotten_is_added_before_the_end():
    reader = exchange(stream=True).reader()
    last = reader.feed(events(*HELLO[:-1]))[-1]
    assert last.data["choices"][0]["finish_reason"] == "stop"
    assert last.data["id"] == "chatcmpl-1"
    assert reader.error is None


def test_a_stream_cut_within_an_event_is_cut():
    reader = exchange(stream=True).reader()
    read(reader, events(*HELLO[:2], done=False) + b'data: {"choices":[{"index":0,"del')
    assert isinstance(reader.error, StreamCut)


def test_half_an_event_after_the_end_is_none():
    reader = exchange(stream=True).reader()
    read(reader, events(*HELLO, done=False) + b'data: {"choices":[],"usa')
    assert reader.error is None


def test_an_error_in_a_stream_is_not_forgotten_at_its_end():
    reader = exchange(stream=True).reader()
    read(reader, events(*HELLO[:2], {"error": {"message": "full", "code": 503}}, done=False))
    assert isinstance(reader.error, UpstreamBusy)


@pytest.mark.parametrize("messages", [[{"role": "function"}, 5], 7])
def test_a_body_that_cannot_be_read_is_refused_and_not_broken_on(messages):
    asked = Exchange("chat.completions", {"messages": messages, "n": 1}, Target(1, Upstream("up", "ollama"), "m"))
    with pytest.raises(RequestRejected):
        asked.request(datetime(2026, 11, 21, tzinfo=UTC))


def test_half_a_character_does_no_harm():
    halves = b'data: {"choices":[{"index":0,"delta":{"content":"\\ud83d"},"finish_reason":null}]}\n\n'
    reader = exchange(stream=True).reader()
    chunks = reader.feed(events(HELLO[0], halves, halves.replace(b"ud83d", b"ude00"), chunk({}, "stop")))
    assert [each.text for each in chunks] == ["", "\ufffd", "\ufffd", ""]
    assert chunks[1].raw == halves
    assert reader.error is None


def test_an_event_that_is_called_error_is_one():
    reader = exchange(stream=True).reader()
    reader.feed(events(HELLO[0], b'event: error\ndata: {"message":"slow","type":"overloaded_error"}\n\n'))
    assert reader.error.status == 503


def test_an_answer_nested_without_end_is_a_bad_one():
    with pytest.raises(BadAnswer):
        exchange().answer(Response(200, {}, b'{"choices":' + b"[" * 100_000))


@given(st.lists(JSON, max_size=4), st.booleans(), st.sampled_from(["chat.completions", "completions"]))
def test_no_stream_however_odd_is_more_than_a_bad_answer(bodies, translates, operation):
    quirks = {"functions": "translate"} if translates else {}
    reader = exchange(operation, quirks, functions=[{"name": "f"}], stream=True).reader()
    read(reader, events(*(body if isinstance(body, dict) else {"choices": body} for body in bodies)))
    assert reader.error is None or isinstance(reader.error, UpstreamError)


@given(JSON, st.booleans(), st.sampled_from(["chat.completions", "completions", "embeddings"]), st.integers(200, 600))
def test_no_answer_however_odd_is_more_than_a_bad_one(body, translates, operation, status):
    quirks = {"functions": "translate"} if translates else {}
    response = Response(status, {}, json.dumps(body).encode())
    with contextlib.suppress(UpstreamError):
        exchange(operation, quirks, functions=[{"name": "f"}]).answer(response)


@pytest.mark.parametrize("choices", [[None], ["x"], [{"delta": 3}], [{"delta": {"tool_calls": ["x"]}}]])
def test_parts_of_the_wrong_kind_are_a_bad_answer_or_left_out(choices):
    reader = exchange(stream=True).reader()
    reader.feed(events({"choices": choices}))
    assert reader.error is None or isinstance(reader.error, BadAnswer)
