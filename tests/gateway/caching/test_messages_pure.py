"""A message of Anthropic's goes into events and back, and nothing of it is lost on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.caching import keys, worth
from gateway.caching.assembling import Assembly
from gateway.caching.messages import Events, events_of
from gateway.caching.replaying import chunks_of
from gateway.messages import request
from providers.caching import Caching
from providers.chunks import Chunk
from providers.targets import Route
from providers.translated import Translated, original_of
from tests.gateway.messages.putting import put_together
from tests.gateway.messages.sending import exchange
from tests.upstream import USAGE, chat, chunk

texts = st.text(max_size=80)
values = st.recursive(st.integers(-9, 9) | texts, lambda inner: st.dictionaries(texts, inner, max_size=2), max_leaves=4)
blocks = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("text"), "text": texts},
        optional={"citations": st.none() | st.lists(st.fixed_dictionaries({"cited_text": texts}), min_size=1)},
    ),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": texts}),
    st.fixed_dictionaries({"type": st.just("redacted_thinking"), "data": texts}),
    st.fixed_dictionaries(
        {"type": st.just("tool_use"), "id": texts, "name": texts, "input": st.dictionaries(texts, values, max_size=3)}
    ),
    st.fixed_dictionaries({"type": st.just("web_search_tool_result"), "content": st.lists(values, max_size=2)}),
)


def message(*content: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 5},
    }  # fmt: skip


MESSAGE = message({"type": "text", "text": "Hello"})


@given(st.lists(blocks, max_size=4))
def test_there_and_back(content: list[dict[str, Any]]) -> None:
    told = Events()
    for event in json.loads(json.dumps(list(events_of(message(*content))))):
        told.add(event)
    assert told.message() == message(*content)


@given(st.lists(blocks.filter(lambda block: block["type"] != "web_search_tool_result"), max_size=4))
def test_the_events_keep_the_rules_of_the_format(content: list[dict[str, Any]]) -> None:
    whole = put_together(list(events_of(message(*content))))
    for block, expected in zip(whole["content"], content, strict=True):
        assert {name: block[name] for name in expected if name != "citations"} == {
            name: value for name, value in expected.items() if name != "citations"
        }
    assert {**whole, "content": content} == message(*content)


def streamed(events: list[dict[str, Any]]) -> list[Chunk]:
    """Return the chunks of a stream of Anthropic's, as a caller of Messages has it."""
    body = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    reader = exchange("anthropic", body, "claude").reader()
    said = b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)
    chunks = reader.feed(said)
    assert reader.error is None
    return chunks


def test_a_stream_is_kept_in_both_dialects() -> None:
    tool = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
    searched = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
    whole = message(searched, {"type": "text", "text": "Hello"}, tool) | {"stop_reason": "tool_use"}
    assembly = Assembly(10**6)
    for each in streamed(list(events_of(whole))):
        assembly.add(each)
    answer = assembly.answer(USAGE)
    assert answer is not None
    assert original_of(answer) == whole
    assert answer["choices"][0]["message"]["content"] == "Hello"
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert worth.is_whole(answer)
    again = [original_of(each.data) for each in chunks_of(answer, shows_usage=True)]
    assert again == list(events_of(whole))


@pytest.mark.parametrize(
    "damage",
    [
        lambda events: [*events[:-2], {"type": "message_stop"}],
        lambda events: [event for event in events if event["type"] != "message_start"],
        lambda events: [
            *events[:2],
            {"type": "content_block_delta", "index": 0, "delta": {"type": "of_another_time", "x": 1}},
            *events[2:],
        ],
        lambda events: [
            *events[:2],
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{"}},
            *events[2:],
        ],
    ],
)
def test_what_cannot_be_put_together_is_not_kept(damage: Any) -> None:
    assembly = Assembly(10**6)
    assembly.add(Chunk(chunk({"role": "assistant", "content": "Hello"}), None))
    for event in damage(list(events_of(MESSAGE))):
        assembly.add(Chunk(Translated({"choices": []}, event), b""))
    assembly.add(Chunk(chunk({}, "stop"), None))
    assert assembly.answer(USAGE) is None


def test_what_only_the_original_says_makes_another_key() -> None:
    asked = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}

    def key(**more: Any) -> str:
        route = Route("m", cache=Caching(60))
        return keys.key_of("chat.completions", "m", request.chat({**asked, **more}), route, sharer="all")

    assert key() == key(stream=True)
    assert key(thinking={"type": "between_tools"}) != key(thinking={"type": "disabled"})
    plain = keys.key_of("chat.completions", "m", dict(request.chat(asked)), Route("m", cache=Caching(60)), sharer="all")
    assert key() != plain


def test_an_answer_without_an_original_is_a_chats() -> None:
    assert original_of(chunks_of(chat(), shows_usage=False)[0].data) is None
