"""A stream that is put together, and an answer that is told as a stream: each is the other's way back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta

from gateway.caching import worth
from gateway.caching.assembling import Assembly
from gateway.caching.replaying import chunks_of
from providers.chunks import Chunk
from tests.providers.added_up import choices as added_up
from tests.providers.added_up import seen
from tests.upstream import USAGE, chat, chunk

MOST = 10**6
TOOL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Berlin"}'}}
CUSTOM = {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls -l; echo this is a longer one"}}


def answered(*messages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a whole answer, its parts as OpenAI has them."""
    found = [
        {"index": index, "message": {"role": "assistant", "content": None, "refusal": None, **message},
         "logprobs": None, "finish_reason": "stop"}
        for index, message in enumerate(messages)
    ]  # fmt: skip
    return chat() | {"choices": found} | changes


def assembled(chunks: list[dict[str, Any]], usage: dict[str, Any] | None = USAGE) -> dict[str, Any] | None:
    assembly = Assembly(MOST)
    for each in chunks:
        assembly.add(Chunk(each, None))
    return assembly.answer(usage)


def streamed(answer: dict[str, Any], *, shows_usage: bool = False) -> list[dict[str, Any]]:
    """Return the chunks that a caller is sent."""
    return seen(chunks_of(answer, shows_usage=shows_usage))


texts = st.text(max_size=300)
tools = st.builds(
    lambda name, arguments, id: {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}},
    st.text(min_size=1, max_size=20), texts, st.text(min_size=1, max_size=20),
)  # fmt: skip
messages = st.fixed_dictionaries(
    {"content": st.none() | texts},
    optional={
        "refusal": texts,
        "reasoning_content": st.text(min_size=1, max_size=100),
        "tool_calls": st.lists(tools, min_size=1, max_size=3),
        "function_call": st.fixed_dictionaries({"name": st.text(min_size=1, max_size=9), "arguments": texts}),
        "annotations": st.lists(st.fixed_dictionaries({"type": st.just("url_citation"), "n": st.integers()})),
        "thinking_blocks": st.lists(
            st.fixed_dictionaries({"type": st.just("thinking"), "thinking": texts, "signature": texts}), min_size=1
        ),
    },
)


@given(st.lists(messages, min_size=1, max_size=3), st.booleans())
def test_what_is_told_as_a_stream_is_put_together_to_the_same_answer(
    said: list[dict[str, Any]], shows_usage: bool
) -> None:
    answer = answered(*said)
    assert assembled(streamed(answer, shows_usage=shows_usage)) == answer


@given(st.lists(messages, min_size=1, max_size=2))
def test_an_sdk_puts_it_together_the_same(said: list[dict[str, Any]]) -> None:
    answer = answered(*said)
    for whole, added in zip(answer["choices"], added_up(streamed(answer)), strict=True):
        assert added["finish_reason"] == whole["finish_reason"]
        for name, value in added["message"].items():
            assert value == whole["message"][name]


@pytest.mark.parametrize(
    "answer",
    [
        answered({"content": "Hello"}),
        answered({"content": ""}),
        answered({"content": None, "tool_calls": [TOOL, CUSTOM]}),
        answered({"content": "a " * 500}, {"content": "another"}),
        answered({"content": "x"}, system_fingerprint="fp_1", service_tier="default"),
        chat() | {
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "logprobs": {"content": [{"token": "Hi", "logprob": -0.1, "bytes": [72], "top_logprobs": []}]},
                "finish_reason": "length", "content_filter_results": {"hate": {"filtered": False}},
            }]
        },
        {
            "id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "usage": USAGE,
            "choices": [
                {"index": index, "text": "Once upon a time there was a gateway", "finish_reason": "stop",
                 "logprobs": {"tokens": ["Once"], "token_logprobs": [-1.5], "top_logprobs": [], "text_offset": [0]}}
                for index in (0, 1)
            ],
        },
        {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "usage": USAGE,
         "choices": [{"index": 0, "text": "", "finish_reason": "length", "logprobs": None}]},
    ],
)  # fmt: skip
def test_every_kind_of_answer_goes_there_and_back(answer: dict[str, Any]) -> None:
    assert worth.is_whole(answer)
    assert assembled(streamed(answer)) == answer


def test_it_is_told_in_a_few_pieces_that_begin_with_the_role_and_end_with_the_reason() -> None:
    told = streamed(answered({"content": "word " * 200, "tool_calls": [TOOL]}))
    deltas = [each["choices"][0]["delta"] for each in told]
    assert deltas[0] == {"role": "assistant", "content": "", "refusal": None}
    assert 2 <= sum("content" in delta for delta in deltas[1:]) <= 8
    assert deltas[-1] == {}
    assert [each["choices"][0]["finish_reason"] for each in told] == [None] * (len(told) - 1) + ["stop"]
    assert {each["object"] for each in told} == {"chat.completion.chunk"}
    assert not any("usage" in each for each in told)


def test_usage_comes_last_where_it_was_asked_for() -> None:
    *told, last = streamed(answered({"content": "Hello"}), shows_usage=True)
    assert (last["choices"], last["usage"]) == ([], USAGE)
    assert all(each["usage"] is None for each in told)


def test_the_gateway_knows_the_usage_that_the_caller_is_not_told() -> None:
    assert chunks_of(answered({"content": "Hello"}), shows_usage=False)[-1].usage == USAGE


# what upstreams stream


def test_an_upstreams_chunks_are_put_together_as_its_sdk_does_it() -> None:
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": None},
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]},
    ]
    told = [chunk(delta, obfuscation="xxxx") for delta in deltas] + [chunk({}, "tool_calls")]
    answer = assembled(json.loads(json.dumps(told)))
    assert answer is not None
    whole: dict[Any, Any] = {}
    for delta in json.loads(json.dumps(deltas)):
        whole = accumulate_delta(whole, delta)
    message = answer["choices"][0]["message"]
    for ours, theirs in zip(message["tool_calls"], whole["tool_calls"], strict=True):
        assert ours == {name: value for name, value in theirs.items() if name != "index"}
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert "obfuscation" not in answer


def test_the_names_of_a_stream_that_begins_without_them_are_found() -> None:
    first = {"id": "", "model": "", "object": "chat.completion.chunk", "created": 0, "choices": []}
    answer = assembled([first, chunk({"role": "assistant", "content": "Hi"}), chunk({}, "stop")])
    assert answer is not None
    assert (answer["id"], answer["model"]) == ("chatcmpl-1", "upstream-1")


def test_a_call_without_type_and_arguments_is_made_whole() -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "f"}}
    answer = assembled([chunk({"role": "assistant", "tool_calls": [call]}), chunk({}, "tool_calls")])
    assert answer is not None
    assert answer["choices"][0]["message"]["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    ]


@pytest.mark.parametrize(
    "told",
    [
        [],
        [chunk({"role": "assistant", "content": "no end"})],
        [chunk({"role": "assistant", "audio": {"id": "a", "data": "AAAA"}}), chunk({}, "stop")],
        [chunk({"role": "assistant", "content": "x" * 2 * MOST}), chunk({}, "stop")],
        [chunk({"role": "assistant"}), {"error": {"message": "no"}}, chunk({}, "stop")],
        [chunk({"role": "assistant", "tool_calls": [{"id": "without an index"}]}), chunk({}, "stop")],
        [chunk({"role": "assistant", "tool_calls": ["nonsense"]}), chunk({}, "stop")],
        [{"choices": ["nonsense"]}],
        [
            {
                "choices": [
                    {"index": 0, "delta": {"audio": {"id": "a"}}},
                    {"index": 1, "delta": {}, "finish_reason": "stop"},
                ]
            }
        ],
    ],
)
def test_what_cannot_be_put_together_is_no_answer(told: list[dict[str, Any]]) -> None:
    assert assembled(told) is None


def test_a_long_stream_is_put_together_in_the_time_of_its_length() -> None:
    told = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": "word "})] * 50_000, chunk({}, "stop")]
    answer = assembled(told)
    assert answer is not None
    assert len(answer["choices"][0]["message"]["content"]) == 250_000


# which answers are kept


def ended(reason: str | None, **changes: Any) -> dict[str, Any]:
    return chat(choices=[{"index": 0, "message": {"content": "x"}, "finish_reason": reason, **changes}])


@pytest.mark.parametrize(
    ("answer", "is_kept"),
    [
        (chat(), True),
        (ended("tool_calls"), True),
        (ended("length"), True),
        (ended("content_filter"), False),
        (ended(None), False),
        (chat(choices=[]), False),
        (chat(choices=["nonsense"]), False),
        (chat(choices=[{"index": 0, "finish_reason": "stop", "message": "nonsense"}]), False),
        (chat(error={"message": "no"}), False),
        ({"object": "list", "data": [{"embedding": [0.1]}]}, True),
        ({"object": "list", "data": []}, False),
        ({}, False),
    ],
)
def test_only_whole_answers_are_kept(answer: dict[str, Any], is_kept: bool) -> None:
    assert worth.is_whole(answer) is is_kept
