"""Every answer of the API, plain or streamed, good or bad, is one that OpenAI's own specification allows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.recordings import events
from tests.upstream import Upstream, streamed

HELLO = [{"role": "user", "content": "Say hello."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
JOKE = {
    "type": "object",
    "properties": {"setup": {"type": "string"}, "funny": {"type": "boolean"}},
    "required": ["setup", "funny"],
    "additionalProperties": False,
}
JOKE_FORMAT = {"type": "json_schema", "json_schema": {"name": "joke", "strict": True, "schema": JOKE}}
TOOL_ROUND = [
    *HELLO,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
]

CHATS = {
    "text": {},
    "system and developer": {"messages": [{"role": "system", "content": "Be brief."}, *HELLO]},
    "content parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]},
    "two choices": {"n": 2},
    "logprobs": {"logprobs": True, "top_logprobs": 2},
    "tools": {"tools": [WEATHER]},
    "a tool required": {"tools": [WEATHER], "tool_choice": "required"},
    "after a tool": {"tools": [WEATHER], "messages": TOOL_ROUND},
    "legacy functions": {"functions": [WEATHER["function"]], "function_call": "auto"},
    "any JSON": {"response_format": {"type": "json_object"}},
    "JSON of a schema": {"response_format": JOKE_FORMAT},
    "token limit": {"max_completion_tokens": 3},
    "stop word": {"stop": ["hello"]},
    "parameters we only forward": {"seed": 7, "user": "u", "metadata": {"a": "b"}, "service_tier": "auto"},
}
COMPLETIONS = {
    "text": {"prompt": "Once upon"},
    "two prompts": {"prompt": ["Once", "Twice"]},
    "token array": {"prompt": [9906, 1917]},
    "two token arrays": {"prompt": [[9906], [1917]]},
    "two choices": {"prompt": "Once", "n": 2},
}
EMBEDDINGS = {
    "text": {"input": "hello"},
    "two texts": {"input": ["a", "b"]},
    "token array": {"input": [9906, 1917]},
    "two token arrays": {"input": [[9906], [1917]]},
    "base64": {"input": "hello", "encoding_format": "base64"},
    "fewer dimensions": {"input": "hello", "dimensions": 64},
}

CHAT = ("post", "/chat/completions", 200)
CHUNK = "CreateChatCompletionStreamResponse"
COMPLETION = ("post", "/completions", 200)
EMBEDDING = ("post", "/embeddings", 200)
ERROR = "ErrorResponse"

each = pytest.mark.parametrize
with_and_without_prefix = each("prefix", ["/v1", ""], ids=["with /v1", "without"])


@with_and_without_prefix
@each("asked", CHATS.values(), ids=CHATS)
def test_chat_completions(gateway: Any, spec: Any, prefix: str, asked: dict[str, Any]):
    answer = gateway.post(f"{prefix}/chat/completions", {"model": "demo", "messages": HELLO, **asked})
    assert answer.status_code == 200, answer.text
    assert spec.errors(CHAT, answer.json()) == []


@each("usage", [False, True], ids=["usage not asked", "usage asked"])
@each("asked", CHATS.values(), ids=CHATS)
def test_streamed_chat_completions(gateway: Any, spec: Any, asked: dict[str, Any], usage: bool):
    body = {"model": "demo", "messages": HELLO, "stream": True, **asked}
    if usage:
        body["stream_options"] = {"include_usage": True}
    answer = gateway.post("/v1/chat/completions", body)
    assert answer.status_code == 200, answer.text
    chunks = _chunks(answer)
    assert [error for chunk in chunks for error in spec.errors(CHUNK, chunk)] == []
    assert [chunk for chunk in chunks if not chunk["choices"]] == ([chunks[-1]] if usage else [])
    assert bool(chunks[-1].get("usage")) is usage


@each("stream", [False, True], ids=["plain", "streamed"])
@each("asked", COMPLETIONS.values(), ids=COMPLETIONS)
def test_completions(gateway: Any, spec: Any, asked: dict[str, Any], stream: bool):
    answer = gateway.post("/v1/completions", {"model": "demo", "stream": stream, **asked})
    assert answer.status_code == 200, answer.text
    bodies = _chunks(answer) if stream else [answer.json()]
    if stream:
        bodies = [_as_finished(body) for body in bodies]
    assert [error for body in bodies for error in spec.errors(COMPLETION, body)] == []


@with_and_without_prefix
@each("asked", EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_embeddings(gateway: Any, spec: Any, prefix: str, asked: dict[str, Any]):
    answer = gateway.post(f"{prefix}/embeddings", {"model": "demo-embedding", **asked})
    assert answer.status_code == 200, answer.text
    assert spec.errors(EMBEDDING, answer.json()) == []


@with_and_without_prefix
def test_models(gateway: Any, spec: Any, prefix: str):
    listed = gateway.get(f"{prefix}/models")
    assert spec.errors(("get", "/models", 200), listed.json()) == []
    assert "demo" in [model["id"] for model in listed.json()["data"]]
    one = gateway.get(f"{prefix}/models/demo")
    assert spec.errors(("get", "/models/{model}", 200), one.json()) == []


BAD_BODIES = {
    "no messages": ({"model": "demo"}, 400, "messages"),
    "empty messages": ({"model": "demo", "messages": []}, 400, "messages"),
    "messages of the wrong type": ({"model": "demo", "messages": "hi"}, 400, "messages"),
    "temperature out of range": ({"model": "demo", "messages": HELLO, "temperature": 9}, 400, "temperature"),
    "n out of range": ({"model": "demo", "messages": HELLO, "n": 0}, 400, "n"),
    "model of the wrong type": ({"model": 7, "messages": HELLO}, 400, "model"),
    "not an object": ([1, 2], 400, None),
    "unknown model": ({"model": "no-such-model", "messages": HELLO}, 404, "model"),
}


@each("stream", [False, True], ids=["plain", "streamed"])
@each(("body", "status", "param"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_bodies(gateway: Any, spec: Any, body: Any, status: int, param: str | None, stream: bool):
    if stream and isinstance(body, dict):
        body = {**body, "stream": True}
    _assert_error(spec, gateway.post("/v1/chat/completions", body), status, param)


def test_a_body_that_is_no_json(gateway: Any, spec: Any):
    with gateway.client() as client:
        answer = client.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"})
    _assert_error(spec, answer, 400)


def test_a_body_over_the_limit(gateway: Any, spec: Any):
    body = {"model": "demo", "messages": [{"role": "user", "content": "x" * (21 * 2**20)}]}
    _assert_error(spec, gateway.post("/v1/chat/completions", body), 413)


KEYS = {"malformed": "hello", "unknown": "sk-tg-000000000000-unknown", "of another shape": "sk-proj-1"}


@each("key", KEYS.values(), ids=KEYS)
def test_keys_that_are_not_ours(gateway: Any, spec: Any, key: str):
    _assert_error(spec, gateway.post("/v1/chat/completions", {"model": "demo", "messages": HELLO}, key=key), 401)


def test_no_key(gateway: Any, spec: Any):
    with gateway.client() as client:
        del client.headers["authorization"]
        _assert_error(spec, client.post("/v1/chat/completions", json={"model": "demo", "messages": HELLO}), 401)


def test_a_model_the_key_may_not_use(gateway: Any, spec: Any):
    key = gateway.issue_key("narrow@example.com", models=["only-this-*"])
    _assert_error(spec, gateway.post("/v1/chat/completions", {"model": "demo", "messages": HELLO}, key=key), 403)


@each(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/embeddings", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/v1/models/no-such-model", 404),
        ("POST", "/v1/no/such/endpoint", 404),
    ],
)
def test_wrong_methods_and_places(gateway: Any, spec: Any, method: str, path: str, status: int):
    with gateway.client() as client:
        _assert_error(spec, client.request(method, path), status)


TROUBLE = {
    "refuses the request": (400, {"error": {"message": "no", "type": "invalid_request_error", "code": "bad"}}),
    "is out of requests": (429, {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}),
    "is broken": (500, {"error": {"message": "oops"}}),
    "answers with HTML": (200, "<html>hello</html>"),
    "answers with HTML and an error": (503, "<html>down</html>"),
    "has an error inside a 200": (200, {"error": {"message": "oops", "code": 7}}),
    "gives a bare detail": (422, {"detail": "no"}),
}


@each("stream", [False, True], ids=["plain", "streamed"])
@each(("status", "said"), TROUBLE.values(), ids=TROUBLE)
def test_trouble_of_the_upstream(gateway: Any, spec: Any, upstream: Upstream, status: int, said: Any, stream: bool):
    upstream.will_answer(status, said, headers={"retry-after": "7"} if status == 429 else {})
    answer = gateway.post("/v1/chat/completions", {"model": "fake", "messages": HELLO, "stream": stream})
    assert answer.status_code >= 400
    _assert_error(spec, answer, answer.status_code)
    if status == 429:
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "7"


@each("stream", [False, True], ids=["plain", "streamed"])
def test_an_upstream_that_is_not_there(gateway: Any, spec: Any, stream: bool):
    answer = gateway.post("/v1/chat/completions", {"model": "refused", "messages": HELLO, "stream": stream})
    _assert_error(spec, answer, 502)


def test_a_stream_cut_by_the_upstream_ends_with_an_error_event(gateway: Any, spec: Any, upstream: Upstream):
    upstream.will_stream(streamed(["one", "two"], done=False)[:2], cut=True)
    answer = gateway.post("/v1/chat/completions", {"model": "fake", "messages": HELLO, "stream": True})
    *chunks, last = list(events(answer.content))
    assert [error for chunk in chunks for error in spec.errors(CHUNK, chunk)] == []
    assert spec.errors(ERROR, last) == []


def _assert_error(spec: Any, answer: Any, status: int, param: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert spec.errors(ERROR, body) == []
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-request-id"].startswith("req_")
    if param:
        assert body["error"]["param"] == param


def _chunks(answer: Any) -> list[dict[str, Any]]:
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")
    return list(events(answer.content))


def _as_finished(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the chunk as the specification's only completion object: there each choice has finished."""
    finished = json.loads(json.dumps(chunk))
    for choice in finished["choices"]:
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    return finished
