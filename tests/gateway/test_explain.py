"""GET /v1/requests/{id}/explain: what it tells, to whom, and that its sums are the record's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from accounts import callers
from billing import ids, lines, records
from billing.models import UsageRecord
from billing.pricing import UNCHANGED, PriceRow, Usage
from gateway import explanation
from tests.gateway.ways import ask, key_of
from tests.live import Gateway
from tests.upstream import USAGE, Upstream, chat, streamed

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def key(gateway: Gateway, fake_upstream: Upstream) -> str:
    return key_of(gateway, fake_upstream)


def explain(gateway: Gateway, answer: Any, key: str, prefix: str = "/v1") -> dict[str, Any]:
    told = gateway.get(f"{prefix}/requests/{answer.headers['x-request-id']}/explain", key)
    assert told.status_code == 200, told.text
    return told.json()


def summed(told: dict[str, Any]) -> Decimal:
    return sum((Decimal(line["amount"]) for line in told["cost"]["lines"]), Decimal(0))


def test_it_tells_why_a_call_went_where_it_went(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-alias"), key)
    told = explain(gateway, answer, key)
    assert told["admission"]["key"]["name"] == "ways"
    assert told["admission"]["user"] == "ways@example.com"
    assert (told["admission"]["rule"], told["admission"]["patterns"]) == ("listed", ["way-alias"])
    assert told["route"] == {"matched_by": "alias", "route": "way-first"}
    assert [(each["model"], each["provider"], each["outcome"], each["reason"]) for each in told["candidates"]] == [
        ("way-alias", "dead", "failed", "refused the connection"),
        ("way-second", "near", "answered", None),
        ("way-long", "near", "not needed", None),
        ("way-mild", "near", "not needed", None),
        ("way-forbidden", None, "skipped", "not_allowed"),
    ]
    assert [(each["number"], each["provider"], each["reason"], each["status"]) for each in told["attempts"]] == [
        (1, "dead", "first", None),
        (2, "near", "fallback", 200),
    ]
    times = told["timings"]
    first, second = told["attempts"]
    assert 0 < times["admitted_ms"] <= times["upstream_start_ms"] <= first["start_ms"] <= second["start_ms"]
    assert second["start_ms"] + second["duration_ms"] <= times["end_ms"] + 1


def test_the_price_arithmetic_adds_up_to_the_cost_exactly(gateway: Gateway, upstream: Upstream, key: str) -> None:
    upstream.will_answer(body=chat(usage={**USAGE, "prompt_tokens_details": {"cached_tokens": 4}}))
    answer = gateway.post(CHAT, ask("way-second"), key)
    told = explain(gateway, answer, key)
    assert {line["component"]: line["quantity"] for line in told["cost"]["lines"]} == {
        "input": 6, "cached_input": 4, "output": 5,
    }  # fmt: skip
    for line in told["cost"]["lines"]:
        assert Decimal(line["quantity"]) * Decimal(line["price"]) / line["per"] == Decimal(line["amount"])
    assert summed(told) == Decimal(told["cost"]["total"]) == Decimal(answer.headers["x-tollgate-cost"])
    assert {price["component"] for price in told["prices"]} == {"input", "output"}
    assert told["net_cost"] == told["cost"]["total"]
    assert not told["estimated"]


def test_limits_and_budgets_that_counted_are_told(gateway: Gateway, upstream: Upstream, key: str) -> None:
    text = "keys: [{name: ways, limits: {rpm: 600}, budgets: [{amount: 5, period: month}]}]\n"
    gateway.apply(text)
    told = explain(gateway, gateway.post(CHAT, ask("way-second"), key), key)
    assert told["limits"] == [
        {"scope": "key", "target": None, "model": None, "kind": "requests", "taken": 1, "limit": 600}
    ]
    (budget,) = [each for each in told["budgets"] if each["scope"] == "key"]
    assert budget["charged"] == told["cost"]["total"]
    assert Decimal(budget["held"]) > Decimal(budget["charged"])


def test_a_stream_tells_when_its_first_token_came(gateway: Gateway, upstream: Upstream, key: str) -> None:
    upstream.will_stream(streamed(["Good", " day"]), pause=0.05)
    told = explain(gateway, gateway.post(CHAT, ask("way-second", stream=True), key), key)
    times = told["timings"]
    assert times["upstream_start_ms"] <= times["first_token_ms"] <= times["end_ms"]
    assert [each["outcome"] for each in told["attempts"]] == ["answered"]


def test_a_call_that_failed_tells_its_attempts_and_cost_nothing(gateway: Gateway, upstream: Upstream, key: str) -> None:
    told = explain(gateway, gateway.post(CHAT, ask("way-dead"), key), key)
    assert (told["status"], told["http_status"], told["cost"]["total"]) == ("upstream_error", 502, "0.0000000000")
    assert [(each["outcome"], each["status"]) for each in told["attempts"]] == [("refused the connection", None)]


def test_it_is_for_whose_request_it_is_and_for_admins(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-second"), key)
    path = f"/requests/{answer.headers['x-request-id']}/explain"
    mine = explain(gateway, answer, gateway.issue_key("ways@example.com", name="other"))
    assert mine == explain(gateway, answer, key, prefix="")
    assert "markup" not in mine["cost"]
    stranger = gateway.get(path, gateway.issue_key("stranger@example.com", name="stranger"))
    assert (stranger.status_code, stranger.json()["error"]["code"]) == (404, "not_found")
    admin = explain(gateway, answer, gateway.key)
    assert (admin["cost"]["markup"], admin["cost"]["upstream_cost"]) == ("1", mine["cost"]["total"])


@pytest.mark.parametrize("id", ["req_1", "more_1", "x" * 200, "req_" + "0" * 31 + "%00", "req_" + "f" * 32])
def test_what_is_no_request_of_ours_is_not_there(gateway: Gateway, id: str) -> None:
    answer = gateway.get(f"/v1/requests/{id}/explain")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_requests_for_more_are_where_they_were(gateway: Gateway, key: str) -> None:
    assert gateway.get("/v1/requests", key).json()["object"] == "list"
    assert gateway.get("/v1/requests/more_999", key).status_code == 404
    assert gateway.post("/v1/requests/req_1/explain", {}, key).status_code == 405


def test_what_a_record_keeps_of_its_way_is_small(gateway: Gateway, upstream: Upstream, key: str) -> None:
    answer = gateway.post(CHAT, ask("way-first"), key)
    gateway.record(answer.headers["x-request-id"])
    query = "SELECT trace, attempt_log FROM billing_usagerecord WHERE request_id = %s"
    ((trace, log),) = gateway.sql(query, answer.headers["x-request-id"])
    assert sum(len(each if isinstance(each, str) else json.dumps(each)) for each in (trace, log)) < 1_000


# from records alone

ROWS = (PriceRow(1, "input", 0, "", "million", 25_000_000_000), PriceRow(2, "output", 0, "", "million", 10**11))
LOG = [
    {"provider": "a", "model": "m", "outcome": "was overtaken by another attempt", "status": None, "started": 0.0,
     "duration": 1.0, "reason": "first", "cost": "0.0000250000", "input_tokens": 10, "estimated": True},
    {"provider": "b", "model": "m", "outcome": "answered", "status": 200, "started": 0.4, "duration": 0.5,
     "reason": "hedge"},
]  # fmt: skip


def record(attempt: int = 1, cost: int | None = 3_500_000, **fields: Any) -> UsageRecord:
    """Return the record of 100 tokens in and 10 out, as the ledger would have it."""
    opened = lines.Open(
        id=ids.new(10**15), request_id="req_1", operation="chat.completions", model="m", provider="b",
        upstream_model="m", price_rows=ROWS, attempt=attempt, markup=fields.pop("markup", UNCHANGED),
    )  # fmt: skip
    usage = Usage(input=100, output=10)
    line = lines.settled(opened, usage, cost=cost, status="completed", finished_at=10**15, **fields)
    values = records.values_of(lines.decode(lines.encode(line)[:-1]))
    kept = dict(zip([column.name for column in records.COLUMNS], values, strict=True))
    return UsageRecord(**kept | {"cost": None if cost is None else Decimal(cost).scaleb(-10)})


def test_what_an_overtaken_attempt_cost_is_a_line_of_its_own() -> None:
    told = explanation.of(record(cost=3_500_000 + 250_000, attempt=2, attempt_log=LOG, trace={"sent": 2.0}))
    assert [line.atoms for line in told.bill.lines] == [2_500_000, 1_000_000, 250_000]
    assert told.bill.atoms == 3_750_000
    assert [(each.start, each.duration) for each in told.attempts] == [(2.0, 1000.0), (402.0, 500.0)]


def test_what_was_charged_beyond_the_usage_is_named_so_that_the_sum_is_right() -> None:
    bill = explanation.of(record(cost=9_000_000)).bill
    assert sum(line.atoms for line in bill.lines) == bill.atoms == 9_000_000


def test_a_missing_price_leaves_no_sum() -> None:
    unpriced = record(cost=None)
    unpriced.price_rows = [ROWS[0]]
    bill = explanation.of(unpriced).bill
    assert bill.atoms is None
    assert [line.atoms for line in bill.lines] == [2_500_000, None]


def test_a_record_of_an_older_release_tells_what_it_has() -> None:
    old = record()
    assert old.trace is None
    told = explanation.of(old)
    assert not told.is_traced
    assert (told.rule, told.candidates) == ((), [])
    assert [(each.provider, each.outcome) for each in told.attempts] == [("b", "answered")]


def test_a_line_of_an_older_release_is_read_as_before() -> None:
    new = lines.Settled(id=ids.new(1), request_id="r", operation="o", model="m", finished_at=1, status="completed")
    assert b"trace" not in lines.encode(new)
    assert lines.decode(lines.encode(new)[:-1]).trace is None


def test_a_caller_is_told_the_price_with_the_margin_in_it() -> None:
    marked = record(cost=3_850_000, markup=1_100_000)
    told = explanation.of(marked)
    for line in told.bill.lines:
        price = explanation.charged_price(line.price, told.bill.markup)
        assert price * line.quantity / 10**6 == Decimal(line.atoms).scaleb(-10)


def caller(*levels: tuple[str, ...], granted: tuple[callers.Granted, ...] = ()) -> callers.Caller:
    return callers.Caller(1, "p", "k", 1, "e", None, "", "member", levels, granted=granted)


def test_the_rule_that_lets_a_model_through_is_named() -> None:
    at = ids.instant(10**15)
    assert callers.listed_by((("x", "gpt-*"), ("*",)), "gpt-4o") == ("gpt-*", "*")
    assert callers.listed_by((("*",), ("x",)), "gpt-4o") == ()
    grant = callers.Granted("o*", ids.instant(0), ids.instant(2 * 10**15))
    assert caller(("x",), granted=(grant,)).granted_by("o3", at) == ["granted", "o*"]
