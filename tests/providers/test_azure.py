"""Azure OpenAI: its addresses and headers, and answers without the notes of its content filter."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from providers.adapters.shapes import Response
from providers.errors import ModelMissing, RateLimited, RequestRejected, UpstreamError
from tests.providers.exchanged import SECRET, asked, exchange, streamed, told
from tests.providers.shared import CASSETTES, load, needs_cassettes

HI = {"messages": [{"role": "user", "content": "Hi"}]}
RESOURCE = "https://r.openai.azure.com"


@pytest.mark.parametrize(
    ("url", "options", "path"),
    [
        (
            RESOURCE,
            {"api_version": "2024-02-01"},
            "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-02-01",
        ),
        (RESOURCE, {}, "/openai/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        (f"{RESOURCE}/openai", {}, "/deployments/my%2Fgpt/chat/completions?api-version=2024-10-21"),
        (f"{RESOURCE}/openai/v1", {}, "/chat/completions"),
        (RESOURCE, {"api": "v1", "api_version": "preview"}, "/openai/v1/chat/completions?api-version=preview"),
    ],
)
def test_a_call_goes_to_its_deployment(url: str, options: dict[str, Any], path: str):
    request, body = asked("azure", HI, model="my/gpt", url=url, options=options)
    assert request.path == path
    assert body["model"] == "my/gpt"


@pytest.mark.parametrize(
    ("auth", "name", "value"), [(None, "api-key", SECRET), ("entra", "authorization", f"Bearer {SECRET}")]
)
def test_the_key_stands_in_the_header_that_its_kind_has(auth: str | None, name: str, value: str):
    request, _ = asked("azure", HI, url=RESOURCE, options={"auth": auth} if auth else {})
    assert [pair for pair in request.headers if SECRET in pair[1]] == [(name, value)]


@pytest.mark.parametrize(
    ("status", "said", "kind", "code"),
    [
        (404, {"error": {"code": "DeploymentNotFound", "message": "no"}}, ModelMissing, "model_not_found"),
        (429, {"statusCode": 429, "message": "Rate limit is exceeded."}, RateLimited, "rate_limit_exceeded"),
        (
            400,
            {"error": {"message": "filtered", "type": None, "param": "prompt", "code": "content_filter"}},
            RequestRejected,
            "content_filter",
        ),
    ],
)
def test_refusals_are_told_in_openais_words(status: int, said: Any, kind: type[UpstreamError], code: str):
    with pytest.raises(kind) as caught:
        exchange("azure", HI, url=RESOURCE).answer(Response(status, {"retry-after": "7"}, json.dumps(said).encode()))
    assert caught.value.code == code
    assert kind is not RateLimited or caught.value.retry_after == 7


def recorded(end: str) -> list[Any]:
    if not CASSETTES.exists():
        return []
    read = load(CASSETTES / "read_cassettes.py").interactions
    return [
        pytest.param(one, id=f"{path.stem}-{number}")
        for path in sorted((CASSETTES / "azure").glob("*.y*ml"))
        for number, one in enumerate(read(path))
        if urlsplit(one["url"]).path.endswith(end) and one["status"] == 200
    ]


@needs_cassettes
@pytest.mark.parametrize("one", recorded("/chat/completions"))
@pytest.mark.parametrize("cut", [1, 7, 10**6])
def test_recorded_chats_lose_nothing_but_the_filters_notes(one: Any, cut: int):
    sent = one["body"]
    if sent.startswith(b"data:"):
        chunks, error = streamed("azure", sent, cut, url=RESOURCE)
        assert error is None
        assert all(b"content_filter" not in chunk.wire() for chunk in chunks)
        ((choice,), _) = told(chunks)
        pieces = [json.loads(line[6:]) for line in sent.splitlines() if line.startswith(b"data: {")]
        texts = [each["choices"][0].get("delta", {}).get("content") or "" for each in pieces if each["choices"]]
        assert (choice["message"]["content"] or "") == "".join(texts)
        return
    original = json.loads(sent)
    response = Response(200, {}, sent)
    if "error" in original:
        with pytest.raises(RequestRejected, match=r"filtered|policy|content"):
            exchange("azure", HI, url=RESOURCE).answer(response)
        return
    answer, raw = exchange("azure", HI, url=RESOURCE).answer(response)
    assert raw is None
    assert b"filter_results" not in json.dumps(answer).encode()
    assert [each["message"] for each in answer["choices"]] == [each["message"] for each in original["choices"]]
    assert answer["usage"] == original["usage"]


@needs_cassettes
@pytest.mark.parametrize("one", [*recorded("test-openai/completions"), *recorded("/embeddings")])
def test_recorded_texts_and_vectors_come_through(one: Any):
    operation = urlsplit(one["url"]).path.rpartition("/")[2]
    original = json.loads(one["body"])
    asking = exchange("azure", json.loads(one["req_body"]), operation=operation, url=RESOURCE)
    answer, _ = asking.answer(Response(200, {}, one["body"]))
    assert b"content_filter" not in json.dumps(answer).encode()
    assert answer["usage"] == original["usage"]
    if operation == "embeddings":
        assert answer["data"] == original["data"]
    else:
        assert [(each["text"], each["finish_reason"]) for each in answer["choices"]] == [
            (each["text"], each["finish_reason"]) for each in original["choices"]
        ]


@pytest.mark.parametrize(("operation", "body"), [("completions", {"prompt": "Hi"}), ("embeddings", {"input": "Hi"})])
def test_texts_and_vectors_are_asked_of_their_deployment(operation: str, body: dict[str, Any]):
    request, said = asked("azure", body, operation=operation, model="d", url=RESOURCE)
    assert request.path == f"/openai/deployments/d/{operation}?api-version=2024-10-21"
    assert said == {**body, "model": "d"}


def test_a_prompt_that_the_filter_blocks_in_a_stream_is_the_callers_to_change():
    sent = {"error": {"message": "filtered", "code": "content_filter", "status": 400}}
    _, error = streamed("azure", b"data: " + json.dumps(sent).encode() + b"\n\n", url=RESOURCE)
    assert isinstance(error, RequestRejected)
    assert error.code == "content_filter"
