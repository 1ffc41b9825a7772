"""Calls that survive a provider's bad day, through a running gateway with two upstreams."""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx2 as httpx
import pytest

from tests.live import Gateway
from tests.upstream import Upstream, chat, streamed

CHAT = "/v1/chat/completions"
ROUTES = """
providers:
  - {{name: one, adapter: openai, base_url: "{one}", secret: up-secret, options: {{allow_private: true, {off}}}}}
  - {{name: two, adapter: openai, base_url: "{two}", secret: up-secret, options: {{allow_private: true, {off}}}}}
routes:
  - {{model: failover, retries: 0, targets: [
      {{provider: one, upstream_model: m}}, {{provider: two, upstream_model: m}}]}}
  - {{model: weighted, strategy: weighted, targets: [
      {{provider: one, upstream_model: m, weight: 3}}, {{provider: two, upstream_model: m, weight: 1}}]}}
  - {{model: cheapest, strategy: cost, targets: [
      {{provider: two, upstream_model: m}}, {{provider: one, upstream_model: cheap}}]}}
  - {{model: chain, retries: 0, fallbacks: [other], context_fallbacks: [long], content_fallbacks: [lax],
      targets: [{{provider: one, upstream_model: m}}]}}
  - {{model: other, retries: 0, targets: [{{provider: two, upstream_model: other}}]}}
  - {{model: long, retries: 0, targets: [{{provider: two, upstream_model: long}}]}}
  - {{model: lax, retries: 0, targets: [{{provider: two, upstream_model: lax}}]}}
  - {{model: short, retries: 5, deadline: 0.8, targets: [{{provider: one, upstream_model: m}}]}}
  - {{model: patient, retries: 1, deadline: 10, targets: [{{provider: one, upstream_model: m}}]}}
  - {{model: capped, targets: [
      {{provider: one, upstream_model: m, rpm: 2}}, {{provider: two, upstream_model: m, tpm: 5000}}]}}
  - {{model: cooling, retries: 0, cooldown: {{enabled: true, attempts: 2, seconds: 60}}, targets: [
      {{provider: one, upstream_model: cools}}, {{provider: two, upstream_model: m}}]}}
  - {{model: hedged, retries: 0, hedge: {{after_percentile: 90, min_ms: 150}}, targets: [
      {{provider: one, upstream_model: m}}, {{provider: two, upstream_model: m}}]}}
prices:
  - {{provider: one, upstream_model: m, from: 2026-01-01, input: 2, output: 8}}
  - {{provider: one, upstream_model: cools, from: 2026-01-01, input: 2, output: 8}}
  - {{provider: one, upstream_model: cheap, from: 2026-01-01, input: 0.1, output: 0.1}}
  - {{provider: two, upstream_model: "*", from: 2026-01-01, input: 4, output: 16}}
"""
OFF = "cooldown: {enabled: false}"
# what 10 tokens in and 5 out cost at each
COST = {"one": Decimal("0.00006"), "two": Decimal("0.00012")}


@pytest.fixture(scope="module")
def upstreams() -> Iterator[tuple[Upstream, Upstream]]:
    both = Upstream().start(), Upstream().start()
    yield both
    for upstream in both:
        upstream.stop()


@pytest.fixture(scope="module")
def running(upstreams) -> Iterator[Gateway]:
    gateway = Gateway()
    try:
        gateway.start()
        gateway.apply(ROUTES.format(one=upstreams[0].url, two=upstreams[1].url, off=OFF))
        yield gateway
    finally:
        gateway.destroy()


@pytest.fixture
def one(upstreams) -> Upstream:
    upstreams[0].reset()
    return upstreams[0]


@pytest.fixture
def two(upstreams) -> Upstream:
    upstreams[1].reset()
    return upstreams[1]


def ask(gateway: Gateway, model: str, **body: Any) -> httpx.Response:
    return gateway.post(CHAT, {"model": model, "messages": [{"role": "user", "content": "Hi"}], **body})


def served(response: httpx.Response) -> tuple[str, str]:
    assert response.status_code == 200, response.text
    return response.headers["x-tollgate-provider"], response.headers["x-tollgate-attempts"]


def log_of(gateway: Gateway, response: httpx.Response) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the one record of a request, its cost in USD, and its attempts."""
    record = gateway.record(response.headers["x-request-id"])
    ((log,),) = gateway.sql("SELECT attempt_log FROM billing_usagerecord WHERE request_id = %s", record["request_id"])
    record["cost"] = Decimal(record["cost"]).scaleb(-10)
    return record, json.loads(log) if isinstance(log, str) else log


def test_the_next_target_answers_and_the_record_says_who_was_tried(running, one, two):
    one.will_answer(503, {"error": {"message": "Busy."}})
    response = ask(running, "failover")
    assert served(response) == ("two", "2")
    record, log = log_of(running, response)
    assert (record["provider"], record["attempts"], record["cost"]) == ("two", 2, COST["two"])
    assert [(each["provider"], each["status"], each["reason"]) for each in log] == [
        ("one", 503, "first"),
        ("two", 200, "failover"),
    ]
    assert log[1]["started"] >= log[0]["duration"]


def test_a_stream_that_has_begun_is_never_begun_again(running, one, two):
    one.will_stream(streamed(["Hel", "lo"])[:2], cut=True)
    response = ask(running, "failover", stream=True)
    assert served(response)[0] == "one"
    assert "upstream_error" in response.text
    assert two.requests == []
    record, _ = log_of(running, response)
    assert (record["status"], record["attempts"]) == ("upstream_error", 1)


def test_weights_are_shares(running, one, two):
    with running.client() as client:
        body = {"model": "weighted", "messages": [{"role": "user", "content": "Hi"}]}
        answers = Counter(client.post(CHAT, json=body).headers["x-tollgate-provider"] for _ in range(80))
    assert 45 <= answers["one"] <= 74
    assert (len(one.requests), len(two.requests)) == (answers["one"], answers["two"])


def test_the_cheapest_is_asked_first(running, one, two):
    one.will_answer(500)
    assert served(ask(running, "cheapest")) == ("two", "2")
    assert one.requests[0]["body"]["model"] == "cheap"


@pytest.mark.parametrize(
    ("status", "error", "model"),
    [
        (503, {"message": "Busy."}, "other"),
        (400, {"message": "This model's maximum context length is 8 tokens.", "code": None}, "long"),
        (400, {"message": "No.", "code": "content_policy_violation"}, "lax"),
    ],
)
def test_another_model_answers_for_the_reason_that_it_is_there_for(running, one, two, status, error, model):
    one.will_answer(status, {"error": error})
    response = ask(running, "chain")
    assert served(response) == ("two", "2")
    assert [asked["body"]["model"] for asked in two.requests] == [model]
    record, log = log_of(running, response)
    assert (record["upstream_model"], record["attempts"], record["cost"]) == (model, 2, COST["two"])
    assert log[1]["reason"].endswith("fallback")


def test_the_deadline_holds_for_everything(running, one):
    one.will_answer(delay=30)
    response = ask(running, "short")
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")
    assert len(one.requests) == 1
    record, _ = log_of(running, response)
    assert (record["status"], record["attempts"]) == ("timeout", 1)


def test_a_retry_after_is_honoured(running, one):
    one.will_answer(429, {"error": {"message": "Slow down."}}, headers={"retry-after": "1"})
    response = ask(running, "patient")
    assert served(response) == ("one", "2")
    _, log = log_of(running, response)
    assert log[1]["started"] > 0.9, "not the tenth of a second that is waited otherwise"
    assert log[1]["reason"] == "retry"


def test_a_capped_target_gives_way_and_all_capped_is_429(running, one, two):
    assert [served(ask(running, "capped"))[0] for _ in range(3)] == ["one", "one", "two"]
    response = ask(running, "capped", max_tokens=6000)
    assert response.status_code == 429
    assert response.json()["error"]["code"] == "rate_limit_exceeded"
    assert len(two.requests) == 1


def test_a_cooling_target_is_left_out_and_the_pages_say_so(running, one, two):
    for _ in range(2):
        one.will_answer(500)
        assert served(ask(running, "cooling")) == ("two", "2")
    assert served(ask(running, "cooling")) == ("two", "1")
    assert len(one.requests) == 2
    with httpx.Client(base_url=running.base, follow_redirects=True, timeout=30) as browser:
        sign_in(browser, running)
        page = browser.get("/admin/providers/modelroute/").text
        assert "some cooling" in page
        assert re.search(r"cools \(cooling for \d+ s: answered with an error\)", page)
        ((route,),) = running.sql("SELECT id FROM providers_modelroute WHERE model = 'cooling'")
        assert "answered with an error" in browser.get(f"/admin/providers/modelroute/{route}/change/").text


def sign_in(browser: httpx.Client, gateway: Gateway) -> None:
    browser.get("/accounts/login/")
    token = browser.cookies["csrftoken"]
    form = {"username": gateway.email, "password": gateway.password, "csrfmiddlewaretoken": token}
    assert browser.post("/accounts/login/", data=form).status_code == 200


def slow_enough(gateway: Gateway) -> None:
    """Let the route learn how long its answers take."""
    for _ in range(20):
        assert served(ask(gateway, "hedged")) == ("one", "1")


def test_a_slow_target_is_overtaken_and_one_record_has_what_both_cost(running, one, two):
    slow_enough(running)
    one.will_answer(delay=20)
    response = ask(running, "hedged")
    assert served(response) == ("two", "2")
    assert response.json()["choices"] == chat()["choices"]
    record, (loser, winner) = log_of(running, response)
    assert (loser["provider"], winner["provider"], winner["reason"]) == ("one", "two", "hedge")
    assert (loser["estimated"], winner.get("estimated")) == (True, None)
    # "Hi" is estimated as 5 tokens: one, and four of its message
    assert (loser["input_tokens"], Decimal(loser["cost"])) == (5, Decimal("0.00001"))
    assert record["cost"] == COST["two"] + Decimal("0.00001")
    assert (record["input_tokens"], record["output_tokens"], record["provider"]) == (10, 5, "two")
    assert (record["attempts"], record["estimated"]) == (2, True)
    until = time.monotonic() + 10
    while not one.left and time.monotonic() < until:
        time.sleep(0.02)
    assert len(one.left) == 1, "who lost is cancelled"


def test_the_first_may_win_all_the_same_and_is_the_one_that_is_billed(running, one, two):
    slow_enough(running)
    one.will_answer(delay=0.6)
    two.will_answer(delay=20)
    response = ask(running, "hedged")
    assert served(response) == ("one", "2")
    record, log = log_of(running, response)
    assert [each["provider"] for each in log] == ["two", "one"]
    assert (record["provider"], record["cost"]) == ("one", COST["one"] + Decimal("0.00002"))


def test_a_hedge_holds_the_money_of_both_and_gives_it_back(running, one, two):
    slow_enough(running)
    budget = running.budget(10**8, model="hedged")
    one.will_answer(delay=20)
    assert served(ask(running, "hedged", max_tokens=10)) == ("two", "2")
    running.records()
    ((spent, lent),) = running.sql("SELECT posted, lent FROM billing_budgetperiod WHERE budget_id = %s", budget)
    assert spent == int((COST["two"] + Decimal("0.00001")).scaleb(10))
    assert lent >= 0
    assert running.verify_ledger().returncode == 0
    running.sql("UPDATE billing_budget SET mode = 'observe' WHERE id = %s", budget)


@pytest.mark.skipif(
    not (os.environ.get("REDIS_URL") and os.environ.get("DATABASE_URL")), reason="needs PostgreSQL and Redis"
)
def test_what_one_process_has_seen_fail_the_other_leaves_alone(upstreams):
    first, second = upstreams
    first.reset()
    second.reset()
    gateway = Gateway(workers=2)
    try:
        gateway.start()
        gateway.apply(ROUTES.format(one=first.url, two=second.url, off=OFF))
        for _ in range(40):  # until one process has seen two failures
            first.will_answer(500)
        until = time.monotonic() + 20
        while served(ask(gateway, "cooling"))[1] == "2":
            assert time.monotonic() < until
        time.sleep(2)
        before = len(first.requests)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: served(ask(gateway, "cooling")), range(32)))
        assert set(answers) == {("two", "1")}
        assert len(first.requests) == before
    finally:
        gateway.destroy()
