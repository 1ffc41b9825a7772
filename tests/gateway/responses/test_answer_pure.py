"""The Response object: all its fields, whatever became of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.responses.answer import Draft
from tests.gateway.responses import specification

WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}
PATCH = {"type": "custom", "name": "patch"}


def draft(**body: Any) -> Draft:
    return Draft(
        {"model": "gpt", "input": "Hi", **body}, "resp_0a1b", 1_700_000_000, "gpt", now=lambda: 1_700_000_009.5
    )


def answer(finish_reason: str = "stop", logprobs: Any = None, **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0, "message": {"role": "assistant", "content": None, **message}, "logprobs": logprobs,
        "finish_reason": finish_reason,
    }  # fmt: skip
    usage = {
        "prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }  # fmt: skip
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-2026", "choices": [choice],
        "usage": usage,
    }  # fmt: skip


def call(name: str, arguments: str, id: str = "call_1", **extra: Any) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}, **extra}


CITED = {
    "type": "url_citation",
    "url_citation": {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
}
TOKEN = {
    "token": "Hi",
    "logprob": -0.1,
    "bytes": None,
    "top_logprobs": [{"token": "Ho", "logprob": -3.0, "bytes": [72]}],
}
SIGNED = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "text": ({}, answer(content="Hi")),
    "nothing": ({}, answer(content="")),
    "cut": ({"max_output_tokens": 16}, answer("length", content="Once upon")),
    "filtered": ({}, answer("content_filter")),
    "refusal": ({}, answer(refusal="I cannot help with that.")),
    "call": ({"tools": [WEATHER]}, answer("tool_calls", tool_calls=[call("weather", '{"city":"Oslo"}')])),
    "calls": (
        {"tools": [WEATHER], "parallel_tool_calls": False, "tool_choice": {"type": "function", "name": "weather"}},
        answer("tool_calls", content="Let me see.", tool_calls=[call("weather", "{}"), call("weather", "", "call_2")]),
    ),
    "reasoning": ({}, answer(content="42", reasoning_content="Hm")),
    "summary": ({"reasoning": {"effort": "low", "summary": "auto"}}, answer(content="42", reasoning_content="Hm")),
    "signed": (
        {"include": ["reasoning.encrypted_content"], "store": False},
        answer(content="42", reasoning_content="Hm", thinking_blocks=[SIGNED]),
    ),
    "cited": ({}, answer(content="Hi", annotations=[CITED])),
    "logprobs": ({"top_logprobs": 1}, answer(content="Hi", logprobs={"content": [TOKEN], "refusal": None})),
    "everything said": (
        {
            "instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.3, "top_p": 0.5, "user": "u",
            "text": {"format": {"type": "json_object"}, "verbosity": "low"}, "service_tier": "flex",
            "truncation": "auto", "prompt_cache_key": "k", "safety_identifier": "s", "background": True,
            "max_tool_calls": 3, "prompt_cache_options": {"mode": "explicit"}, "frequency_penalty": 1,
            "presence_penalty": -1,
        },
        answer(content="{}"),
    ),
}  # fmt: skip
# what Open Responses has no word for
OPENAI_ONLY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "custom": (
        {"tools": [PATCH], "tool_choice": {"type": "custom", "name": "patch"}},
        answer(
            "tool_calls", tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** go"}}]
        ),
    ),
    "schema": (
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
        answer(content="{}"),
    ),
}
BOTH = ANSWERS | OPENAI_ONLY


@specification.needed
@pytest.mark.parametrize("name", BOTH)
def test_is_what_openai_specifies(name):
    body, answered = BOTH[name]
    assert specification.openai("Response", draft(**body).finished(answered)) == []


@specification.needed
@pytest.mark.parametrize("name", ANSWERS)
def test_is_what_open_responses_specifies(name):
    body, answered = ANSWERS[name]
    assert specification.strict("ResponseResource", draft(**body).finished(answered)) == []


@specification.needed
@pytest.mark.parametrize("response", [
    draft().started("queued"),
    draft().started(),
    draft().failed("context_length_exceeded", "Too long."),
    draft().cancelled(),
    Draft({}, "resp_1", 1, "m", "resp_0").started(),
    Draft({}, "resp_1", 1, "m", conversation="conv_1").started(),
], ids=["queued", "in progress", "failed", "cancelled", "continued", "conversing"])  # fmt: skip
def test_every_state_is_what_both_specify(response):
    assert specification.openai("Response", response) == []
    assert specification.strict("ResponseResource", response) == []


@specification.needed
def test_no_documented_field_is_missing():
    spec = specification._spec(str(specification.shared.SPECIFICATION)).d["components"]["schemas"]
    documented = {
        name
        for part in (spec["ModelResponseProperties"], spec["ResponseProperties"], spec["Response"]["allOf"][2])
        for name in part["properties"]
    } - {"output_text"}  # which the clients put together themselves
    assert documented - draft().started().keys() == set()


def test_says_when_it_was_completed():
    response = draft().finished(answer(content="Hi"))
    assert (response["created_at"], response["completed_at"]) == (1_700_000_000, 1_700_000_009)
    assert response["status"] == "completed"
    assert response["model"] == "gpt-2026"


@pytest.mark.parametrize(("finish_reason", "reason"), [
    ("length", "max_output_tokens"), ("content_filter", "content_filter"),
])  # fmt: skip
def test_an_answer_that_was_cut_is_incomplete_and_so_is_its_last_item(finish_reason, reason):
    response = draft().finished(answer(finish_reason, content="Once", reasoning_content="Hm"))
    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert response["completed_at"] is None
    assert [item.get("status") for item in response["output"]] == [None, "incomplete"]


def test_output_is_reasoning_then_message_then_calls():
    response = draft().finished(
        answer(
            "tool_calls",
            content="See",
            reasoning_content="Hm",
            tool_calls=[call("weather", "{}", extra_content={"g": 1})],
        )
    )
    assert response["output"] == [
        {"id": "rs_0a1b00", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
        {
            "id": "msg_0a1b01", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": "See", "annotations": [], "logprobs": []}],
        },
        {
            "id": "fc_0a1b02", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "weather",
            "arguments": "{}", "extra_content": {"g": 1},
        },
    ]  # fmt: skip


def test_a_summary_is_shown_as_one_where_it_was_asked_for():
    item = draft(reasoning={"summary": "auto"}).finished(answer(content="42", reasoning_content="Hm"))["output"][0]
    assert item == {
        "id": "rs_0a1b00",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Hm"}],
        "content": [],
    }


def test_a_model_that_says_nothing_has_an_empty_message():
    (item,) = draft().finished(answer(content=None))["output"]
    assert item["content"] == [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]


def test_sources_and_chances_stand_with_the_text():
    response = draft().finished(
        answer(content="Hi", annotations=[CITED, {"type": "other"}], logprobs={"content": [TOKEN]})
    )
    (part,) = response["output"][0]["content"]
    assert part["annotations"] == [
        {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
    ]
    assert part["logprobs"][0]["bytes"] == [72, 105]
    assert part["logprobs"][0]["top_logprobs"][0]["token"] == "Ho"


def test_usage_counts_as_responses_do():
    assert draft().finished(answer(content="Hi"))["usage"] == {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3},
        "output_tokens": 9,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 29,
    }


@pytest.mark.parametrize("usage", [None, {}, "much", []])
def test_no_usage_is_none(usage):
    assert draft().finished({**answer(content="Hi"), "usage": usage})["usage"] is None


@pytest.mark.parametrize(("code", "said"), [
    ("rate_limit_exceeded", "rate_limit_exceeded"), ("insufficient_quota", "rate_limit_exceeded"),
    ("context_length_exceeded", "invalid_prompt"), ("upstream_error", "server_error"), (None, "server_error"),
    ("invalid_image_url", "invalid_image_url"),
])  # fmt: skip
def test_errors_have_codes_that_responses_know(code, said):
    response = draft().failed(code, "No.")
    assert response["error"] == {"code": said, "message": "No."}
    assert response["status"] == "failed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
NAMES = st.sampled_from([
    "content", "refusal", "reasoning_content", "thinking_blocks", "annotations", "tool_calls", "function", "custom",
    "name", "arguments", "input", "id", "index", "extra_content", "type", "text", "url_citation", "url", "token",
    "logprob", "bytes", "top_logprobs", "message", "finish_reason", "logprobs",
])  # fmt: skip
ODD = st.recursive(JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5))


@given(st.dictionaries(NAMES, ODD, max_size=5), ODD, st.lists(ODD, max_size=2), ODD)
def test_whatever_an_upstream_answers_is_a_response(message, logprobs, choices, usage):
    said = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
    response = draft().finished({"choices": [said, *choices], "usage": usage})
    assert response["status"] == "completed"
    assert msgspec.json.encode(response)


def test_a_text_in_parts_is_one_text():
    (item,) = draft().finished(answer(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))["output"]
    assert item["content"][0]["text"] == "ab"


def test_tools_are_shown_with_all_their_fields():
    response = draft(tools=[WEATHER, PATCH]).started()
    assert response["tools"] == [{**WEATHER, "description": None, "strict": None}, PATCH]
