"""Anthropic Messages: what is asked in its words, and what its answers are in ours."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming._deltas import accumulate_delta

from providers import claude, errors
from providers.adapters.anthropic_tools import JSON_TOOL
from providers.adapters.shapes import Response
from providers.errors import BadAnswer, RequestRejected, UpstreamError
from providers.exchange import Exchange
from providers.quirks import problems, valid
from providers.targets import Target, Upstream
from tests.conformance import native
from tests.providers.added_up import seen
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, SECRET, answered, asked, exchange, streamed, told, whole
from tests.providers.shared import CASSETTES, load, needs_cassettes

OLD, BUDGETED, NEW = "claude-3-5-haiku-latest", "claude-sonnet-4-5", "claude-opus-4-7"
UPSTREAM = Upstream("up", "anthropic")
HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "g"}}
CALLED = [
    *HI,
    {
        "role": "assistant", "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "call:2", "type": "function", "function": {"name": "g", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "one"},
    {"role": "tool", "tool_call_id": "call:2", "content": [{"type": "text", "text": "two"}]},
    {"role": "user", "content": "And?"},
]  # fmt: skip


def sent(model: str = BUDGETED, **body: Any) -> dict[str, Any]:
    _, said = asked("anthropic", {"messages": HI, **body}, model=model)
    return said


def test_a_request_has_its_version_key_and_most_tokens():
    request, body = asked("anthropic", {"messages": HI}, model=BUDGETED, options={"anthropic_beta": ["a", "b"]})
    headers = dict(request.headers)
    assert request.path == "/v1/messages"
    assert (headers["anthropic-version"], headers["anthropic-beta"]) == ("2023-06-01", "a,b")
    assert headers["x-api-key"]
    assert "authorization" not in headers
    assert body == {
        "model": BUDGETED, "max_tokens": 16384,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    }  # fmt: skip
    assert sent(OLD)["max_tokens"] == 8192


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"anthropic_beta": "a,b"}, ("anthropic-beta", "a,b")), ({"headers": {"X-Team": "a"}}, ("x-team", "a"))],
)
def test_headers_of_the_providers_row_are_sent_too(options: Any, expected: Any):
    request, _ = asked("anthropic", {"messages": HI}, model=BUDGETED, options=options)
    assert expected in request.headers


def test_an_address_may_have_the_version_in_it():
    request, _ = asked("anthropic", {"messages": HI}, model=BUDGETED, url="https://e.com/anthropic/v1/")
    assert request.path == "/messages"


def test_system_and_developer_messages_are_the_system_wherever_they_stand():
    messages = [
        {"role": "system", "content": "A"},
        *HI,
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
    ]
    assert sent(messages=messages)["system"] == "A\nB"


def test_what_is_to_be_cached_is_marked():
    part = {"type": "text", "text": "long", "prompt_cache_breakpoint": {"mode": "explicit"}}
    said = sent(messages=[{"role": "system", "content": [part]}, {"role": "user", "content": [part]}])
    assert said["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert said["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral"}


@pytest.mark.parametrize("place", ["part", "message"])
def test_what_is_to_be_cached_for_an_hour_says_so(place: str):
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    content = [{"type": "text", "text": "long", **mark}] if place == "part" else "long"
    said = sent(messages=[{"role": "system", "content": content, **(mark if place == "message" else {})}, *HI])
    assert said["system"] == [{"type": "text", "text": "long", **mark}]


def test_results_of_calls_come_before_what_is_said_with_them():
    said = sent(messages=CALLED, tools=[TOOL])["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    first, second = said[1]["content"]
    assert (first["id"], first["input"], second["input"]) == ("call_1", {"a": 1}, {})
    results = said[2]["content"]
    assert [block["type"] for block in results] == ["tool_result", "tool_result", "text"]
    assert [block["tool_use_id"] for block in results[:2]] == [first["id"], second["id"]]
    assert ":" not in second["id"]


def test_a_history_with_calls_has_tools_though_the_request_has_none():
    said = sent(messages=CALLED)
    assert ([tool["name"] for tool in said["tools"]], said["tool_choice"]) == (["f", "g"], {"type": "none"})


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}}, None, {"type": "any"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}}, False,
         {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)  # fmt: skip
def test_the_choice_of_tools(choice: Any, parallel: bool | None, expected: Any):
    given = {"tool_choice": choice, "parallel_tool_calls": parallel, "tools": [TOOL]}
    said = sent(**{name: value for name, value in given.items() if value is not None})
    assert said.get("tool_choice") == expected
    assert said["tools"] == [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}]


def test_only_allowed_tools_are_offered():
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [OTHER]}}
    assert [tool["name"] for tool in sent(tools=[TOOL, OTHER], tool_choice=allowed)["tools"]] == ["g"]


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "function": {"name": "f"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}},
    ],
)
def test_a_model_that_cannot_be_made_to_call_refuses_by_name(choice: Any):
    with pytest.raises(RequestRejected) as caught:
        sent("claude-opus-5-5", tools=[TOOL], tool_choice=choice)
    assert (caught.value.param, caught.value.code) == ("tool_choice", "unsupported_parameter")
    assert sent("claude-opus-5-5", tools=[TOOL], tool_choice="auto")["tool_choice"] == {"type": "auto"}


def test_a_strict_tool_is_strict_where_the_model_can_be():
    function = {"name": "f", "strict": True, "parameters": {"properties": {"a": {"type": "string", "pattern": "x"}}}}
    (tool,) = sent(tools=[{"type": "function", "function": function}])["tools"]
    assert tool["strict"] is True
    assert tool["input_schema"] == {
        "type": "object", "additionalProperties": False,
        "properties": {"a": {"type": "string", "description": '{"pattern":"x"}'}},
    }  # fmt: skip
    (tool,) = sent(OLD, tools=[{"type": "function", "function": function}])["tools"]
    assert tool == {"name": "f", "input_schema": {"type": "object", **function["parameters"]}}


@pytest.mark.parametrize("place", ["tool", "function"])
def test_tools_are_cached_where_they_are_marked(place: str):
    mark = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    tool = {**TOOL, **mark} if place == "tool" else {**TOOL, "function": {**TOOL["function"], **mark}}
    assert sent(tools=[tool])["tools"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        ({"tools": [TOOL, "f"]}, "tools[1]"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": "some"}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking"),
        ({"thinking": {"type": "sometimes"}}, "thinking"),
        ({"thinking": True}, "thinking"),
        ({"stop": ["END", "\n"]}, "stop"),
        ({"stop": " "}, "stop"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "no json"}}]}]},
         "messages[0].tool_calls[0].function.arguments"),
        ({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"), ({"web_search_options": {}}, "web_search_options"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_its_place(said: Any, param: str):
    with pytest.raises(RequestRejected) as caught:
        sent(**said)
    assert (caught.value.status, caught.value.param) == (400, param)


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
         {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
         {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
         {"type": "document", "title": "a.pdf",
          "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}),
        ({"type": "file", "file": {"file_data": "https://e.com/a.pdf"}},
         {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}}),
        ({"type": "file", "file": {"file_data": "data:image/png;base64,AAAA"}},
         {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
        ({"type": "file", "file": {"file_data": "data:text/markdown;base64,SMOpbGxv"}},
         {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Héllo"}}),
    ],
)  # fmt: skip
def test_pictures_and_documents(part: Any, block: Any):
    assert sent(messages=[{"role": "user", "content": [part]}])["messages"][0]["content"] == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AAAA"}},
    ],
)
def test_what_the_model_can_neither_see_nor_read_is_refused(part: Any):
    with pytest.raises(RequestRejected) as caught:
        sent(messages=[{"role": "user", "content": [part]}])
    assert caught.value.param == "messages"


def test_a_tool_may_answer_with_a_picture():
    picture = {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}
    messages = [*CALLED[:2], {"role": "tool", "tool_call_id": "call_1", "content": [picture]}]
    assert sent(messages=messages)["messages"][2]["content"][0]["content"][0]["type"] == "image"


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([{"role": "user", "content": "a"}, {"role": "user", "content": "b"}], [("user", ["a", "b"])]),
        ([{"role": "assistant", "content": "a"}, *HI], [("user", ["."]), ("assistant", ["a"]), ("user", ["Hi"])]),
        ([{"role": "system", "content": "Be."}], [("user", ["Be."])]),
        ([*HI, {"role": "assistant", "content": ""}, {"role": "user", "content": [{"type": "text", "text": "\n"}]}],
         [("user", ["Hi"])]),
        ([*HI, {"role": "assistant", "content": "So: "}], [("user", ["Hi"]), ("assistant", ["So:"])]),
    ],
)  # fmt: skip
def test_a_conversation_begins_with_the_user_and_has_no_blank_block(messages: Any, expected: Any):
    said = sent(messages=messages)
    assert [(each["role"], [block["text"] for block in each["content"]]) for each in said["messages"]] == expected
    assert "system" not in said


SCHEMA = {"type": "object", "properties": {"minimum": {"type": "integer", "minimum": 3}}, "required": ["minimum"]}
FITTED = {
    "type": "object", "properties": {"minimum": {"type": "integer", "description": '{"minimum":3}'}},
    "required": ["minimum"], "additionalProperties": False,
}  # fmt: skip
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
ANSWERING = {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}


@pytest.mark.parametrize("model", [BUDGETED, "claude-opus-4-1", NEW, "claude-opus-5-5", "claude-opus-9"])
def test_a_schema_for_the_answer_is_the_models_own_where_it_has_that(model: str):
    said = sent(model, response_format=FORMAT)
    assert said["output_config"] == {"format": {"type": "json_schema", "schema": FITTED}}
    assert "tools" not in said


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "maxLength": 3, "description": "Short."},
         {"type": "string", "description": 'Short.\n{"maxLength":3}'}),
        ({"type": "array", "items": {"type": "object"}, "minItems": 1},
         {"type": "array", "items": {"type": "object", "additionalProperties": False},
          "description": '{"minItems":1}'}),
        ({"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "color"}]},
         {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "description": '{"format":"color"}'}]}),
        ({"$defs": {"not": {"type": ["object", "null"]}}, "$ref": "#/$defs/not"},
         {"$defs": {"not": {"type": ["object", "null"], "additionalProperties": False}}, "$ref": "#/$defs/not"}),
        ({"enum": [{"not": 1}], "default": {"pattern": 1}}, {"enum": [{"not": 1}], "default": {"pattern": 1}}),
    ],
)  # fmt: skip
def test_what_a_schema_may_not_say_is_said_in_words(schema: Any, expected: Any):
    given = {"type": "object", "properties": {"pattern": schema}}
    said = sent(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": given}})
    assert said["output_config"]["format"]["schema"]["properties"] == {"pattern": expected}


@pytest.mark.parametrize(
    ("said", "names", "choice"),
    [
        ({}, [JSON_TOOL], ANSWERING),
        ({"tools": [TOOL]}, ["f", JSON_TOOL], {"type": "any"}),
        ({"tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False}, ["f", JSON_TOOL],
         {"type": "any", "disable_parallel_tool_use": True}),
        ({"tools": [TOOL], "tool_choice": "none"}, ["f", JSON_TOOL], ANSWERING),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, ["f", JSON_TOOL],
         {"type": "tool", "name": "f"}),
    ],
)  # fmt: skip
def test_an_older_model_answers_a_schema_through_a_tool_beside_the_callers(said: Any, names: Any, choice: Any):
    body = sent(OLD, response_format=FORMAT, **said)
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (names, choice)
    assert body["tools"][-1]["input_schema"] == SCHEMA
    assert "output_config" not in body


@pytest.mark.parametrize("pieces", [['{"mini', 'mum":', "4}"], []])
def test_nobody_sees_the_tool_that_takes_the_answer(pieces: list[str]):
    block = {"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"minimum": 4} if not pieces else {}}
    answer = message({**block, "input": {"minimum": 4}}, stop_reason="tool_use")
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    chunks, error = streamed("anthropic", stream((block, deltas), stop_reason="tool_use"))
    assert error is None
    for (choice,) in (whole(answered("anthropic", answer)), told(chunks)[0]):
        assert (choice["message"]["content"], choice["finish_reason"]) == ('{"minimum":4}', "stop")
        assert "tool_calls" not in choice["message"]


def test_a_model_with_neither_schemas_nor_demanded_calls_is_told_the_schema():
    quirks = {"capabilities": {"claude-opus-5-5": {"has_schema": False}}}
    _, said = asked("anthropic", {"messages": HI, "response_format": FORMAT}, model="claude-opus-5-5", quirks=quirks)
    assert '"minimum":3' in said["system"]
    assert not {"tools", "output_config"} & said.keys()


def test_json_without_a_schema_is_asked_for_in_words():
    assert "JSON object" in sent(response_format={"type": "json_object"})["system"]


def dropped(model: str, **body: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return what is sent, and what is named as left out."""
    one = exchange("anthropic", {"messages": HI, **body}, model=model)
    return json.loads(one.request(NOW).body), one.dropped


@pytest.mark.parametrize(
    ("model", "body", "thinking", "effort"),
    [
        (NEW, {"reasoning_effort": "minimal"}, {"type": "adaptive"}, "low"),
        (NEW, {"reasoning_effort": "xhigh"}, {"type": "adaptive"}, "xhigh"),
        (NEW, {"reasoning_effort": "none"}, {"type": "disabled"}, None),
        (NEW, {"thinking": {"type": "enabled", "budget_tokens": 9000}}, {"type": "adaptive"}, "high"),
        (NEW, {"thinking": {"type": "adaptive", "display": "summarized"}, "reasoning_effort": "max"},
         {"type": "adaptive", "display": "summarized"}, "max"),
        (NEW, {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"}, {"type": "adaptive"}, "low"),
        (NEW, {"reasoning_effort": "low", "messages": CALLED[:4], "tools": [TOOL]}, {"type": "adaptive"}, "low"),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, None, "low"),
        ("claude-fable-5", {"thinking": {"type": "disabled"}}, None, "low"),
        ("claude-opus-4-6", {"reasoning_effort": "xhigh"}, {"type": "adaptive"}, "high"),
        ("claude-opus-4-6", {"reasoning_effort": "max"}, {"type": "adaptive"}, "max"),
        ("claude-opus-4-6", {"thinking": {"type": "enabled", "budget_tokens": 2000}},
         {"type": "enabled", "budget_tokens": 2000}, None),
        (BUDGETED, {"reasoning_effort": "none"}, None, None),
        (BUDGETED, {"thinking": {"type": "disabled"}}, None, None),
        (BUDGETED, {"reasoning_effort": "low", "max_tokens": 9000}, {"type": "enabled", "budget_tokens": 2048}, None),
        (BUDGETED, {"reasoning_effort": "high", "max_tokens": 3000}, {"type": "enabled", "budget_tokens": 2400}, None),
        (BUDGETED, {"reasoning_effort": "max"}, {"type": "enabled", "budget_tokens": 13107}, None),
        (BUDGETED, {"thinking": {"type": "enabled", "budget_tokens": 5000}},
         {"type": "enabled", "budget_tokens": 5000}, None),
        (BUDGETED, {"thinking": {"type": "enabled", "budget_tokens": 5000}, "max_tokens": 2000},
         {"type": "enabled", "budget_tokens": 1600}, None),
        (BUDGETED, {"thinking": {"type": "adaptive"}}, {"type": "enabled", "budget_tokens": 8192}, None),
        (OLD, {"reasoning_effort": "none"}, None, None),
        (OLD, {"thinking": {"type": "disabled"}}, None, None),
    ],
)  # fmt: skip
def test_how_much_is_thought(model: str, body: Any, thinking: Any, effort: Any):
    said, missing = dropped(model, **body)
    assert said.get("thinking") == thinking
    assert said.get("output_config", {}).get("effort") == effort
    assert missing == ()


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (OLD, {"reasoning_effort": "high"}),
        (OLD, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (BUDGETED, {"reasoning_effort": "high", "max_tokens": 1200}),
        (BUDGETED, {"reasoning_effort": "low", "tools": [TOOL], "tool_choice": "required"}),
        (BUDGETED, {"thinking": {"type": "enabled", "budget_tokens": 2000}, "tools": [TOOL],
                    "tool_choice": {"type": "function", "function": {"name": "f"}}}),
        (BUDGETED, {"reasoning_effort": "low", "tools": [TOOL],
                    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}}}),
        (BUDGETED, {"reasoning_effort": "low", "messages": CALLED[:4], "tools": [TOOL]}),
        ("claude-3-7-sonnet-latest", {"reasoning_effort": "low", "response_format": FORMAT}),
    ],
)  # fmt: skip
def test_thinking_that_cannot_be_is_left_out_and_named(model: str, body: Any):
    said, missing = dropped(model, **body)
    assert "thinking" not in said
    assert missing == tuple(name for name in ("reasoning_effort", "thinking") if name in body)
    strict = Exchange("chat.completions", {"messages": HI, **body}, Target(1, UPSTREAM, model, refuses=True))
    with pytest.raises(RequestRejected) as caught:
        strict.request(NOW)
    assert caught.value.code == "unsupported_parameter"


@pytest.mark.parametrize(
    ("model", "body", "expected", "missing"),
    [
        (OLD, {"temperature": 0, "top_p": 0.5, "top_k": 5}, {"temperature": 0, "top_p": 0.5, "top_k": 5}, ()),
        (OLD, {"temperature": 0.7}, {"temperature": 0.7}, ()),
        (BUDGETED, {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2}, ("top_p",)),
        (BUDGETED, {"temperature": 0.2, "top_p": 1}, {"temperature": 0.2}, ()),
        (BUDGETED, {"top_p": 0.5}, {"top_p": 0.5}, ()),
        (BUDGETED, {"temperature": 0.2, "top_k": 5, "reasoning_effort": "low"}, {}, ("temperature", "top_k")),
        (BUDGETED, {"temperature": 0.2, "reasoning_effort": "none"}, {"temperature": 0.2}, ()),
        (BUDGETED, {"temperature": 0.2, "reasoning_effort": "low", "max_tokens": 100}, {"temperature": 0.2},
         ("reasoning_effort",)),
        ("claude-opus-4-6", {"temperature": 0.2, "reasoning_effort": "low"}, {}, ("temperature",)),
        (NEW, {"temperature": 0.2, "top_p": 0.5, "top_k": 5}, {}, ("temperature", "top_p", "top_k")),
        (NEW, {"temperature": 1, "top_p": 1, "top_k": 0}, {}, ()),
        ("another-makers-model", {"temperature": 0.2, "top_p": 0.5}, {"temperature": 0.2, "top_p": 0.5}, ()),
    ],
)  # fmt: skip
def test_what_steers_the_choice_of_words(model: str, body: Any, expected: Any, missing: Any):
    said, named = dropped(model, **body)
    assert {name: said[name] for name in ("temperature", "top_p", "top_k") if name in said} == expected
    assert named == missing


@pytest.mark.parametrize("temperature", [1.7, 1, 2])
def test_a_temperature_above_one_is_the_highest_there_is_which_nobody_has_to_say(temperature: float):
    assert dropped(OLD, temperature=temperature) == (sent(OLD), ())


def test_the_newer_version_of_the_api_is_told_no_temperature_at_all():
    options = {"anthropic_version": "2026-10-21"}
    one = exchange("anthropic", {"messages": HI, "temperature": 0.2}, model=OLD, options=options)
    request = one.request(NOW)
    assert dict(request.headers)["anthropic-version"] == "2026-10-21"
    assert "temperature" not in json.loads(request.body)
    assert one.dropped == ("temperature",)


def test_a_row_may_say_that_its_model_takes_what_the_table_does_not_know():
    quirks = {
        "capabilities": {
            "claude-opus": {"max_output": 5_000, "sampling": "any"},
            "claude-opus-9": {"sampling": "one", "forces_tools": True},
            "mine": {"thinking": "adaptive", "efforts": ["high"]},
        }
    }
    body = {"temperature": 0.2, "tools": [TOOL], "tool_choice": "required"}
    _, said = asked("anthropic", {"messages": HI, **body}, model="us.anthropic.claude-opus-9", quirks=quirks)
    assert (said["temperature"], said["tool_choice"], said["max_tokens"]) == (0.2, {"type": "any"}, 16384)
    _, said = asked("anthropic", {"messages": HI}, model="claude-opus-4-8", quirks=quirks)
    assert said["max_tokens"] == 5000
    _, said = asked("anthropic", {"messages": HI, "reasoning_effort": "low"}, model="mine-2", quirks=quirks)
    assert (said["thinking"], said["output_config"]) == ({"type": "adaptive"}, {"effort": "high"})


@pytest.mark.parametrize(
    "written",
    [{"claude": {"sampling": "some"}}, {"claude": {"max_output": True}}, {"claude": {"efforts": []}}, {"claude": 3},
     {"claude": {"unheard_of": True}}, {"claude": {"thinking": ["budget"]}}],
)  # fmt: skip
def test_capabilities_that_mean_nothing_are_refused_by_name_and_left_out(written: Any):
    ((path, _),) = problems({"capabilities": written})
    assert path == ("capabilities", "claude")
    assert valid({"capabilities": written}) == {"capabilities": {}}


def test_a_quirk_of_parameters_goes_before_what_the_table_says():
    quirks = {"parameters": {"temperature": True, "top_k": False}}
    one = exchange("anthropic", {"messages": HI, "temperature": 0.2, "top_k": 4}, model=NEW, quirks=quirks)
    assert json.loads(one.request(NOW).body)["temperature"] == 0.2
    assert one.dropped == ("top_k",)


@pytest.mark.parametrize(
    ("said", "tier"),
    [("auto", "auto"), ("default", "standard_only"), ("flex", "standard_only"), ("priority", "auto"), ("new", None)],
)
def test_the_service_tier_says_whether_paid_capacity_is_used(said: str, tier: str | None):
    assert sent(service_tier=said).get("service_tier") == tier


@pytest.mark.parametrize("name", ["user", "safety_identifier"])
@pytest.mark.parametrize(
    ("given", "is_kept"),
    [("u-1", True), ("dev@example.com", False), ("+49 (30) 1234567", False), ("u" * 257, False)],
)
def test_users_are_named_and_what_is_personal_is_made_anonymous(name: str, given: str, is_kept: bool):
    user = sent(**{name: given})["metadata"]["user_id"]
    assert (user == given) is is_kept
    assert len(user) <= 256
    assert user == sent(**{name: given})["metadata"]["user_id"]


def test_most_tokens_are_the_callers_the_targets_or_the_models():
    assert sent(max_tokens=7, max_completion_tokens=9)["max_tokens"] == 9
    target = Target(1, UPSTREAM, OLD, max_output=300)
    request = Exchange("chat.completions", {"messages": HI}, target).request(NOW)
    assert json.loads(request.body)["max_tokens"] == 300
    assert [sent(model)["max_tokens"] for model in ("claude-3-opus-20240229", OLD, NEW)] == [4096, 8192, 16384]


def test_thoughts_go_back_as_they_came():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    messages = [CALLED[0], {**CALLED[1], "thinking_blocks": blocks}, *CALLED[2:4]]
    said = sent(messages=messages, tools=[TOOL], reasoning_effort="low")
    assert said["messages"][1]["content"][:2] == blocks
    assert said["thinking"]["type"] == "enabled"


def test_thoughts_of_a_stream_go_back_without_their_index_and_those_of_others_do_not():
    streamed_block = {"index": 0, "type": "thinking", "thinking": "hm", "signature": "s"}
    others = [{"type": "thinking", "thinking": "hm"}, {"type": "thought", "signature": "s"}, "hm", {"type": 3}]
    messages = [CALLED[0], {**CALLED[1], "thinking_blocks": [streamed_block, *others]}, *CALLED[2:4]]
    content = sent(messages=messages, tools=[TOOL])["messages"][1]["content"]
    assert [block for block in content if block["type"] != "tool_use"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"}
    ]


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("claude-opus-9", "claude-opus-5-5"), ("claude-opus-4-9", "claude-opus-4-8"),
        ("claude-sonnet-4-7", "claude-opus-4-8"), ("claude-sonnet-5-7", "claude-sonnet-5-5"),
        ("claude-opus-4-20250514", "claude-opus-4-0"), ("claude-opus-4@20250514", "claude-opus-4-0"),
        ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-haiku-latest"),
        ("anthropic/Claude-Sonnet-4.5", "claude-sonnet-4-5"), ("Claude-Haiku-4-5", "claude-haiku-4-5-20251001"),
        ("claude-mythos-preview", "claude-fable-5"),
    ],
)  # fmt: skip
def test_a_model_is_known_by_its_name_whatever_stands_around_it(name: str, like: str):
    assert claude.capabilities(name) == claude.capabilities(like)


def test_families_differ_where_their_models_do():
    table = {name: claude.capabilities(name) for name in (OLD, BUDGETED, "claude-opus-4-6", NEW, "claude-opus-5-5")}
    assert [able.thinking for able in table.values()] == ["", "budget", "either", "adaptive", "adaptive"]
    assert [able.sampling for able in table.values()] == ["any", "one", "one", "", ""]
    assert [able.forces_tools for able in table.values()] == [True, True, True, True, False]
    assert [able.silences for able in table.values()][1:] == [True, True, True, False]


# Answers, written by hand.


def message(*blocks: Any, stop_reason: Any = "end_turn", usage: Any = None, **extra: Any) -> dict[str, Any]:
    used = {"input_tokens": 3, "output_tokens": 2} if usage is None else usage
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": NEW, "content": list(blocks),
            "stop_reason": stop_reason, "stop_sequence": None, "usage": used, **extra}  # fmt: skip


def stream(*blocks: tuple[Any, Any], stop_reason: Any = "end_turn", usage: Any = None, **delta: Any) -> bytes:
    """Return a stream of (block as it starts, its deltas)."""
    begun = message(stop_reason=None, usage={"input_tokens": 3, "output_tokens": 1})
    said: list[Any] = [{"type": "message_start", "message": begun}, {"type": "ping"}]
    for index, (block, deltas) in enumerate(blocks):
        said.append({"type": "content_block_start", "index": index, "content_block": block})
        said += [{"type": "content_block_delta", "index": index, "delta": each} for each in deltas]
        said.append({"type": "content_block_stop", "index": index})
    ended = {"stop_reason": stop_reason, "stop_sequence": None, **delta}
    said += [
        {"type": "message_delta", "delta": ended, "usage": usage or {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    return events(*said)


def events(*told: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (each["type"].encode(), json.dumps(each).encode()) for each in told)


TEXT = {"type": "text", "text": "Well"}
TEXT_STREAMED = (
    {"type": "text", "text": ""},
    [{"type": "text_delta", "text": "We"}, {"type": "text_delta", "text": "ll"}],
)
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
THOUGHT_STREAMED = (
    {"type": "thinking", "thinking": "", "signature": ""},
    [{"type": "thinking_delta", "thinking": "h"}, {"type": "thinking_delta", "thinking": "m"},
     {"type": "signature_delta", "signature": "c2ln"}],
)  # fmt: skip
HIDDEN = {"type": "redacted_thinking", "data": "eA=="}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
CALL_STREAMED = (
    {**CALL, "input": {}},
    [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"a":', "1}")],
)
BARE = {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
SEARCH_STREAMED = (SEARCH, [{"type": "input_json_delta", "partial_json": '{"query":"x"}'}])


@pytest.mark.parametrize(
    ("blocks", "pieces", "reason"),
    [
        ([TEXT], [TEXT_STREAMED], "end_turn"),
        ([THOUGHT, TEXT, CALL, BARE], [THOUGHT_STREAMED, TEXT_STREAMED, CALL_STREAMED, (BARE, [])], "tool_use"),
        ([THOUGHT, HIDDEN, TEXT, THOUGHT, CALL],
         [THOUGHT_STREAMED, (HIDDEN, []), TEXT_STREAMED, THOUGHT_STREAMED, CALL_STREAMED], "tool_use"),
        ([CALL], [(CALL, [])], "tool_use"),
        ([SEARCH, TEXT], [SEARCH_STREAMED, (TEXT, [])], "pause_turn"),
        ([], [], "end_turn"),
    ],
)  # fmt: skip
def test_an_answer_is_the_same_streamed_or_not(blocks: Any, pieces: Any, reason: str):
    answer = answered("anthropic", message(*blocks, stop_reason=reason))
    chunks, error = streamed("anthropic", stream(*pieces, stop_reason=reason), 7)
    choices, usages = told(chunks)
    assert error is None
    for (choice,) in (expected := whole(answer), choices):
        choice["message"]["content"] = choice["message"]["content"] or ""
    assert choices == expected
    assert usages == [answer["usage"]]
    assert {(chunk.data["id"], chunk.data["model"]) for chunk in chunks} == {("msg_1", NEW)}


def test_openais_client_puts_a_stream_with_several_thoughts_together():
    chunks, _ = streamed("anthropic", stream(THOUGHT_STREAMED, THOUGHT_STREAMED, (HIDDEN, []), TEXT_STREAMED))
    added: dict[object, object] = {}
    for chunk in chunks:
        for choice in chunk.data["choices"]:
            added = accumulate_delta(added, choice["delta"])
    assert added["thinking_blocks"] == [
        {"index": index, **block} for index, block in enumerate((THOUGHT, THOUGHT, HIDDEN))
    ]
    assert added["reasoning_content"] == "hmhm"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"), ("refusal", "content_filter"), ("something_new", "stop"),
        ("tool_use", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_openais_whole_and_streamed(reason: str, expected: str):
    assert answered("anthropic", message(TEXT, stop_reason=reason))["choices"][0]["finish_reason"] == expected
    (choice,), _ = told(streamed("anthropic", stream(TEXT_STREAMED, stop_reason=reason))[0])
    assert choice["finish_reason"] == expected


@pytest.mark.parametrize(("details", "words"), [({"explanation": "no"}, "no"), (None, "The model refused to answer.")])
def test_refusals_say_so_whole_and_streamed(details: Any, words: str):
    answer = answered("anthropic", message(stop_reason="refusal", stop_details=details))
    chunks, _ = streamed("anthropic", stream(stop_reason="refusal", stop_details=details))
    for (choice,) in (answer["choices"], told(chunks)[0]):
        assert (choice["message"]["refusal"], choice["finish_reason"]) == (words, "content_filter")


USAGE = {
    "input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30, "output_tokens": 40,
    "cache_creation": {"ephemeral_5m_input_tokens": 25, "ephemeral_1h_input_tokens": 5},
    "output_tokens_details": {"thinking_tokens": 15}, "service_tier": "priority",
}  # fmt: skip


def test_usage_counts_caches_thoughts_and_tier_whole_and_streamed():
    expected = {
        "prompt_tokens": 60, "completion_tokens": 40, "total_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 30, "cache_write_1h_tokens": 5},
        "completion_tokens_details": {"reasoning_tokens": 15},
    }  # fmt: skip
    answer = answered("anthropic", message(TEXT, usage=USAGE))
    assert (answer["usage"], answer["service_tier"]) == (expected, "priority")
    begun = {"type": "message_start", "message": message(stop_reason=None, usage={**USAGE, "output_tokens": 1})}
    nulls = {"output_tokens": 40, "cache_read_input_tokens": None}
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": nulls}
    chunks, _ = streamed("anthropic", events(begun, ended, {"type": "message_stop"}))
    (counted,) = [chunk for chunk in chunks if chunk.usage]
    assert (counted.usage, counted.data["service_tier"]) == (expected, "priority")


def test_an_answer_without_usage_leaves_the_counting_to_the_gateway():
    assert "usage" not in answered("anthropic", message(TEXT, usage={}))


def test_the_caller_sees_usage_only_where_it_asked():
    for asks in (False, True):
        body = {"stream_options": {"include_usage": asks}}
        chunks, _ = streamed("anthropic", stream(TEXT_STREAMED), body=body)
        assert any("usage" in each for each in seen(chunks)) is asks
        assert [chunk.usage["completion_tokens"] for chunk in chunks if chunk.usage] == [2]


def test_a_stream_that_ends_before_its_message_was_cut():
    sent = stream(TEXT_STREAMED).split(b"event: message_delta")[0]
    chunks, error = streamed("anthropic", sent)
    assert isinstance(error, errors.StreamCut)
    assert "".join(chunk.text for chunk in chunks) == "Well"


# What is refused.


def refusal(type: str, words: str = "No.") -> dict[str, Any]:
    return {"type": "error", "error": {"type": type, "message": words}, "request_id": "req_1"}


UNPAID = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
USED_UP = "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
TOO_LONG = "input length and `max_tokens` exceed context limit: 198000 + 8192 > 200000, decrease one of them"
REFUSALS = [
    (400, "invalid_request_error", "messages: at least one", errors.RequestRejected, None),
    (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", errors.RequestRejected,
     "context_length_exceeded"),
    (400, "invalid_request_error", TOO_LONG, errors.RequestRejected, "context_length_exceeded"),
    (400, "invalid_request_error", "Output blocked by content filtering policy", errors.RequestRejected,
     "content_filter"),
    (400, "invalid_request_error", UNPAID, errors.AccountRefused, None),
    (400, "invalid_request_error", USED_UP, errors.AccountRefused, None),
    (429, "rate_limit_error", "This would exceed your organization's monthly spend limit.", errors.AccountRefused,
     None),
    (401, "authentication_error", "invalid x-api-key", errors.KeyRefused, "invalid_api_key"),
    (402, "billing_error", "Pay.", errors.AccountRefused, None),
    (403, "permission_error", "Your API key has no permission.", errors.AccountRefused, None),
    (404, "not_found_error", "model: claude-9", errors.ModelMissing, "model_not_found"),
    (409, "conflict_error", "No.", errors.Conflict, None),
    (413, "request_too_large", "Request exceeds the maximum size", errors.RequestTooLarge, None),
    (429, "rate_limit_error", "Slow down.", errors.RateLimited, "rate_limit_exceeded"),
    (500, "api_error", "Internal server error", errors.ServerError, None),
    (504, "timeout_error", "Timed out.", errors.UpstreamTimeout, None),
    (529, "overloaded_error", "Overloaded", errors.UpstreamBusy, "overloaded"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "type", "words", "kind", "code"), REFUSALS)
def test_an_error_says_what_it_means(status: int, type: str, words: str, kind: Any, code: str | None):
    body = json.dumps(refusal(type, words)).encode()
    with pytest.raises(kind) as caught:
        exchange("anthropic", {}).answer(Response(status, {"retry-after": "17"}, body))
    error = caught.value
    assert (error.__class__, error.upstream_status) == (kind, status)
    assert error.retry_after == (None if kind is errors.KeyRefused else 17.0)
    assert code is None or error.code == code
    assert "balance" not in str(error)


@pytest.mark.parametrize(("status", "type", "words", "kind", "code"), REFUSALS)
def test_an_error_inside_an_answer_or_a_stream_means_the_same(
    status: int, type: str, words: str, kind: Any, code: str | None
):
    with pytest.raises(kind):
        answered("anthropic", refusal(type, words))
    begun = stream(TEXT_STREAMED).split(b"event: content_block_stop")[0]
    chunks, error = streamed("anthropic", begun + events(refusal(type, words)), 7)
    assert error.__class__ is kind
    assert code is None or (error is not None and error.code == code)
    assert "".join(chunk.text for chunk in chunks) == "Well"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": 3}', b'{"error": {"message": [1]}}'])
def test_a_refusal_that_cannot_be_read_is_told_by_its_status(body: bytes):
    with pytest.raises(errors.UpstreamBusy):
        answered("anthropic", body, 529)


# Recordings.


def recorded() -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    return [
        pytest.param(one, id=f"{path.stem[:60]}-{number}")
        for path in sorted((CASSETTES / "anthropic").glob("*.y*ml"))
        for number, one in enumerate(read(path))
        if urlsplit(one["url"]).path == "/v1/messages"
    ]


@needs_cassettes
@pytest.mark.parametrize("one", recorded())
@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_real_traffic_comes_through(one: Any, cut: int):
    if one["status"] != 200:
        with pytest.raises(UpstreamError) as caught:
            exchange("anthropic", {"messages": HI}).answer(Response(one["status"], {}, one["body"]))
        assert caught.value.status == one["status"]
        return
    is_stream = one["body"].startswith(b"event:")
    said = native.anthropic(one["body"], is_stream)
    if is_stream:
        chunks, error = streamed("anthropic", one["body"], cut)
        assert error is None
        ((choice,), (usage,)) = told(chunks)
    else:
        answer, _ = exchange("anthropic", {"messages": HI}).answer(Response(200, {}, one["body"]))
        ((choice,), usage) = whole(answer), answer["usage"]
    message = choice["message"]
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls", ())
    ]
    assert (message["content"] or "", calls, choice["finish_reason"]) == said[:3]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (said.usage["prompt"], said.usage["completion"])
    details = usage["prompt_tokens_details"]
    assert (details["cached_tokens"], details.get("cache_write_tokens", 0)) == (
        said.usage["cached"],
        said.usage["written"],
    )
    assert usage["completion_tokens_details"]["reasoning_tokens"] == said.usage["reasoning"]


@needs_cassettes
def test_what_is_kept_for_an_hour_is_told_apart():
    (one,) = [each.values[0] for each in recorded() if "1h_ttl" in each.id]
    answer, _ = exchange("anthropic", {"messages": HI}).answer(Response(200, {}, one["body"]))
    details = answer["usage"]["prompt_tokens_details"]
    assert details["cache_write_1h_tokens"] == details["cache_write_tokens"] > 0


@needs_cassettes
def test_thoughts_are_streamed_with_their_signature():
    (one,) = [each.values[0] for each in recorded() if "extended_thinking" in each.id]
    chunks, _ = streamed("anthropic", one["body"])
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.data["choices"]]
    (blocks,) = [delta["thinking_blocks"] for delta in deltas if "thinking_blocks" in delta]
    assert blocks[0]["signature"]
    assert blocks[0]["thinking"] == "".join(delta.get("reasoning_content", "") for delta in deltas)


@needs_cassettes
def test_a_recorded_stream_is_the_same_as_the_message_that_it_is_in_all():
    """Each recorded stream, put together to a message by the rules of the format, answers as it does itself."""
    for one in (each.values[0] for each in recorded()):
        if not one["body"].startswith(b"event:"):
            continue
        chunks, _ = streamed("anthropic", one["body"], 7)
        choices, usages = told(chunks)
        answer = answered("anthropic", put_together(one["body"]))
        for choice in (*choices, *(expected := whole(answer))):
            choice["message"]["content"] = choice["message"]["content"] or ""
            for call in choice["message"].get("tool_calls", ()):
                call["function"]["arguments"] = json.loads(call["function"]["arguments"])
        assert choices == expected
        assert usages == [answer["usage"]]


def put_together(body: bytes) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for event in native.sse(body):
        if event["type"] == "message_start":
            said = event["message"]
        elif event["type"] == "content_block_start":
            said["content"].append({"json": "", **event["content_block"]})
        elif event["type"] == "content_block_delta":
            block = said["content"][event["index"]]
            for name, piece in event["delta"].items():
                if name != "type":
                    name = "json" if name == "partial_json" else name
                    block[name] = block.get(name, "") + piece
        elif event["type"] == "message_delta":
            said |= event["delta"]
            said["usage"] |= event["usage"]
    for block in said["content"]:
        written = block.pop("json")
        if written:
            block["input"] = json.loads(written)
    return said


MALFORMED = [
    b"", b"[]", b"{}", b"null", b"<html>", b'{"content": 3}', b'{"content": {}}', b'{"content": [3]}',
    b'{"content": [{}]}', b'{"content": [{"type": "text"}]}', b'{"content": [{"type": "text", "text": 3}]}',
    b'{"content": [{"type": "tool_use", "id": "a", "name": "f", "input": []}]}',
    b'{"content": [{"type": "tool_use", "id": 3, "name": "f", "input": {}}]}',
    b'{"content": [{"type": "tool_use", "id": "a", "input": {}}]}',
    b'{"content": [{"type": "thinking", "thinking": 3}]}', b'{"content": [], "stop_reason": 3}',
    b'{"content": [], "stop_reason": {"a": 1}}', b'{"content": [], "id": 5}',
    b'{"content": [], "usage": {"input_tokens": "3"}}', b'{"content": [], "usage": {"output_tokens": -3}}',
    b'{"content": [], "usage": [1]}', b'{"content": [], "stop_reason": "refusal", "stop_details": "no"}',
    b'{"content": [{"type": "text", "text": "\xff"}]}', b'{"content":' + b"[" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_answer_is_a_bad_one(body: bytes):
    with pytest.raises(BadAnswer):
        answered("anthropic", body)


START = {"type": "message_start", "message": message(stop_reason=None)}
OPEN = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


@pytest.mark.parametrize(
    "told_events",
    [
        [{"type": "message_stop"}],
        [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}],
        [{"type": "message_start"}],
        [{"type": "message_start", "message": 3}],
        [START, {"type": "content_block_start", "index": 0}],
        [START, {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": 3}}],
        [START, OPEN, {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 3}}],
        [START, OPEN, {"type": "content_block_delta", "index": 0, "delta": "x"}],
        [START, OPEN, {"type": "content_block_delta", "index": 0}],
        [
            START,
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "1"}},
        ],
        [START, {"type": "message_delta", "delta": {"stop_reason": 3}}],
        [START, {"type": "message_delta", "delta": {}, "usage": 3}],
        [START, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": "3"}}, {"type": "message_stop"}],
    ],
)
def test_a_malformed_event_ends_its_stream(told_events: Any):
    _, error = streamed("anthropic", events(*told_events))
    assert isinstance(error, BadAnswer)


def test_what_is_new_in_a_stream_is_passed_over():
    news = [{"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}},
            {"type": "unheard_of", "delta": 3}]  # fmt: skip
    chunks, error = streamed("anthropic", events(START, OPEN, *news) + stream(TEXT_STREAMED).partition(b"\n\n")[2])
    assert error is None
    assert told(chunks)[0][0]["message"]["content"] == "Well"


KEYS = st.sampled_from(
    ["content", "type", "text", "thinking", "signature", "data", "id", "name", "input", "stop_reason", "stop_details",
     "explanation", "usage", "input_tokens", "output_tokens", "cache_creation", "output_tokens_details", "service_tier",
     "error", "message", "delta", "content_block", "partial_json", "index"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["text", "thinking", "redacted_thinking", "tool_use", "text_delta", "input_json_delta", "thinking_delta", "refusal",
     "error", "message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta",
     "message_stop", "tool_use", JSON_TOOL]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.integers(200, 600))
def test_no_answer_however_odd_is_more_than_a_bad_one(body: Any, status: int):
    for said in (body, {"content": body}, {"content": [body], "usage": body, "stop_reason": body}):
        with contextlib.suppress(UpstreamError):
            answered("anthropic", said, status)


@given(st.lists(st.tuples(WORDS, JSON, JSON), max_size=5))
def test_no_stream_however_odd_is_more_than_a_bad_answer(said: Any):
    odd = [{"type": kind, "content_block": one, "delta": two, "usage": one} for kind, one, two in said]
    for sent in (events(START, *odd), events(*odd), events(START, OPEN, *odd)):
        chunks, error = streamed("anthropic", sent)
        assert error is None or isinstance(error, UpstreamError)
        assert all(chunk.wire() is not None for chunk in chunks)


async def test_a_whole_chat_goes_over_the_wire(upstream, target, ask):
    upstream.will_answer(body=message(TEXT))
    answer = await ask(target(upstream.url, adapter="anthropic"))
    assert answer.body["choices"][0]["message"]["content"] == "Well"
    assert upstream.asked[0].path == "/v1/messages"
    assert upstream.asked[0].headers["x-api-key"] == SECRET
    assert "authorization" not in upstream.asked[0].headers


async def test_a_stream_goes_over_the_wire(upstream, target, begin):
    upstream.will_stream(stream(THOUGHT_STREAMED, TEXT_STREAMED))
    sent = await wire(await begin(target(upstream.url, adapter="anthropic")))
    assert b'"content":"We"' in sent
    assert b'"signature":"c2ln"' in sent
    assert b'"finish_reason":"stop"' in sent


async def test_a_stream_that_is_refused_says_why(upstream, target, begin):
    upstream.will_answer(529, refusal("overloaded_error", "Overloaded"), retry_after="3")
    with pytest.raises(errors.UpstreamBusy) as caught:
        await begin(target(upstream.url, adapter="anthropic"))
    assert caught.value.retry_after == 3.0
