"""Answers that take several requests upstream, and pictures that are fetched, through a running gateway."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

RECORDINGS = Path(__file__).parents[1] / "recordings" / "replicate"
PROVIDERS = """
providers:
  - {{name: predictions, adapter: replicate, base_url: "{url}", secret: s3cret, options: {{allow_private: true}}}}
  - {{name: local, adapter: ollama, base_url: "{url}", options: {{allow_private: true}}}}
routes:
  - {{model: "predicted/*", retries: 0, unpriced: allow, targets: [{{provider: predictions}}]}}
  - {{model: "local/*", retries: 0, unpriced: allow, targets: [{{provider: local}}]}}
"""
CHAT = "/v1/chat/completions"
SECONDS = 20


@pytest.fixture(scope="module")
def predicting(gateway, fake_upstream) -> Any:
    gateway.apply(PROVIDERS.format(url=fake_upstream.url))
    return gateway


@pytest.fixture
def ask(predicting, upstream):
    def ask(model: str = "predicted/meta/llama", content: Any = "Hi", **said: Any) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": content}], **said}
        return predicting.post(CHAT, body)

    return ask


def prediction(upstream: Any, status: str) -> dict[str, Any]:
    said = json.loads((RECORDINGS / ("text.json" if status == "succeeded" else "created.json")).read_text())
    place = f"{upstream.url}/predictions/p1"
    return {**said, "status": status, "urls": {"get": place, "cancel": f"{place}/cancel", "stream": f"{place}/stream"}}


def paths(upstream: Any) -> list[str]:
    return [each["path"].removeprefix("/v1") for each in upstream.requests]


def waited_for(upstream: Any, path: str) -> bool:
    until = time.monotonic() + SECONDS
    while path not in paths(upstream) and time.monotonic() < until:
        time.sleep(0.02)
    return path in paths(upstream)


def test_a_prediction_is_an_answer_and_is_billed_by_its_own_counts(ask, predicting, upstream):
    upstream.will_answer(201, prediction(upstream, "processing"))
    upstream.will_answer(200, prediction(upstream, "succeeded"))
    answer = ask()
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Hello, world!\nI am Lläma\n\n."
    assert paths(upstream) == ["/models/meta/llama/predictions", "/predictions/p1"]
    record = predicting.record(answer.headers["x-request-id"])
    assert (record["status"], record["input_tokens"], record["output_tokens"]) == ("completed", 23, 11)
    assert not record["estimated"]


def test_a_streamed_prediction_is_counted_here(ask, predicting, upstream):
    upstream.will_answer(201, prediction(upstream, "starting"))
    upstream.will_stream([(RECORDINGS / "text.sse").read_text()])
    answer = ask(stream=True)
    assert answer.text.endswith("data: [DONE]\n\n")
    record = predicting.record(answer.headers["x-request-id"])
    assert (record["status"], record["estimated"]) == ("completed", True)
    assert record["output_tokens"] > 5
    assert paths(upstream)[1:] == ["/predictions/p1/stream"]


def test_who_leaves_while_a_prediction_runs_ends_it(predicting, upstream):
    upstream.will_answer(201, prediction(upstream, "processing"))
    upstream.will_answer(200, prediction(upstream, "processing"), delay=SECONDS)
    body = {"model": "predicted/meta/llama", "messages": [{"role": "user", "content": "Hi"}]}
    with predicting.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(CHAT, json=body, timeout=1.5)
    assert waited_for(upstream, "/predictions/p1/cancel")


def test_who_leaves_a_streamed_prediction_ends_it(predicting, upstream):
    upstream.will_answer(201, prediction(upstream, "processing"))
    upstream.will_stream(["event: output\ndata: Hel\n\n"] * 200, pause=0.1)
    body = {"model": "predicted/meta/llama", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    with predicting.client() as client, client.stream("POST", CHAT, json=body) as answer:
        assert next(answer.iter_lines()).startswith("data: ")
    assert waited_for(upstream, "/predictions/p1/cancel")


def test_tools_are_refused_before_anything_is_predicted(ask, upstream):
    answer = ask(tools=[{"type": "function", "function": {"name": "f"}}])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "unsupported_parameter", "tools")
    assert upstream.requests == []


def test_a_link_to_a_private_address_is_refused(ask, upstream):
    link = {"type": "image_url", "image_url": {"url": upstream.url + "/cat.png"}}
    answer = ask("local/llava", [link])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_image_url", "messages")
    assert upstream.requests == []
