"""Replicate: a conversation becomes a prediction, which is followed until it is there, streamed, or ended."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from providers import errors
from providers.adapters import replicate
from providers.adapters.shapes import Response
from tests.providers.conftest import SECRET, wire
from tests.providers.exchanged import NOW, answered, asked, exchange, streamed, told, whole

RECORDINGS = Path(__file__).parents[1] / "recordings" / "replicate"
API = "https://api.replicate.com/v1"
HI = [{"role": "user", "content": "Hi"}]
VERSION = "0123456789abcdef" * 4
TOOL = {"type": "function", "function": {"name": "f"}}


def recording(name: str) -> Any:
    text = (RECORDINGS / name).read_text()
    return json.loads(text) if name.endswith(".json") else text.encode()


def inputs(**said: Any) -> Any:
    return asked("replicate", {"messages": HI, **said}, model="meta/llama")[1]["input"]


def prediction(url: str, status: str = "starting", **changes: Any) -> dict[str, Any]:
    """Return a recorded prediction that lives at ``url``."""
    said = recording("text.json" if status == "succeeded" else "created.json")
    urls = {"get": f"{url}/predictions/p1", "cancel": f"{url}/predictions/p1/cancel", "stream": f"{url}/stream/p1"}
    return {**said, "status": status, "urls": urls, **changes}


# what is asked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "path", "said"),
    [
        ("meta/llama-3", "/models/meta/llama-3/predictions", {}),
        (f"acme/own:{VERSION}", "/predictions", {"version": VERSION}),
        (VERSION, "/predictions", {"version": VERSION}),
        ("deployments/acme/chat", "/deployments/acme/chat/predictions", {}),
    ],
)
def test_a_model_is_asked_where_it_lives(model, path, said):
    request, body = asked("replicate", {"messages": HI}, model=model)
    assert request.path == path
    assert body == {"input": {"prompt": "Hi"}, **said}
    assert ("prefer", "wait=5") in request.headers


@pytest.mark.parametrize("model", ["llama", "../../account", "a/../b", "a/b/c", "a/b?x=1", "a/b:latest"])
def test_a_name_that_is_no_models_asks_nothing(model):
    with pytest.raises(errors.ModelMissing) as caught:
        asked("replicate", {"messages": HI}, model=model)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_a_stream_is_not_waited_for():
    request, body = asked("replicate", {"messages": HI, "stream": True}, model="meta/llama")
    assert body["stream"] is True
    assert "prefer" not in dict(request.headers)


@pytest.mark.parametrize(
    ("messages", "sent"),
    [
        (HI, {"prompt": "Hi"}),
        ([{"role": "system", "content": "Be brief."}, *HI], {"prompt": "Hi", "system_prompt": "Be brief."}),
        (
            [*HI, {"role": "assistant", "content": "Hello"}, {"role": "user", "content": "Who?"}],
            {"prompt": "User: Hi\n\nAssistant: Hello\n\nUser: Who?\n\nAssistant:"},
        ),
        (
            [*HI, {"role": "assistant", "content": "Hello, I am"}],
            {"prompt": "User: Hi\n\nAssistant: Hello, I am"},
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "What?"},
                                          {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}],
            {"prompt": "What?", "image": "https://x.test/a.png"},
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
            {"prompt": "", "image": "data:image/png;base64,AAAA"},
        ),
    ],
)  # fmt: skip
def test_a_conversation_is_one_prompt(messages, sent):
    assert inputs(messages=messages) == sent


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"max_tokens": 9}, {"max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"max_tokens": 9}),
        (
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 1},
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 1},
        ),
        ({"stop": "END"}, {"stop_sequences": "END"}),
        ({"stop": ["a", "b"]}, {"stop_sequences": "a,b"}),
        ({"repeat_penalty": 1.2}, {"repetition_penalty": 1.2}),
        ({"temperature": None, "user": "u", "n": 1, "response_format": {"type": "text"}}, {}),
    ],
)
def test_parameters_are_inputs(said, sent):
    assert inputs(**said) == {"prompt": "Hi", **sent}


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"functions": [TOOL["function"]]}, "functions"),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"stop": ["a,b"]}, "stop"),
    ],
)
def test_what_such_models_cannot_do_is_refused_by_name(said, param):
    with pytest.raises(errors.RequestRejected) as caught:
        inputs(**said)
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_parameter", param)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}] * 2},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]},
    ],
)
def test_messages_that_no_prompt_can_hold_are_refused(message):
    with pytest.raises(errors.RequestRejected) as caught:
        inputs(messages=[message])
    assert caught.value.param == "messages"


def test_a_model_can_have_inputs_of_its_own():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"},
                                     {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]},
    ]  # fmt: skip
    _, body = asked(
        "replicate",
        {"messages": messages, "max_tokens": 9},
        model="acme/own",
        options={"input": {"prompt_template": "{prompt}", "max_new_tokens": 5}},
        quirks={"parameters": {"max_tokens": "max_new_tokens"}, "inputs": {"system_prompt": False, "image": "img"}},
    )
    assert body["input"] == {
        "prompt_template": "{prompt}",
        "max_new_tokens": 9,
        "prompt": "System: Be brief.\n\nUser: What?\n\nAssistant:",
        "img": "https://x.test/a.png",
    }


@pytest.mark.parametrize(
    ("url", "base", "ours"),
    [
        (f"{API}/predictions/x", API, True),
        ("https://stream.replicate.com/v1/files/x", API, True),
        ("https://stream-b.svc.rno2.c.replicate.net/v1/streams/x", API, True),
        ("https://replicate.delivery/x", API, True),
        ("http://api.replicate.com/v1/predictions/x", API, False),
        ("https://api.replicate.com:8443/v1", API, False),
        ("https://replicate.com.evil.test/x", API, False),
        ("https://evilreplicate.com/x", API, False),
        ("https://api.replicate.com@evil.test/x", API, False),
        ("https://evil.test\\@api.replicate.com/x", API, False),
        ("https://evil.test/#api.replicate.com", API, False),
        ("ftp://api.replicate.com/x", API, False),
        ("", API, False),
        ("http://10.0.0.5:9000/predictions/x", "http://10.0.0.5:9000/v1", True),
        ("http://10.0.0.5:9001/predictions/x", "http://10.0.0.5:9000/v1", False),
        ("https://api.replicate.com/v1/x", "http://10.0.0.5:9000/v1", False),
    ],
)
def test_our_key_goes_to_replicate_alone(url, base, ours):
    assert replicate.is_ours(url, base) is ours


# what is answered ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_an_answer_is_the_same_streamed_or_not(cut):
    answer = answered("replicate", recording("text.json"), 201)
    chunks, error = streamed("replicate", recording("text.sse"), cut)
    assert error is None
    assert told(chunks)[0] == whole(answer)
    assert answer["choices"][0]["message"]["content"] == "Hello, world!\nI am Lläma\n\n."
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (23, 11)
    assert answer["model"] == "meta/meta-llama-3-70b-instruct"
    assert {chunk["model"] for chunk in (each.data for each in chunks)} == {"public"}


def test_an_answer_without_counts_leaves_the_counting_to_us():
    answer = answered("replicate", {"id": "p", "status": "succeeded", "output": "Hi", "metrics": {"predict_time": 1}})
    assert "usage" not in answer
    assert answer["choices"][0]["message"]["content"] == "Hi"
    assert answer["model"] == "m"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"error": "CUDA out of memory"}, errors.ServerError),
        ({"error": "the prompt exceeds the context length"}, errors.RequestRejected),
        ({"status": "canceled"}, errors.StreamCut),
        ({"status": "aborted"}, errors.StreamCut),
        ({"status": "succeeded", "output": {"audio": "x"}}, errors.BadAnswer),
        ({"status": None}, errors.BadAnswer),
    ],
)
def test_a_prediction_without_an_answer_is_an_error(changes, kind):
    with pytest.raises(kind):
        answered("replicate", recording("failed.json") | changes, 201)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b'event: error\ndata: {"detail":"CUDA out of memory"}\n\n', errors.ServerError),
        (b'event: done\ndata: {"reason":"error"}\n\n', errors.ServerError),
        (b'event: done\ndata: {"reason":"canceled"}\n\n', errors.StreamCut),
        (b"", errors.StreamCut),
    ],
)
def test_a_stream_that_fails_is_an_error_after_what_was_said(event, kind):
    chunks, error = streamed("replicate", b"event: output\ndata: Hel\n\n" + event)
    assert told(chunks)[0][0]["message"]["content"] == "Hel"
    assert isinstance(error, kind)


def test_a_problem_is_told_with_its_place():
    with pytest.raises(errors.RequestRejected, match="Must be less than") as caught:
        answered("replicate", recording("problem.json"), 422)
    assert (caught.value.status, caught.value.param) == (400, "input.top_p")


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, errors.KeyRefused), (402, errors.AccountRefused), (404, errors.ModelMissing), (500, errors.ServerError)],
)
def test_a_status_means_what_it_says(status, kind):
    with pytest.raises(kind):
        answered("replicate", {"title": "No", "detail": "The requested resource could not be found."}, status)


def test_a_limit_says_when_to_come_back():
    with pytest.raises(errors.RateLimited) as caught:
        answered("replicate", {"detail": "Request was throttled.", "status": 429, "retry_after": 7}, 429)
    assert caught.value.retry_after == 7


def test_it_asks_more_and_more_rarely():
    exchanged = exchange("replicate", {"messages": HI}, url=API, model="a/b")
    exchanged.request(NOW)
    response = Response(200, {}, json.dumps(prediction(API, "processing")).encode())
    waits = [exchanged.follow(response).wait for _ in range(6)]
    assert waits[0] == 0.5
    assert waits == sorted(waits)
    assert waits[-1] == 2.0


# through a socket ----------------------------------------------------------------------------------------------


@pytest.fixture
def model(target, monkeypatch) -> Callable[..., Any]:
    """Make a target whose predictions are asked for soon again."""
    monkeypatch.setattr(replicate, "FIRST_PAUSE", 0.01)

    def make(url: str, **of: Any) -> Any:
        return replace(target(url, adapter="replicate", **of), upstream_model="meta/llama")

    return make


def paths(upstream: Any) -> list[str]:
    return [f"{each.method} {each.path}" for each in upstream.asked]


async def test_a_prediction_that_is_ready_takes_one_request(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url, "succeeded"))
    answer = await ask(model(upstream.url))
    assert answer.body["choices"][0]["message"]["content"].startswith("Hello, world!")
    assert paths(upstream) == ["POST /v1/models/meta/llama/predictions"]
    assert upstream.asked[0].headers["authorization"] == f"Bearer {SECRET}"


async def test_a_prediction_that_takes_its_time_is_followed(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_answer(200, prediction(upstream.url, "processing"))
    upstream.will_answer(200, prediction(upstream.url, "succeeded"))
    answer = await ask(model(upstream.url))
    assert answer.body["usage"]["total_tokens"] == 34
    assert paths(upstream)[1:] == ["GET /v1/predictions/p1"] * 2
    assert upstream.asked[1].headers["authorization"] == f"Bearer {SECRET}"


async def test_an_answer_longer_than_an_error_may_be_is_read_whole(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url, "succeeded", output=["x" * 1000] * 200))
    assert len((await ask(model(upstream.url))).body["choices"][0]["message"]["content"]) == 200_000


async def test_a_prediction_that_fails_meanwhile_is_an_error_and_not_ended_again(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_answer(200, prediction(upstream.url, "failed", error="CUDA out of memory"))
    with pytest.raises(errors.ServerError):
        await ask(model(upstream.url))
    assert len(upstream.asked) == 2


async def test_a_stream_is_read_where_the_prediction_says(begin, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_stream(recording("text.sse"))
    stream = await begin(model(upstream.url))
    sent = await wire(stream)
    assert b'"content":" world!"' in sent
    assert sent.count(b'"finish_reason":"stop"') == 1
    assert paths(upstream) == ["POST /v1/models/meta/llama/predictions", "GET /v1/stream/p1"]
    assert upstream.asked[0].body["stream"] is True
    assert upstream.asked[1].headers["accept"] == "text/event-stream"


async def test_who_leaves_while_it_runs_ends_it_once(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    for _ in range(3):
        upstream.will_answer(200, prediction(upstream.url, "processing"))
    upstream.will_hang()
    asking = asyncio.ensure_future(ask(model(upstream.url)))
    async with asyncio.timeout(10):
        await upstream.hanging.wait()
    assert len(upstream.asked) == 5
    upstream.will_answer(200, prediction(upstream.url, "canceled"))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert [path for path in paths(upstream) if path.startswith("POST")] == [
        "POST /v1/models/meta/llama/predictions",
        "POST /v1/predictions/p1/cancel",
    ]
    assert upstream.asked[-1].headers["authorization"] == f"Bearer {SECRET}"


async def test_a_prediction_that_takes_too_long_is_ended(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_hang()
    with pytest.raises(errors.TotalTimeout):
        await ask(model(upstream.url, options={"timeouts": {"total": 0.3}}))
    assert paths(upstream)[-1] == "POST /v1/predictions/p1/cancel"


async def test_a_prediction_that_cannot_be_read_any_more_is_ended(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_answer(500, {"detail": "Internal error"})
    with pytest.raises(errors.ServerError):
        await ask(model(upstream.url))
    assert paths(upstream)[-1] == "POST /v1/predictions/p1/cancel"


async def test_that_it_cannot_be_ended_is_no_other_error(ask, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_answer(429, {"detail": "Slow down"})
    upstream.will_reset()
    with pytest.raises(errors.RateLimited):
        await ask(model(upstream.url))


async def test_a_stream_that_is_closed_early_ends_the_prediction(begin, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_stream(b"event: output\ndata: Hel\n\n", hang=True)
    stream = await begin(model(upstream.url))
    await stream.aclose()
    await upstream.left.wait()
    assert paths(upstream)[-1] == "POST /v1/predictions/p1/cancel"


async def test_a_stream_that_is_finished_ends_nothing(begin, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_stream(recording("text.sse"))
    await wire(await begin(model(upstream.url)))
    assert len(upstream.asked) == 2


async def test_a_stream_that_fails_before_it_began_is_an_error_and_ends_nothing(begin, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_stream(b'event: error\ndata: {"detail":"CUDA out of memory"}\n\nevent: done\ndata: {}\n\n')
    with pytest.raises(errors.ServerError):
        await begin(model(upstream.url))
    assert len(upstream.asked) == 2


async def test_a_stream_that_never_begins_ends_the_prediction(begin, model, upstream):
    upstream.will_answer(201, prediction(upstream.url))
    upstream.will_stream(b"event: logs\ndata: loading\n\n", hang=True)
    with pytest.raises(errors.FirstByteTimeout):
        await begin(model(upstream.url, options={"timeouts": {"first_byte": 0.3}}))
    assert paths(upstream)[-1] == "POST /v1/predictions/p1/cancel"


async def test_a_model_that_does_not_stream_is_refused_and_its_prediction_ended(begin, model, upstream):
    urls = {name: url for name, url in prediction(upstream.url)["urls"].items() if name != "stream"}
    upstream.will_answer(201, prediction(upstream.url, urls=urls))
    with pytest.raises(errors.RequestRejected) as caught:
        await begin(model(upstream.url))
    assert caught.value.param == "stream"
    assert paths(upstream)[-1] == "POST /v1/predictions/p1/cancel"


async def test_our_key_goes_to_no_other_host(ask, begin, model, upstream, other):
    for call in (ask, begin):
        upstream.will_answer(201, prediction(other.url))
        with pytest.raises(errors.BadAnswer):
            await call(model(upstream.url))
    assert other.connections == 0
