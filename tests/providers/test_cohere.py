"""Cohere: what its v2 API is asked in its own words, and what its answers mean to the caller."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers import errors
from providers.adapters.shapes import Response
from providers.errors import UpstreamError
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, SECRET, answered, asked, exchange, streamed, told, whole
from tests.providers.shared import CASSETTES, load, needs_cassettes

HI = [{"role": "user", "content": "Hi"}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "Says it.", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
BARE_CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
CUTS = [1, 7, 100_000]
OPERATIONS = {"/v2/chat": "chat.completions", "/v2/embed": "embeddings", "/v2/rerank": "rerank"}
ENDS = {"COMPLETE": "stop", "TOOL_CALL": "tool_calls"}


def chat(**said: Any) -> Any:
    return asked("cohere", {"messages": HI, **said})[1]


def called(id: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def reply(reason: str = "COMPLETE", **message: Any) -> dict[str, Any]:
    used = {"billed_units": {"input_tokens": 5, "output_tokens": 8}, "tokens": {"input_tokens": 70, "output_tokens": 9}}
    said = {"role": "assistant", **(message or {"content": [{"type": "text", "text": "Hello."}]})}
    return {"id": "c1", "finish_reason": reason, "message": said, "usage": {**used, "cached_tokens": 60}}


def events(*said: dict[str, Any]) -> bytes:
    return b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in said)


def event(kind: str, index: int | None = None, /, **message: Any) -> dict[str, Any]:
    return {"type": kind, **({} if index is None else {"index": index}), "delta": {"message": message}}


def started() -> dict[str, Any]:
    return {"type": "message-start", "id": "c1", "delta": {"message": {"role": "assistant", "content": []}}}


def ended(reason: str = "COMPLETE", **delta: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": reply()["usage"], **delta}}


def recorded(*operations: str) -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    found = [
        pytest.param(OPERATIONS[urlsplit(each["url"]).path], each, id=f"{path.stem[:50]}-{number}")
        for path in sorted((CASSETTES / "cohere").glob("*.y*ml"))
        for number, each in enumerate(read(path))
    ]
    return [each for each in found if each.values[0] in operations]


def is_stream(recording: dict[str, Any]) -> bool:
    return recording["headers"]["content-type"][0].startswith("text/event-stream")


@needs_cassettes
def test_every_recording_is_one_of_an_operation_that_there_is():
    assert len(recorded(*OPERATIONS.values())) == 8


@needs_cassettes
@pytest.mark.parametrize(("operation", "recording"), recorded("chat.completions"))
@pytest.mark.parametrize("cut", CUTS)
def test_a_recorded_chat_comes_through(operation, recording, cut):
    if is_stream(recording):
        chunks, error = streamed("cohere", recording["body"], cut)
        (choice,), (usage,) = told(chunks)
        assert error is None
        expected, reason, used = _added_up(recording["body"])
    else:
        answer = answered("cohere", recording["body"])
        (choice,), usage = answer["choices"], answer["usage"]
        said = json.loads(recording["body"])
        expected, reason, used = said["message"], said["finish_reason"], said["usage"]
    message = choice["message"]
    assert (message["content"] or "") == "".join(part["text"] for part in expected.get("content") or ())
    assert message.get("reasoning_content", "") == expected.get("tool_plan", "")
    assert [_essence(call) for call in message.get("tool_calls") or ()] == expected.get("tool_calls", [])
    assert choice["finish_reason"] == ENDS[reason]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
        used["tokens"]["input_tokens"],
        used["tokens"]["output_tokens"],
    )
    assert usage["prompt_tokens_details"]["cached_tokens"] == used.get("cached_tokens", 0)


def _essence(call: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in call.items() if name != "index"}


def _added_up(stream: bytes) -> tuple[dict[str, Any], str, dict[str, Any]]:
    message: dict[str, Any] = {"content": [], "tool_plan": "", "tool_calls": []}
    last: dict[str, Any] = {}
    for line in stream.splitlines():
        if not line.startswith(b"data: {"):
            continue
        last = json.loads(line[6:])
        said = last.get("delta", {}).get("message", {})
        if last["type"] == "tool-plan-delta":
            message["tool_plan"] += said["tool_plan"]
        elif last["type"] == "tool-call-start":
            message["tool_calls"].append(said["tool_calls"])
        elif last["type"] == "tool-call-delta":
            more = said["tool_calls"]["function"]["arguments"]
            message["tool_calls"][last["index"]]["function"]["arguments"] += more
    return message, last["delta"]["finish_reason"], last["delta"]["usage"]


@needs_cassettes
@pytest.mark.parametrize(("operation", "recording"), recorded("chat.completions"))
def test_what_was_really_asked_can_be_asked_again(operation, recording):
    body = json.loads(recording["req_body"])
    said = dict(body)
    if "response_format" in said:
        said["response_format"] = {
            "type": "json_schema",
            "json_schema": {"schema": body["response_format"]["json_schema"]},
        }
    _, sent = asked("cohere", said, model=body["model"])
    assert {**sent, "messages": []} == {**body, "messages": []}
    assert [_words(each) for each in sent["messages"]] == [_words(each) for each in body["messages"]]


def _words(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return {**message, "content": text}


@needs_cassettes
@pytest.mark.parametrize(("operation", "recording"), recorded("embeddings"))
def test_recorded_embeddings_come_through(operation, recording):
    body, said = json.loads(recording["req_body"]), json.loads(recording["body"])
    request, sent = asked(
        "cohere", {"input": body["texts"], "dimensions": 1024}, operation=operation, model="embed-v4.0"
    )
    answer = answered("cohere", recording["body"], operation=operation, model="embed-v4.0")
    assert (request.path, sent) == ("/embed", body)
    assert [each["embedding"] for each in answer["data"]] == said["embeddings"]["float"]
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert (answer["object"], answer["model"], answer["data"][0]["index"]) == ("list", "embed-v4.0", 0)


@needs_cassettes
@pytest.mark.parametrize(("operation", "recording"), recorded("rerank"))
def test_a_recorded_ranking_comes_through(operation, recording):
    body, said = json.loads(recording["req_body"]), json.loads(recording["body"])
    request, sent = asked("cohere", body, operation=operation, model=body["model"])
    answer = answered("cohere", recording["body"], body=body, operation=operation)
    assert (request.path, sent) == ("/rerank", {name: each for name, each in body.items() if each is not None})
    assert {name: answer[name] for name in said} == said
    assert "document" not in answer["results"][0]


def test_a_chat_is_posted_with_the_key_in_its_header_alone():
    request, body = asked("cohere", {"messages": HI, "stream": True, "stream_options": {"include_usage": True}})
    assert (request.method, request.path) == ("POST", "/chat")
    assert ("authorization", f"Bearer {SECRET}") in request.headers
    assert SECRET not in request.path + request.body.decode()
    assert body == {"model": "m", "messages": HI, "stream": True}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"temperature": 0, "seed": 7}, {"temperature": 0, "seed": 7}),
        ({"top_k": 40, "top_p": 0.9}, {"k": 40, "p": 0.9}),
        ({"top_p": 1}, {"p": 0.99}),
        ({"top_p": 0}, {"p": 0.01}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"frequency_penalty": 0.5, "presence_penalty": 0.1}, {"frequency_penalty": 0.5, "presence_penalty": 0.1}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}},
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        ),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 1024}}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}),
        ({"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled"}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 99}},
            {"thinking": {"type": "enabled", "token_budget": 99}},
        ),
        ({"thinking": {"type": "adaptive"}, "reasoning_effort": "none"}, {"thinking": {"type": "enabled"}}),
        ({"tools": [WEATHER]}, {"tools": [WEATHER]}),
        ({"tools": [CLOCK], "tool_choice": "auto"}, {"tools": [BARE_CLOCK]}),
        ({"tools": [CLOCK], "tool_choice": "none"}, {"tools": [BARE_CLOCK], "tool_choice": "NONE"}),
        ({"tools": [CLOCK], "tool_choice": "required"}, {"tools": [BARE_CLOCK], "tool_choice": "REQUIRED"}),
        (
            {"tools": [WEATHER, CLOCK], "tool_choice": {"type": "function", "function": {"name": "clock"}}},
            {"tools": [BARE_CLOCK], "tool_choice": "REQUIRED"},
        ),
        (
            {
                "tools": [WEATHER, CLOCK],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}},
            },
            {"tools": [WEATHER]},
        ),
        (
            {"tools": [{"type": "function", "function": {**WEATHER["function"], "strict": True}}]},
            {"tools": [WEATHER], "strict_tools": True},
        ),
        ({"functions": [WEATHER["function"]], "function_call": {"name": "weather"}},
         {"tools": [WEATHER], "tool_choice": "REQUIRED"}),
        ({"tool_choice": "none"}, {}),
        ({"safety_mode": "STRICT", "documents": ["a"]}, {"safety_mode": "STRICT", "documents": ["a"]}),
        ({"temperature": None, "user": "u", "store": True, "parallel_tool_calls": False}, {}),
    ],
)  # fmt: skip
def test_parameters_are_said_in_its_words(said, sent):
    assert chat(**said) == {"model": "m", "messages": HI, "stream": False, **sent}


@pytest.mark.parametrize(
    ("said", "param", "code"),
    [
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"logit_bias": {"5": 1}}, "logit_bias", "unsupported_parameter"),
        ({"top_logprobs": 3}, "top_logprobs", "unsupported_parameter"),
        ({"stop": list("abcdef")}, "stop", "unsupported_parameter"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools", "unsupported_parameter"),
        ({"tools": [CLOCK], "tool_choice": {"type": "custom"}}, "tool_choice", "unsupported_parameter"),
        ({"tools": [CLOCK], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice", None),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"response_format": {"type": "grammar"}}, "response_format", "unsupported_parameter"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "unsupported_parameter"),
        ({"reasoning_effort": {}}, "reasoning_effort", "unsupported_parameter"),
        ({"thinking": True}, "thinking", "unsupported_parameter"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(said, param, code):
    with pytest.raises(errors.RequestRejected) as caught:
        chat(**said)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_a_conversation_is_told_with_its_tools_pictures_and_thoughts():
    own, signed = {"type": "thinking", "thinking": "Hm."}, {"type": "thinking", "thinking": "?", "signature": "s"}
    picture = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}
    link = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    sent = chat(
        messages=[
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture, link]},
            {
                "role": "assistant",
                "content": "Let me see.",
                "reasoning_content": "Hm.Two tools.",
                "thinking_blocks": [own, signed],
                "tool_calls": [called("weather_1", "weather", '{"city": "Rome"}'), called("clock_2", "clock")],
            },
            {"role": "tool", "tool_call_id": "weather_1", "content": "Sunny"},
            {
                "role": "tool",
                "tool_call_id": "clock_2",
                "content": [{"type": "text", "text": "No"}, {"type": "text", "text": "on"}],
            },
            {"role": "assistant", "content": "Sunny at noon.", "thinking_blocks": [{"index": 0, **own}]},
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Sure?"},
        ]
    )["messages"]
    assert sent == [
        {"role": "system", "content": "Be kind.\nBe brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": [own],
            "tool_plan": "Two tools.\nLet me see.",
            "tool_calls": [called("weather_1", "weather", '{"city":"Rome"}'), called("clock_2", "clock")],
        },
        {"role": "tool", "tool_call_id": "weather_1", "content": "Sunny"},
        {"role": "tool", "tool_call_id": "clock_2", "content": "Noon"},
        {"role": "assistant", "content": [own, {"type": "text", "text": "Sunny at noon."}]},
        {"role": "user", "content": "Sure?"},
    ]


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}}]},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    ],
)
def test_what_it_cannot_take_in_is_refused(message):
    with pytest.raises(errors.RequestRejected) as caught:
        chat(messages=[message])
    assert (caught.value.param, caught.value.code) == ("messages", "unsupported_value")


CITED = {
    "start": 0,
    "end": 5,
    "text": "Sunny",
    "sources": [{"type": "tool", "id": "weather_1:0"}],
    "type": "TEXT_CONTENT",
}
TOLD = reply(
    "TOOL_CALL",
    content=[{"type": "thinking", "thinking": "Let me think."}, {"type": "text", "text": "Sunny so far."}],
    tool_plan="I will look.",
    tool_calls=[called("weather_1", "weather", '{"city":"Paris"}'), called("clock_2", "clock", "")],
    citations=[CITED],
)
PIECES = (
    started(),
    event("content-start", 0, content={"type": "thinking", "thinking": ""}),
    event("content-delta", 0, content={"thinking": "Let me "}),
    event("content-delta", 0, content={"thinking": "think."}),
    event("content-end", 0),
    event("tool-plan-delta", tool_plan="I will "),
    event("tool-plan-delta", tool_plan="look."),
    event("content-start", 1, content={"type": "text", "text": ""}),
    event("content-delta", 1, content={"text": "Sunny "}),
    event("content-delta", 1, content={"type": "text", "text": "so far."}),
    event("citation-start", 0, citations=CITED),
    {"type": "citation-end", "index": 0},
    event("content-end", 1),
    event("tool-call-start", 2, tool_calls=called("weather_1", "weather", "")),
    event("tool-call-delta", 2, tool_calls={"function": {"arguments": '{"city":'}}),
    event("tool-call-start", 3, tool_calls=called("clock_2", "clock", "")),
    event("tool-call-delta", 2, tool_calls={"function": {"arguments": '"Paris"}'}}),
    {"type": "tool-call-end", "index": 2},
    {"type": "tool-call-end", "index": 3},
    {"type": "debug", "anything": 1},
    ended("TOOL_CALL"),
)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("end", [b"", b"data: [DONE]\n\n"])
def test_an_answer_is_the_same_streamed_or_not(cut, end):
    answer = answered("cohere", TOLD)
    chunks, error = streamed("cohere", events(*PIECES) + end, cut)
    assert error is None
    (choice,), usages = told(chunks)
    for block in choice["message"]["thinking_blocks"]:
        block.pop("index", None)
    assert ([choice], usages) == (whole(answer), [answer["usage"]])
    message = choice["message"]
    assert (message["content"], message["reasoning_content"]) == ("Sunny so far.", "Let me think.I will look.")
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "Let me think."}]
    assert message["citations"] == [CITED]
    assert message["tool_calls"] == [called("weather_1", "weather", '{"city":"Paris"}'), called("clock_2", "clock")]
    assert {chunk.data["id"] for chunk in chunks} == {"c1"} == {answer["id"]}


def test_an_answer_can_be_said_back():
    message = answered("cohere", TOLD)["choices"][0]["message"]
    (sent,) = chat(messages=[message])["messages"]
    assert sent == {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "Let me think."}],
        "tool_plan": "I will look.\nSunny so far.",
        "tool_calls": [called("weather_1", "weather", '{"city":"Paris"}'), called("clock_2", "clock")],
    }


def test_usage_has_all_tokens_and_those_from_the_cache():
    assert answered("cohere", reply())["usage"] == {
        "prompt_tokens": 70,
        "completion_tokens": 9,
        "total_tokens": 79,
        "prompt_tokens_details": {"cached_tokens": 60},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


@pytest.mark.parametrize(
    ("told_of", "tokens"),
    [({"billed_units": {"input_tokens": 5.0, "output_tokens": 8.0}}, (5, 8)), ({}, None), (None, None)],
)
def test_usage_that_is_not_told_is_counted_here(told_of, tokens):
    used = answered("cohere", reply() | {"usage": told_of}).get("usage")
    assert (used and (used["prompt_tokens"], used["completion_tokens"])) == tokens


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("NEW", "stop"),
    ],
)
def test_how_it_ended_is_said_in_openais_words(reason, ours):
    assert answered("cohere", reply(reason))["choices"][0]["finish_reason"] == ours
    assert told(streamed("cohere", events(started(), ended(reason)))[0])[0][0]["finish_reason"] == ours


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_an_answer_that_was_given_up_is_an_error(reason):
    with pytest.raises(errors.ServerError) as caught:
        answered("cohere", reply(reason))
    assert caught.value.status == 502
    text = event("content-delta", 0, content={"text": "Hel"})
    for end in (ended(reason), ended(error="out of memory")):
        chunks, error = streamed("cohere", events(started(), text, end))
        assert told(chunks)[0][0]["message"]["content"] == "Hel"
        assert isinstance(error, errors.ServerError)


def test_an_error_instead_of_an_event_ends_the_stream():
    begun = events(started(), event("content-delta", 0, content={"text": "Hel"}))
    _, error = streamed("cohere", begun + b'data: {"message": "internal server error"}\n\n')
    assert isinstance(error, errors.ServerError)
    assert "internal" not in str(error)


def test_a_stream_without_its_end_is_cut():
    text = event("content-delta", 0, content={"text": "Hel"})
    for end in (b"", b"data: [DONE]\n\n"):
        assert isinstance(streamed("cohere", events(started(), text) + end)[1], errors.StreamCut)


def test_chances_are_those_of_the_pieces_of_text():
    items = [{"text": "Hel", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}, {"text": "lo.", "token_ids": [3]}]
    expected = [
        {"token": "Hel", "logprob": -0.75, "bytes": [72, 101, 108], "top_logprobs": []},
        {"token": "lo.", "logprob": 0, "bytes": [108, 111, 46], "top_logprobs": []},
    ]
    answer = answered("cohere", reply() | {"logprobs": items})
    assert answer["choices"][0]["logprobs"] == {"content": expected, "refusal": None}
    pieces = [event("content-delta", 0, content={"text": item["text"]}) | {"logprobs": item} for item in items]
    chunks, _ = streamed("cohere", events(started(), *pieces, ended()))
    found = [each["logprobs"] for chunk in chunks for each in chunk.data["choices"] if each["logprobs"]]
    assert [chance for each in found for chance in each["content"]] == expected


def test_a_stream_has_the_name_of_the_model_that_was_asked_for():
    chunks, _ = streamed("cohere", events(started(), ended()))
    assert {chunk.data["model"] for chunk in chunks} == {"public"}
    assert answered("cohere", reply(), model="command-a")["model"] == "command-a"


def refused(status: int, said: Any, headers: dict[str, str] | None = None) -> UpstreamError:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    with pytest.raises(UpstreamError) as caught:
        exchange("cohere", {}).answer(Response(status, headers or {}, body))
    return caught.value


@pytest.mark.parametrize(
    ("status", "message", "kind", "ours", "code"),
    [
        (400, "invalid request: message must not be empty", errors.RequestRejected, 400, None),
        (
            400,
            "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292.",
            errors.RequestRejected,
            400,
            "context_length_exceeded",
        ),
        (
            400,
            "too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model",
            errors.RequestRejected,
            400,
            None,
        ),
        (401, "invalid api token", errors.KeyRefused, 401, "invalid_api_key"),
        (402, "Please add or update your payment method", errors.AccountRefused, 502, "upstream_error"),
        (403, "not allowed", errors.AccountRefused, 502, "upstream_error"),
        (
            404,
            "model 'x' not found, make sure the correct model ID was used",
            errors.ModelMissing,
            404,
            "model_not_found",
        ),
        (422, "unprocessable", errors.RequestRejected, 400, None),
        (429, "You are using a Trial key", errors.RateLimited, 429, "rate_limit_exceeded"),
        (498, "blocked input", errors.RequestRejected, 400, "content_policy_violation"),
        (499, "request cancelled", errors.BadAnswer, 502, "upstream_error"),
        (500, "internal server error", errors.ServerError, 502, "upstream_error"),
        (501, "not implemented", errors.ServerError, 502, "upstream_error"),
        (503, "service unavailable", errors.UpstreamBusy, 503, "overloaded"),
        (504, "timed out", errors.UpstreamTimeout, 504, "upstream_timeout"),
    ],
)
def test_an_error_is_one_of_openais(status, message, kind, ours, code):
    error = refused(status, {"id": "e", "message": message}, {"retry-after": "7"})
    assert type(error) is kind
    assert (error.status, error.code, error.upstream_status) == (ours, code, status)
    if isinstance(error, errors.RateLimited | errors.UpstreamBusy):
        assert error.retry_after == 7
    assert (str(error) == message) is (ours in (400, 404, 429))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b'{"message": 5}'])
def test_an_error_without_words_is_one_all_the_same(body):
    assert isinstance(refused(400, body), errors.RequestRejected)


ODD = [
    b"", b"<html>", b"[]", b"{}", b"\xff", {"message": 5}, {"message": {}}, reply() | {"finish_reason": 5},
    reply(content="Hello."), reply(content=[{}]), reply(content=[{"type": "text", "text": 5}]),
    reply(content=[{"type": "thinking"}]), reply(tool_calls=[{"id": "1"}]), reply(tool_calls=5),
    reply(tool_calls=[called("1", "f") | {"function": {"name": 5}}]),
    reply() | {"usage": {"tokens": {"input_tokens": "5"}}}, reply() | {"usage": {"tokens": {"input_tokens": -1}}},
    reply() | {"usage": 5}, reply() | {"logprobs": 5}, {"message": "internal server error"},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_answer_is_a_bad_one(odd):
    with pytest.raises(errors.BadAnswer):
        answered("cohere", odd)


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "content-delta", "delta": {}},
        {"type": "content-delta"},
        event("content-delta", 0, content={"text": 5}),
        event("content-delta", 0, content=5),
        event("tool-plan-delta", tool_plan=[]),
        event("tool-call-start", 0, tool_calls={}),
        event("tool-call-delta", 7, tool_calls={"function": {"arguments": "{}"}}),
        {"type": "message-end", "delta": {}},
        ended() | {"delta": {"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 1e999}}}},
    ],
    ids=repr,
)
def test_an_odd_event_is_a_bad_answer(odd):
    chunks, error = streamed("cohere", events(started(), event("content-delta", 0, content={"text": "Hel"}), odd))
    assert isinstance(error, errors.BadAnswer)
    assert told(chunks)[0][0]["message"]["content"] == "Hel"


def embedded(options: dict[str, Any] | None = None, **said: Any) -> Any:
    return asked("cohere", {"input": "a", **said}, operation="embeddings", options=options)[1]


@pytest.mark.parametrize(
    ("options", "said", "sent"),
    [
        ({}, {}, {"texts": ["a"], "input_type": "search_document"}),
        ({"input_type": "clustering"}, {"input": ["a", "b"]}, {"texts": ["a", "b"], "input_type": "clustering"}),
        ({"input_type": "clustering"}, {"input_type": "search_query"}, {"texts": ["a"], "input_type": "search_query"}),
        ({}, {"dimensions": 256, "truncate": "END", "encoding_format": "base64", "user": "u"},
         {"texts": ["a"], "input_type": "search_document", "output_dimension": 256, "truncate": "END"}),
    ],
)  # fmt: skip
def test_embeddings_say_what_they_are_for(options, said, sent):
    assert embedded(options, **said) == {"model": "m", "embedding_types": ["float"], **sent}


@pytest.mark.parametrize("given", [["a"] * 97, [1, 2], [[1], [2]], ["a", 5]])
def test_texts_that_are_too_many_or_none_are_refused(given):
    with pytest.raises(errors.RequestRejected) as caught:
        embedded(input=given)
    assert (caught.value.status, caught.value.param) == (400, "input")
    assert len(embedded(input=["a"] * 96)["texts"]) == 96


def test_embeddings_come_in_the_encoding_that_was_asked_for():
    said = {"id": "e", "embeddings": {"float": [[0.5, 1.0]]}, "meta": {"billed_units": {"input_tokens": 2}}}
    answer = answered("cohere", said, body={"input": "a", "encoding_format": "base64"}, operation="embeddings")
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD8="
    assert answer["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize("odd", [{}, {"embeddings": {}}, {"embeddings": {"float": 5}}, {"embeddings": {"float": [5]}}])
def test_odd_embeddings_are_a_bad_answer(odd):
    with pytest.raises(errors.BadAnswer):
        answered("cohere", odd, operation="embeddings")


RANKED = {
    "id": "r1",
    "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
    "meta": {"billed_units": {"search_units": 1}},
}
RANKING = {"query": "q", "documents": ["a", {"text": "b", "id": 7}]}


def test_documents_are_ranked_and_given_back_where_they_are_wanted():
    body = {**RANKING, "top_n": 2, "return_documents": True, "max_tokens_per_doc": 100}
    request, sent = asked("cohere", body, operation="rerank")
    assert request.path == "/rerank"
    assert sent == {"model": "m", "query": "q", "documents": ["a", "b"], "top_n": 2, "max_tokens_per_doc": 100}
    answer = answered("cohere", RANKED, body=body, operation="rerank")
    assert answer["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b", "id": 7}},
        {"index": 0, "relevance_score": 0.1, "document": {"text": "a"}},
    ]
    plain = answered("cohere", RANKED, body=RANKING, operation="rerank")
    assert {name: plain[name] for name in RANKED} == RANKED
    assert "usage" not in plain


def test_a_ranking_that_tells_of_tokens_has_usage():
    said = RANKED | {"meta": {"tokens": {"input_tokens": 12, "output_tokens": 0}}}
    assert answered("cohere", said, body=RANKING, operation="rerank")["usage"]["total_tokens"] == 12


def test_what_is_dropped_from_a_ranking_is_named():
    exchanged = exchange("cohere", {**RANKING, "user": "u", "return_documents": True}, operation="rerank")
    exchanged.request(NOW)
    assert exchanged.dropped == ("user",)


@pytest.mark.parametrize(
    ("said", "param"),
    [({"documents": ["a", 5]}, "documents[1]"), ({"documents": [{}]}, "documents[0]"), ({"query": 5}, "query")],
)
def test_documents_without_text_are_refused_by_their_place(said, param):
    with pytest.raises(errors.RequestRejected) as caught:
        asked("cohere", {**RANKING, **said}, operation="rerank")
    assert caught.value.param == param


@pytest.mark.parametrize(
    "odd",
    [{}, {"results": {}}, {"results": [5]}, {"results": [{"index": 0}]},
     {"results": [{"index": 2, "relevance_score": 1}]}, {"results": [{"index": -1, "relevance_score": 1}]},
     {"results": [{"index": 0, "relevance_score": "1"}]}],
    ids=repr,
)  # fmt: skip
def test_an_odd_ranking_is_a_bad_answer(odd):
    with pytest.raises(errors.BadAnswer):
        answered("cohere", odd, body=RANKING, operation="rerank")


async def test_events_stream_through_a_socket(begin, target, upstream):
    sent = events(*PIECES)
    upstream.will_stream(sent[:200], sent[200:])
    received = await wire(await begin(target(upstream.url, adapter="cohere"), stream_options={"include_usage": True}))
    assert b'"finish_reason":"tool_calls"' in received
    assert b'"total_tokens":79' in received
    assert upstream.asked[0].path == "/v1/chat"
