"""Requests for a Response: what is refused, and what a chat model is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.fieldchecks import Invalid
from gateway.responses.request import chat_body, checked, items_of
from gateway.validation import CHAT, validate

WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True}
NESTED = {
    "type": "function",
    "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}, "strict": True},
}
PNG = "data:image/png;base64,iVBORw0KGgo="


def chat(input: Any = "Hi", **body: Any) -> dict[str, Any]:
    asked = checked({"model": "gpt", "input": input, **body})
    return chat_body(asked, items_of(input))


def messages(*items: dict[str, Any]) -> list[dict[str, Any]]:
    return chat(list(items))["messages"]


def refused(**body: Any) -> Invalid:
    def ask() -> dict[str, Any]:
        asked = checked({"input": "Hi", **body})
        return chat_body(asked, items_of(asked.get("input")))

    with pytest.raises(Invalid) as refusal:
        ask()
    return refusal.value


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


TEXT = {"type": "input_text", "text": "Hi"}


@pytest.mark.parametrize(("body", "param", "code"), [
    ({"input": None}, "input", "missing_required_parameter"),
    ({"input": 7}, "input", "invalid_type"),
    ({"input": ["Hi"]}, "input[0]", "invalid_type"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": ["user"], "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user", "content": 7}]}, "input[0].content", "invalid_type"),
    ({"input": user({"text": "x"})}, "input[0].content[0].type", "missing_required_parameter"),
    ({"input": user({"type": "text", "text": "x"})}, "input[0].content[0].type", "invalid_value"),
    ({"input": user({"type": ["x"]})}, "input[0].content[0].type", "invalid_value"),
    ({"input": user(TEXT, {"type": "input_text"})}, "input[0].content[1].text", "missing_required_parameter"),
    ({"input": user({"type": "input_text", "text": 1})}, "input[0].content[0].text", "invalid_type"),
    ({"input": user({"type": "input_image"})}, "input[0].content[0]", "missing_required_parameter"),
    ({"input": user({"type": "input_image", "image_url": {"url": "x"}})}, "input[0].content[0].image_url",
     "invalid_type"),
    ({"input": user({"type": "input_image", "file_id": "file-1"})}, "input[0].content[0].file_id", None),
    ({"input": user({"type": "input_file", "file_id": "file-1"})}, "input[0].content[0].file_id", None),
    ({"input": user({"type": "input_audio", "input_audio": {"data": "x"}})}, "input[0].content[0].input_audio.format",
     "missing_required_parameter"),
    ({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "x"}]}]},
     "input[0].content[0].type", "invalid_value"),
    ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id",
     "missing_required_parameter"),
    ({"input": [{"type": "function_call", "call_id": "c", "name": "f", "arguments": {}}]}, "input[0].arguments",
     "invalid_type"),
    ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output", "missing_required_parameter"),
    ({"input": [{"type": "function_call_output", "call_id": "c", "output": 7}]}, "input[0].output", "invalid_type"),
    ({"input": [{"type": "reasoning", "summary": ["x"]}]}, "input[0].summary[0]", "invalid_type"),
    ({"input": [{"type": "reasoning", "summary": ""}]}, "input[0].summary", "invalid_type"),
    ({"input": [{"type": "reasoning", "summary": [], "encrypted_content": "tg1.%%%"}]}, "input[0].encrypted_content",
     "invalid_encrypted_content"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]", None),
    ({"input": [{"type": 7, "id": "x"}]}, "input[0].type", "invalid_type"),
    ({"input": [TEXT | {"type": "web_search_call"}]}, "input[0].type", "unsupported_value"),
    ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id",
     "mutually_exclusive_parameters"),
    ({"conversation": {}}, "conversation.id", "missing_required_parameter"),
    ({"max_output_tokens": 15}, "max_output_tokens", "invalid_value"),
    ({"max_tool_calls": 0}, "max_tool_calls", "invalid_value"),
    ({"temperature": 2.1}, "temperature", "invalid_value"),
    ({"top_logprobs": 21}, "top_logprobs", "invalid_value"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"include": "reasoning.encrypted_content"}, "include", "invalid_type"),
    ({"include": ["all"]}, "include[0]", "invalid_value"),
    ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
    ({"metadata": {str(at): "" for at in range(17)}}, "metadata", "invalid_value"),
    ({"reasoning": "low"}, "reasoning", "invalid_type"),
    ({"reasoning": {"effort": "much"}}, "reasoning.effort", "invalid_value"),
    ({"reasoning": {"summary": True}}, "reasoning.summary", "invalid_value"),
    ({"text": {"format": {}}}, "text.format.type", "invalid_value"),
    ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name", "missing_required_parameter"),
    ({"text": {"format": {"type": "json_schema", "name": "n"}}}, "text.format.schema", "missing_required_parameter"),
    ({"text": {"verbosity": "some"}}, "text.verbosity", "invalid_value"),
    ({"truncation": "some"}, "truncation", "invalid_value"),
    ({"background": True, "store": False}, "background", "invalid_value"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
    ({"context_management": [{"type": "compaction"}]}, "context_management", "unsupported_parameter"),
    ({"messages": []}, "messages", "unsupported_parameter"),
    ({"max_tokens": 100}, "max_tokens", "unsupported_parameter"),
    ({"response_format": {"type": "text"}}, "response_format", "unsupported_parameter"),
    ({"n": 2}, "n", "unsupported_parameter"),
    ({"tools": {}}, "tools", "invalid_type"),
    ({"tools": [{}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [WEATHER, {"type": "web_search"}]}, "tools[1].type", "unsupported_value"),
    ({"tools": [{"type": "mcp", "server_url": "https://a.example"}]}, "tools[0].type", "unsupported_value"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", "missing_required_parameter"),
    ({"tools": [WEATHER | {"parameters": []}]}, "tools[0].parameters", "invalid_type"),
    ({"tools": [{"type": "custom", "name": "p", "format": {"type": "grammar"}}]}, "tools[0].format.definition",
     "missing_required_parameter"),
    ({"tools": [{"type": "custom", "name": "p", "format": {"type": "json"}}]}, "tools[0].format.type", "invalid_value"),
    ({"tools": [WEATHER], "tool_choice": "weather"}, "tool_choice", "invalid_value"),
    ({"tools": [WEATHER], "tool_choice": {"type": "function"}}, "tool_choice.name", "missing_required_parameter"),
    ({"tools": [WEATHER], "tool_choice": {"type": "file_search"}}, "tool_choice.type", "unsupported_value"),
    ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": []}}, "tool_choice.tools",
     "invalid_value"),
    ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "none", "tools": [WEATHER]}},
     "tool_choice.mode", "invalid_value"),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
])  # fmt: skip
def test_says_where_a_request_is_wrong(body, param, code):
    error = refused(**body)
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("body", [None, [], "Hi", 7])
def test_a_body_is_an_object(body):
    with pytest.raises(Invalid):
        checked(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)
NAMES = st.sampled_from([
    "type", "role", "content", "text", "id", "call_id", "name", "arguments", "output", "summary", "input",
    "encrypted_content", "image_url", "file_id", "file_data", "input_audio", "detail", "tools", "mode", "format",
    "effort", "schema", "refusal", "extra_content", "annotations",
])  # fmt: skip
WORDS = st.sampled_from([
    "message", "user", "assistant", "system", "input_text", "output_text", "refusal", "input_image", "input_file",
    "input_audio", "function_call", "function_call_output", "custom_tool_call", "reasoning", "summary_text",
    "function", "custom", "allowed_tools", "grammar", "json_schema", "auto", "required",
])  # fmt: skip
NEARLY = st.recursive(
    WORDS | JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6)
)
FIELDS = st.sampled_from(["input", "tools", "tool_choice", "text", "reasoning", "conversation", "include", "metadata"])


@given(st.dictionaries(FIELDS, NEARLY, max_size=4))
def test_whatever_is_sent_is_refused_by_its_place_or_is_a_chat(body):
    try:
        asked = checked({"input": "Hi", **body})
        found = chat_body(asked, items_of(asked["input"]))
    except Invalid as refusal:
        assert refusal.param  # noqa: PT017 either is right
    else:
        assert all(
            message["role"] in {"system", "developer", "user", "assistant", "tool"} for message in found["messages"]
        )


def test_a_text_is_what_the_user_says():
    assert chat("Hi") == {"model": "gpt", "messages": [{"role": "user", "content": "Hi"}]}


def test_instructions_come_first():
    asked = {"input": "Hi", "instructions": "Be brief."}
    history = [*items_of([{"role": "user", "content": "Before"}]), *items_of("Hi")]
    assert [message["content"] for message in chat_body(asked, history)["messages"]] == ["Be brief.", "Before", "Hi"]


def test_a_refusal_of_what_came_before_does_not_name_an_item_of_the_input():
    history = [{"type": "web_search_call", "id": "ws_1"}, *items_of("Hi")]
    with pytest.raises(Invalid) as refusal:
        chat_body({"input": "Hi"}, history)
    assert refusal.value.param == "input.type"


@pytest.mark.parametrize(("said", "expected"), [
    ({"max_output_tokens": 100}, {"max_completion_tokens": 100}),
    ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
    ({"text": {"verbosity": "low"}}, {"verbosity": "low"}),
    ({"text": {"format": {"type": "text"}}}, {}),
    ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}}},
     {"response_format": {"type": "json_schema",
                          "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}}}),
    ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
    ({"include": ["message.output_text.logprobs"]}, {"logprobs": True}),
    ({"include": ["reasoning.encrypted_content"]}, {}),
    ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    ({"stream": True, "stream_options": {"include_obfuscation": False}},
     {"stream": True, "stream_options": {"include_obfuscation": False, "include_usage": True}}),
    ({"user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex", "temperature": 0.1,
      "top_p": 0.2},
     {"user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "service_tier": "flex", "temperature": 0.1,
      "top_p": 0.2}),
    ({"store": True, "background": False, "metadata": {"a": "b"}, "truncation": "auto", "max_tool_calls": 1}, {}),
    ({"metadata": {"tags": "a,b"}}, {"metadata": {"tags": "a,b"}}),
    ({"top_k": 5, "num_retries": 2}, {"top_k": 5, "num_retries": 2}),
    ({"tools": [WEATHER], "parallel_tool_calls": False}, {"tools": [NESTED], "parallel_tool_calls": False}),
    ({"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}, {}),
    ({"tools": [{"type": "function", "name": "f", "parameters": None}]},
     {"tools": [{"type": "function", "function": {"name": "f"}}]}),
    ({"tools": [{"type": "custom", "name": "p"}]}, {"tools": [{"type": "custom", "custom": {"name": "p"}}]}),
    ({"tools": [{"type": "custom", "name": "p", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}]},
     {"tools": [{"type": "custom", "custom": {
         "name": "p", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}}}]}),
    ({"tools": [WEATHER], "tool_choice": "required"}, {"tools": [NESTED], "tool_choice": "required"}),
    ({"tools": [WEATHER], "tool_choice": {"type": "function", "name": "weather"}},
     {"tools": [NESTED], "tool_choice": {"type": "function", "function": {"name": "weather"}}}),
    ({"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "mode": "required",
                                          "tools": [{"type": "function", "name": "weather"}]}},
     {"tools": [NESTED], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
         "mode": "required", "tools": [{"type": "function", "function": {"name": "weather"}}]}}}),
])  # fmt: skip
def test_is_said_as_a_chat(said, expected):
    found = chat(**said)
    assert {name: value for name, value in found.items() if name not in ("model", "messages")} == expected
    assert validate("chat.completions", found) == found


def test_what_chat_checks_is_named_as_chat_names_it():
    """Whatever a Response is asked for passes as a chat, under names that are known there."""
    assert {"max_completion_tokens", "response_format", "tools", "tool_choice", "parallel_tool_calls"} <= CHAT.keys()


@pytest.mark.parametrize(("part", "expected"), [
    ({"type": "input_image", "image_url": PNG, "detail": "low"},
     {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}}),
    ({"type": "input_image", "image_url": PNG}, {"type": "image_url", "image_url": {"url": PNG}}),
    ({"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
     {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}}),
    ({"type": "input_file", "file_url": "https://a.example/a.pdf"},
     {"type": "file", "file": {"file_data": "https://a.example/a.pdf"}}),
    ({"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
     {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}),
    ({"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
     {"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}),
])  # fmt: skip
def test_parts_are_said_as_a_chat_has_them(part, expected):
    (message,) = messages(*user(TEXT, part))
    assert message == {"role": "user", "content": [{"type": "text", "text": "Hi"}, expected]}


CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def said(*texts: str, **extra: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text} for text in texts]
    return {"type": "message", "role": "assistant", "content": content, **extra}


def test_reasoning_message_and_calls_are_one_message():
    found = messages(
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
        said("Let me see."),
        CALL,
        {**CALL, "call_id": "c2", "extra_content": {"google": {"thought_signature": "s"}}},
        {"type": "function_call_output", "call_id": "c1", "output": "5"},
        {"type": "function_call_output", "call_id": "c2", "output": [TEXT]},
    )
    assert found == [
        {
            "role": "assistant",
            "content": "Let me see.",
            "reasoning_content": "Hm",
            "tool_calls": [CALLED, {**CALLED, "id": "c2", "extra_content": {"google": {"thought_signature": "s"}}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "5"},
        {"role": "tool", "tool_call_id": "c2", "content": "Hi"},
    ]


def test_calls_made_at_once_stay_together_whatever_was_thought_between():
    found = messages(
        CALL,
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Also"}]},
        {**CALL, "call_id": "c2"},
        said("Both."),
        {"type": "function_call_output", "call_id": "c1", "output": "5"},
        {"type": "function_call_output", "call_id": "c2", "output": "6"},
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool"]
    assert len(found[0]["tool_calls"]) == 2
    assert (found[0]["content"], found[0]["reasoning_content"]) == ("Both.", "Also")


def test_answers_that_follow_each_other_stay_apart():
    assert [message["content"] for message in messages(said("One."), said("Two."))] == ["One.", "Two."]


def test_an_answer_may_be_a_text_and_a_refusal():
    (message,) = messages(said("A", "B"))
    assert message["content"] == [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]
    (message,) = messages({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]})
    assert message == {"role": "assistant", "content": None, "refusal": "No."}
    (message,) = messages({"role": "assistant", "content": "Yes."})
    assert message == {"role": "assistant", "content": "Yes."}


def test_custom_calls_are_custom_calls():
    found = messages(
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** go"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    )
    assert found[0]["tool_calls"] == [{"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** go"}}]
    assert found[1] == {"role": "tool", "tool_call_id": "c1", "content": "done"}


def test_what_another_service_sealed_is_left_to_it():
    assert messages({"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"}, said("Hi")) == [
        {"role": "assistant", "content": "Hi"}
    ]
