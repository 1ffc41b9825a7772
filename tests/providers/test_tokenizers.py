"""The tokenizers of services on a machine of one's own: asked in their words, answered in ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from providers.adapters.shapes import Response
from providers.errors import BadAnswer, RequestRejected, UpstreamError
from providers.exchange import Exchange
from tests.providers.samples import target

NOW = datetime(2026, 11, 21, tzinfo=UTC)
CHAT = [{"role": "user", "content": "Hi"}]


def asked(adapter: str, operation: str, **body: Any) -> tuple[str, dict[str, Any], tuple[str, ...]]:
    exchange = Exchange(operation, body, target(adapter))
    request = exchange.request(NOW)
    return request.path, json.loads(request.body), exchange.dropped


def answered(adapter: str, operation: str, answer: Any) -> dict[str, Any]:
    response = Response(200, {"content-type": "application/json"}, json.dumps(answer).encode())
    return Exchange(operation, {"input": "Hi", "tokens": [1]}, target(adapter)).answer(response)[0]


@pytest.mark.parametrize(
    ("adapter", "path", "sent"),
    [
        ("vllm", "http://localhost:8000/tokenize", {"prompt": "Hi"}),
        ("llamacpp", "http://localhost:8080/tokenize", {"content": "Hi", "add_special": True}),
        ("localai", "http://localhost:8080/v1/tokenize", {"content": "Hi"}),
        ("llama_cpp_python", "http://localhost:8000/extras/tokenize", {"input": "Hi"}),
    ],
)
def test_each_is_asked_where_and_as_it_listens(adapter, path, sent):
    assert asked(adapter, "tokenize", input="Hi") == (path, {"model": "up-1", **sent}, ())


@pytest.mark.parametrize(
    ("adapter", "path"),
    [
        ("vllm", "http://localhost:8000/detokenize"),
        ("llamacpp", "http://localhost:8080/detokenize"),
        ("localai", "http://localhost:8080/v1/detokenize"),
        ("llama_cpp_python", "http://localhost:8000/extras/detokenize"),
    ],
)
def test_ids_go_back_the_same_way(adapter, path):
    assert asked(adapter, "detokenize", tokens=[1, 2]) == (path, {"model": "up-1", "tokens": [1, 2]}, ())


@pytest.mark.parametrize(
    ("adapter", "said", "sent", "dropped"),
    [
        ("vllm", False, {"add_special_tokens": False}, ()), ("vllm", None, {}, ()),
        ("llamacpp", False, {"add_special": False}, ()), ("llamacpp", None, {}, ()),
        ("localai", False, {}, ("add_special_tokens",)), ("localai", None, {}, ()),
    ],
)  # fmt: skip
def test_special_tokens_are_as_the_caller_says_else_as_the_service_does(adapter, said, sent, dropped):
    _, body, left_out = asked(adapter, "tokenize", input="Hi", add_special_tokens=said)
    assert {name: value for name, value in body.items() if "special" in name} == sent
    assert left_out == dropped


def test_a_chat_is_for_the_service_that_knows_its_template():
    _, sent, _ = asked("vllm", "tokenize", messages=CHAT, add_generation_prompt=True)
    assert sent == {"model": "up-1", "messages": CHAT, "add_generation_prompt": True}
    for adapter in ("llamacpp", "localai", "llama_cpp_python"):
        with pytest.raises(RequestRejected) as caught:
            asked(adapter, "tokenize", messages=CHAT)
        assert (caught.value.param, caught.value.code) == ("messages", "unsupported_parameter")


def test_what_they_answer_has_one_shape():
    told = {"count": 2, "max_model_len": 4096, "tokens": [1, 2], "token_strs": None}
    found = answered("vllm", "tokenize", told)
    assert {name: found[name] for name in ("tokens", "count", "max_model_len")} == {
        "tokens": [1, 2],
        "count": 2,
        "max_model_len": 4096,
    }
    assert "max_model_len" not in answered("llamacpp", "tokenize", {"tokens": []})
    for name in ("text", "content", "prompt"):
        assert answered("localai", "detokenize", {name: "Hi"})["text"] == "Hi"


@pytest.mark.parametrize("odd", [{}, {"tokens": None}, {"tokens": ["a"]}, {"tokens": [1.5]}, {"tokens": [True]}, []])
def test_odd_tokens_are_a_bad_answer(odd):
    with pytest.raises(BadAnswer):
        answered("vllm", "tokenize", odd)


def test_an_error_in_a_200_is_an_error():
    with pytest.raises(UpstreamError):
        answered("localai", "detokenize", {"error": {"message": "no model", "code": 500}})
