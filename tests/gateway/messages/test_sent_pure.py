"""What of a message's request reaches each kind of upstream: all of it one that speaks Messages, else what it knows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.errors import RequestRejected
from tests.gateway.messages.sending import NOW, exchange, sent
from tests.gateway.messages.test_request_pure import CALL, FUNCTION, HI, HIDDEN, MARK, PDF, PIXEL, SIGNED, TOOL, text
from tests.providers.shared import CASSETTES, load, needs_cassettes

CLAUDE = "claude-sonnet-4-5"
BODY = {"model": "m", "max_tokens": 20_000, "messages": HI}
OBJECT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "schema": OBJECT}
FULL = {
    **BODY,
    "system": [text("S"), text("T", **MARK)],
    "tools": [{**TOOL, **MARK, "input_examples": [{"a": "x"}]}, {"type": "bash_20250124", "name": "bash"}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "8a3f"},
    "service_tier": "auto",
    "thinking": {"type": "enabled", "budget_tokens": 2_000, "display": "summarized"},
    "output_config": {"format": FORMAT},
    "cache_control": {"type": "ephemeral"},
    "messages": [
        {"role": "user", "content": [
            {"type": "document", "source": PDF, "title": "T", "context": "C", "citations": {"enabled": True}, **MARK},
            {"type": "search_result", "source": "s", "title": "T", "content": [text("R")]},
            {**PIXEL, **MARK}, text(" "), text("?")]},
        {"role": "assistant", "content": [SIGNED, text("a", citations=None), CALL, HIDDEN, text("b"),
                                          {**CALL, "id": "toolu_2", **MARK}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("no"), PIXEL], "is_error": True, **MARK},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": "yes", "is_error": False},
            text("so?")]},
        {"role": "system", "content": "now this"},
        {"role": "assistant", "content": "begun "},
    ],
}  # fmt: skip

each = pytest.mark.parametrize


def test_an_upstream_that_speaks_messages_gets_every_word():
    assert sent("anthropic", FULL, CLAUDE) == {**FULL, "model": CLAUDE}


@each(
    "more",
    [
        {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}},
        {"output_config": {"effort": "low"}},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "between_tools"}},
        {"stream": True},
        {},
    ],
)
def test_how_hard_to_think_is_said_as_the_caller_says_it(more: dict[str, Any]):
    body = {**BODY, **more}
    assert sent("anthropic", body, "claude-opus-4-7") == {**body, "model": "claude-opus-4-7"}


@each(
    ("model", "more", "dropped", "expected"),
    [
        (CLAUDE, {"temperature": 0.5, "top_p": 0.5, "top_k": 4}, ("top_p",), {"temperature": 0.5, "top_k": 4}),
        ("claude-opus-4-7", {"temperature": 0.5, "top_k": 4}, ("temperature", "top_k"), {}),
        ("claude-opus-4-7", {"thinking": {"type": "enabled", "budget_tokens": 2_000}}, (),
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (CLAUDE, {"thinking": {"type": "adaptive"}}, (), {"thinking": {"type": "enabled", "budget_tokens": 8_192}}),
        (CLAUDE, {"output_config": {"effort": "low"}}, (), {}),
        ("claude-3-5-haiku-latest", {"thinking": {"type": "adaptive"}}, ("thinking",), {}),
    ],
)  # fmt: skip
def test_what_a_model_refuses_is_left_out_by_name(model: str, more: Any, dropped: Any, expected: Any):
    asked = exchange("anthropic", {**BODY, **more}, model)
    assert json.loads(asked.request(NOW).body) == {**BODY, "model": model, **expected}
    assert set(asked.dropped) == set(dropped)


def test_a_schema_goes_through_a_tool_where_the_model_has_no_schemas():
    said = sent("anthropic", {**BODY, "output_config": {"format": FORMAT}}, "claude-3-5-haiku-latest")
    assert said["tools"][0]["input_schema"] == OBJECT
    assert "output_config" not in said


def test_what_other_models_said_goes_to_claude_without_what_is_theirs():
    thought = {"type": "thinking", "thinking": "unsigned", "signature": ""}
    call = {**CALL, "id": "functions.f:0", "extra_content": {"google": {"thought_signature": "s"}}}
    result = {"type": "tool_result", "tool_use_id": "functions.f:0", "content": "r"}
    messages = [*HI, {"role": "assistant", "content": [thought, call]}, {"role": "user", "content": [result]},
                {"role": "assistant", "content": [thought]}, {"role": "user", "content": "go on"}]  # fmt: skip
    said = sent("anthropic", {**BODY, "messages": messages}, CLAUDE)["messages"]
    ((call,), (result,)) = said[1]["content"], said[2]["content"]
    assert call == {**CALL, "id": result["tool_use_id"]}
    assert ":" not in call["id"]
    assert [message["role"] for message in said] == ["user", "assistant", "user", "user"]


def test_bedrocks_claude_gets_thoughts_caches_and_failures():
    body = {**FULL, "tools": [{**TOOL, **MARK}], "messages": FULL["messages"][1:3]}
    said = json.dumps(sent("bedrock", {**body, "output_config": {}}, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"))
    for part in ('"signature": "sig"', '"redactedContent": "xyz"', '"cachePoint"', '"status": "error"', '"budget_tok'):
        assert part in said


OPENAI = [
    {"role": "system", "content": [text("S"), text("T")]},
    {"role": "user", "content": [
        text("C"), {"type": "file", "file": {"filename": "T", "file_data": "data:application/pdf;base64,aGk="}},
        text("T"), text("s"), text("R"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        text(" "), text("?")]},
    {"role": "assistant", "content": "ab", "tool_calls": [
        {"id": id, "type": "function", "function": {"name": "f", "arguments": '{"a":"é"}'}}
        for id in ("toolu_1", "toolu_2")]},
    {"role": "tool", "tool_call_id": "toolu_1", "content": "no"},
    {"role": "tool", "tool_call_id": "toolu_2", "content": "yes"},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
    {"role": "user", "content": "so?"},
    {"role": "system", "content": "now this"},
    {"role": "assistant", "content": "begun "},
]  # fmt: skip


@each("adapter", ["openai", "azure"])
def test_openai_gets_its_own_words_and_nothing_else(adapter: str):
    asked = exchange(adapter, {**FULL, "tools": [{**TOOL, **MARK}], "top_k": 3}, "gpt-4o")
    assert json.loads(asked.request(NOW).body) == {
        "model": "gpt-4o", "messages": OPENAI, "max_completion_tokens": 20_000, "stop": ["END"], "user": "8a3f",
        "tools": [FUNCTION], "tool_choice": "auto", "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema", "json_schema": {"name": "answer", "schema": OBJECT, "strict": True}
        },
    }  # fmt: skip
    assert asked.dropped == ("thinking", "top_k")


@each(
    ("model", "more", "effort"),
    [
        ("gpt-5.2", {"thinking": {"type": "enabled", "budget_tokens": 1_500}}, "low"),
        ("o3", {"thinking": {"type": "enabled", "budget_tokens": 8_000}}, "medium"),
        ("openai/gpt-oss-120b", {"thinking": {"type": "enabled", "budget_tokens": 19_000}}, "high"),
        ("gpt-5", {"thinking": {"type": "adaptive"}}, None),
        ("gpt-5", {"thinking": {"type": "disabled"}}, None),
        ("gpt-5", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
        ("gpt-4o", {"output_config": {"effort": "low"}}, None),
        ("gpt-4.1", {"thinking": {"type": "enabled", "budget_tokens": 1_500}}, None),
    ],
)  # fmt: skip
def test_a_budget_of_thoughts_is_an_effort_for_models_that_have_one(model: str, more: Any, effort: str | None):
    said = sent("openai", {**BODY, **more}, model)
    assert (said.get("reasoning_effort"), "thinking" in said) == (effort, False)


def test_each_service_is_told_what_it_knows_of_thoughts_and_caches():
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    said = {"role": "assistant", "content": [thought, text("a")]}
    messages = [{"role": "user", "content": [text("Hi", **MARK)]}, said, {"role": "user", "content": "?"}]
    body = {**BODY, "messages": messages}
    assert sent("deepseek", body)["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "hm"}
    assert sent("openrouter", body)["messages"][:2] == [
        {"role": "user", "content": [text("Hi", **MARK)]}, {"role": "assistant", "content": "a", "reasoning": "hm"}
    ]  # fmt: skip
    assert sent("openai", body)["messages"][:2] == [*HI, {"role": "assistant", "content": "a"}]


def test_a_picture_alone_in_a_result_leaves_a_word_there():
    result = {"type": "tool_result", "tool_use_id": "t", "content": [PIXEL]}
    (tool, shown) = sent("openai", {**BODY, "messages": [{"role": "user", "content": [result]}]})["messages"]
    assert tool["content"]
    assert shown["content"][0]["type"] == "image_url"


def test_no_more_is_asked_for_than_the_model_can_say():
    assert sent("openai", BODY, max_output=8_000)["max_completion_tokens"] == 8_000
    assert sent("openai", BODY, max_output=30_000)["max_completion_tokens"] == 20_000
    assert sent("anthropic", BODY, CLAUDE, max_output=8_000)["max_tokens"] == 8_000


@each("adapter", ["openai", "anthropic", "bedrock", "groq"])
def test_what_is_for_anthropics_service_alone_is_left_out_by_name(adapter: str):
    more = {"context_management": {"edits": []}, "betas": ["x"], "speed": "fast"}
    asked = exchange(adapter, {**BODY, **more}, CLAUDE, refuses=True)
    assert not more.keys() & json.loads(asked.request(NOW).body).keys()
    assert asked.dropped == tuple(more)


def test_a_long_name_of_a_user_fits():
    said = sent("openai", {**BODY, "metadata": {"user_id": "user_" + "a" * 200}})
    assert len(said["user"]) == 64


@each("quirks", [{"parameters": {"top_k": True}}, {"parameters": {"top_k": "topk"}}])
def test_a_provider_may_know_more_than_openai(quirks: dict[str, Any]):
    said = sent("openai", {**BODY, "top_k": 3}, quirks=quirks)
    assert 3 in said.values()


@each("adapter", ["openai", "demo", "groq", "bedrock", "gemini", "mistral"])
def test_anthropics_own_tools_are_for_its_models(adapter: str):
    body = {**BODY, "tools": [{"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}]}
    with pytest.raises(RequestRejected) as caught:
        sent(adapter, body)
    assert caught.value.param.startswith("tools")


def test_a_choice_may_name_one_of_anthropics_own_tools():
    tools = {"tools": [{"type": "bash_20250124", "name": "bash"}], "tool_choice": {"type": "tool", "name": "bash"}}
    assert sent("anthropic", {**BODY, **tools}, CLAUDE) == {**BODY, **tools, "model": CLAUDE}


def test_a_count_is_asked_of_what_is_read():
    said = sent("anthropic", {**FULL, "stream": False}, CLAUDE, operation="count_tokens")
    left = {"max_tokens", "stop_sequences", "metadata", "service_tier"}
    assert said == {**{name: value for name, value in FULL.items() if name not in left}, "model": CLAUDE}
    path = exchange("anthropic", FULL, CLAUDE, operation="count_tokens").request(NOW).path
    assert path == "/v1/messages/count_tokens"


# Recordings: real requests of other people's clients.


def recorded() -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    found = [
        (f"{path.stem[:50]}-{number}", json.loads(one["req_body"]))
        for path in sorted((CASSETTES / "anthropic").glob("*.y*ml"))
        for number, one in enumerate(read(path))
        if one["url"].endswith("/v1/messages")
    ]
    return [pytest.param(body, id=id) for id, body in found]


@needs_cassettes
@each("body", recorded())
def test_real_requests_go_out_as_they_came(body: dict[str, Any]):
    assert sent("anthropic", body, body["model"]) == {name: value for name, value in body.items() if value is not False}
