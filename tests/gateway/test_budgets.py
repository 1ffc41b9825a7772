"""Budgets through the door: what binds, what is said, what comes back."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2 as httpx
import pytest

from billing import calendars
from tests.live import Gateway
from tests.upstream import Plan, Upstream

USD = 10**10
# a request to `flat` costs a cent, whatever it says
ROUTES = """
providers:
  - {{name: flat, adapter: openai, base_url: "{url}", secret: s, options: {{allow_private: true}}}}
  - {{name: cheap, adapter: openai, base_url: "{url}", secret: s, options: {{allow_private: true}}}}
routes:
  - {{model: flat, retries: 0, targets: [{{provider: flat, upstream_model: m}}]}}
  - {{model: tokens, retries: 0, targets: [{{provider: flat, upstream_model: tokens}}]}}
  - {{model: dear-or-cheap, retries: 0, targets: [
      {{provider: flat, upstream_model: tokens, priority: 0}}, {{provider: cheap, upstream_model: m, priority: 1}}]}}
  - {{model: unpriced, unpriced: allow, retries: 0, targets: [{{provider: flat, upstream_model: nobody-knows}}]}}
  - {{model: either, retries: 0, targets: [
      {{provider: flat, upstream_model: m, priority: 0}}, {{provider: cheap, upstream_model: m, priority: 1}}]}}
prices:
  - {{provider: flat, upstream_model: m, from: 2026-01-01, input: 0, output: 0, request: 0.01}}
  - {{provider: cheap, upstream_model: m, from: 2026-01-01, input: 0, output: 0, request: 0.001}}
  - {{provider: flat, upstream_model: tokens, from: 2026-01-01, input: 0, output: 1000}}
"""
HELLO = {"model": "flat", "messages": [{"role": "user", "content": "Hi"}]}
CENT = USD // 100


@pytest.fixture(scope="module")
def running(fake_upstream: Upstream) -> Iterator[Gateway]:
    gateway = Gateway(workers=2)
    try:
        gateway.start()
        gateway.apply(ROUTES.format(url=fake_upstream.url))
        yield gateway
    finally:
        gateway.destroy()


@pytest.fixture
def gateway(running: Gateway, upstream: Upstream) -> Iterator[Gateway]:
    yield running
    running.sql("UPDATE billing_budget SET ended_at = '2026-01-01 00:00:00+00:00'")


@pytest.fixture(scope="module")
def key(running: Gateway) -> str:
    """A key of somebody whose budgets the tests make: each starts anew, whatever was spent before."""
    return running.issue_key("spender@example.com")


@pytest.fixture(scope="module")
def user(running: Gateway, key: str) -> int:
    ((id,),) = running.sql("SELECT id FROM accounts_user WHERE email = %s", "spender@example.com")
    return id


@pytest.fixture(scope="module")
def team_key(running: Gateway) -> str:
    running.apply("teams: [{name: spenders}]\nusers: [{email: mate@example.com, teams: [spenders]}]")
    return running.issue_key("mate@example.com", team="spenders")


def recorded(gateway: Gateway, answers: Iterable[Any]) -> list[int]:
    """Return the answers' statuses once those that were dispatched stand in the ledger."""
    answers = list(answers)
    for answer in answers:
        if answer.status_code != 429:
            gateway.record(answer.headers["x-request-id"])
    return [answer.status_code for answer in answers]


def standing(gateway: Gateway, budget: int) -> tuple[int, int]:
    """Return what is posted and lent of the budget's one period."""
    (row,) = gateway.sql("SELECT posted, lent FROM billing_budgetperiod WHERE budget_id = %s", budget)
    return row


def ask(gateway: Gateway, key: str | None = None, **body: Any) -> Any:
    return gateway.post("/v1/chat/completions", {**HELLO, **body}, key)


def test_a_budget_is_spent_to_the_last_cent_and_no_further(gateway: Gateway, key: str, user: int):
    gateway.budget(3 * CENT, user_id=user, timezone="Europe/Berlin")
    assert [ask(gateway, key).status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = ask(gateway, key)
    error = refused.json()["error"]
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert refused.headers["x-should-retry"] == "false"
    assert error["message"].startswith(
        "The user's budget of $0.030000 per month does not cover this request: $0.00 left, and it can cost up to "
        "$0.010000. It renews at "
    )
    assert "Europe/Berlin" in error["message"]
    assert ask(gateway).status_code == 200


def test_an_answer_says_what_its_tightest_budget_has_left(gateway: Gateway, key: str, user: int):
    gateway.budget(100 * CENT)
    gateway.budget(10 * CENT, user_id=user)
    gateway.budget(5 * CENT, user_id=user, model="fl*")
    left = [ask(gateway, key).headers["x-tollgate-budget-remaining"] for _ in range(3)]
    # each of the two processes knows what it has spent itself, and what was posted when it last asked; one served two
    assert left[0] == "0.0400000000"
    assert min(left) in {"0.0300000000", "0.0200000000"}


def test_streams_are_refused_with_a_status_of_their_own(gateway: Gateway, key: str, user: int):
    gateway.budget(0, user_id=user)
    refused = ask(gateway, key, stream=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")


def test_every_budget_that_binds_counts_and_the_one_that_is_used_up_is_named(gateway: Gateway, key: str, user: int):
    gateway.budget(100 * CENT, user_id=user)
    gateway.budget(2, user_id=user, unit="requests", period="day", model="fl*")
    assert [ask(gateway, key).status_code for _ in range(3)] == [200, 200, 429]
    message = ask(gateway, key).json()["error"]["message"]
    assert message.startswith("The user's budget of 2 requests per day for fl* does not cover this request: 0 requests")
    assert ask(gateway, key, model="either").status_code == 200


def test_the_gateways_own_budget_is_named_without_its_amounts(gateway: Gateway):
    gateway.budget(0)
    message = ask(gateway).json()["error"]["message"]
    assert message.startswith("The gateway's budget per month does not cover this request. It renews at ")
    assert "$" not in message


def test_a_cheaper_target_answers_where_the_first_cannot_be_paid(gateway: Gateway, key: str, user: int):
    gateway.budget(CENT // 2, user_id=user)
    answered = ask(gateway, key, model="either")
    assert (answered.status_code, answered.headers["x-tollgate-provider"]) == (200, "cheap")


def test_an_answer_without_a_maximum_is_kept_to_what_fits(gateway: Gateway, upstream: Upstream, key: str, user: int):
    gateway.budget(4 * USD, user_id=user)
    answered = ask(gateway, key, model="tokens")
    assert answered.headers["x-tollgate-max-tokens"] == "4000"
    assert upstream.requests[-1]["body"]["max_completion_tokens"] == 4000
    assert ask(gateway, key, model="tokens", max_tokens=5000).status_code == 429
    assert ask(gateway, key, model="tokens", max_tokens=2000).status_code == 200


def test_what_one_target_has_to_keep_short_a_cheaper_one_need_not(
    gateway: Gateway, upstream: Upstream, key: str, user: int
):
    gateway.budget(4 * USD, user_id=user)
    upstream.will_answer(500)
    answered = ask(gateway, key, model="dear-or-cheap")
    assert answered.status_code == 200
    assert [request["body"].get("max_completion_tokens") for request in upstream.requests] == [4000, None]
    assert "x-tollgate-max-tokens" not in answered.headers


def test_what_is_not_spent_of_a_reservation_comes_back(gateway: Gateway, key: str, user: int):
    gateway.budget(1100 * USD // 1000, user_id=user)
    for _ in range(3):
        assert ask(gateway, key, model="tokens", max_tokens=1000).status_code == 200


def test_a_budget_of_money_is_not_passed_by_calls_of_unknown_price(gateway: Gateway, key: str, user: int):
    gateway.budget(USD, user_id=user)
    refused = ask(gateway, key, model="unpriced")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "model_not_priced")


def test_an_observed_budget_refuses_nobody_and_records_whom_it_would_have_refused(
    gateway: Gateway, key: str, user: int
):
    budget = gateway.budget(2 * CENT, user_id=user, mode="observe")
    assert recorded(gateway, [ask(gateway, key) for _ in range(5)]) == [200] * 5
    ((posted,),) = gateway.sql("SELECT posted FROM billing_budgetperiod WHERE budget_id = %s", budget)
    refusals = gateway.sql(
        "SELECT s.requests, s.model FROM billing_shadowrefusal s JOIN billing_budgetperiod p ON p.id = s.period_id "
        "WHERE p.budget_id = %s",
        budget,
    )
    assert (posted, refusals) == (5 * CENT, [(3, "flat")])


def test_a_threshold_alerts_once_per_period(gateway: Gateway, key: str, user: int):
    budget = gateway.budget(10 * CENT, user_id=user, alert_at="[0.2, 0.5]")
    for _ in range(4):
        recorded(gateway, [ask(gateway, key)])
    query = (
        "SELECT a.threshold FROM billing_alert a JOIN billing_budgetperiod p ON p.id = a.period_id "
        "WHERE p.budget_id = %s"
    )
    assert gateway.sql(query, budget) == [(0.2,)]


def test_a_failed_call_costs_its_budget_nothing(gateway: Gateway, upstream: Upstream, key: str, user: int):
    gateway.budget(CENT, user_id=user)
    for _ in range(3):
        upstream.will_answer(500, {"error": {"message": "No."}})
        assert ask(gateway, key).status_code == 502
    assert ask(gateway, key).status_code == 200


def test_a_raised_budget_serves_within_a_second(gateway: Gateway, key: str, user: int):
    budget = gateway.budget(0, user_id=user)
    assert ask(gateway, key).status_code == 429
    gateway.sql("UPDATE billing_budget SET amount = %s WHERE id = %s", CENT, budget)
    gateway.take_in()
    assert ask(gateway, key).status_code == 200


def test_complaint_01_a_crowd_cannot_pass_a_budget(gateway: Gateway, key: str, user: int):
    budget = gateway.budget(20 * CENT, user_id=user)
    with concurrent.futures.ThreadPoolExecutor(40) as crowd:
        statuses = recorded(gateway, crowd.map(lambda _: ask(gateway, key), range(60)))
    served = statuses.count(200)
    assert 19 <= served <= 20
    assert statuses.count(429) == 60 - served
    assert standing(gateway, budget)[0] == served * CENT


def test_complaint_02_what_failed_or_was_left_leaves_nothing_behind(
    gateway: Gateway, upstream: Upstream, key: str, user: int
):
    budget = gateway.budget(5 * CENT, user_id=user)
    for _ in range(4):
        upstream.will_answer(503, {"error": {"message": "No."}})
        assert recorded(gateway, [ask(gateway, key)]) == [503]
    upstream.will_answer(200, delay=2)
    with gateway.client(key) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/v1/chat/completions", json=HELLO, timeout=0.3)
    until = time.monotonic() + 20
    while not gateway.sql("SELECT 1 FROM billing_usagerecord WHERE status = 'client_gone'"):
        assert time.monotonic() < until
        time.sleep(0.1)
    posted, _ = standing(gateway, budget)
    served = 5 - posted // CENT
    assert [ask(gateway, key).status_code for _ in range(served + 1)] == [200] * served + [429]


@pytest.mark.parametrize(
    ("unit", "amount", "scope"),
    [
        ("usd", 0, {}),
        ("tokens", 10, {"model": "flat"}),
        ("requests", 0, {"user_id": "user"}),
        ("usd", 0, {"user_id": "user", "model": "f*"}),
        ("tokens", 10, {"api_key_id": "key"}),
        ("requests", 0, {"team_id": "team"}),
        ("usd", 0, {"team_id": "team", "model": "flat"}),
    ],
)
def test_complaint_03_a_budget_binds_whatever_its_scope_and_unit(
    gateway: Gateway, team_key: str, unit: str, amount: int, scope: dict[str, str]
):
    ((user, team, api_key),) = gateway.sql(
        "SELECT user_id, team_id, id FROM accounts_apikey WHERE public_id = %s", team_key.split("-")[2]
    )
    ids = {"user": user, "team": team, "key": api_key}
    gateway.budget(amount, unit=unit, **{column: ids.get(value, value) for column, value in scope.items()})
    refused = ask(gateway, team_key, max_tokens=100)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
    assert ask(gateway, team_key, model="either").status_code == (200 if "model" in scope else 429)


def test_complaint_04_a_new_period_is_a_new_row_and_the_old_one_stays(gateway: Gateway, key: str, user: int):
    budget = gateway.budget(CENT, user_id=user, period="day")
    yesterday = calendars.start_of("day", "UTC", False, datetime.now(UTC) - timedelta(days=1))
    gateway.sql(
        "INSERT INTO billing_budgetperiod (budget_id, start, posted, lent) VALUES (%s, %s, %s, 0)",
        budget, yesterday.isoformat(sep=" "), CENT,
    )  # fmt: skip
    assert recorded(gateway, [ask(gateway, key) for _ in range(2)]) == [200, 429]
    rows = gateway.sql("SELECT posted FROM billing_budgetperiod WHERE budget_id = %s ORDER BY start", budget)
    assert rows == [(CENT,), (CENT,)]
    gateway.sql(
        "DELETE FROM billing_budgetperiod WHERE budget_id = %s AND id = "
        "(SELECT id FROM billing_budgetperiod WHERE budget_id = %s ORDER BY start LIMIT 1)",
        budget, budget,
    )  # fmt: skip


def test_complaint_05_all_budgets_that_bind_count_and_the_tightest_wins(gateway: Gateway, team_key: str):
    ((user, team),) = gateway.sql(
        "SELECT user_id, team_id FROM accounts_apikey WHERE public_id = %s", team_key.split("-")[2]
    )
    gateway.budget(100 * CENT, user_id=user)
    gateway.budget(2 * CENT, team_id=team)
    assert [ask(gateway, team_key).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(gateway, team_key).json()["error"]["message"].startswith("The team's budget of $0.02")


def test_complaint_08_an_error_of_any_kind_gives_back_what_was_set_aside(
    gateway: Gateway, upstream: Upstream, key: str, user: int
):
    gateway.budget(CENT, user_id=user)
    plans = ({"status": 400}, {"status": 429}, {"status": 500}, {"body": "<html>"}, {"cut": True, "events": []})
    answers = []
    for plan in plans:
        upstream.plans.append(Plan(**plan))
        answers.append(ask(gateway, key, stream="events" in plan))
    failed = [answer.text for answer in answers if answer.status_code < 400 or "insufficient_quota" in answer.text]
    assert failed == []
    codes = [answer.json().get("error", {}).get("code", "served") for answer in (ask(gateway, key), ask(gateway, key))]
    assert codes == ["served", "insufficient_quota"]


def test_complaint_19_a_revoked_key_is_refused_by_every_process(gateway: Gateway):
    key = gateway.issue_key("leaver@example.com")
    assert {ask(gateway, key).status_code for _ in range(10)} == {200}
    gateway.sql("UPDATE accounts_apikey SET revoked_at = '2026-01-01' WHERE public_id = %s", key.split("-")[2])
    gateway.take_in()
    assert {ask(gateway, key).status_code for _ in range(10)} == {401}


def test_complaint_25_the_error_says_which_budget_what_is_left_and_when_it_renews(
    gateway: Gateway, key: str, user: int
):
    gateway.budget(CENT // 4, user_id=user, timezone="Asia/Kathmandu", period="day")
    message = ask(gateway, key).json()["error"]["message"]
    renews = calendars.end_of(
        "day", "Asia/Kathmandu", False, calendars.start_of("day", "Asia/Kathmandu", False, datetime.now(UTC))
    )
    assert message == (
        "The user's budget of $0.002500 per day does not cover this request: $0.002500 left, and it can cost up to "
        f"$0.010000. It renews at {renews.astimezone(ZoneInfo('Asia/Kathmandu')):%Y-%m-%d %H:%M} Asia/Kathmandu. "
        "GET /v1/budgets lists your budgets, POST /v1/requests asks for more."
    )


def test_the_ledger_adds_up_after_all_of_this(gateway: Gateway):
    time.sleep(3)
    verified = gateway.verify_ledger()
    assert verified.returncode == 0, verified.stdout
