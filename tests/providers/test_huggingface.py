"""Hugging Face: chats as OpenAI's, embeddings as a task of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from providers import errors
from providers.adapters.shapes import Response
from tests.providers.conftest import SECRET
from tests.providers.exchanged import answered, asked, exchange, streamed, told, whole

RECORDINGS = Path(__file__).parents[1] / "recordings" / "huggingface"
HI = [{"role": "user", "content": "Hi"}]
PIPELINE = "/hf-inference/models/BAAI/bge-small-en-v1.5/pipeline/feature-extraction"


def recording(name: str) -> bytes:
    return (RECORDINGS / name).read_bytes()


def embedding(body: dict[str, Any], model: str = "BAAI/bge-small-en-v1.5", **of: Any) -> Any:
    return asked("huggingface", body, operation="embeddings", model=model, **of)


@pytest.mark.parametrize("cut", [1, 7, 100_000])
def test_an_answer_is_the_same_streamed_or_not(cut):
    answer = answered("huggingface", recording("text.json"))
    chunks, error = streamed("huggingface", recording("text.sse"), cut)
    assert error is None
    choices, usage = told(chunks)
    (expected,) = whole(answer)
    expected["message"].setdefault("refusal", None)
    assert (choices, usage) == ([expected], [answer["usage"]])
    assert choices[0]["message"]["content"] == "Hello, world!"
    assert choices[0]["finish_reason"] == "stop"


def test_a_chat_goes_to_the_router_with_all_that_was_said():
    body = {"messages": HI, "seed": 5, "stop": "END", "stream": True}
    told = {**body, "max_completion_tokens": 9, "mirostat": 2}
    request, sent = asked("huggingface", told, model="org/name:cheapest")
    assert request.path == "/chat/completions"
    assert sent == {
        **body,
        "model": "org/name:cheapest",
        "max_tokens": 9,
        "stop": ["END"],
        "stream_options": {"include_usage": True},
    }


def test_what_a_model_thought_is_reasoning_content_in_answers_and_reasoning_in_the_history():
    said = json.loads(recording("text.json"))
    said["choices"][0]["message"]["reasoning"] = "A greeting."
    assert answered("huggingface", said)["choices"][0]["message"]["reasoning_content"] == "A greeting."
    history = [{"role": "assistant", "content": "Hello", "reasoning_content": "A greeting."}, *HI]
    _, sent = asked("huggingface", {"messages": history})
    assert sent["messages"][0] == {"role": "assistant", "content": "Hello", "reasoning": "A greeting."}


@pytest.mark.parametrize("model", ["BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5:hf-inference"])
@pytest.mark.parametrize("given", ["a", ["a", "b"]])
def test_embeddings_are_asked_of_the_models_pipeline(model, given):
    request, sent = embedding({"input": given, "encoding_format": "base64", "user": "u"}, model)
    assert request.path == f"https://router.huggingface.co{PIPELINE}"
    assert dict(request.headers)["authorization"] == f"Bearer {SECRET}"
    assert sent == {"inputs": ["a"] if given == "a" else ["a", "b"]}


def test_the_pipelines_own_parameters_are_sent():
    assert embedding({"input": "a", "normalize": True, "truncate": False})[1] == {
        "inputs": ["a"],
        "normalize": True,
        "truncate": False,
    }


@pytest.mark.parametrize("said", [{"input": [1, 2]}, {"input": [[1]]}, {"input": "a", "dimensions": 8}])
def test_what_cannot_be_embedded_is_refused(said):
    with pytest.raises(errors.RequestRejected) as caught:
        embedding(said)
    assert caught.value.param == list(said)[-1]


@pytest.mark.parametrize("model", ["../../whoami", "a/../../b", "a/b/c", "a?b", "", "ä/b", ".hidden"])
def test_a_name_that_is_no_models_asks_nothing(model):
    with pytest.raises(errors.ModelMissing):
        embedding({"input": "a"}, model)


async def test_embeddings_come_through_a_socket_in_the_encoding_that_was_asked_for(ask, target, upstream):
    vectors = json.loads(recording("embeddings.json"))
    place = target(upstream.url, adapter="huggingface")
    for encoding, first in (("float", vectors[0]), ("base64", "AAAAPwAAgD8AAIC+")):
        upstream.will_answer(200, vectors)
        answer = await ask(place, operation="embeddings", input=["a", "b"], encoding_format=encoding, messages=None)
        assert [each["index"] for each in answer.body["data"]] == [0, 1]
        assert answer.body["data"][0]["embedding"] == first
        assert answer.body["model"] == "up-1"
        assert "usage" not in answer.body
        assert answer.dropped == ()
    assert upstream.asked[0].path == "/hf-inference/models/up-1/pipeline/feature-extraction"


@pytest.mark.parametrize("odd", [b"{}", b"[1, 2]", b"[[[0.5]]]", b'["a"]', b"<html>", b"null"])
def test_what_is_no_list_of_vectors_is_a_bad_answer(odd):
    with pytest.raises(errors.BadAnswer):
        answered("huggingface", odd, operation="embeddings")


@pytest.mark.parametrize(
    ("status", "said", "kind"),
    [
        (400, {"error": "Bad input"}, errors.RequestRejected),
        (400, {"error": {"message": "Bad input", "type": "invalid_request_error"}}, errors.RequestRejected),
        (401, {"error": "Invalid username or password."}, errors.KeyRefused),
        (402, {"error": "You have exceeded your monthly included credits"}, errors.AccountRefused),
        (404, {"error": "Model x/y does not exist"}, errors.ModelMissing),
        (422, {"error": "Input validation error", "error_type": "validation"}, errors.RequestRejected),
        (429, {"error": "Model is overloaded", "error_type": "overloaded"}, errors.RateLimited),
        (500, {"error": "Internal"}, errors.ServerError),
        (500, ["odd"], errors.ServerError),
    ],
)  # fmt: skip
def test_an_error_is_one_of_openais(status, said, kind):
    with pytest.raises(kind) as caught:
        answered("huggingface", said, status)
    assert status not in (400, 422) or caught.value.message.startswith(("Bad input", "Input validation error"))


def test_a_model_that_is_being_loaded_says_how_long_that_takes():
    with pytest.raises(errors.UpstreamBusy) as caught:
        answered("huggingface", recording("loading.json"), 503)
    assert caught.value.retry_after == 20.5


def test_a_wait_in_the_head_goes_before_one_in_the_body():
    exchanged = exchange("huggingface", {"messages": HI})
    with pytest.raises(errors.UpstreamBusy) as caught:
        exchanged.answer(Response(503, {"retry-after": "3"}, recording("loading.json")))
    assert caught.value.retry_after == 3


def test_an_error_in_the_middle_of_a_stream_ends_it():
    failed = b'data: {"error":"Request failed during generation","error_type":"generation"}\n\n'
    begun = recording("text.sse").split(b"\n\n")[0] + b"\n\n"
    chunks, error = streamed("huggingface", begun + failed)
    assert told(chunks)[0][0]["message"]["content"] == "Hello"
    assert isinstance(error, errors.ServerError)
