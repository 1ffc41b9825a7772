"""Ollama: what it is asked in its own words, and what its answers, whole or in lines, mean to the caller."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers import errors
from tests.providers.conftest import wire
from tests.providers.exchanged import NOW, answered, asked, exchange, streamed, told, whole
from tests.providers.shared import CASSETTES, load, needs_cassettes

HI = [{"role": "user", "content": "Hi"}]
PIXEL = "iVBORw0KGgo="
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FORMATS = {"/api/chat": "ollama", "/v1/chat/completions": "openai"}
LEFT_OUT = {"/api/embeddings": "the endpoint before /api/embed, of one prompt; it is not asked any more"}


def chat(**said: Any) -> Any:
    return asked("ollama", {"messages": HI, **said})[1]


def lines(*said: dict[str, Any]) -> bytes:
    return b"".join(json.dumps({"model": "llama3", **each}).encode() + b"\n" for each in said)


def line(done: bool = False, **message: Any) -> dict[str, Any]:
    ended = {"done_reason": "stop", "prompt_eval_count": 17, "eval_count": 5} if done else {}
    return {"message": {"role": "assistant", "content": "", **message}, "done": done, **ended}


def recorded() -> Iterator[Any]:
    if not CASSETTES.exists():
        return
    read = load(CASSETTES / "read_cassettes.py").interactions
    for path in sorted((CASSETTES / "ollama").glob("*.y*ml")):
        for number, each in enumerate(read(path)):
            yield pytest.param(urlsplit(each["url"]).path, each, id=f"{path.stem[:60]}-{number}")


@needs_cassettes
@pytest.mark.parametrize(("path", "recording"), list(recorded()))
@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_a_recording_comes_through(path, recording, cut):
    if path in LEFT_OUT:
        pytest.skip(LEFT_OUT[path])
    adapter, sent = FORMATS[path], recording["body"]
    if "json" in recording["headers"]["content-type"][0] and "ndjson" not in recording["headers"]["content-type"][0]:
        said = json.loads(sent)
        message = said["message"] if adapter == "ollama" else said["choices"][0]["message"]
        answer = answered(adapter, sent)
        assert answer["choices"][0]["message"]["content"] == message["content"]
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert answer["usage"]["total_tokens"] == _counted(said)
        return
    chunks, error = streamed(adapter, sent, cut)
    events = [json.loads(each.removeprefix(b"data: ")) for each in sent.splitlines() if b"{" in each]
    (choice,), (usage,) = told(chunks)
    assert error is None
    assert choice["message"]["content"] == "".join(_text(each) for each in events)
    assert choice["finish_reason"] == "stop"
    assert usage["total_tokens"] == _counted(events[-1])


def _text(event: dict[str, Any]) -> str:
    if "message" in event:
        return event["message"]["content"]
    return "".join(choice["delta"].get("content", "") for choice in event["choices"])


def _counted(said: dict[str, Any]) -> int:
    return said["usage"]["total_tokens"] if "usage" in said else said["prompt_eval_count"] + said["eval_count"]


@pytest.mark.parametrize(
    ("said", "options"),
    [
        ({"temperature": 0.5, "top_p": 0.9, "seed": 7}, {"temperature": 0.5, "top_p": 0.9, "seed": 7}),
        ({"top_k": 40, "min_p": 0.05, "typical_p": 0.7}, {"top_k": 40, "min_p": 0.05, "typical_p": 0.7}),
        ({"repeat_penalty": 1.1, "repeat_last_n": 64}, {"repeat_penalty": 1.1, "repeat_last_n": 64}),
        ({"presence_penalty": 1, "frequency_penalty": 2}, {"presence_penalty": 1, "frequency_penalty": 2}),
        ({"n_keep": 4, "batch": 512}, {"num_keep": 4, "num_batch": 512}),
        ({"max_tokens": 9}, {"num_predict": 9}),
        ({"max_completion_tokens": 9}, {"num_predict": 9}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"temperature": None}, {}),
    ],
)
def test_what_shapes_the_answer_goes_as_an_option(said, options):
    assert chat(**said).get("options", {}) == options


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, {"format": SCHEMA}),
        ({"response_format": {"type": "text"}}, {}),
        ({"grammar_json_functions": SCHEMA}, {"format": SCHEMA}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "minimal"}, {"think": "low"}),
        ({"reasoning_effort": "high"}, {"think": "high"}),
        ({"thinking": {"type": "enabled"}}, {"think": True}),
        ({"thinking": {"type": "disabled"}}, {"think": False}),
        ({"tools": [WEATHER], "tool_choice": "auto"}, {"tools": [WEATHER]}),
        ({"tools": [WEATHER], "tool_choice": "none"}, {}),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"functions": [WEATHER["function"]]}, {"tools": [WEATHER]}),
        ({"user": "u", "parallel_tool_calls": False, "store": True}, {}),
    ],
)
def test_what_has_a_place_of_its_own_goes_there(said, sent):
    assert chat(**said) == {"model": "m", "messages": HI, "stream": False, **sent}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"tools": [WEATHER], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "weather"}}}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, "tools"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"reasoning_effort": {}}, "reasoning_effort"),
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"grammar": "root ::= x"}, "grammar"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(said, param):
    with pytest.raises(errors.RequestRejected) as caught:
        chat(**said)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", param)


def test_a_conversation_is_told_with_its_tools_pictures_and_thoughts():
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    sent = chat(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is this?"}, picture]},
            {"role": "assistant", "content": None, "reasoning_content": "Rome?", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
            {"role": "user", "content": "And now?"},
        ]
    )
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [PIXEL]},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Rome?",
            "tool_calls": [
                {"id": "call_1", "function": {"index": 0, "name": "weather", "arguments": {"city": "Rome"}}}
            ],
        },
        {"role": "tool", "content": "Sunny", "tool_name": "weather", "tool_call_id": "call_1"},
        {"role": "user", "content": "And now?"},
    ]


def test_sounds_are_refused():
    sound = {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}
    with pytest.raises(errors.RequestRejected, match="takes no audio") as caught:
        chat(messages=[{"role": "user", "content": [sound]}])
    assert caught.value.param == "messages"


def test_the_providers_options_go_with_every_call_and_the_callers_go_before_them():
    given = {"ollama_options": {"num_ctx": 32768, "temperature": 0.1, "keep_alive": "30m"}}
    _, sent = asked("ollama", {"messages": HI, "temperature": 0.9}, options=given)
    assert sent["options"] == {"num_ctx": 32768, "temperature": 0.9}
    assert sent["keep_alive"] == "30m"
    _, sent = asked("ollama", {"input": "a"}, operation="embeddings", options=given)
    assert (sent["options"], sent["keep_alive"]) == ({"num_ctx": 32768, "temperature": 0.1}, "30m")


def test_an_admin_can_let_an_option_through():
    _, sent = asked("ollama", {"messages": HI, "num_ctx": 8192}, quirks={"parameters": {"num_ctx": True}})
    assert sent["options"] == {"num_ctx": 8192}


def test_what_it_does_not_know_is_dropped_by_name():
    exchanged = exchange("ollama", {"messages": HI, "mirostat": 2, "user": "u"})
    request, _ = asked("ollama", {"messages": HI})
    exchanged.request(NOW)
    assert exchanged.dropped == ("mirostat", "user")
    assert request.path == "/api/chat"


WHOLE = {
    "model": "llama3",
    "message": {
        "role": "assistant",
        "content": "It is sunny.",
        "thinking": "Let me look.",
        "tool_calls": [{"id": "c1", "function": {"name": "a", "arguments": {"x": 1}}},
                       {"id": "c2", "function": {"name": "b", "arguments": {}}}],
    },
    "done": True, "done_reason": "stop", "prompt_eval_count": 17, "eval_count": 5,
}  # fmt: skip
PIECES = lines(
    line(thinking="Let me "), line(thinking="look."), line(content="It is "), line(content="sunny."),
    line(tool_calls=WHOLE["message"]["tool_calls"][:1]), line(tool_calls=WHOLE["message"]["tool_calls"][1:]),
    line(done=True),
)  # fmt: skip


@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_thoughts_text_and_calls_are_the_same_streamed_or_not(cut):
    answer = answered("ollama", WHOLE)
    chunks, error = streamed("ollama", PIECES, cut)
    assert error is None
    assert told(chunks) == (whole(answer), [answer["usage"]])
    message = answer["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("It is sunny.", "Let me look.")
    assert [(each["id"], each["function"]["arguments"]) for each in message["tool_calls"]] == [
        ("c1", '{"x":1}'),
        ("c2", "{}"),
    ]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["usage"]["prompt_tokens"] == 17


def test_calls_without_ids_get_some_that_differ():
    calls = [{"function": {"name": "a", "arguments": {}}}] * 2
    answer = answered("ollama", line(done=True, tool_calls=calls))
    ids = {each["id"] for each in answer["choices"][0]["message"]["tool_calls"]}
    chunks, _ = streamed("ollama", lines(line(tool_calls=calls), line(done=True)))
    ids |= {each["id"] for each in told(chunks)[0][0]["message"]["tool_calls"]}
    assert len(ids) == 4
    assert all(len(id) == len("call_") + 24 for id in ids)


def test_functions_are_answered_as_functions():
    body = {"messages": HI, "functions": [WEATHER["function"]]}
    said = line(done=True, tool_calls=[{"function": {"name": "weather", "arguments": {}}}])
    choice = answered("ollama", said, body=body)["choices"][0]
    assert choice["message"]["function_call"] == {"name": "weather", "arguments": "{}"}
    assert choice["finish_reason"] == "function_call"


@pytest.mark.parametrize(("reason", "ours"), [("stop", "stop"), ("length", "length"), ("load", "stop"), (None, "stop")])
def test_how_it_ended_is_said_in_openais_words(reason, ours):
    said = line(done=True, content="a") | {"done_reason": reason}
    assert answered("ollama", said)["choices"][0]["finish_reason"] == ours
    assert told(streamed("ollama", lines(said))[0])[0][0]["finish_reason"] == ours


def test_chances_are_told_as_openai_tells_them():
    top = [{"token": "b", "logprob": -2.5}]
    said = line(done=True, content="a") | {
        "logprobs": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top}]
    }
    expected = {
        "content": [
            {"token": "a", "logprob": -0.5, "bytes": [97],
             "top_logprobs": [{"token": "b", "logprob": -2.5, "bytes": None}]}
        ],
        "refusal": None,
    }  # fmt: skip
    assert answered("ollama", said)["choices"][0]["logprobs"] == expected
    chunks, _ = streamed("ollama", lines(said))
    assert [each for chunk in chunks for c in chunk.data["choices"] if (each := c["logprobs"])] == [expected]


def test_a_prompt_that_was_not_counted_leaves_the_counting_to_us():
    said = {name: value for name, value in line(done=True, content="a").items() if name != "prompt_eval_count"}
    assert "usage" not in answered("ollama", said)
    assert told(streamed("ollama", lines(said))[0])[1] == []


def test_an_error_in_the_middle_of_a_stream_ends_it():
    chunks, error = streamed(
        "ollama", lines(line(content="Hel")) + b'{"error":"llama runner process has terminated"}\n'
    )
    assert told(chunks)[0][0]["message"]["content"] == "Hel"
    assert isinstance(error, errors.ServerError)


def test_a_stream_without_its_last_line_is_cut():
    assert isinstance(streamed("ollama", lines(line(content="Hel")))[1], errors.StreamCut)


@pytest.mark.parametrize("odd", [b"<html>", b"[]", b'{"message":5}', b'{"message":{"tool_calls":[{}]}}', b"\xff\n"])
def test_an_odd_answer_is_a_bad_one(odd):
    with pytest.raises(errors.BadAnswer):
        answered("ollama", odd)
    assert isinstance(streamed("ollama", odd + b"\n")[1], errors.BadAnswer)


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (404, "model 'm' not found", errors.ModelMissing, "model_not_found"),
        (400, "the input length exceeds the context length", errors.RequestRejected, "context_length_exceeded"),
        (400, '"m" does not support tools', errors.RequestRejected, None),
        (429, "too many requests", errors.RateLimited, "rate_limit_exceeded"),
        (500, "out of memory", errors.ServerError, "upstream_error"),
        (503, "server busy, please try again", errors.UpstreamBusy, "overloaded"),
    ],
)
def test_an_error_is_one_of_openais(status, said, kind, code):
    with pytest.raises(kind) as caught:
        answered("ollama", {"error": said}, status)
    assert caught.value.code == code
    assert status >= 429 or caught.value.message == said


def test_one_vector_by_itself_is_the_answer_of_an_older_server():
    answer = answered("ollama", {"embedding": [0.5, 1.0]}, operation="embeddings")
    assert [each["embedding"] for each in answer["data"]] == [[0.5, 1.0]]


def test_embeddings_come_in_the_encoding_that_was_asked_for():
    said = {"model": "all-minilm", "embeddings": [[0.5, 1.0], [0.25, 2.0]], "prompt_eval_count": 8}
    body = {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 2}
    request, sent = asked("ollama", body, operation="embeddings")
    assert (request.path, sent) == ("/api/embed", {"model": "m", "input": ["a", "b"], "dimensions": 2})
    assert exchange("ollama", body, operation="embeddings").dropped == ()
    answer = answered("ollama", said, body={"input": ["a", "b"]}, operation="embeddings")
    assert [each["embedding"] for each in answer["data"]] == said["embeddings"]
    assert answer["usage"] == {"prompt_tokens": 8, "total_tokens": 8}
    encoded = answered("ollama", said, body=body, operation="embeddings")
    assert encoded["data"][0]["embedding"] == "AAAAPwAAgD8="


@pytest.mark.parametrize("ids", [[1, 2], [[1], [2]]])
def test_token_ids_cannot_be_embedded(ids):
    with pytest.raises(errors.RequestRejected) as caught:
        asked("ollama", {"input": ids}, operation="embeddings")
    assert caught.value.param == "input"


async def test_lines_stream_through_a_socket_and_an_early_end_closes_it(begin, target, upstream):
    kind = "application/x-ndjson"
    upstream.will_stream(PIECES[:40], PIECES[40:], kind=kind)
    sent = await wire(await begin(target(upstream.url, adapter="ollama"), stream_options={"include_usage": True}))
    assert b'"finish_reason":"tool_calls"' in sent
    assert b'"total_tokens":22' in sent
    assert upstream.asked[0].path == "/v1/api/chat"
    upstream.will_stream(PIECES[:100], PIECES[100:300], kind=kind, hang=True)
    stream = await begin(target(upstream.url, adapter="ollama"))
    await stream.aclose()
    await upstream.left.wait()


async def test_an_error_instead_of_a_stream_is_one(begin, target, upstream):
    upstream.will_answer(200, {"error": "model is broken"})
    with pytest.raises(errors.ServerError):
        await begin(target(upstream.url, adapter="ollama"))
