"""Mistral: what it is asked in its own words, and what its answers, whole or streamed, mean to the caller."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers import errors
from providers.adapters.mistral_request import bare, tool_id
from providers.adapters.shapes import Response
from providers.errors import UpstreamError
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, SECRET, answered, asked, exchange, streamed, told, whole
from tests.providers.shared import CASSETTES, load, needs_cassettes

HI = [{"role": "user", "content": "Hi"}]
PIXEL = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,AA=="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "additionalProperties": False}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
BARE_WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
NAMED = {"type": "function", "function": {"name": "weather"}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
CUTS = [1, 7, 100_000]
OPERATIONS = {"/v1/chat/completions": "chat.completions", "/v1/embeddings": "embeddings"}
LEFT_OUT = {"/v1/audio/transcriptions"}


def chat(**said: Any) -> Any:
    return asked("mistral", {"messages": HI, **said})[1]


def called(id: str, name: str, arguments: Any = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def thought(text: str, **extra: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}], **extra}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


USAGE = {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16, "prompt_tokens_details": {"cached_tokens": 4}}
NO_REASONING = {"completion_tokens_details": {"reasoning_tokens": 0}}


def reply(reason: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "tool_calls": None, **(message or {"content": "Hello."})}
    choice = {"index": 0, "finish_reason": reason, "message": said}
    return {"id": "m1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}


def events(*deltas: Any, reason: str = "stop", index: int = 0) -> bytes:
    """Return a stream of these deltas; the last ends it, and has the usage."""
    said = b""
    for at, delta in enumerate(deltas):
        is_last = at == len(deltas) - 1
        choice = {"index": index, "delta": delta, "finish_reason": reason if is_last else None}
        used = {"usage": USAGE} if is_last else {}
        said += event({"id": "m1", "object": "chat.completion.chunk", "model": "m", "choices": [choice], **used})
    return said + b"data: [DONE]\n\n"


def event(said: Any) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


def unnumbered(message: dict[str, Any]) -> dict[str, Any]:
    for block in message.get("thinking_blocks", ()):
        block.pop("index", None)
    return message


def recorded(*operations: str) -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    found = [
        (urlsplit(each["url"]).path, each, f"{path.stem[:50]}-{number}")
        for path in sorted((CASSETTES / "mistral").glob("*.y*ml"))
        for number, each in enumerate(read(path))
    ]
    return [
        pytest.param(each, id=name)
        for path, each, name in found
        if path not in LEFT_OUT and OPERATIONS[path] in operations
    ]


@needs_cassettes
@pytest.mark.parametrize("recording", recorded("chat.completions"))
def test_a_recorded_chat_comes_through(recording):
    if recording["status"] != 200:
        error = refused(recording["status"], recording["body"])
        assert (type(error), error.code) == (errors.KeyRefused, "invalid_api_key")
        return
    answer, said = answered("mistral", recording["body"]), json.loads(recording["body"])
    (choice,), (original,) = answer["choices"], said["choices"]
    content = original["message"]["content"]
    parts = content if isinstance(content, list) else [text(content)]
    assert choice["message"]["content"] == "".join(each["text"] for each in parts if each["type"] == "text")
    thoughts = [each for each in parts if each["type"] == "thinking"]
    assert choice["message"].get("thinking_blocks", []) == thoughts
    assert choice["message"].get("reasoning_content", "") == "".join(each["thinking"][0]["text"] for each in thoughts)
    assert "tool_calls" not in choice["message"]
    assert (choice["finish_reason"], answer["usage"]) == (original["finish_reason"], said["usage"] | NO_REASONING)


@needs_cassettes
@pytest.mark.parametrize("recording", recorded("chat.completions"))
@pytest.mark.parametrize("cut", CUTS)
def test_what_was_recorded_whole_is_the_same_where_it_is_streamed(recording, cut):
    if recording["status"] != 200:
        return
    said = json.loads(recording["body"])
    (choice,) = said["choices"]
    content = choice["message"]["content"]
    pieces: list[Any] = [{"role": "assistant", "content": ""}]
    for part in content if isinstance(content, list) else [text(content)]:
        if part["type"] == "thinking":
            pieces += [{"content": [thought(word)]} for word in re.findall(r"\S+\s*", part["thinking"][0]["text"])]
            pieces.append({"content": [{"type": "thinking", "thinking": [], "closed": True}]})
        else:
            pieces += [{"content": word} for word in re.findall(r"\s*\S+\s*", part["text"])]
    stream = b"".join(
        event({**said, "usage": None, "choices": [{"index": 0, "delta": piece, "finish_reason": None}]})
        for piece in pieces
    ) + event({**said, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": choice["finish_reason"]}]})
    chunks, error = streamed("mistral", stream + b"data: [DONE]\n\n", cut)
    answer = answered("mistral", recording["body"])
    (seen,), usages = told(chunks)
    unnumbered(seen["message"])
    assert error is None
    assert ([seen], usages) == (whole(answer), [said["usage"] | NO_REASONING])


@needs_cassettes
@pytest.mark.parametrize("recording", recorded("chat.completions"))
def test_what_was_really_asked_can_be_asked_again(recording):
    body = json.loads(recording["req_body"])
    said = [
        {**each, "content": _texts(each["content"]), "thinking_blocks": _thoughts(each["content"])}
        for each in body["messages"]
    ]
    request, sent = asked("mistral", {**body, "messages": said}, model=body["model"])
    assert (request.path, {**sent, "messages": []}) == ("/chat/completions", {**body, "messages": []})
    assert sent["messages"] == body["messages"]


def _texts(content: Any) -> Any:
    return content if isinstance(content, str) else [each for each in content if each["type"] == "text"]


def _thoughts(content: Any) -> Any:
    return [] if isinstance(content, str) else [each for each in content if each["type"] == "thinking"]


@needs_cassettes
@pytest.mark.parametrize("recording", recorded("embeddings"))
def test_recorded_embeddings_come_through(recording):
    body, said = json.loads(recording["req_body"]), json.loads(recording["body"])
    request, sent = asked("mistral", {**body, "encoding_format": "base64"}, operation="embeddings", model=body["model"])
    assert (request.path, sent) == ("/embeddings", body)
    answer = answered("mistral", recording["body"], body=body, operation="embeddings")
    assert ([each["embedding"] for each in answer["data"]], answer["usage"]) == (
        [each["embedding"] for each in said["data"]],
        said["usage"],
    )


@needs_cassettes
def test_every_recording_is_one_of_an_operation_that_there_is():
    assert len(recorded("chat.completions")) == 5
    assert len(recorded("embeddings")) == 1


def test_a_chat_is_posted_with_the_key_in_its_header_alone():
    request, body = asked("mistral", {"messages": HI, "stream": True, "stream_options": {"include_usage": True}})
    assert (request.method, request.path) == ("POST", "/chat/completions")
    assert ("authorization", f"Bearer {SECRET}") in request.headers
    assert SECRET not in request.path + request.body.decode()
    assert body == {"model": "m", "messages": HI, "stream": True}


JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"seed": 7}, {"random_seed": 7}),
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        ({"temperature": 0.5, "top_p": 1, "n": 2}, {"temperature": 0.5, "top_p": 1, "n": 2}),
        ({"stop": "END"}, {"stop": "END"}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"presence_penalty": 1, "frequency_penalty": 2}, {"presence_penalty": 1, "frequency_penalty": 2}),
        ({"top_k": 40, "min_tokens": 3}, {"top_k": 40, "min_tokens": 3}),
        ({"repeat_penalty": 1.1}, {"repetition_penalty": 1.1}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"safe_prompt": True, "prompt_mode": "reasoning"}, {"safe_prompt": True, "prompt_mode": "reasoning"}),
        ({"prediction": {"type": "content", "content": "x"}}, {"prediction": {"type": "content", "content": "x"}}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ({"response_format": JSON_SCHEMA}, {"response_format": JSON_SCHEMA}),
        ({"reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ({"reasoning_effort": "max"}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 99}}, {"reasoning_effort": "high"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"tools": [WEATHER]}, {"tools": [BARE_WEATHER]}),
        ({"tools": [WEATHER], "tool_choice": "auto"}, {"tools": [BARE_WEATHER], "tool_choice": "auto"}),
        ({"tools": [WEATHER], "tool_choice": "none"}, {"tools": [BARE_WEATHER], "tool_choice": "none"}),
        (
            {"tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False},
            {"tools": [BARE_WEATHER], "tool_choice": "any", "parallel_tool_calls": False},
        ),
        (
            {"tools": [WEATHER], "tool_choice": NAMED},
            {"tools": [BARE_WEATHER], "tool_choice": NAMED},
        ),
        (
            {
                "tools": [WEATHER, CLOCK],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
            },
            {"tools": [BARE_WEATHER], "tool_choice": "any"},
        ),
        (
            {"functions": [WEATHER["function"]], "function_call": {"name": "weather"}},
            {"tools": [BARE_WEATHER], "tool_choice": NAMED, "parallel_tool_calls": False},
        ),
        ({"tools": [], "tool_choice": "auto", "seed": None}, {}),
        ({"user": "u", "store": True, "service_tier": "flex"}, {}),
    ],
)
def test_parameters_are_said_in_its_words(said, sent):
    assert chat(**said) == {"model": "m", "messages": HI, "stream": False, **sent}


@pytest.mark.parametrize(
    ("said", "param", "code"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", "unsupported_parameter"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "unsupported_parameter"),
        ({"reasoning_effort": {}}, "reasoning_effort", "unsupported_parameter"),
        ({"thinking": True}, "thinking", "unsupported_parameter"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools", "unsupported_parameter"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice", None),
        ({"tool_choice": "required"}, "tool_choice", None),
        ({"messages": [{"role": "user", "content": [{"type": "x"}]}]}, "messages[0].content[0].type", None),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(said, param, code):
    with pytest.raises(errors.RequestRejected) as caught:
        chat(**said)
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_what_it_does_not_know_is_dropped_by_name():
    exchanged = exchange("mistral", {"messages": HI, "user": "u", "mirostat": 2, "stream_options": {}})
    exchanged.request(NOW)
    assert exchanged.dropped == ("user", "mirostat")


def test_schemas_lose_the_keywords_that_are_refused_and_nothing_of_the_callers():
    schema = {
        "$schema": "x",
        "$id": "y",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "$id": {"type": "string"},
            "additionalProperties": {"anyOf": [{"type": "object", "additionalProperties": {"type": "string"}}]},
        },
        "$defs": {"$schema": {"$id": "z", "enum": [{"$id": 1}]}},
        "default": {"$id": 1},
    }
    assert bare(schema) == {
        "type": "object",
        "properties": {"$id": {"type": "string"}, "additionalProperties": {"anyOf": [{"type": "object"}]}},
        "$defs": {"$schema": {"enum": [{"$id": 1}]}},
        "default": {"$id": 1},
    }
    assert schema["$id"] == "y"


def test_a_conversation_is_told_with_its_tools_pictures_and_thoughts():
    own = thought("Two tools.", signature="s", closed=True)
    others = {"type": "thinking", "thinking": "Hm.", "signature": "of-somebody-else"}
    first, second = tool_id("call_1"), "D681PevKs"
    sent = chat(
        messages=[
            {"role": "developer", "content": "Be kind."},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    text("What is this?"),
                    {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                    {"type": "image_url", "image_url": "https://example.com/a.png"},
                    {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
                    {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "reasoning_content": "Two tools.",
                "thinking_blocks": [{"index": 0, **own}, others],
                "tool_calls": [called("call_1", "weather", '{"city": "Rome"}'), called(second, "clock")],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
            {"role": "tool", "tool_call_id": second, "content": [text("Noon")]},
            {"role": "assistant", "content": "Sunny at noon.", "annotations": []},
            {"role": "user", "content": "Sure?"},
        ]
    )["messages"]
    assert sent == [
        {"role": "system", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                text("What is this?"),
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "input_audio", "input_audio": "AA=="},
                {"type": "document_url", "document_url": PDF, "document_name": "a.pdf"},
            ],
        },
        {
            "role": "assistant",
            "content": [own],
            "tool_calls": [called(first, "weather", '{"city":"Rome"}'), called(second, "clock")],
        },
        {"role": "tool", "tool_call_id": first, "name": "weather", "content": "Sunny"},
        {"role": "tool", "tool_call_id": second, "name": "clock", "content": "Noon"},
        {"role": "assistant", "content": "Sunny at noon."},
        {"role": "user", "content": "Sure?"},
    ]


@given(st.text())
def test_every_id_of_a_call_becomes_nine_letters_and_digits_the_same_each_time(id):
    assert re.fullmatch(r"[A-Za-z0-9]{9}", tool_id(id))
    assert tool_id(id) == tool_id(id) == tool_id(tool_id(id))


def test_an_answer_that_stands_last_is_gone_on_with():
    begun = [*HI, {"role": "assistant", "content": "Once upon"}]
    assert chat(messages=begun)["messages"][-1] == {"role": "assistant", "content": "Once upon", "prefix": True}
    assert "prefix" not in chat(messages=[*begun, *HI])["messages"][1]


def test_the_user_does_not_speak_before_the_model_has_answered_a_tool():
    sent = chat(
        messages=[
            *HI,
            {"role": "assistant", "content": "", "tool_calls": [called("D681PevKs", "clock")]},
            {"role": "tool", "tool_call_id": "D681PevKs", "content": "Noon"},
            {"role": "user", "content": "Well?"},
        ]
    )["messages"]
    assert [each["role"] for each in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[-2]["content"]


def test_an_empty_answer_is_left_out():
    sent = chat(messages=[*HI, {"role": "assistant", "content": ""}, {"role": "user", "content": "Well?"}])["messages"]
    assert [each["role"] for each in sent] == ["user", "user"]


REFERENCE = {"type": "reference", "reference_ids": [1]}
TOLD = reply(
    "tool_calls",
    content=[
        thought("Let me think.", signature="sig", closed=True),
        text("Sunny "),
        REFERENCE,
        text("so far."),
    ],
    tool_calls=[called("D681PevKs", "weather", {"city": "Paris"}) | {"index": 0}, called("a23456789", "clock", "")],
)
PIECES = (
    {"role": "assistant", "content": ""},
    {"content": [thought("Let me ")]},
    {"content": [thought("think.")]},
    {"content": [{"type": "thinking", "thinking": [], "signature": "sig", "closed": True}]},
    {"content": [text("Sunny ")]},
    {"content": "so far."},
    {
        "content": "",
        "tool_calls": [
            called("D681PevKs", "weather", {"city": "Paris"}) | {"index": 0},
            {"id": "a23456789", "function": {"name": "clock", "arguments": ""}, "index": 1},
        ],
    },
)


@pytest.mark.parametrize("cut", CUTS)
def test_an_answer_is_the_same_streamed_or_not(cut):
    answer = answered("mistral", TOLD)
    chunks, error = streamed("mistral", events(*PIECES, reason="tool_calls"), cut)
    (choice,), usages = told(chunks)
    unnumbered(choice["message"])
    assert error is None
    assert ([choice], usages) == (whole(answer), [USAGE | NO_REASONING])
    message = choice["message"]
    assert (message["content"], message["reasoning_content"]) == ("Sunny so far.", "Let me think.")
    assert message["thinking_blocks"] == [thought("Let me think.", signature="sig", closed=True)]
    assert message["tool_calls"] == [called("D681PevKs", "weather", '{"city":"Paris"}'), called("a23456789", "clock")]
    assert choice["finish_reason"] == "tool_calls"


def test_an_answer_can_be_said_back_with_its_signature():
    chunks, _ = streamed("mistral", events(*PIECES, reason="tool_calls"))
    message = told(chunks)[0][0]["message"]
    (sent,) = chat(messages=[message])["messages"]
    assert sent["content"] == [thought("Let me think.", signature="sig", closed=True), text("Sunny so far.")]
    assert [call["id"] for call in sent["tool_calls"]] == ["D681PevKs", "a23456789"]


def test_thoughts_between_texts_are_blocks_of_their_own():
    content = [thought("One."), text("a"), thought("Two.", signature="s"), thought("Three."), text("b")]
    answer = answered("mistral", reply(content=content))
    chunks, _ = streamed("mistral", events(*({"content": [each]} for each in content)))
    (choice,), _ = told(chunks)
    assert [unnumbered(choice["message"])] == [each["message"] for each in whole(answer)]
    assert choice["message"]["thinking_blocks"] == [each for each in content if each["type"] == "thinking"]


def test_choices_keep_their_thoughts_apart():
    first = events({"content": [thought("a")]}, {"content": "A"}).split(b"\n\n")
    second = events({"content": [thought("b")]}, {"content": "B"}, index=1).split(b"\n\n")
    mixed = b"\n\n".join((first[0], second[0], first[1], *second[1:]))
    chunks, error = streamed("mistral", mixed)
    assert error is None
    for choice, word in zip(told(chunks)[0], "ab", strict=True):
        assert (choice["message"]["content"], choice["message"]["reasoning_content"]) == (word.upper(), word)
        assert unnumbered(choice["message"])["thinking_blocks"] == [thought(word)]


def test_the_usage_comes_in_a_chunk_of_its_own_to_who_asked_for_it():
    stream = events({"role": "assistant", "content": "a"}, {"content": ""})
    chunks, _ = streamed("mistral", stream, body={"stream_options": {"include_usage": True}})
    *before, last = [json.loads(chunk.wire()[6:]) for chunk in chunks]
    assert (last["choices"], last["usage"]) == ([], USAGE | NO_REASONING)
    assert before[-1]["choices"][0]["finish_reason"] == "stop"
    assert not any(each.get("usage") for each in before)
    unasked, _ = streamed("mistral", stream)
    assert not any(b"usage" in chunk.wire() for chunk in unasked)
    assert [chunk.usage for chunk in unasked if chunk.usage] == [USAGE | NO_REASONING]


@pytest.mark.parametrize("details", [None, {}, {"cached_tokens": 0}])
def test_usage_has_openais_details(details):
    said = reply() | {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": details}}
    assert answered("mistral", said)["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_plain_chunks_go_on_as_they_came():
    chunks, _ = streamed("mistral", events({"role": "assistant", "content": "a"}, {"content": "b"}, {"content": ""}))
    assert chunks[1].raw is not None
    assert b'"content": "b"' in chunks[1].raw


@pytest.mark.parametrize("id", [None, "null", ""])
def test_calls_without_ids_get_some_that_differ(id):
    calls = [called(id, "a") | {"index": at} for at in (0, 1)]
    (choice,) = answered("mistral", reply(tool_calls=calls))["choices"]
    (same,), _ = told(streamed("mistral", events({"role": "assistant", "content": "", "tool_calls": calls}))[0])
    ids = {each["id"] for one in (choice, same) for each in one["message"]["tool_calls"]}
    assert len(ids) == 4
    assert not ids & {None, "null", ""}


@pytest.mark.parametrize(
    ("reason", "ours"),
    [("stop", "stop"), ("length", "length"), ("model_length", "length"), ("tool_calls", "tool_calls"), ("new", "stop")],
)
def test_how_it_ended_is_said_in_openais_words(reason, ours):
    assert answered("mistral", reply(reason))["choices"][0]["finish_reason"] == ours
    assert told(streamed("mistral", events({"content": "a"}, reason=reason))[0])[0][0]["finish_reason"] == ours


def test_an_answer_that_was_given_up_is_an_error():
    with pytest.raises(errors.ServerError):
        answered("mistral", reply("error"))
    chunks, error = streamed("mistral", events({"content": "Hel"}, {"content": ""}, reason="error"))
    assert told(chunks)[0][0]["message"]["content"] == "Hel"
    assert isinstance(error, errors.ServerError)


def refused(status: int, said: Any, headers: dict[str, str] | None = None) -> UpstreamError:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    with pytest.raises(UpstreamError) as caught:
        exchange("mistral", {}).answer(Response(status, headers or {}, body))
    return caught.value


def wrong(type: str, message: Any, code: Any = None) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": type, "param": None, "code": code}


EXTRA = {"type": "extra_forbidden", "loc": ["body", "messages", 0, "name"], "msg": "Extra inputs are not permitted"}
MISSING = {"type": "missing", "loc": ["body", "model"], "msg": "Field required", "input": {"messages": "secret"}}
EXTRA_SAID = "messages.0.name: Extra inputs are not permitted"


@pytest.mark.parametrize(
    ("status", "said", "kind", "code", "param", "message"),
    [
        (422, {"detail": [EXTRA, MISSING]}, errors.RequestRejected, None, "messages.0.name",
         f"{EXTRA_SAID}; model: Field required"),
        (422, wrong("invalid_request_error", {"detail": [EXTRA]}), errors.RequestRejected, None, "messages.0.name",
         EXTRA_SAID),
        (422, wrong("invalid_request_error", [EXTRA], 3001), errors.RequestRejected, None, "messages.0.name",
         EXTRA_SAID),
        (422, {"detail": [{"msg": "Bad"}]}, errors.RequestRejected, None, None, "Bad"),
        (400, wrong("invalid_request_message_order", "Unexpected role", "3230"), errors.RequestRejected, None, None,
         "Unexpected role"),
        (400, wrong("invalid_model", "Invalid model: x", "1500"), errors.ModelMissing, "model_not_found", "model",
         "Invalid model: x"),
        (400, wrong("invalid_request_prompt", "Prompt contains 40113 tokens and 0 draft tokens, too large for model "
                    "with 32768 maximum context length", "3051"), errors.RequestRejected, "context_length_exceeded",
         None, None),
        (401, {"detail": "Invalid API Key"}, errors.KeyRefused, "invalid_api_key", None, None),
        (402, {"detail": "Payment required"}, errors.AccountRefused, "upstream_error", None, None),
        (429, wrong("rate_limited", "Rate limit exceeded", "1300"), errors.RateLimited, "rate_limit_exceeded", None,
         "Rate limit exceeded"),
        (500, wrong("internal_server_error", "Oops"), errors.ServerError, "upstream_error", None, None),
        (503, b"no healthy upstream", errors.UpstreamBusy, "overloaded", None, None),
        (422, b"", errors.RequestRejected, None, None, None),
        (422, b"[]", errors.RequestRejected, None, None, None),
        (422, {"detail": [5]}, errors.RequestRejected, None, None, None),
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_is_one_of_openais(status, said, kind, code, param, message):
    error = refused(status, said, {"retry-after": "7"})
    assert type(error) is kind
    assert (error.code, error.param, error.upstream_status) == (code, param, status)
    assert error.type in ("invalid_request_error", "requests", "server_error", "service_unavailable_error")
    assert message is None or error.message == message
    assert "secret" not in error.message
    if isinstance(error, errors.RateLimited | errors.UpstreamBusy):
        assert error.retry_after == 7


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (wrong("rate_limited", "Rate limit exceeded", "1300"), errors.RateLimited),
        (wrong("service_tier_capacity_exceeded", "Busy", "3505"), errors.RateLimited),
        (wrong("internal_server_error", "Oops"), errors.ServerError),
        ({"error": {"message": "Oops", "code": 503}}, errors.UpstreamBusy),
    ],
)
def test_an_error_in_the_middle_of_a_stream_ends_it(said, kind):
    begun = events({"role": "assistant", "content": "Hel"}, {}).partition(b"\n\n")[0] + b"\n\n"
    chunks, error = streamed("mistral", begun + event(said))
    assert told(chunks)[0][0]["message"]["content"] == "Hel"
    assert type(error) is kind


def test_a_stream_without_its_end_is_cut():
    begun = events({"role": "assistant", "content": [thought("Hm.")]}, {}).partition(b"\n\n")[0] + b"\n\n"
    chunks, error = streamed("mistral", begun)
    assert isinstance(error, errors.StreamCut)
    assert told(chunks)[0][0]["message"]["reasoning_content"] == "Hm."


ODD = [
    b"", b"<html>", b"[]", b"{}", b"\xff", {"choices": 5}, {"choices": [5]}, {"choices": [{}]}, reply(content=5),
    reply(content=[5]), reply(content=[{"type": "text", "text": 5}]), reply(content=[{"type": "thinking"}]),
    reply(content=[{"type": "thinking", "thinking": [{"type": "text", "text": 5}]}]), reply(tool_calls=5),
    reply(tool_calls=[{}]), reply(tool_calls=[called("1", "f", 5)]), reply(tool_calls=[called("1", None)]),
    wrong("x", "y"),
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_answer_is_a_bad_one(odd):
    with pytest.raises(errors.BadAnswer):
        answered("mistral", odd)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": [5]},
        {"content": [{"type": "text", "text": 5}]},
        {"content": [{"type": "thinking", "thinking": 5}]},
        {"content": [{"type": "thinking", "thinking": ["a"]}]},
        {"tool_calls": 5},
        {"tool_calls": [{"function": {}}]},
        {"tool_calls": [called("1", "f", 5)]},
    ],
    ids=repr,
)
def test_an_odd_piece_is_a_bad_answer(delta):
    chunks, error = streamed("mistral", events({"role": "assistant", "content": "Hel"}, delta))
    assert isinstance(error, errors.BadAnswer)
    assert told(chunks)[0][0]["message"]["content"] == "Hel"


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"input": "a"}, {"input": "a"}),
        ({"input": ["a", "b"], "dimensions": 256, "user": "u"}, {"input": ["a", "b"], "output_dimension": 256}),
        ({"input": "a", "encoding_format": "base64", "output_dtype": "float"}, {"input": "a", "output_dtype": "float"}),
    ],
)
def test_embeddings_are_asked_for_in_its_words(said, sent):
    assert asked("mistral", said, operation="embeddings")[1] == {"model": "m", **sent}


@pytest.mark.parametrize("ids", [[1, 2], [[1], [2]]])
def test_token_ids_cannot_be_embedded(ids):
    with pytest.raises(errors.RequestRejected) as caught:
        asked("mistral", {"input": ids}, operation="embeddings")
    assert caught.value.param == "input"


def test_embeddings_come_in_the_encoding_that_was_asked_for():
    said = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5, 1.0]}]}
    answer = answered("mistral", said, body={"input": "a", "encoding_format": "base64"}, operation="embeddings")
    assert answer["data"][0]["embedding"] == "AAAAPwAAgD8="


async def test_events_stream_through_a_socket(begin, target, upstream):
    sent = events(*PIECES, reason="tool_calls")
    upstream.will_stream(sent[:300], sent[300:])
    received = await wire(await begin(target(upstream.url, adapter="mistral"), stream_options={"include_usage": True}))
    assert b'"finish_reason":"tool_calls"' in received
    assert b'"cached_tokens":4' in received
    assert upstream.asked[0].path == "/v1/chat/completions"
