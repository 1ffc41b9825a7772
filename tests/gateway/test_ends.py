"""How a request ended decides its bill: what is estimated, what is read on, what is the most it can have cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.live import SERVERS, Gateway
from tests.upstream import Upstream, chunk, streamed

ROUTES = """
providers:
  - {{name: up, adapter: openai, base_url: "{url}", secret: s, options: {{allow_private: true}}}}
routes:
  - {{model: estimated, retries: 0, targets: [{{provider: up, upstream_model: m}}]}}
  - {{model: read-on, retries: 0, targets: [{{provider: up, upstream_model: m}}]}}
  - {{model: bounded, retries: 0, targets: [{{provider: up, upstream_model: m}}]}}
prices:
  - {{provider: up, upstream_model: m, from: 2026-01-01, input: 1, output: 10}}
"""
MESSAGES = [{"role": "user", "content": "Tell me a story."}]
WORDS = [f"word{number} " for number in range(40)]
USAGE = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}
TRUE_COST = (1000 * 1 + 500 * 10) * 10**4


@pytest.fixture(scope="module", params=SERVERS)
def running(request: pytest.FixtureRequest, fake_upstream: Upstream) -> Iterator[Gateway]:
    gateway = Gateway(request.param)
    try:
        gateway.start()
        gateway.apply(ROUTES.format(url=fake_upstream.url))
        gateway.sql("UPDATE providers_modelroute SET client_gone = 'read_on' WHERE model = 'read-on'")
        gateway.sql("UPDATE providers_modelroute SET interrupted = 'bound' WHERE model = 'bounded'")
        gateway.take_in()
        yield gateway
    finally:
        gateway.destroy()


@pytest.fixture
def gateway(running: Gateway, upstream: Upstream) -> Gateway:
    return running


def leave_stream(gateway: Gateway, model: str, **body: Any) -> str:
    """Begin a stream, leave it after its first events, and return the request's id."""
    asked = {"model": model, "messages": MESSAGES, "stream": True, **body}
    with gateway.client() as client, client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        assert answer.status_code == 200
        next(line for line in answer.iter_lines() if "word" in line)
        return answer.headers["x-request-id"]


def leave_answer(gateway: Gateway) -> None:
    with gateway.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json={"model": "read-on", "messages": MESSAGES}, timeout=0.4)


def revive(gateway: Gateway) -> None:
    """Granian starts a dead worker again; Daphne is dead itself."""
    if gateway.server == "daphne":
        gateway.process.wait(30)
        gateway.start()


def test_complaint_06_a_client_that_leaves_pays_for_what_was_delivered(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(WORDS, usage=USAGE), pause=0.05)
    record = gateway.record(leave_stream(gateway, "estimated"))
    assert (record["status"], bool(record["estimated"])) == ("client_gone", True)
    assert 0 < record["cost"] < TRUE_COST
    assert 0 < record["output_tokens"] < len(WORDS) * 4


def test_complaint_06_a_route_may_read_on_to_the_true_usage(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(WORDS, usage=USAGE), pause=0.02)
    record = gateway.record(leave_stream(gateway, "read-on"))
    assert (record["status"], bool(record["estimated"]), record["cost"]) == ("client_gone", False, TRUE_COST)


def test_a_plain_answer_is_read_on_too(gateway: Gateway, upstream: Upstream):
    upstream.will_answer(200, {**_answer(), "usage": USAGE}, delay=1)
    leave_answer(gateway)
    time.sleep(1)
    record = gateway.records()[-1]
    assert (record["status"], bool(record["estimated"]), record["cost"]) == ("client_gone", False, TRUE_COST)


def test_a_stream_that_has_not_begun_is_read_on_too(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(["late"], usage=USAGE), delay=1)
    with gateway.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(
            "/v1/chat/completions", json={"model": "read-on", "messages": MESSAGES, "stream": True}, timeout=0.4
        )
    time.sleep(1)
    record = gateway.records()[-1]
    assert (record["status"], bool(record["estimated"]), record["cost"]) == ("client_gone", False, TRUE_COST)


def test_complaint_06_an_explicit_zero_is_zero(gateway: Gateway, upstream: Upstream):
    usage = {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}
    upstream.will_answer(200, {**_answer(""), "usage": usage})
    answered = gateway.post("/v1/chat/completions", {"model": "estimated", "messages": MESSAGES})
    record = gateway.record(answered.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"], record["cost"]) == (7, 0, 7 * 10**4)


def test_complaint_07_an_upstreams_error_text_is_not_billed(gateway: Gateway, upstream: Upstream):
    upstream.will_answer(500, {"error": {"message": "A long story about what went wrong. " * 100}})
    refused = gateway.post("/v1/chat/completions", {"model": "estimated", "messages": MESSAGES})
    record = gateway.record(refused.headers["x-request-id"])
    assert (record["status"], record["cost"], record["output_tokens"]) == ("upstream_error", 0, 0)


def test_complaint_07_an_answer_cut_at_its_maximum_is_billed(gateway: Gateway, upstream: Upstream):
    events = [
        f"data: {json.dumps(each)}\n\n"
        for each in (chunk({"role": "assistant", "content": "Once"}), chunk({}, "length"), chunk(usage=USAGE))
    ]
    upstream.will_stream([*events, "data: [DONE]\n\n"])
    with gateway.client() as client:
        asked = {"model": "estimated", "messages": MESSAGES, "stream": True}
        answered = client.post("/v1/chat/completions", json=asked)
    record = gateway.record(answered.headers["x-request-id"])
    assert (record["status"], record["cost"]) == ("completed", TRUE_COST)


def test_a_stream_that_breaks_off_is_billed_what_was_delivered(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(WORDS, usage=USAGE)[:10], cut=True)
    with gateway.client() as client:
        asked = {"model": "estimated", "messages": MESSAGES, "stream": True}
        answered = client.post("/v1/chat/completions", json=asked)
    record = gateway.record(answered.headers["x-request-id"])
    assert (record["status"], bool(record["estimated"])) == ("upstream_error", True)
    assert 0 < record["output_tokens"] < 60


def test_a_killed_process_bills_the_bound_where_the_route_says_so(gateway: Gateway, upstream: Upstream):
    upstream.will_stream(streamed(WORDS, usage=USAGE), pause=0.2)
    asked = {"model": "bounded", "messages": MESSAGES, "stream": True, "max_tokens": 100}
    with gateway.client() as client, client.stream("POST", "/v1/chat/completions", json=asked) as answer:
        next(answer.iter_bytes())
        request_id = answer.headers["x-request-id"]
        gateway.kill_web()
    revive(gateway)
    record = gateway.record(request_id)
    assert (record["status"], bool(record["estimated"])) == ("interrupted", True)
    assert 100 * 10 * 10**4 < record["cost"] < (100 * 10 + 400) * 10**4


def _answer(text: str = "Hello!") -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
