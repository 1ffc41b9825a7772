"""Anthropic's requests as chats: what is said of everything, and what cannot be said by its place."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import ANTHROPIC
from gateway.errors import translate
from gateway.fieldchecks import Invalid
from gateway.messages import request
from gateway.validation import validate

HI = [{"role": "user", "content": "Hi"}]
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://e.com/a.png"}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL["input_schema"]}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "é"}}
CALLED = {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": '{"a":"é"}'}}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "sig"}
HIDDEN = {"type": "redacted_thinking", "data": "xyz"}

each = pytest.mark.parametrize


def chat(**body: Any) -> dict[str, Any]:
    said = request.chat({"model": "m", "max_tokens": 10, "messages": HI, **body})
    assert validate("chat.completions", said) is said
    return said


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


@each(
    ("content", "expected"),
    [
        ("Hi", [{"role": "user", "content": "Hi"}]),
        ([], [{"role": "user", "content": ""}]),
        ([text("Hi")], [{"role": "user", "content": "Hi"}]),
        ([text("Hi", **MARK)], [{"role": "user", "content": [text("Hi", **MARK)]}]),
        ([text("a"), text("b")], [{"role": "user", "content": [text("a"), text("b")]}]),
        ([PIXEL], [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}]),
        ([LINKED, text("?")], [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}, text("?")]}]),
        ([{"type": "document", "source": PDF}], [{"role": "user", "content": [
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,aGk="}}]}]),
        ([{"type": "document", "source": PDF, "title": "T", "context": "C"}], [{"role": "user", "content": [
            text("C"), {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,aGk="}}]}]),
        ([{"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}],
         [{"role": "user", "content": [text("T"), text("D")]}]),
        ([{"type": "document", "source": {"type": "content", "content": [text("D"), LINKED]}}],
         [{"role": "user", "content": [
             text("D"), {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}]}]),
        ([{"type": "search_result", "source": "s", "title": "T", "content": [text("R")]}],
         [{"role": "user", "content": [text("T"), text("s"), text("R")]}]),
        ([text("so?"), {"type": "tool_result", "tool_use_id": "t", "content": "r", "is_error": True}],
         [{"role": "tool", "tool_call_id": "t", "content": "r", "is_error": True}, {"role": "user", "content": "so?"}]),
        ([{"type": "tool_result", "tool_use_id": "t"}], [{"role": "tool", "tool_call_id": "t", "content": ""}]),
        ([{"type": "tool_result", "tool_use_id": "t", "content": [text("r"), LINKED], **MARK}],
         [{"role": "tool", "tool_call_id": "t", "content": [
             text("r", **MARK), {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}}]}]),
    ],
)  # fmt: skip
def test_what_the_user_says(content: Any, expected: list[dict[str, Any]]):
    assert chat(messages=[{"role": "user", "content": content}])["messages"] == expected


@each(
    ("content", "expected"),
    [
        ("Yes", {"content": "Yes"}),
        ([text("a"), text("b")], {"content": "ab"}),
        ([CALL], {"content": None, "tool_calls": [CALLED]}),
        ([text("a"), CALL, text("b")], {"content": "ab", "tool_calls": [CALLED]}),
        ([SIGNED, HIDDEN, text("a")], {"content": "a", "thinking_blocks": [SIGNED, HIDDEN]}),
        ([{"type": "thinking", "thinking": "hm", "signature": ""}, text("a")],
         {"content": "a", "reasoning_content": "hm"}),
        ([{**CALL, "extra_content": {"google": {"thought_signature": "s"}}}],
         {"content": None, "tool_calls": [{**CALLED, "extra_content": {"google": {"thought_signature": "s"}}}]}),
    ],
)  # fmt: skip
def test_what_the_model_said(content: Any, expected: dict[str, Any]):
    _, said = chat(messages=[*HI, {"role": "assistant", "content": content}])["messages"]
    assert said == {"role": "assistant", **expected}


@each(
    ("given", "expected"),
    [
        ({"system": "S"}, {"role": "system", "content": "S"}),
        ({"system": [text("S"), text("T", **MARK)]}, {"role": "system", "content": [text("S"), text("T", **MARK)]}),
        ({"messages": [{"role": "system", "content": "S"}, *HI]}, {"role": "system", "content": "S"}),
    ],
)
def test_the_system_is_the_first_message_or_where_it_stands(given: dict[str, Any], expected: dict[str, Any]):
    assert chat(**given)["messages"] == [expected, *HI]


@each(
    ("given", "expected"),
    [
        ({}, {"max_completion_tokens": 10}),
        ({"stop_sequences": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"stop_sequences": []}, {}),
        ({"temperature": 0.5, "top_p": 0.9, "top_k": 3, "stream": True},
         {"temperature": 0.5, "top_p": 0.9, "top_k": 3, "stream": True}),
        ({"metadata": {"user_id": "u-1"}}, {"user": "u-1"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"service_tier": "auto"}, {}),
        ({"tools": [TOOL, {**TOOL, "type": "custom", "strict": True, **MARK}]},
         {"tools": [FUNCTION, {"type": "function", "function": {**FUNCTION["function"], "strict": True}, **MARK}]}),
        ({"tools": [TOOL], "tool_choice": {"type": "auto"}}, {"tool_choice": "auto"}),
        ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        ({"tools": [TOOL], "tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
         {"tool_choice": "required", "parallel_tool_calls": False}),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "f"}},
         {"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ({"tool_choice": {"type": "any"}}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}},
         {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ({"thinking": {"type": "between_tools"}}, {"thinking": {"type": "disabled"}}),
        ({"output_config": {"effort": "max"}}, {"reasoning_effort": "max"}),
        ({"seed": 1, "num_retries": 0}, {"seed": 1, "num_retries": 0}),
        ({"context_management": None, "container": None}, {}),
    ],
)  # fmt: skip
def test_parameters(given: dict[str, Any], expected: dict[str, Any]):
    said = chat(**given)
    kept = {"model": "m", "messages": HI, "max_completion_tokens": 10, **expected}
    assert said == {**({"tools": [FUNCTION]} if "tools" in given and "tools" not in expected else {}), **kept}


@each("place", ["output_config", "output_format"])
@each(
    ("schema", "is_strict"),
    [
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": "array", "items": {"type": "object", "properties": {}}}, False),
        ({"type": "string", "enum": [{"type": "object"}]}, True),
    ],
)
def test_a_schema_is_strict_where_every_provider_can_hold_to_it(place: str, schema: Any, is_strict: bool):
    format = {"type": "json_schema", "schema": schema}
    said = chat(**{place: {"format": format} if place == "output_config" else format})
    described = {"name": "answer", "schema": schema, "strict": is_strict}
    assert said["response_format"] == {"type": "json_schema", "json_schema": described}


def in_user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


@each(
    ("body", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "10"}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        (in_user("Hi"), "messages[0].content[0]"),
        (in_user({"type": "text"}), "messages[0].content[0].text"),
        (in_user({"type": "audio"}), "messages[0].content[0].type"),
        (in_user({"type": "server_tool_use"}), "messages[0].content[0].type"),
        (in_user({"type": "image", "source": {"type": "file", "file_id": "f"}}), "messages[0].content[0].source.type"),
        (in_user({"type": "image", "source": {"type": "base64", "media_type": "image/tiff", "data": "a"}}),
         "messages[0].content[0].source.media_type"),
        (in_user({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}),
         "messages[0].content[0].source.data"),
        (in_user({"type": "document", "source": {"type": "base64", "media_type": "text/csv", "data": "a"}}),
         "messages[0].content[0].source.media_type"),
        (in_user({"type": "tool_result"}), "messages[0].content[0].tool_use_id"),
        (in_user({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "thinking"}]}),
         "messages[0].content[0].content[0].type"),
        (in_user({"type": "tool_result", "tool_use_id": "t", "is_error": "no"}), "messages[0].content[0].is_error"),
        ({"messages": [{"role": "assistant", "content": [PIXEL]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "assistant", "content": [{**CALL, "input": "{}"}]}]}, "messages[0].content[0].input"),
        ({"messages": [{"role": "assistant", "content": [{"type": "thinking"}]}]}, "messages[0].content[0].thinking"),
        ({"system": 1}, "system"),
        ({"system": [PIXEL]}, "system[0].type"),
        ({"stop_sequences": "a"}, "stop_sequences"),
        ({"stop_sequences": [""]}, "stop_sequences[0]"),
        ({"temperature": 1.5}, "temperature"),
        ({"tools": [{"input_schema": {}}]}, "tools[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{}]}, "mcp_servers"),
        ({"inference_geo": "us"}, "inference_geo"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_by_its_place(body: dict[str, Any], param: str):
    with pytest.raises(Invalid) as caught:
        chat(**body)
    assert caught.value.param == param
    assert param in ANTHROPIC.envelope(translate(caught.value), "req_1")["error"]["message"]


@each("body", [None, [], "x", 1])
def test_a_body_is_an_object(body: Any):
    with pytest.raises(Invalid):
        request.chat(body)


def test_counting_needs_no_maximum():
    assert "max_completion_tokens" not in request.counted({"model": "m", "messages": HI})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "role", "content", "text", "source", "input", "name", "id", "tool_use_id", "thinking",
                         "signature", "data", "url", "media_type", "title", "schema", "format"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
WORDS = st.sampled_from(["user", "assistant", "system", "text", "image", "tool_use", "tool_result", "thinking",
                         "document", "search_result", "base64", "url", "content", "enabled", "any"])  # fmt: skip


@given(st.dictionaries(st.sampled_from([*request.FIELDS]), JSON | WORDS, max_size=4), JSON)
def test_whatever_is_sent_is_a_chat_or_is_refused(body: dict[str, Any], content: Any):
    for each in (body, {**body, "max_tokens": 1, "messages": [{"role": "user", "content": content}]}):
        with suppress(Invalid):
            assert validate("chat.completions", request.chat(each))
