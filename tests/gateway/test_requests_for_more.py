"""Requests for more through the door: asked, decided by who may, granted until they end."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest

from tests.gateway.people import People, issue, settle_in
from tests.live import Gateway
from tests.upstream import Upstream

HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 10}
DAYS = {"days": 7, "reason": "the demo is on Friday"}

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def people(gateway: Gateway) -> People:
    return settle_in(gateway)


@pytest.fixture(autouse=True)
def nothing_is_left(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.sql("UPDATE billing_budget SET ended_at = '2026-01-01 00:00:00+00:00'")
    gateway.sql("UPDATE billing_requestformore SET state = 'declined' WHERE state = 'waiting'")


@pytest.fixture
def budget(gateway: Gateway, people: People) -> str:
    """Charlie may spend nothing."""
    return f"bud_{gateway.budget(0, user_id=people.user(gateway, 'charlie'))}"


def ask(gateway: Gateway, key: str, **body: Any) -> httpx.Response:
    return gateway.post("/v1/requests", {**DAYS, **body}, key)


def raised(gateway: Gateway, key: str, budget: str, amount: Any = "1.50") -> str:
    answer = ask(gateway, key, kind="raise", budget=budget, amount=amount)
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def decide(gateway: Gateway, key: str, id: str, verb: str, body: Any = None) -> httpx.Response:
    with gateway.client(key) as client:
        return client.post(f"/v1/requests/{id}/{verb}", content=b"" if body is None else json.dumps(body))


def listed(gateway: Gateway, key: str, query: str = "") -> list[str]:
    answer = gateway.get(f"/v1/requests{query}", key)
    assert answer.status_code == 200, answer.text
    return [row["id"] for row in answer.json()["data"]]


def test_an_approved_raise_is_spent_within_a_second(gateway: Gateway, people: People, budget: str, upstream: Upstream):
    assert gateway.post("/v1/chat/completions", HELLO, people.charlie).status_code == 429
    asked = ask(gateway, people.charlie, kind="raise", budget=budget, amount="1.50").json()
    assert asked | {"id": "", "created_at": ""} == {
        "id": "", "object": "request_for_more", "kind": "raise", "state": "waiting", "user": people.email("charlie"),
        "team": people.team, "budget": budget, "unit": "usd", "amount": "1.5000000000", **DAYS, "answer": None,
        "decided_by": None, "decided_at": None, "granted_until": None, "created_at": "",
    }  # fmt: skip
    approved = decide(gateway, people.bob, asked["id"], "approve", {"answer": "good luck"}).json()
    assert (approved["state"], approved["answer"], approved["decided_by"]) == (
        "approved", "good luck", people.email("bob"),
    )  # fmt: skip
    assert approved["granted_until"] > approved["decided_at"]
    gateway.take_in()
    assert gateway.post("/v1/chat/completions", HELLO, people.charlie).status_code == 200
    row = next(row for row in gateway.get("/v1/budgets", people.charlie).json()["data"] if row["id"] == budget)
    assert (row["amount"], row["granted"]) == ("0.0000000000", "1.5000000000")


def test_an_approved_model_passes_every_list_until_it_ends(gateway: Gateway, people: People, upstream: Upstream):
    key = issue(
        gateway, user_id=people.user(gateway, "charlie"), team_id=people.team_id(gateway), models='["demo-embedding"]'
    )
    assert gateway.post("/v1/chat/completions", HELLO, key).status_code == 403
    for model in ("fake", "any/thing"):
        id = ask(gateway, key, kind="model", model=model).json()["id"]
        assert decide(gateway, people.bob, id, "approve").json()["state"] == "approved"
    gateway.take_in()
    assert gateway.post("/v1/chat/completions", HELLO, key).status_code == 200
    assert {row["id"] for row in gateway.get("/v1/models", key).json()["data"]} == {
        "demo-embedding",
        "fake",
        "any/thing",
    }
    assert gateway.get("/v1/models/fake", key).status_code == 200
    gateway.sql("UPDATE accounts_modelgrant SET ends_at = starts_at")
    gateway.take_in()
    assert gateway.post("/v1/chat/completions", HELLO, key).status_code == 403
    assert {row["id"] for row in gateway.get("/v1/models", key).json()["data"]} == {"demo-embedding"}


def test_a_grant_ends_without_anything_being_told(gateway: Gateway, people: People, upstream: Upstream):
    user = people.user(gateway, "charlie")
    key = issue(gateway, user_id=user, models='["demo-embedding"]')
    ((now,),) = gateway.sql(
        "SELECT to_char(now() at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS')"
        if gateway.database_url
        else "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')"
    )
    ends_at = time.time() + 3
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ends_at))
    gateway.sql(
        "INSERT INTO accounts_modelgrant (user_id, model, starts_at, ends_at, actor, reason, created_at) "
        "VALUES (%s, 'fake', %s, %s, 'alice', '', %s)",
        user, now, stamp, now,
    )  # fmt: skip
    gateway.take_in()
    assert gateway.post("/v1/chat/completions", HELLO, key).status_code == 200
    time.sleep(max(0.0, ends_at - time.time()) + 0.2)
    assert gateway.post("/v1/chat/completions", HELLO, key).status_code == 403


def test_who_decides_may_change_amount_and_days(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget, 20)
    approved = decide(gateway, people.bob, id, "approve", {"amount": "2", "days": 1}).json()
    assert (approved["amount"], approved["days"]) == ("2.0000000000", 1)


def test_nobody_else_decides(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    for key, status in ((people.charlie, 403), (people.dave, 404), (people.machine, 403)):
        for verb in ("approve", "decline"):
            assert decide(gateway, key, id, verb).status_code == status
    assert gateway.get(f"/v1/requests/{id}", people.charlie).json()["state"] == "waiting"
    assert decide(gateway, people.bob, id, "withdraw").status_code == 403


def test_a_manager_does_not_decide_their_own(gateway: Gateway, people: People):
    budget = f"bud_{gateway.budget(0, team_id=people.team_id(gateway))}"
    id = raised(gateway, people.bob, budget)
    assert decide(gateway, people.bob, id, "approve").status_code == 403
    assert decide(gateway, people.alice, id, "approve").status_code == 200


def test_what_is_decided_stays_so(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    assert decide(gateway, people.bob, id, "decline", {"answer": "next month"}).json()["answer"] == "next month"
    for key, verb in ((people.bob, "approve"), (people.alice, "decline"), (people.charlie, "withdraw")):
        refused = decide(gateway, key, id, verb)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")


def test_one_takes_back_what_one_asked_for(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    assert decide(gateway, people.charlie, id, "withdraw").json()["state"] == "withdrawn"
    assert decide(gateway, people.bob, id, "approve").status_code == 409


def test_everybody_lists_their_own_and_what_they_decide(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    assert listed(gateway, people.charlie, "?state=waiting") == [id]
    assert listed(gateway, people.bob, "?state=waiting") == []
    assert listed(gateway, people.bob, "?scope=team&state=waiting") == [id]
    assert listed(gateway, people.dave, "?scope=team") == []
    assert id in listed(gateway, people.alice, "?scope=all")
    assert gateway.get("/v1/requests?scope=all", people.bob).status_code == 403
    assert gateway.get("/v1/requests", people.machine).status_code == 403


def test_guessing_ids_shows_nothing(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    for guess in (id, "more_999999", "more_0", "more_-1", "more_x", "1", "more_" + "9" * 30):
        refused = gateway.get(f"/v1/requests/{guess}", people.dave)
        assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


def test_pages_go_back_in_time(gateway: Gateway, people: People, budget: str):
    first = raised(gateway, people.charlie, budget)
    second = ask(gateway, people.charlie, kind="raise", budget=f"bud_{gateway.budget(9)}", amount=1).json()["id"]
    page = gateway.get("/v1/requests?limit=1", people.charlie).json()
    assert (page["data"][0]["id"], page["last_id"], page["has_more"]) == (second, second, True)
    assert listed(gateway, people.charlie, f"?limit=1&after={second}") == [first]


def test_it_stands_in_the_audit_log(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    decide(gateway, people.bob, id, "approve")
    entries = gateway.sql(
        "SELECT e.actor_email, c.model, e.remote_addr FROM auditlog_logentry e JOIN django_content_type c "
        "ON c.id = e.content_type_id WHERE c.model IN ('requestformore', 'grant') ORDER BY e.id DESC LIMIT 3"
    )
    assert {(actor, model) for actor, model, _ in entries} == {
        (people.email("bob"), "grant"), (people.email("bob"), "requestformore"),
        (people.email("charlie"), "requestformore"),
    }  # fmt: skip
    assert {str(address) for _, _, address in entries} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "kind"),
        ({"kind": "money"}, 400, "kind"),
        ({"kind": "raise", "amount": 1}, 400, "budget"),
        ({"kind": "raise", "budget": "bud_999999", "amount": 1}, 400, "budget"),
        ({"kind": "raise", "budget": 7, "amount": 1}, 400, "budget"),
        ({"kind": "raise", "budget": "BUDGET"}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 0}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": "-1"}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": "NaN"}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": "1e999999"}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": True}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": [1]}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": "0.00000000001"}, 400, "amount"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "days": 0}, 400, "days"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "days": 9999}, 400, "days"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "reason": " "}, 400, "reason"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "reason": "\0"}, 400, "reason"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "reason": "x" * 2001}, 400, "reason"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "team": "not mine"}, 400, "team"),
        ({"kind": "raise", "budget": "BUDGET", "amount": 1, "user": "me"}, 400, "user"),
        ({"kind": "model", "model": "no-such-model"}, 404, "model"),
        ({"kind": "model", "model": "fake"}, 409, None),
        ({"kind": "model", "model": 7}, 400, "model"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    gateway: Gateway, people: People, budget: str, body: dict[str, Any], status: int, param: str | None
):
    given = {name: budget if value == "BUDGET" else value for name, value in body.items()}
    refused = ask(gateway, people.charlie, **given)
    assert (refused.status_code, refused.json()["error"]["param"]) == (status, param), refused.text


def test_a_budget_of_somebody_else_is_as_unknown_as_none(gateway: Gateway, people: People, budget: str):
    refused = ask(gateway, people.dave, kind="raise", budget=budget, amount=1)
    unknown = ask(gateway, people.dave, kind="raise", budget="bud_999999", amount=1)
    assert refused.json() == unknown.json()


def test_a_service_account_asks_for_nothing(gateway: Gateway, people: People):
    budget = f"bud_{gateway.budget(0, team_id=people.team_id(gateway))}"
    refused = ask(gateway, people.machine, kind="raise", budget=budget, amount=1)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")


def test_the_same_is_asked_for_once(gateway: Gateway, people: People, budget: str):
    raised(gateway, people.charlie, budget)
    assert ask(gateway, people.charlie, kind="raise", budget=budget, amount=2).status_code == 409


def test_a_decision_with_a_body_that_cannot_be_is_refused(gateway: Gateway, people: People, budget: str):
    id = raised(gateway, people.charlie, budget)
    bodies = ([], {"amount": 0}, {"days": "two"}, {"answer": 1}, {"answer": "\0"}, {"state": "approved"})
    assert [decide(gateway, people.bob, id, "approve", body).status_code for body in bodies] == [400] * len(bodies)
    assert decide(gateway, people.bob, id, "decline", {"amount": 1}).status_code == 400
