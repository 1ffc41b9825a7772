"""The bound of a request's tokens is never below what a model reads and may write."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.bounds import MOST_OUTPUT, Demand
from gateway.demands import LONGEST_PROMPT, MOST_IMAGE_TOKENS, UNBOUNDED, choices, demand_of, exact_prompt
from providers import tokens

TEXT = st.one_of(
    st.text(max_size=60),
    st.text("ab \n\t.,!?'\"\\{}[]<|>", max_size=60),
    st.sampled_from(
        ["", "\n", "  ", "\x00\x1f", "🤷🏽‍♀️", "Ω≈ç√∫", "你好，世界", "ﷺ" * 9, "<|endoftext|>", "a" * 300, "\u2028"]
    ),
)
NAME = st.text("abcdefgh_", min_size=1, max_size=12)
TOOL_CALL = st.builds(
    lambda name, said: {"id": "call_1", "type": "function", "function": {"name": name, "arguments": said}}, NAME, TEXT
)
PART = st.builds(lambda text: {"type": "text", "text": text}, TEXT)
MESSAGE = st.one_of(
    st.builds(lambda text: {"role": "user", "content": text}, TEXT),
    st.builds(lambda parts: {"role": "user", "content": parts}, st.lists(PART, max_size=4)),
    st.builds(lambda name, text: {"role": "user", "name": name, "content": text}, NAME, TEXT),
    st.builds(
        lambda calls: {"role": "assistant", "content": None, "tool_calls": calls}, st.lists(TOOL_CALL, max_size=3)
    ),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "call_1", "content": text}, TEXT),
)
SCHEMA = st.recursive(
    st.builds(lambda kind, said: {"type": kind, "description": said}, st.sampled_from(["string", "integer"]), TEXT),
    lambda inner: st.builds(
        lambda fields: {"type": "object", "properties": fields, "required": list(fields)},
        st.dictionaries(NAME, inner, max_size=3),
    ),
    max_leaves=5,
)
TOOL = st.builds(
    lambda name, said, schema: {
        "type": "function",
        "function": {"name": name, "description": said, "parameters": schema},
    },
    NAME,
    TEXT,
    SCHEMA,
)
BODY = st.builds(
    lambda messages, tools: {"model": "m", "messages": messages} | ({"tools": tools} if tools else {}),
    st.lists(MESSAGE, min_size=1, max_size=4),
    st.lists(TOOL, max_size=2),
)


def target(model: str = "gpt-4o", window: int | None = None, most: int | None = None, **quirks: int) -> Any:
    provider = SimpleNamespace(adapter="openai", quirks=quirks)
    return SimpleNamespace(provider=provider, upstream_model=model, context_window=window, max_output=most)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def read_by(model_vocabulary: str, body: dict[str, Any]) -> int:
    """Return what a model reads: each text of each message by itself, three tokens around it, tools as JSON."""
    each = [3 + sum(tokens.count(text, model_vocabulary) for text in strings(message)) for message in body["messages"]]
    tools = "".join(msgspec.json.encode(tool).decode() for tool in body.get("tools", ()))
    return sum(each) + tokens.count(tools, model_vocabulary) + 3


@given(BODY)
def test_no_token_is_less_than_a_byte(body: dict[str, Any]):
    assert demand_of("chat.completions", body, target()).prompt >= read_by("o200k_base", body)


@pytest.mark.parametrize(("model", "vocabulary"), [("gpt-4o", "o200k_base"), ("gpt-4-turbo", "cl100k_base")])
def test_what_is_counted_is_a_bound_too(model: str, vocabulary: str):
    @given(BODY)
    def holds(body: dict[str, Any]) -> None:
        exact = asyncio.run(exact_prompt(body, target(model)))
        assert exact >= read_by(vocabulary, body)
        assert exact <= demand_of("chat.completions", body, target(model)).prompt + len(body["messages"])

    holds()


def test_counting_is_much_closer_for_long_texts():
    body = {"model": "m", "messages": [{"role": "user", "content": "The quick brown fox jumps over it. " * 1000}]}
    assert asyncio.run(exact_prompt(body, target())) < demand_of("chat.completions", body, target()).prompt / 3


@pytest.mark.parametrize("model", ["claude-sonnet-4", "llama-3", "gpt-oss-120b", "openai/gpt-4o", ""])
def test_nothing_is_counted_by_another_models_vocabulary(model: str):
    assert asyncio.run(exact_prompt({"messages": [{"role": "user", "content": "Hi"}]}, target(model))) == UNBOUNDED


@pytest.mark.parametrize(
    ("operation", "body", "said", "expected"),
    [
        ("chat.completions", {}, {}, MOST_OUTPUT),
        ("chat.completions", {}, {"most": 4096}, 4096),
        ("chat.completions", {"max_tokens": 10}, {"most": 4096}, 10),
        ("chat.completions", {"max_completion_tokens": 10, "max_tokens": 99}, {}, 99),
        ("completions", {"prompt": "a", "max_tokens": 0}, {}, 0),
        ("embeddings", {"input": "a", "max_tokens": 9}, {}, 0),
        ("responses", {"input": [{"role": "user", "content": "a"}] * 3, "max_output_tokens": 99}, {}, 99),
    ],
)
def test_an_answer_may_be_so_long(operation: str, body: dict[str, Any], said: dict[str, int], expected: int):
    assert demand_of(operation, body, target(**said)).output == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"n": 2, "best_of": 5}, 5),
        ({"prompt": "one"}, 1),
        ({"prompt": ["one", "two"]}, 2),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4),
        ({"prompt": []}, 1),
        ({"input": [{"role": "user", "content": "a"}] * 3}, 1),
    ],
)
def test_so_many_answers_are_asked_for(body: dict[str, Any], expected: int):
    assert choices(body) == expected


def test_an_array_of_tokens_is_as_long_as_it_is():
    ids = list(range(500))
    for body in ({"prompt": ids}, {"input": ids}, {"input": [ids, ids]}, {"prompt": [0] * 500}):
        length = 1000 if body.get("input") == [ids, ids] else 500
        assert demand_of("completions", {"model": "m", **body}, target()).prompt >= length
        assert asyncio.run(exact_prompt({"model": "m", **body}, target())) >= length


def test_the_context_window_bounds_each_prompt_by_itself():
    inputs = {"model": "m", "input": ["word " * 1000] * 3}
    assert demand_of("embeddings", inputs, target(window=1000)).prompt == 3000
    assert demand_of("embeddings", {"input": "word " * 1000}, target(window=1000)).prompt == 1000


def part(kind: str, **given: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": [{"type": kind, kind: given}]}]}


def prompt(body: dict[str, Any], **said: Any) -> int:
    return demand_of("chat.completions", body, target(**said)).prompt


def test_an_image_is_as_many_tokens_as_its_model_makes_of_it_at_most():
    small, large = part("image_url", url="https://x/y.png"), part("image_url", url="data:," + "A" * 10**6)
    assert prompt(small) == prompt(large) - len("data:,") + len("data:,")
    assert prompt(small) - MOST_IMAGE_TOKENS[""] in range(1, 200)
    assert prompt(small, model="gpt-4o-mini-2024") > 48_000
    assert prompt(small, model="gpt-4o-mini", image_tokens=85) < 300


@pytest.mark.parametrize(
    ("format", "bits_per_second", "tokens_per_second"),
    [("wav", 8_000 * 8, 32), ("mp3", 8_000, 10), ("opus", 8_000, 32)],
)
def test_a_minute_of_sound_is_bound_however_it_is_packed(format: str, bits_per_second: int, tokens_per_second: int):
    data = base64.b64encode(bytes(60 * bits_per_second // 8)).decode()
    assert prompt(part("input_audio", data=data, format=format)) >= 60 * tokens_per_second
    assert demand_of("chat.completions", part("input_audio", data=data, format=format), target()).has_audio


def test_a_file_may_fill_the_window_whatever_its_bytes_are():
    assert prompt(part("file", file_id="file-1")) == LONGEST_PROMPT
    assert prompt(part("file", file_data="data:,x"), window=128_000) == 128_000


def test_a_response_reads_what_a_chat_of_the_same_parts_does():
    url = "data:," + "A" * 10**6
    chat = part("image_url", url=url)
    item = {"role": "user", "content": [{"type": "input_image", "image_url": url}]}
    assert abs(prompt({"model": "m", "input": [item]}) - prompt(chat)) < 100
    file = {"type": "function_call_output", "output": [{"type": "input_file", "file_data": "data:,x"}]}
    assert prompt({"model": "m", "input": [file]}) == LONGEST_PROMPT
    sound = {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]}
    assert demand_of("responses", {"model": "m", "input": [sound]}, target()).has_audio


def test_tools_come_with_words_of_the_provider():
    hello = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    tool = {"type": "function", "function": {"name": "f"}}
    assert prompt(hello | {"tools": [tool]}) > 346 + prompt(hello)


def test_a_demand_of_tokens_is_prompt_and_all_answers():
    assert Demand(10, 5, choices=3).tokens == 25
