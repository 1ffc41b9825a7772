"""AWS Bedrock: what is asked in Converse's words, how it is signed, and what its answers are in ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import sigv4
from providers.adapters.bedrock import BASE_URL
from providers.adapters.shapes import Request, Response
from providers.errors import (
    AccountRefused,
    BadAnswer,
    KeyRefused,
    ModelMissing,
    RateLimited,
    RequestRejected,
    ServerError,
    StreamCut,
    UpstreamBusy,
    UpstreamTimeout,
)
from providers.exchange import Exchange
from providers.targets import Target, Upstream
from tests.conformance import native
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, SECRET, asked, exchange, streamed, told, whole
from tests.providers.fake import FakeUpstream, compact
from tests.providers.shared import CASSETTES, load, needs_cassettes
from tests.providers.test_framing import frame

OLD, CLAUDE = "anthropic.claude-3-5-haiku-20241022-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW, NOVA = "anthropic.claude-opus-4-8", "amazon.nova-micro-v1:0"
HI = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
SPEC = {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}}}
CALLED = [
    *HI,
    {
        "role": "assistant", "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
            {"id": "call/2", "type": "function", "function": {"name": "g", "arguments": ""}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "one"},
    {"role": "tool", "tool_call_id": "call/2", "content": ""},
    {"role": "user", "content": "And?"},
]  # fmt: skip
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAAA"}}
PAPER = {"type": "file", "file": {"filename": "a_b!.pdf", "file_data": "data:application/pdf;base64,AAAA"}}


def sent(model: str = NOVA, **body: Any) -> dict[str, Any]:
    _, said = asked("bedrock", {"messages": HI, **body}, model=model)
    return said


def content(*parts: Any, model: str = NOVA) -> list[Any]:
    (message,) = sent(model, messages=[{"role": "user", "content": list(parts)}])["messages"]
    return message["content"]


def signed(secret: str, url: str = "", **options: Any) -> tuple[Request, dict[str, str]]:
    one = exchange("bedrock", {"messages": HI}, model=CLAUDE, url=url, options=options)
    target = replace(one.target, provider=replace(one.target.provider, secret=secret))
    request = Exchange("chat.completions", one.body, target).request(NOW)
    return request, dict(request.headers)


def test_a_request_is_for_its_model_and_says_no_more_than_it_has_to():
    request, body = asked("bedrock", {"messages": HI}, model=NOVA)
    assert request.path == "/model/amazon.nova-micro-v1%3A0/converse"
    assert dict(request.headers)["authorization"] == f"Bearer {SECRET}"
    assert body == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert sent(CLAUDE)["inferenceConfig"] == {"maxTokens": 16384}


def test_a_stream_and_a_profile_have_paths_of_their_own():
    model = "arn:aws:bedrock:us-east-1:1:inference-profile/x"
    request, _ = asked("bedrock", {"messages": HI, "stream": True}, model=model)
    assert request.path == "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fx/converse-stream"


@pytest.mark.parametrize(
    ("url", "options", "host", "region"),
    [
        ("", {}, "", "us-east-1"),
        (BASE_URL, {"region": "eu-west-1"}, "https://bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("", {"region": "cn-north-1"}, "https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("https://bedrock-runtime.ap-south-1.amazonaws.com", {}, "", "ap-south-1"),
        ("https://vpce-1.bedrock-runtime.us-west-2.vpce.amazonaws.com", {}, "", "us-west-2"),
        ("http://proxy.example:8080/aws", {"region": "eu-west-1"}, "", "eu-west-1"),
        ("", {"region": "EU West/"}, "https://bedrock-runtime.eu-west-.amazonaws.com", "eu-west-"),
    ],
)
def test_the_region_is_the_options_or_the_addresss_and_never_another(url: str, options: Any, host: str, region: str):
    request, headers = signed("AKIDEXAMPLE:secret", url, **options)
    assert request.path.removesuffix("/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse") == host
    assert f"/{region}/bedrock/aws4_request" in headers["authorization"]
    assert headers["host"] == urlsplit(host or url or BASE_URL).netloc


@pytest.mark.parametrize("token", ["", "a:session/token="])
def test_access_keys_sign_and_do_not_stand_in_the_request(token: str):
    request, headers = signed(f"AKIDEXAMPLE:wJalr/secret+{':' if token else ''}{token}")
    keys = sigv4.Credentials("AKIDEXAMPLE", "wJalr/secret+", token)
    scope = sigv4.Scope("us-east-1", "bedrock")
    bare = [header for header in request.headers if header[0] in ("content-type", "accept-encoding", "user-agent")]
    proof = sigv4.headers("POST", BASE_URL + request.path, bare, request.body, keys, scope, NOW)
    assert set(proof) <= set(request.headers)
    assert len(headers) == len(request.headers)
    assert headers.get("x-amz-security-token", "") == token
    assert "wJalr" not in repr(request)


def test_sides_take_turns_and_the_user_begins():
    messages = [
        {"role": "system", "content": "A"},
        {"role": "assistant", "content": "B"},
        {"role": "user", "content": "C"},
        {"role": "assistant", "content": " "},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "E"},
    ]
    said = sent(messages=messages)
    assert said["system"] == [{"text": "A"}, {"text": "D"}]
    assert [message["role"] for message in said["messages"]] == ["user", "assistant", "user"]
    assert said["messages"][2]["content"] == [{"text": "C"}, {"text": "E"}]


def test_what_only_the_system_says_is_the_users():
    said = sent(messages=[{"role": "system", "content": "A"}], response_format={"type": "json_object"})
    assert said["messages"] == [{"role": "user", "content": [{"text": "A"}]}]
    assert len(said["system"]) == 1


def test_where_there_is_nothing_to_be_answered_is_refused():
    with pytest.raises(RequestRejected) as caught:
        sent(messages=[{"role": "user", "content": " "}])
    assert caught.value.param == "messages"


@pytest.mark.parametrize(("model", "begun"), [(CLAUDE, "So"), (NOVA, "So ")])
def test_an_answer_that_the_caller_began(model: str, begun: str):
    said = sent(model, messages=[*HI, {"role": "assistant", "content": "So "}])
    assert said["messages"][1] == {"role": "assistant", "content": [{"text": begun}]}


def test_calls_and_their_results_have_ids_that_are_taken():
    said = sent(messages=CALLED, tools=[TOOL])["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]
    first, second = (block["toolUse"] for block in said[1]["content"])
    assert (first["toolUseId"], first["input"], second["input"]) == ("call_1", {"a": 1}, {})
    one, two, text = said[2]["content"]
    assert one == {"toolResult": {"toolUseId": "call_1", "content": [{"text": "one"}]}}
    assert two == {"toolResult": {"toolUseId": second["toolUseId"], "content": [{"json": {}}]}}
    assert "/" not in second["toolUseId"]
    assert text == {"text": "And?"}


FORCED = {"type": "function", "function": {"name": "f"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {"tools": [SPEC]}),
        ("auto", {"tools": [SPEC], "toolChoice": {"auto": {}}}),
        ("required", {"tools": [SPEC], "toolChoice": {"any": {}}}),
        (FORCED, {"tools": [SPEC], "toolChoice": {"tool": {"name": "f"}}}),
        (ALLOWED, {"tools": [SPEC], "toolChoice": {"any": {}}}),
        ("none", None),
    ],
)
def test_the_choice_of_tools(choice: Any, expected: Any):
    given_choice = {} if choice is None else {"tool_choice": choice}
    assert sent(tools=[TOOL], **given_choice).get("toolConfig") == expected


def test_a_history_with_calls_has_tools():
    assert [tool["toolSpec"]["name"] for tool in sent(messages=CALLED)["toolConfig"]["tools"]] == ["f", "g"]
    kept = sent(messages=CALLED, tools=[TOOL], tool_choice="none")["toolConfig"]
    assert kept == {"tools": [SPEC]}


@pytest.mark.parametrize("body", [{}, {"tools": [TOOL], "tool_choice": "none"}])
def test_claude_is_told_in_its_own_words_to_call_none_of_the_tools(body: Any):
    said = sent(CLAUDE, messages=CALLED, **body)
    assert "toolChoice" not in said["toolConfig"]
    assert said["additionalModelRequestFields"] == {"tool_choice": {"type": "none"}}


@pytest.mark.parametrize("choice", ["required", FORCED, ALLOWED])
def test_a_model_that_cannot_be_made_to_call_refuses_by_name(choice: Any):
    with pytest.raises(RequestRejected) as caught:
        sent("anthropic.claude-opus-5-5", tools=[TOOL], tool_choice=choice)
    assert (caught.value.param, caught.value.code) == ("tool_choice", "unsupported_parameter")


def test_pictures_and_documents():
    paper = {"format": "pdf", "name": "a b", "source": {"bytes": "AAAA"}}
    assert content({"type": "text", "text": "x"}, PIXEL, PAPER, PAPER) == [
        {"text": "x"},
        {"image": {"format": "jpeg", "source": {"bytes": "AAAA"}}},
        {"document": paper},
        {"document": {**paper, "name": "a b 2"}},
    ]
    assert content(PAPER) == [{"document": paper}, {"text": "."}]
    drawing = {"type": "file", "file": {"filename": "a.png", "file_data": "data:image/png;base64,AAAA"}}
    assert content(drawing) == [{"image": {"format": "png", "source": {"bytes": "AAAA"}}}]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://e.com/a.png"}},
        {"type": "file", "file": {"filename": "a.exe", "file_data": "data:application/x-exe;base64,AAAA"}},
    ],
)
def test_what_cannot_be_shown_is_refused(part: Any):
    with pytest.raises(RequestRejected) as caught:
        content(part)
    assert caught.value.param == "messages"


def test_what_is_to_be_cached_has_a_point_behind_it():
    part = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    point, hour = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    messages = [{"role": "system", "content": [part]}, {"role": "user", "content": [part]}]
    said = sent(messages=messages, tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}])
    assert said["system"] == [{"text": "long"}, hour]
    assert said["messages"][0]["content"] == [{"text": "long"}, hour]
    assert said["toolConfig"]["tools"] == [SPEC, point]
    results = [*CALLED[:2], {"role": "tool", "tool_call_id": "call_1", "content": [part]}, *CALLED[3:4]]
    blocks = sent(messages=results)["messages"][2]["content"]
    assert [next(iter(block)) for block in blocks] == ["toolResult", "cachePoint", "toolResult"]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.mark.parametrize(
    ("model", "schema"),
    [("mistral.mistral-large-3", SCHEMA), (CLAUDE, {**SCHEMA, "additionalProperties": False})],
)
def test_a_schema_for_the_answer(model: str, schema: Any):
    (format,) = sent(model, response_format=FORMAT)["outputConfig"].values()
    described = format["structure"]["jsonSchema"]
    assert (format["type"], described["name"], json.loads(described["schema"])) == ("json_schema", "n", schema)


@pytest.mark.parametrize("model", [OLD, NOVA])
def test_a_model_without_schemas_answers_one_through_a_tool_and_nobody_sees_it(model: str):
    said = sent(model, response_format=FORMAT)
    name = said["toolConfig"]["toolChoice"]["tool"]["name"]
    assert "outputConfig" not in said
    assert sent(model, response_format=FORMAT, tools=[TOOL])["toolConfig"]["toolChoice"] == {"any": {}}
    call = {"toolUse": {"toolUseId": "t", "name": name, "input": {"a": 4}}}
    got = answered({"content": [call]}, "tool_use")
    (choice,) = got["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ('{"a":4}', "stop")
    assert "tool_calls" not in choice["message"]
    ((choice,), _), error = of_stream(blocks(call), "tool_use")
    assert (json.loads(choice["message"]["content"]), choice["finish_reason"], error) == ({"a": 4}, "stop", None)


def test_json_without_a_schema_is_asked_for_in_words():
    assert "JSON object" in sent(response_format={"type": "json_object"})["system"][0]["text"]


@pytest.mark.parametrize(
    ("model", "body", "inference", "additional"),
    [
        (NOVA, {"temperature": 1.7, "top_p": 0.5, "max_tokens": 9, "stop": ["END", "\n"]},
         {"temperature": 1, "topP": 0.5, "maxTokens": 9, "stopSequences": ["END", "\n"]}, None),
        (NOVA, {"max_completion_tokens": 7, "stop": "x", "top_k": 5}, {"maxTokens": 7, "stopSequences": ["x"]},
         {"inferenceConfig": {"topK": 5}}),
        ("mistral.mistral-large-3", {"top_k": 5, "temperature": 0}, {"temperature": 0}, None),
        ("eu.amazon.nova-2-lite-v1:0", {"reasoning_effort": "high"}, None,
         {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        ("deepseek.v3-v1:0", {"reasoning_effort": "low"}, None, {"reasoning_effort": "high"}),
        ("qwen.qwen3-32b-v1:0", {"reasoning_effort": "none"}, None, {"reasoning_config": "none"}),
        ("xai.grok-4-6", {"reasoning_effort": "max", "temperature": 0.2, "top_p": 0.5}, None,
         {"reasoning": {"effort": "xhigh"}}),
        ("openai.gpt-6", {"reasoning_effort": "none", "temperature": 0.2}, None, {"reasoning": {"effort": "none"}}),
        (OLD, {"top_k": 5, "temperature": 2, "top_p": 0.5}, {"maxTokens": 8192, "topP": 0.5},
         {"top_k": 5}),
        (CLAUDE, {"temperature": 0.2, "top_p": 0.5, "max_tokens": 9}, {"temperature": 0.2, "maxTokens": 9}, None),
        (CLAUDE, {"reasoning_effort": "low", "temperature": 0.2, "max_tokens": 9000}, {"maxTokens": 9000},
         {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (CLAUDE, {"reasoning_effort": "low", "max_tokens": 9000, "tools": [TOOL], "tool_choice": "required"},
         {"maxTokens": 9000}, None),
        (NEW, {"reasoning_effort": "high", "temperature": 0.2, "max_tokens": 9}, {"maxTokens": 9},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ("openai.gpt-oss-120b-1:0", {"reasoning_effort": "minimal"}, None, {"reasoning_effort": "low"}),
        (NOVA, {"reasoning_effort": "low"}, None, None),
    ],
)  # fmt: skip
def test_what_steers_the_model(model: str, body: Any, inference: Any, additional: Any):
    said = sent(model, **body)
    assert (said.get("inferenceConfig"), said.get("additionalModelRequestFields")) == (inference, additional)


def test_claude_cannot_be_stopped_by_white_space():
    with pytest.raises(RequestRejected) as caught:
        sent(CLAUDE, stop=["END", "\n"])
    assert (caught.value.param, caught.value.code) == ("stop", "unsupported_parameter")


def test_what_an_admin_lets_through_stands_where_he_says():
    own = {"guardrailConfig": True, "min_p": "additionalModelRequestFields.min_p"}
    body = {"messages": HI, "guardrailConfig": {"guardrailIdentifier": "g"}, "min_p": 0.1, "top_k": 5}
    _, said = asked("bedrock", body, model=OLD, quirks={"parameters": own})
    assert said["guardrailConfig"] == {"guardrailIdentifier": "g"}
    assert said["additionalModelRequestFields"] == {"min_p": 0.1, "top_k": 5}


def test_what_a_model_is_not_told_of_is_said():
    one = exchange("bedrock", {"messages": HI, "reasoning_effort": "low", "user": "u", "seed": 3}, model=NOVA)
    one.request(NOW)
    assert set(one.dropped) == {"reasoning_effort", "user", "seed"}


@pytest.mark.parametrize(("tier", "expected"), [("flex", {"type": "flex"}), ("auto", None), ("scale", None)])
def test_the_service_tier(tier: str, expected: Any):
    assert sent(service_tier=tier).get("serviceTier") == expected


def test_thoughts_go_back_as_they_came_to_the_model_that_had_them():
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "thinking", "thinking": "nobody's"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]
    messages = [CALLED[0], {**CALLED[1], "thinking_blocks": thoughts}, *CALLED[2:4]]
    assert sent(CLAUDE, messages=messages)["messages"][1]["content"][:2] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "eA=="}},
    ]
    assert "reasoningContent" not in json.dumps(sent(NOVA, messages=messages))


# What comes back

USAGE = {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8}


def answered(message: Any, stop: str = "end_turn", **more: Any) -> Any:
    said = {"output": {"message": {"role": "assistant", **message}}, "stopReason": stop, "usage": USAGE, **more}
    answer, _ = exchange("bedrock", {"messages": HI}).answer(Response(200, {}, json.dumps(said).encode()))
    return answer


def blocks(*given: Any) -> bytes:
    """Return content blocks as a stream has them, in pieces."""
    sent = b""
    for index, block in enumerate(given):
        at = {"contentBlockIndex": index}
        if "toolUse" in block:
            call = block["toolUse"]
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            sent += frame("contentBlockStart", {**at, "start": start})
            text = json.dumps(call["input"]) if call["input"] else ""
            deltas = [{"toolUse": {"input": piece}} for piece in (text[:4], text[4:])]
        elif "reasoningContent" in block:
            thought = block["reasoningContent"]
            told = thought.get("reasoningText") or thought
            deltas = [{"reasoningContent": {name: value}} for name, value in told.items()]
        else:
            deltas = [{"text": block["text"][:2]}, {"text": block["text"][2:]}]
        sent += b"".join(frame("contentBlockDelta", {**at, "delta": delta}) for delta in deltas)
        sent += frame("contentBlockStop", at)
    return frame("messageStart", {"role": "assistant"}) + sent


def of_stream(content: bytes, stop: str = "end_turn", cut: int = 100_000, **more: Any) -> Any:
    end = frame("messageStop", {"stopReason": stop}) + frame("metadata", {"usage": USAGE, **more})
    chunks, error = streamed("bedrock", content + end, cut)
    return told(chunks), error


EVERYTHING = (
    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
    {"reasoningContent": {"redactedContent": "eA=="}},
    {"text": "Hello"},
    {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": [1, "\u00fc"]}}},
    {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
)


@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_plain_and_streamed_answers_say_the_same(cut: int):
    plain = answered({"content": EVERYTHING}, "tool_use")
    (streamed_choices, usage), error = of_stream(blocks(*EVERYTHING), "tool_use", cut)
    assert error is None
    assert [_parsed(choice) for choice in streamed_choices] == [_parsed(choice) for choice in whole(plain)]
    assert usage == [plain["usage"]]
    assert plain["choices"][0]["message"]["thinking_blocks"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]


def _parsed(choice: dict[str, Any]) -> Any:
    """Return a choice with its arguments parsed, without the blocks that a stream's reader adds up differently."""
    message = {name: value for name, value in choice["message"].items() if name != "thinking_blocks"}
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.pop("tool_calls", ())
    ]
    return message, calls, choice["finish_reason"]


def test_an_answer_names_the_same_model_streamed_or_not():
    end = frame("messageStop", {"stopReason": "end_turn"}) + frame("metadata", {"usage": USAGE})
    chunks, _ = streamed("bedrock", blocks({"text": "x"}) + end, body={"model": "public"}, model=NOVA)
    assert {chunk.data["model"] for chunk in chunks} == {NOVA}
    said = {"output": {"message": {"content": [{"text": "x"}]}}, "stopReason": "end_turn", "usage": USAGE}
    assert exchange("bedrock", {}, model=NOVA).answer(Response(200, {}, json.dumps(said).encode()))[0]["model"] == NOVA


def test_thoughts_are_streamed_with_their_signature():
    end = frame("messageStop", {"stopReason": "end_turn"}) + frame("metadata", {"usage": USAGE})
    chunks, _ = streamed("bedrock", blocks(*EVERYTHING[:2]) + end)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.data["choices"]]
    told_blocks = [block for delta in deltas for block in delta.get("thinking_blocks", ())]
    assert [block.pop("index") for block in told_blocks] == [0, 1]
    assert told_blocks == answered({"content": EVERYTHING[:2]})["choices"][0]["message"]["thinking_blocks"]


def test_blocks_that_are_told_between_each_other_are_kept_apart():
    starts = b"".join(
        frame("contentBlockStart", {"contentBlockIndex": at, "start": {"toolUse": {"toolUseId": id, "name": id}}})
        for at, id in enumerate("ab")
    )
    pieces = [(0, '{"x"'), (1, '{"y"'), (0, ":1}"), (1, ":2}")]
    deltas = b"".join(
        frame("contentBlockDelta", {"contentBlockIndex": at, "delta": {"toolUse": {"input": text}}})
        for at, text in pieces
    )
    ((choice,), _), error = of_stream(starts + deltas, "tool_use")
    arguments = [call["function"]["arguments"] for call in choice["message"]["tool_calls"]]
    assert (arguments, error) == (['{"x":1}', '{"y":2}'], None)


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"), ("unheard_of", "stop"),
    ],
)  # fmt: skip
def test_how_answers_end(stop: str, expected: str):
    assert answered({"content": [{"text": "x"}]}, stop)["choices"][0]["finish_reason"] == expected
    ((choice,), _), _ = of_stream(blocks({"text": "x"}), stop)
    assert choice["finish_reason"] == expected


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_what_its_host_could_not_read_is_a_bad_answer(stop: str):
    with pytest.raises(BadAnswer):
        answered({"content": [{"text": "x"}]}, stop)
    assert isinstance(of_stream(blocks({"text": "x"}), stop)[1], BadAnswer)


def test_what_is_cached_is_part_of_the_prompt():
    kept = [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 3}]
    told_of = {**USAGE, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 7, "cacheDetails": kept}
    got = answered({"content": [{"text": "x"}]}, usage=told_of, serviceTier={"type": "flex"})
    assert got["usage"]["prompt_tokens"] == 22
    assert got["usage"]["prompt_tokens_details"] == {
        "cached_tokens": 10, "cache_write_tokens": 7, "cache_write_1h_tokens": 4,
    }  # fmt: skip
    assert got["service_tier"] == "flex"


def test_the_usage_comes_after_the_end_and_is_waited_for():
    reader = exchange("bedrock", {"stream": True}).reader()
    reader.feed(blocks({"text": "x"}) + frame("messageStop", {"stopReason": "end_turn"}))
    assert (reader.done, reader.finished) == (False, True)
    (chunk,) = reader.feed(frame("metadata", {"usage": USAGE}))
    assert (reader.done, chunk.usage["total_tokens"]) == (True, 8)


def test_a_stream_without_its_end_is_cut():
    _, error = streamed("bedrock", blocks({"text": "x"})[:-3])
    assert isinstance(error, StreamCut)


VALIDATION = "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"


@pytest.mark.parametrize(
    ("status", "name", "message", "kind", "seen"),
    [
        (400, VALIDATION, "no", RequestRejected, 400),
        (400, "ServiceQuotaExceededException", "no", RateLimited, 429),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelMissing, 404),
        (404, "ResourceNotFoundException", "Could not resolve the foundation model", ModelMissing, 404),
        (403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized", AccountRefused, 502),
        (403, "UnrecognizedClientException", "The security token is invalid", KeyRefused, 401),
        (403, "ExpiredTokenException", "expired", KeyRefused, 401),
        (408, "ModelTimeoutException", "slow", UpstreamTimeout, 504),
        (424, "ModelErrorException", "broken", ServerError, 502),
        (429, "ThrottlingException", "Too many requests", RateLimited, 429),
        (429, "ModelNotReadyException", "not ready", UpstreamBusy, 503),
        (500, "InternalServerException", "oh", ServerError, 502),
        (503, "ServiceUnavailableException", "oh", UpstreamBusy, 503),
        (429, "", "Too many requests", RateLimited, 429),
    ],
)
def test_refusals(status: int, name: str, message: str, kind: type, seen: int):
    response = Response(status, {"x-amzn-errortype": name}, json.dumps({"message": message}).encode())
    with pytest.raises(kind) as caught:
        exchange("bedrock", {"messages": HI}).answer(response)
    assert (type(caught.value), caught.value.status, caught.value.upstream_status) == (kind, seen, status)
    assert "arn:" not in str(caught.value)


@pytest.mark.parametrize("message", ["Input is too long for requested model.", "prompt is too long: 9 > 8"])
def test_a_prompt_that_is_too_long_is_called_so(message: str):
    response = Response(400, {"x-amzn-errortype": VALIDATION}, json.dumps({"message": message}).encode())
    with pytest.raises(RequestRejected) as caught:
        exchange("bedrock", {"messages": HI}).answer(response)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", RateLimited), ("validationException", RequestRejected),
        ("modelStreamErrorException", ServerError), ("internalServerException", ServerError),
        ("serviceUnavailableException", UpstreamBusy), ("unheardOf", ServerError),
    ],
)  # fmt: skip
def test_an_exception_in_the_middle_of_a_stream_is_one_and_what_came_before_is_kept(name: str, kind: type):
    broken = blocks({"text": "Hello"}) + frame(name, {"message": "m"}, "exception")
    chunks, error = streamed("bedrock", broken, 7)
    assert type(error) is kind
    assert "".join(chunk.text for chunk in chunks) == "Hello"


def test_an_error_with_a_good_status_is_one():
    unknown = {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}, "Version": "1.0"}
    with pytest.raises(ServerError):
        exchange("bedrock", {"messages": HI}).answer(Response(200, {}, json.dumps(unknown).encode()))


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b"{}", b'{"output": 3}', b'{"output": {"message": {"content": 3}}}', b"<html>",
        b'{"output": {"message": {"content": [{"text": 3}]}}}',
        b'{"output": {"message": {"content": [{"toolUse": {"toolUseId": "a", "name": "f", "input": []}}]}}}',
        b'{"output": {"message": {"content": []}}, "usage": {"inputTokens": -1}}',
    ],
)  # fmt: skip
def test_misshapen_answers_are_bad_answers(said: bytes):
    with pytest.raises(BadAnswer):
        exchange("bedrock", {"messages": HI}).answer(Response(200, {}, said))


WHOLE = (
    blocks(*EVERYTHING) + frame("messageStop", {"stopReason": "tool_use"}) + frame("metadata", {"usage": USAGE})
)  # fmt: skip


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255), st.sampled_from([1, 7, 10**6]))
def test_a_changed_byte_is_a_bad_answer(place: int, by: int, cut: int):
    _, error = streamed("bedrock", WHOLE[:place] + bytes([WHOLE[place] ^ by]) + WHOLE[place + 1 :], cut)
    assert isinstance(error, BadAnswer | StreamCut)


@given(st.integers(0, len(WHOLE)), st.integers(0, len(WHOLE)))
def test_a_piece_that_is_missing_is_noticed_or_was_whole_frames(begin: int, end: int):
    chunks, error = streamed("bedrock", WHOLE[: min(begin, end)] + WHOLE[max(begin, end) :])
    assert error is None or isinstance(error, BadAnswer | StreamCut)
    assert error is not None or any(chunk.data["choices"] for chunk in chunks)


# Over a socket


def at(upstream: FakeUpstream, secret: str) -> Target:
    options = {"allow_private": True, "region": "eu-west-1"}
    return Target(1, Upstream("up", "bedrock", f"http://127.0.0.1:{upstream.port}", secret, options), CLAUDE)


async def test_what_goes_over_the_wire_is_what_was_signed(ask, upstream: FakeUpstream):
    upstream.will_answer(body={"output": {"message": {"content": [{"text": "Hello"}]}}, "usage": USAGE})
    answer = await ask(at(upstream, "AKIDEXAMPLE:secret:token"))
    assert answer.body["choices"][0]["message"]["content"] == "Hello"
    (asked_for,) = upstream.asked
    assert asked_for.path == "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    proof = sigv4.headers(
        "POST",
        f"http://{asked_for.headers['host']}{asked_for.path}",
        [("content-type", asked_for.headers["content-type"])],
        compact(asked_for.body),
        sigv4.Credentials("AKIDEXAMPLE", "secret", "token"),
        sigv4.Scope("eu-west-1", "bedrock"),
        datetime.strptime(asked_for.headers["x-amz-date"], "%Y%m%dT%H%M%S%z"),
    )
    assert {name: asked_for.headers[name] for name, _ in proof} == dict(proof)


async def test_each_attempt_is_signed_anew(ask, upstream: FakeUpstream):
    upstream.will_answer(503, {"message": "busy"}, x_amzn_errortype="ServiceUnavailableException")
    upstream.will_answer(body={"output": {"message": {"content": [{"text": "Hello"}]}}, "usage": USAGE})
    await ask(at(upstream, "AKIDEXAMPLE:secret"), retries=1)
    assert [asked_for.headers["authorization"][:16] for asked_for in upstream.asked] == ["AWS4-HMAC-SHA256"] * 2


async def test_frames_are_streamed_to_the_caller_as_events(begin, upstream: FakeUpstream):
    upstream.will_stream(WHOLE[:100], WHOLE[100:300], WHOLE[300:], kind="application/vnd.amazon.eventstream")
    sent = await wire(await begin(at(upstream, SECRET), stream_options={"include_usage": True}))
    chunks = [json.loads(line[6:]) for line in sent.splitlines() if line.startswith(b"data: {")]
    assert upstream.asked[0].path.endswith("/converse-stream")
    assert upstream.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert "".join(each["choices"][0]["delta"].get("content", "") for each in chunks if each["choices"]) == "Hello"
    assert chunks[-1]["usage"]["total_tokens"] == 8


@pytest.mark.parametrize("secret", ["AKIDEXAMPLE:verysecret:token", SECRET])
async def test_no_part_of_a_secret_is_told_to_a_caller(ask, upstream: FakeUpstream, secret: str):
    upstream.will_answer(400, {"message": f"The key {secret} is odd."}, x_amzn_errortype="ValidationException")
    with pytest.raises(RequestRejected) as caught:
        await ask(at(upstream, secret))
    assert not any(part in str(caught.value) for part in secret.split(":"))


# Embeddings

TITAN, COHERE, NOVA_VECTORS = (
    "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0", "amazon.nova-2-multimodal-embeddings-v1:0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        (TITAN, {"input": "a", "dimensions": 256}, {"inputText": "a", "dimensions": 256}),
        ("amazon.titan-embed-image-v1", {"input": ["a"], "dimensions": 256},
         {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}}),
        (COHERE, {"input": ["a", "b"], "dimensions": 256, "encoding_format": "base64", "truncate": "END"},
         {"texts": ["a", "b"], "input_type": "search_document", "truncate": "END", "embedding_types": ["float"],
          "output_dimension": 256}),
        (NOVA_VECTORS, {"input": "a", "dimensions": 256},
         {"taskType": "SINGLE_EMBEDDING",
          "singleEmbeddingParams": {"embeddingPurpose": "GENERIC_INDEX", "embeddingDimension": 256,
                                    "text": {"truncationMode": "NONE", "value": "a"}}}),
    ],
)  # fmt: skip
def test_texts_are_embedded_in_the_words_of_the_model(model: str, body: Any, expected: Any):
    request, said = asked("bedrock", body, operation="embeddings", model=model)
    assert request.path.endswith("/invoke")
    assert said == expected


@pytest.mark.parametrize(
    ("model", "body", "param"),
    [
        (TITAN, {"input": ["a", "b"]}, "input"), (NOVA_VECTORS, {"input": ["a", "b"]}, "input"),
        (COHERE, {"input": [1, 2]}, "input"), (COHERE, {"input": ["a"] * 97}, "input"),
        ("amazon.titan-embed-text-v1", {"input": "a", "dimensions": 256}, "dimensions"),
    ],
)  # fmt: skip
def test_what_cannot_be_embedded_is_refused_by_name(model: str, body: Any, param: str):
    with pytest.raises(RequestRejected) as caught:
        asked("bedrock", body, operation="embeddings", model=model)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("said", "headers", "vectors", "tokens"),
    [
        ({"embedding": [1.0], "inputTextTokenCount": 3}, {}, [[1.0]], 3),
        ({"embeddings": {"float": [[1.0], [2.0]]}}, {"x-amzn-bedrock-input-token-count": "4"}, [[1.0], [2.0]], 4),
        ({"embeddings": [[1.0], [2.0]]}, {}, [[1.0], [2.0]], None),
        ({"embeddings": [{"embeddingType": "TEXT", "embedding": [1.0]}]}, {}, [[1.0]], None),
    ],
)
def test_vectors(said: Any, headers: Any, vectors: Any, tokens: int | None):
    one = exchange("bedrock", {"input": "a", "encoding_format": "float"}, operation="embeddings")
    got, _ = one.answer(Response(200, headers, json.dumps(said).encode()))
    assert [item["embedding"] for item in got["data"]] == vectors
    assert (got.get("usage") or {}).get("prompt_tokens") == tokens


# Real traffic


def recorded(*ends: str) -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    return [
        pytest.param(one, id=f"{path.stem[:60]}-{number}")
        for path in sorted((CASSETTES / "bedrock").glob("*.y*ml"))
        for number, one in enumerate(read(path))
        if urlsplit(one["url"]).path.endswith(ends)
    ]


@needs_cassettes
@pytest.mark.parametrize("one", recorded("/converse", "/converse-stream"))
@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_real_traffic_comes_through(one: Any, cut: int):
    is_stream = one["url"].endswith("-stream")
    said = native.bedrock(one["body"], is_stream)
    if is_stream:
        chunks, error = streamed("bedrock", one["body"], cut)
        assert error is None
        ((choice,), (usage,)) = told(chunks)
    else:
        answer, _ = exchange("bedrock", {"messages": HI}).answer(Response(200, {}, one["body"]))
        ((choice,), usage) = whole(answer), answer["usage"]
    message = choice["message"]
    calls = [
        (call["function"]["name"], json.loads(call["function"]["arguments"])) for call in message.get("tool_calls", ())
    ]
    assert (message["content"] or "", calls, choice["finish_reason"]) == said[:3]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (said.usage["prompt"], said.usage["completion"])
    assert usage["prompt_tokens_details"]["cached_tokens"] == said.usage["cached"]


@needs_cassettes
def test_a_real_embedding_comes_through():
    (one,) = [each.values[0] for each in recorded("embeddings-v1:0/invoke")]
    headers = {name: values[0] for name, values in one["headers"].items()}
    asking = exchange("bedrock", {"input": "a", "encoding_format": "float"}, operation="embeddings")
    got, _ = asking.answer(Response(200, headers, one["body"]))
    assert [item["embedding"] for item in got["data"]] == native.vectors("bedrock", one["body"])
    assert got["usage"] == {"prompt_tokens": 10, "total_tokens": 10}
