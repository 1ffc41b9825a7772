"""Chat completions through the outermost door."""

from __future__ import annotations

import json

import pytest

from tests.live import Gateway
from tests.upstream import USAGE, Upstream, chat, chunk, streamed

HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**HELLO, "stream": True}


def test_the_demo_answers_and_says_what_it_is(gateway: Gateway) -> None:
    answer = gateway.post("/v1/chat/completions", {**HELLO, "model": "demo"})
    assert answer.status_code == 200
    assert "demo" in answer.json()["choices"][0]["message"]["content"].lower()
    assert answer.json()["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("prefix", ["/v1", ""])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}),
        ("/completions", {"model": "demo", "prompt": "Once"}),
        ("/embeddings", {"model": "demo-embedding", "input": ["one", "two"]}),
    ],
)
def test_every_endpoint_answers_with_and_without_v1(gateway: Gateway, prefix: str, path: str, body: dict) -> None:
    assert gateway.post(prefix + path, body).status_code == 200


def test_a_plain_answer_is_passed_on_as_it_came(gateway: Gateway, upstream: Upstream) -> None:
    upstream.will_answer(body=chat("Good day", system_fingerprint="fp_1", extra={"kept": [1, 2.50]}))
    answer = gateway.post("/v1/chat/completions", HELLO)
    assert answer.content == json.dumps(chat("Good day", system_fingerprint="fp_1", extra={"kept": [1, 2.50]})).encode()


def test_the_answer_names_who_answered(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("/v1/chat/completions", HELLO)
    assert answer.headers["x-tollgate-provider"] == "fake"
    assert answer.headers["x-tollgate-model"] == "fake"
    assert answer.headers["x-tollgate-attempts"] == "1"
    assert answer.headers["x-tollgate-cost"] == "0.0000750000"
    assert answer.headers["x-request-id"].startswith("req_")
    assert float(answer.headers["x-tollgate-overhead-ms"]) > 0


def test_parameters_we_do_not_know_reach_the_upstream(gateway: Gateway, upstream: Upstream) -> None:
    extras = {
        "top_k": 40,
        "grammar": "root ::= x",
        "seed": 1,
        "made_up": {"deep": [None, 1.5]},
        "reasoning_effort": "low",
    }
    gateway.post("/v1/chat/completions", {**HELLO, **extras})
    sent = upstream.requests[-1]["body"]
    assert {name: sent[name] for name in extras} == extras
    assert sent["model"] == "upstream-1"


def test_parameters_of_our_own_stay_here(gateway: Gateway, upstream: Upstream) -> None:
    gateway.post("/v1/chat/completions", {**HELLO, "caching": True, "cache": {"ttl": 1}})
    assert not {"caching", "cache"} & upstream.requests[-1]["body"].keys()


def test_the_callers_key_never_reaches_the_upstream(gateway: Gateway, upstream: Upstream) -> None:
    gateway.post("/v1/chat/completions", HELLO, headers={"cookie": "a=b"})
    headers = {name.lower(): value for name, value in upstream.requests[-1]["headers"].items()}
    assert headers["authorization"] == "Bearer upstream-secret"
    assert "cookie" not in headers


def test_a_stream_is_forwarded_byte_for_byte(gateway: Gateway, upstream: Upstream) -> None:
    events = streamed(["Good", " day"])
    upstream.will_stream(events)
    answer = gateway.post("/v1/chat/completions", {**STREAM, "stream_options": {"include_usage": True}})
    assert answer.content == "".join(events).encode()
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


def test_usage_is_asked_for_but_shown_only_to_who_wants_it(gateway: Gateway, upstream: Upstream) -> None:
    events = streamed(["Good", " day"])
    upstream.will_stream(events)
    answer = gateway.post("/v1/chat/completions", STREAM)
    assert upstream.requests[-1]["body"]["stream_options"]["include_usage"] is True
    assert answer.content == "".join(event for event in events if '"prompt_tokens"' not in event).encode()
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["input_tokens"], record["output_tokens"]) == (10, 5)
    assert not record["estimated"]


def test_deltas_that_would_break_a_client_are_mended(gateway: Gateway, upstream: Upstream) -> None:
    events = [
        chunk(prompt_filter_results=[]),
        chunk({"role": "assistant", "content": "a"}),
        chunk({"role": "assistant", "content": "b"}),
        chunk({"role": "assistant", "content": ""}, "stop"),
    ]
    upstream.will_stream([f"data: {json.dumps(event)}\n\n" for event in events] + ["data: [DONE]\n\n"])
    chunks = _chunks(gateway.post("/v1/chat/completions", STREAM).text)
    assert [choice["delta"].get("role") for item in chunks for choice in item["choices"]].count("assistant") == 1
    assert "".join(item["choices"][0]["delta"].get("content") or "" for item in chunks) == "ab"
    assert [item["choices"][0]["finish_reason"] for item in chunks] == [None, None, "stop"]


def test_an_upstream_cut_in_mid_stream_ends_in_an_error_event(gateway: Gateway, upstream: Upstream) -> None:
    upstream.will_stream(streamed(["Good"], done=False)[:2], cut=True)
    answer = gateway.post("/v1/chat/completions", STREAM)
    last = answer.text.strip().split("\n\n")[-1]
    error = json.loads(last.removeprefix("data: "))["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert "[DONE]" not in answer.text
    record = gateway.record(answer.headers["x-request-id"])
    assert record["status"] == "upstream_error"
    assert record["estimated"]
    assert record["output_tokens"] > 0


def test_a_stream_without_usage_is_estimated_and_says_so(gateway: Gateway, upstream: Upstream) -> None:
    upstream.will_stream(streamed(["Good", " day", ", world"], usage=None))
    answer = gateway.post("/v1/chat/completions", STREAM)
    record = gateway.record(answer.headers["x-request-id"])
    assert record["status"] == "completed"
    assert record["estimated"]
    assert record["output_tokens"] == 4


def test_a_failed_target_is_followed_by_the_next_one(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("/v1/chat/completions", {**HELLO, "model": "fallback"})
    assert answer.status_code == 200
    assert answer.headers["x-tollgate-provider"] == "fake"
    assert answer.headers["x-tollgate-attempts"] == "2"
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["provider"], record["attempts"], record["status"]) == ("fake", 2, "completed")


def test_a_family_passes_the_rest_of_the_name_on(gateway: Gateway, upstream: Upstream) -> None:
    answer = gateway.post("/v1/chat/completions", {**HELLO, "model": "any/thing-1"})
    assert upstream.requests[-1]["body"]["model"] == "thing-1"
    assert answer.headers["x-tollgate-model"] == "any/thing-1"


def test_a_call_stands_in_the_ledger_priced_under_user_key_and_team(gateway: Gateway, upstream: Upstream) -> None:
    gateway.apply("teams: [{name: data}]\nusers: [{email: ana@example.com, teams: [data]}]\n")
    key = gateway.issue_key("ana@example.com", team="data", name="laptop")
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}
    upstream.will_answer(body=chat(usage=usage))
    body = {**HELLO, "user": "customer-7", "metadata": {"tags": "web"}}
    answer = gateway.post("/v1/chat/completions", body, key, headers={"x-tollgate-tags": "nightly, web"})
    record = gateway.record(answer.headers["x-request-id"])
    assert gateway.sql("SELECT email FROM accounts_user WHERE id = %s", record["user_id"]) == [("ana@example.com",)]
    assert gateway.sql("SELECT name FROM accounts_team WHERE id = %s", record["team_id"]) == [("data",)]
    assert gateway.sql("SELECT name FROM accounts_apikey WHERE id = %s", record["api_key_id"]) == [("laptop",)]
    assert (record["input_tokens"], record["cached_input_tokens"], record["output_tokens"]) == (6, 4, 5)
    assert record["cost"] == 6 * 25000 + 4 * 12500 + 5 * 100000
    assert record["end_user"] == "customer-7"
    tags = record["tags"] if isinstance(record["tags"], list) else json.loads(record["tags"])
    assert tags == ["nightly", "web"]


@pytest.mark.parametrize(("served", "output_price"), [("priority", 200000), ("default", 100000), (None, 200000)])
def test_the_tier_that_served_decides_the_price(
    gateway: Gateway, upstream: Upstream, served: str | None, output_price: int
) -> None:
    gateway.apply(
        "prices: [{provider: fake, upstream_model: upstream-1, service_tier: priority, from: 2026-01-01, output: 20}]\n"
    )
    upstream.will_answer(body=chat(service_tier=served))
    answer = gateway.post("/v1/chat/completions", {**HELLO, "service_tier": "priority"})
    record = gateway.record(answer.headers["x-request-id"])
    assert record["cost"] == 10 * 25000 + 5 * output_price


def test_an_unpriced_model_is_blocked_unless_its_route_allows_it(gateway: Gateway, upstream: Upstream) -> None:
    blocked = gateway.post("/v1/chat/completions", {**HELLO, "model": "unpriced"})
    assert blocked.status_code == 400
    assert blocked.json()["error"]["code"] == "model_not_priced"
    allowed = gateway.post("/v1/chat/completions", {**HELLO, "model": "any/unpriced"})
    assert "x-tollgate-cost" not in allowed.headers
    assert gateway.record(allowed.headers["x-request-id"])["cost"] is None


def _chunks(text: str) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]
