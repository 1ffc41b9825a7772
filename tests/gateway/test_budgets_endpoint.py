"""GET /v1/budgets: every budget that binds the caller, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.people import People, settle_in
from tests.live import Gateway
from tests.upstream import Upstream

USD = 10**10
HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


@pytest.fixture(autouse=True)
def budgets_end(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.sql("UPDATE billing_budget SET ended_at = '2026-01-01 00:00:00+00:00'")


def budgets(gateway: Gateway, key: str) -> dict[str, dict[str, Any]]:
    answer = gateway.get("/v1/budgets", key)
    assert answer.status_code == 200, answer.text
    assert answer.json()["object"] == "list"
    return {row["id"]: row for row in answer.json()["data"]}


def test_a_budget_says_what_is_spent_reserved_and_left_and_when_it_renews(
    gateway: Gateway, people: People, upstream: Upstream
):
    charlie = people.user(gateway, "charlie")
    id = gateway.budget(5 * USD, user_id=charlie, timezone="Europe/Berlin", alert_at="[0.8]")
    assert gateway.post("/v1/chat/completions", HELLO, people.charlie).status_code == 200
    gateway.records()
    row = budgets(gateway, people.charlie)[f"bud_{id}"]
    assert row | {"used": 0, "spent": "", "reserved": "", "left": "", "started_at": "", "renews_at": ""} == {
        "id": f"bud_{id}", "object": "budget", "scope": "user", "owner": people.email("charlie"), "model": None,
        "unit": "usd", "period": "month", "rolling": False, "timezone": "Europe/Berlin", "mode": "enforce",
        "amount": "5.0000000000", "granted": "0.0000000000", "spent": "", "reserved": "", "left": "", "used": 0,
        "grants": [], "alert_at": [0.8], "started_at": "", "renews_at": "",
    }  # fmt: skip
    parts = [Decimal(row[name]) for name in ("spent", "reserved", "left")]
    assert sum(parts) == 5
    assert parts[0] > 0
    assert row["renews_at"] > row["started_at"]
    ((posted,),) = gateway.sql("SELECT posted FROM billing_budgetperiod WHERE budget_id = %s", id)
    assert parts[0] == Decimal(posted).scaleb(-10)


def test_the_error_and_the_list_say_the_same(gateway: Gateway, people: People, upstream: Upstream):
    id = gateway.budget(USD // 50, user_id=people.user(gateway, "bob"), period="day", timezone="UTC")
    refused = gateway.post("/v1/chat/completions", {**HELLO, "max_tokens": 100_000}, people.bob)
    message = refused.json()["error"]["message"]
    row = budgets(gateway, people.bob)[f"bud_{id}"]
    assert refused.status_code == 429, refused.text
    assert "The user's budget of $0.020000 per day" in message
    assert "$0.020000 left" in message
    assert Decimal(row["amount"]) == Decimal(row["left"]) == Decimal("0.02")
    assert f"It renews at {row['renews_at'][:10]} 00:00 UTC." in message


def test_counts_are_numbers_and_windows_do_not_renew(gateway: Gateway, people: People, upstream: Upstream):
    user = people.user(gateway, "charlie")
    tokens = gateway.budget(1_000_000, user_id=user, unit="tokens", period="week", rolling=True)
    total = gateway.budget(10, user_id=user, unit="requests", period="total", mode="observe", model="fa*")
    gateway.post("/v1/chat/completions", HELLO, people.charlie)
    gateway.records()
    rows = budgets(gateway, people.charlie)
    rolling = rows[f"bud_{tokens}"]
    assert (rolling["amount"], rolling["rolling"], rolling["renews_at"], rolling["started_at"]) == (
        1e6,
        True,
        None,
        None,
    )
    assert rolling["spent"] > 0
    assert rolling["spent"] + rolling["reserved"] + rolling["left"] == 1_000_000
    observed = rows[f"bud_{total}"]
    assert (observed["mode"], observed["model"], observed["spent"], observed["left"]) == ("observe", "fa*", 1, 9)


def test_a_grant_stands_beside_the_amount(gateway: Gateway, people: People):
    id = gateway.budget(5 * USD, user_id=people.user(gateway, "charlie"))
    for amount, since, until in ((2, "2026-01-01", "2199-01-01"), (7, "2026-01-01", "2026-01-02")):
        gateway.sql(
            "INSERT INTO billing_grant (budget_id, amount, starts_at, ends_at, actor, reason, created_at) "
            "VALUES (%s, %s, %s, %s, 'alice', '', %s)",
            id, amount * USD, f"{since} 00:00:00+00:00", f"{until} 00:00:00+00:00", f"{since} 00:00:00+00:00",
        )  # fmt: skip
    row = budgets(gateway, people.charlie)[f"bud_{id}"]
    assert (row["amount"], row["granted"], row["left"]) == ("5.0000000000", "2.0000000000", "7.0000000000")
    assert row["grants"] == [{"amount": "2.0000000000", "ends_at": "2199-01-01T00:00:00Z"}]


def test_everybody_sees_those_that_bind_their_key_and_no_others(gateway: Gateway, people: People):
    of_all = gateway.budget(USD)
    of_team = gateway.budget(USD, team_id=people.team_id(gateway))
    of_charlie = gateway.budget(USD, user_id=people.user(gateway, "charlie"))
    ((key,),) = gateway.sql("SELECT id FROM accounts_apikey WHERE public_id = %s", people.machine.split("-")[2])
    of_machine = gateway.budget(USD, api_key_id=key)
    seen = {name: set(budgets(gateway, getattr(people, name))) for name in ("charlie", "bob", "dave", "machine")}
    assert seen == {
        "charlie": {f"bud_{of_all}", f"bud_{of_team}", f"bud_{of_charlie}"},
        "bob": {f"bud_{of_all}", f"bud_{of_team}"},
        "dave": {f"bud_{of_all}"},
        "machine": {f"bud_{of_all}", f"bud_{of_team}", f"bud_{of_machine}"},
    }


def test_the_gateways_amounts_are_told_to_who_sees_all_spend(gateway: Gateway, people: People):
    id = f"bud_{gateway.budget(3 * USD)}"
    told = ("amount", "granted", "spent", "reserved", "left")
    for key in (people.charlie, people.bob, people.machine):
        row = budgets(gateway, key)[id]
        assert [row[name] for name in told] == [None] * 5
        assert row["grants"] == []
        assert 0 <= row["used"] <= 1
    assert budgets(gateway, people.alice)[id]["amount"] == "3.0000000000"


def test_a_budget_that_has_ended_binds_nobody(gateway: Gateway, people: People):
    id = gateway.budget(USD, user_id=people.user(gateway, "charlie"), ended_at="2026-11-02 00:00:00+00:00")
    assert f"bud_{id}" not in budgets(gateway, people.charlie)


def test_it_is_served_without_v1_and_needs_a_key(gateway: Gateway, people: People):
    assert gateway.get("/budgets", people.charlie).status_code == 200
    assert gateway.get("/v1/budgets", "sk-tg-nobody").status_code == 401
