"""Fallbacks at the gateway: whose they are, what they cost, whose budgets pay, what the answer says of it."""

from __future__ import annotations

import json

import pytest

from tests.gateway.ways import ask, key_of
from tests.live import Gateway
from tests.upstream import Upstream, streamed

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def key(gateway: Gateway, fake_upstream: Upstream) -> str:
    """A key that may use every model of the ways but ``way-forbidden``."""
    return key_of(gateway, fake_upstream)


def error(status: int, code: str) -> dict[str, object]:
    return {"status": status, "body": {"error": {"message": "no", "type": "invalid_request_error", "code": code}}}


def test_the_next_model_that_the_key_may_use_answers(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-first"), key)
    assert answer.status_code == 200, answer.text
    assert upstream.requests[-1]["body"]["model"] == "upstream-2"
    assert answer.headers["x-tollgate-model"] == "way-first"
    assert (answer.headers["x-tollgate-provider"], answer.headers["x-tollgate-attempts"]) == ("near", "2")
    record = gateway.record(answer.headers["x-request-id"])
    assert (record["model"], record["provider"], record["upstream_model"]) == ("way-first", "near", "upstream-2")
    assert record["cost"] == 10 * 10_000 + 5 * 40_000
    assert answer.headers["x-tollgate-cost"] == "0.0000300000"


def test_a_stream_falls_back_too(gateway: Gateway, upstream: Upstream, key: str) -> None:
    upstream.will_stream(streamed(["Good"]))
    answer = gateway.post(CHAT, ask("way-first", stream=True), key)
    assert (answer.headers["x-tollgate-provider"], answer.headers["x-tollgate-attempts"]) == ("near", "2")
    assert answer.text.endswith("data: [DONE]\n\n")


def test_a_route_may_open_its_fallbacks_to_whoever_may_use_it(gateway: Gateway, upstream: Upstream, key: str) -> None:
    assert gateway.post(CHAT, ask("way-open"), key).status_code == 200
    assert upstream.requests[-1]["body"]["model"] == "upstream-3"


def test_what_a_route_opens_is_not_open_to_what_a_request_names(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-open", fallbacks=["way-forbidden"]), key)
    assert answer.status_code == 502
    assert not upstream.requests


@pytest.mark.parametrize(
    ("code", "model"), [("context_length_exceeded", "upstream-long"), ("content_policy_violation", "upstream-mild")]
)
def test_a_prompt_that_does_not_fit_goes_to_a_model_where_it_does(
    gateway: Gateway, upstream: Upstream, key: str, code: str, model: str
) -> None:
    upstream.will_answer(**error(400, code))
    answer = gateway.post(CHAT, ask("way-picky-first"), key)
    assert answer.status_code == 200, answer.text
    assert [request["body"]["model"] for request in upstream.requests] == ["upstream-1", model]


def test_a_fallback_without_a_price_is_passed_over(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.post(CHAT, ask("way-to-unpriced")).status_code == 200
    assert [request["body"]["model"] for request in upstream.requests] == ["upstream-2"]


def test_the_budget_of_the_model_that_answers_pays(gateway: Gateway, upstream: Upstream, key: str) -> None:
    ((owner,),) = gateway.sql("SELECT id FROM accounts_user WHERE email = %s", "ways@example.com")
    first = gateway.budget(10**9, user_id=owner, model="way-first")
    second = gateway.budget(10**9, user_id=owner, model="way-second")
    answer = gateway.post(CHAT, ask("way-first"), key)
    request = answer.headers["x-request-id"]
    gateway.record(request)
    ((charges,),) = gateway.sql("SELECT charges FROM billing_usagerecord WHERE request_id = %s", request)
    charged = charges if isinstance(charges, dict) else json.loads(charges)
    rows = gateway.sql("SELECT id, budget_id FROM billing_budgetperiod WHERE budget_id IN (%s, %s)", first, second)
    budgets = {budget: charged.get(str(period)) for period, budget in rows}
    assert budgets[second] == 300_000
    assert not budgets.get(first)
    assert gateway.verify_ledger().returncode == 0


def test_a_fallback_whose_budget_is_spent_is_passed_over(gateway: Gateway, upstream: Upstream, key: str) -> None:
    ((owner,),) = gateway.sql("SELECT id FROM accounts_user WHERE email = %s", "ways@example.com")
    spent = gateway.budget(1, user_id=owner, model="way-second")
    try:
        answer = gateway.post(CHAT, ask("way-first"), key)
        assert answer.status_code == 502, answer.text
        assert not upstream.requests
        assert (answer.headers["x-tollgate-provider"], answer.headers["x-tollgate-attempts"]) == ("dead", "1")
    finally:
        gateway.sql("UPDATE billing_budget SET ended_at = '2026-11-01 00:00:00+00:00' WHERE id = %s", spent)


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_says_who_was_tried_last_and_how_often(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    answer = gateway.post(CHAT, ask("way-dead", stream=stream))
    assert answer.status_code == 502
    assert (answer.headers["x-tollgate-provider"], answer.headers["x-tollgate-attempts"]) == ("dead", "1")
    upstream.will_answer(**error(400, "invalid_value"))
    answer = gateway.post(CHAT, ask("way-alone", stream=stream))
    assert answer.status_code == 400
    assert (answer.headers["x-tollgate-provider"], answer.headers["x-tollgate-attempts"]) == ("near", "1")


@pytest.mark.parametrize("stream", [False, True])
def test_an_error_before_any_attempt_names_no_provider(gateway: Gateway, key: str, stream: bool) -> None:
    answer = gateway.post(CHAT, ask("way-forbidden", stream=stream), key)
    assert answer.status_code == 403
    assert "x-tollgate-provider" not in answer.headers
    assert answer.headers["x-tollgate-attempts"] == "0"
