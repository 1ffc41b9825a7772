"""Bad input gets a clear error in OpenAI's envelope, with all four keys and a request id."""

from __future__ import annotations

import httpx2 as httpx
import pytest

from tests.live import Gateway
from tests.upstream import Upstream

CHAT = "/v1/chat/completions"
HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}


def check(answer: httpx.Response, status: int, code: str | None = None, param: str | None = None) -> dict:
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert answer.headers["x-request-id"].startswith("req_")
    if code is not None:
        assert error["code"] == code
    if param is not None:
        assert error["param"] == param
    return error


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Basic abc",
        "Bearer nonsense",
        "Bearer sk-tg-abc",
        "Bearer sk-tg-AAAAAAAA-BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
        "Bearer sk-unknown-but-well-formed",
    ],
)
def test_a_missing_malformed_or_unknown_key_is_401(gateway: Gateway, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = httpx.post(gateway.base + CHAT, json=HELLO, headers=headers)
    check(answer, 401, "invalid_api_key")
    assert answer.headers["x-tollgate-attempts"] == "0"


def test_a_mistyped_key_is_told_from_an_unknown_one(gateway: Gateway) -> None:
    mistyped = gateway.key[:-1] + ("a" if gateway.key[-1] != "a" else "b")
    error = check(gateway.post(CHAT, HELLO, mistyped), 401, "invalid_api_key")
    assert mistyped not in error["message"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": ["hello"]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        ({"model": 1}, "model"),
        ({"model": ""}, "model"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"logit_bias": {"50256": 101}}, "logit_bias.50256"),
        ({"logit_bias": [1]}, "logit_bias"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"stop": 1}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": "x"}, "stream_options"),
        ({"tools": {}}, "tools"),
        ({"tools": ["x"]}, "tools[0]"),
        ({"functions": []}, "functions"),
        ({"response_format": "json"}, "response_format"),
        ({"metadata": 1}, "metadata"),
        ({"user": 1}, "user"),
    ],
)
def test_a_wrong_parameter_is_400_and_named(gateway: Gateway, upstream: Upstream, change: dict, param: str) -> None:
    check(gateway.post(CHAT, {**HELLO, **change}), 400, param=param)
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/completions", {"model": "demo"}, "prompt"),
        ("/v1/completions", {"model": "demo", "prompt": []}, "prompt"),
        ("/v1/completions", {"model": "demo", "prompt": [1, "a"]}, "prompt[1]"),
        ("/v1/completions", {"model": "demo", "prompt": [[]]}, "prompt[0]"),
        ("/v1/completions", {"model": "demo", "prompt": "x", "best_of": 21}, "best_of"),
        ("/v1/completions", {"model": "demo", "prompt": "x", "logprobs": 10**30}, "logprobs"),
        ("/v1/completions", {"model": "demo", "prompt": "x", "metadata": [1]}, "metadata"),
        ("/v1/embeddings", {"model": "demo", "input": "x", "metadata": "a"}, "metadata"),
        ("/v1/embeddings", {"model": "demo"}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": ""}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": ["a", ""]}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": ["a"] * 2049}, "input"),
        ("/v1/embeddings", {"model": "demo", "input": [-1]}, "input[0]"),
        ("/v1/embeddings", {"model": "demo", "input": "a", "dimensions": 0}, "dimensions"),
        ("/v1/embeddings", {"model": "demo", "input": "a", "encoding_format": "hex"}, "encoding_format"),
    ],
)
def test_other_endpoints_name_the_wrong_parameter_too(gateway: Gateway, path: str, body: dict, param: str) -> None:
    check(gateway.post(path, body), 400, param=param)


@pytest.mark.parametrize("content", [b"", b"{", b"hello", b"\xff\xfe", b'{"model": }', b"[" * 100_000])
def test_a_body_that_is_no_json_is_400(gateway: Gateway, content: bytes) -> None:
    with gateway.client() as client:
        check(client.post(CHAT, content=content), 400)


@pytest.mark.parametrize("depth", [500, 900, 980, 1000, 5000])
def test_a_body_nested_deeply_never_fails_the_gateway(gateway: Gateway, depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = b'{"model": "demo", "messages": [{"role": "user", "content": "Hi"}], "tools": %b}' % nested
    with gateway.client() as client:
        assert client.post(CHAT, content=body).status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/v1/models"])
def test_head_is_answered_as_get_is_without_a_body(gateway: Gateway, path: str) -> None:
    with gateway.client() as client:
        head, whole = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_a_body_that_is_no_object_is_400(gateway: Gateway, body: object) -> None:
    with gateway.client() as client:
        check(client.post(CHAT, json=body), 400)


def test_an_unknown_model_is_404(gateway: Gateway) -> None:
    check(gateway.post(CHAT, {**HELLO, "model": "no-such-model"}), 404, "model_not_found", "model")
    check(gateway.get("/v1/models/no-such-model"), 404, "model_not_found")


def test_an_operation_the_model_cannot_do_is_400(gateway: Gateway) -> None:
    check(gateway.post(CHAT, {**HELLO, "model": "demo-embedding"}), 400, param="model")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("DELETE", "/v1/embeddings"),
        ("POST", "/v1/models"),
        ("PUT", "/healthz"),
        ("OPTIONS", CHAT),
        ("DISPATCH", CHAT),
    ],
)
def test_a_wrong_method_is_405(gateway: Gateway, method: str, path: str) -> None:
    with gateway.client() as client:
        answer = client.request(method, path)
    check(answer, 405)
    assert answer.headers["allow"] == ("POST" if path in (CHAT, "/v1/embeddings") else "GET")


@pytest.mark.parametrize(
    "path",
    ["/v1/nothing", "/v1/", "/v1", "/v1//models", "/v1/chat/completions/extra", "/chat/nothing", "/files/a/b/c/d",
     "/healthz/nothing", "/fine_tuning/jobs", "/api/generate"],
)  # fmt: skip
def test_an_unknown_url_of_the_api_is_404(gateway: Gateway, path: str) -> None:
    check(gateway.get(path), 404, "unknown_url")
    check(gateway.post(path, {}), 404, "unknown_url")


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_an_unknown_url_is_404_in_the_words_of_the_dialect_that_is_nearest(gateway: Gateway, prefix: str) -> None:
    for path in ("/messages/batches", "/messages/count_tokens/extra"):
        answer = gateway.get(prefix + path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (404, "not_found_error")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    for path in ("/text-to-speech", "/text-to-speech/alloy/with/timestamps"):
        answer = gateway.post(prefix + path, {})
        assert (answer.status_code, answer.json()["detail"]["status"]) == (404, "unknown_url")


def test_people_get_a_page_where_nothing_is(gateway: Gateway) -> None:
    answer = httpx.get(f"{gateway.base}/nothing", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit_is_413(gateway: Gateway, declared: bool) -> None:
    size = 20 * 1024 * 1024 + 1
    content = b"x" * size if declared else (b"x" * 2**20 for _ in range(21))
    with gateway.client() as client:
        check(client.post(CHAT, content=content), 413)
    assert gateway.post(CHAT, {**HELLO, "model": "demo"}).status_code == 200


def test_a_key_limited_to_models_gets_403_for_others_and_does_not_see_them(gateway: Gateway) -> None:
    key = gateway.issue_key("limited@example.com", models=["demo*"])
    check(gateway.post(CHAT, HELLO, key), 403, "model_not_allowed", "model")
    assert gateway.post(CHAT, {**HELLO, "model": "demo"}, key).status_code == 200
    assert {model["id"] for model in gateway.get("/v1/models", key).json()["data"]} == {"demo", "demo-embedding"}
    check(gateway.get("/v1/models/fake", key), 403, "model_not_allowed")


def test_a_key_limited_to_addresses_gets_403_from_others(gateway: Gateway) -> None:
    key = gateway.issue_key("elsewhere@example.com", name="office")
    gateway.apply('keys: [{name: office, user: elsewhere@example.com, addresses: ["10.0.0.0/8"]}]\n')
    check(gateway.post(CHAT, {**HELLO, "model": "demo"}, key), 403, "ip_not_allowed")


def test_a_body_without_a_model_uses_the_default(gateway: Gateway) -> None:
    answer = gateway.post(CHAT, {"messages": HELLO["messages"]})
    assert answer.status_code == 200
    assert answer.headers["x-tollgate-model"] == "demo"
