"""Deprecated functions over an upstream that only knows tools."""

from __future__ import annotations

import pytest

from providers import functions
from providers.errors import RequestRejected
from tests.providers.conftest import wire
from tests.providers.fake import chunk, events

WEATHER = {"name": "weather", "parameters": {"type": "object"}}
HISTORY = [
    {"role": "user", "content": "Rain?"},
    {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
    {"role": "function", "name": "weather", "content": "dry"},
]
CALL = {"id": "call_9", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def test_functions_become_tools():
    sent = functions.to_tools({"functions": [WEATHER], "function_call": {"name": "weather"}, "n": 1})
    assert sent == {
        "n": 1,
        "tools": [{"type": "function", "function": WEATHER}],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "parallel_tool_calls": False,
    }
    assert functions.to_tools({"functions": [WEATHER], "function_call": "none"})["tool_choice"] == "none"


def test_the_history_becomes_tool_calls_and_results():
    user, called, result = functions.to_tools({"messages": HISTORY})["messages"]
    assert user == HISTORY[0]
    assert called["tool_calls"][0]["function"] == HISTORY[1]["function_call"]
    assert "function_call" not in called
    assert result == {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "dry"}


def test_functions_and_tools_together_are_refused():
    with pytest.raises(RequestRejected):
        functions.to_tools({"functions": [WEATHER], "tools": [{}]})


@pytest.mark.parametrize(
    ("body", "used"),
    [({}, False), ({"functions": [WEATHER]}, True), ({"messages": HISTORY}, True), ({"messages": HISTORY[:1]}, False)],
)
def test_only_bodies_that_use_them_are_touched(body, used):
    assert functions.are_used(body) is used


async def test_an_answer_comes_back_as_a_function_call(ask, target, upstream):
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    upstream.will_answer(body={"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
    answer = await ask(target(upstream.url, quirks={"functions": "translate"}), functions=[WEATHER])
    choice = answer.body["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": None, "function_call": CALL["function"]}
    assert choice["finish_reason"] == "function_call"
    assert answer.raw is None
    assert "functions" not in upstream.asked[0].body


async def test_a_stream_comes_back_as_function_deltas(begin, target, upstream):
    upstream.will_stream(
        events(
            chunk({"role": "assistant", "content": None}),
            chunk({"tool_calls": [{"index": 0, **CALL, "function": {"name": "weather", "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}),
            chunk({}, "tool_calls"),
        )
    )
    stream = await begin(target(upstream.url, quirks={"functions": "translate"}), functions=[WEATHER])
    assert await wire(stream) == events(
        chunk({"role": "assistant", "content": None}),
        chunk({"function_call": {"name": "weather", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
        done=False,
    )


async def test_by_default_functions_go_to_the_upstream_as_they_are(ask, target, upstream):
    await ask(target(upstream.url), functions=[WEATHER], function_call="auto")
    assert upstream.asked[0].body["functions"] == [WEATHER]
    assert upstream.asked[0].body["function_call"] == "auto"
