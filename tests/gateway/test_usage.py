"""GET /v1/usage: what was spent, by whom and by what, and that nobody sees what others spend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.people import People, issue, settle_in
from tests.live import Gateway
from tests.upstream import Upstream

HELLO = {"model": "fake", "messages": [{"role": "user", "content": "Hi"}]}

# what is behind the door is the same under each server
pytestmark = pytest.mark.parametrize("gateway", ["granian"], indirect=True, scope="session")


@pytest.fixture(scope="module")
def people(gateway: Gateway, fake_upstream: Upstream) -> People:
    """Charlie has asked three times, with tags, once at no known price; the machine once, Bob once."""
    people = settle_in(gateway)
    fake_upstream.reset()
    for _ in range(2):
        tagged = {**HELLO, "metadata": {"tags": "web"}}
        gateway.post("/v1/chat/completions", tagged, people.charlie, headers={"x-tollgate-tags": "nightly,web"})
    gateway.post("/v1/chat/completions", {**HELLO, "model": "any/thing"}, people.charlie)
    gateway.post("/v1/chat/completions", HELLO, people.bob)
    gateway.post("/v1/chat/completions", {**HELLO, "user": "customer-7"}, people.machine)
    gateway.records()
    return people


def usage(gateway: Gateway, key: str, query: str = "") -> Any:
    answer = gateway.get(f"/v1/usage{'?' if query else ''}{query}", key)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_user_sees_their_own_month_by_model_and_day(gateway: Gateway, people: People):
    answer = usage(gateway, people.charlie)
    today = f"{datetime.now(UTC):%Y-%m-%d}T00:00:00+00:00"
    assert (answer["object"], answer["scope"], answer["group_by"]) == ("list", "user", ["model", "day"])
    rows = {row["model"]: row for row in answer["data"]}
    assert rows.keys() == {"fake", "any/thing"}
    assert {row["start"] for row in rows.values()} == {today}
    priced = rows["fake"]
    assert (priced["requests"], priced["unpriced_requests"]) == (2, 0)
    records = [row for row in gateway.records() if row["user_id"] == people.user(gateway, "charlie")]
    spent = sum(Decimal(row["cost"] or 0).scaleb(-10) for row in records)
    assert Decimal(priced["cost"]) == spent > 0
    assert answer["total"]["cost"] == priced["cost"]
    assert (answer["total"]["requests"], answer["total"]["unpriced_requests"]) == (3, 1)


def test_what_has_no_price_costs_null_and_is_counted_apart(gateway: Gateway, people: People):
    rows = {row["model"]: row for row in usage(gateway, people.charlie)["data"]}
    unpriced = rows["any/thing"]
    assert (unpriced["requests"], unpriced["unpriced_requests"], unpriced["cost"]) == (1, 1, None)


def test_tags_of_the_header_and_of_metadata_reach_usage(gateway: Gateway, people: People):
    rows = usage(gateway, people.charlie, "group_by=tag")["data"]
    assert {row["tag"]: row["requests"] for row in rows} == {"nightly": 2, "web": 2}
    assert "start" not in rows[0]


@pytest.mark.parametrize(
    ("query", "groups"),
    [
        ("group_by=", [{}]),
        ("group_by=month", [{}]),
        ("group_by=operation", [{"operation": "chat.completions"}]),
        ("group_by=end_user,hour", []),
        ("group_by=model&group_by=hour", [{"model": "fake"}, {"model": "any/thing"}]),
    ],
)
def test_groups_are_chosen(gateway: Gateway, people: People, query: str, groups: list[dict[str, str]]):
    rows = usage(gateway, people.charlie, query)["data"]
    keys = {"operation", "model", "end_user"}
    assert [{name: row[name] for name in keys & row.keys()} for row in rows] == groups


def test_days_are_those_of_the_time_zone(gateway: Gateway, people: People):
    answer = usage(gateway, people.charlie, "timezone=Asia/Kathmandu")
    assert answer["timezone"] == "Asia/Kathmandu"
    assert all(row["start"].endswith("T00:00:00+05:45") for row in answer["data"])
    assert answer["total"]["requests"] == 3


def test_a_range_has_its_start_and_not_its_end(gateway: Gateway, people: People):
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    assert usage(gateway, people.charlie, f"start=2026-01-01&end={tomorrow}")["total"]["requests"] == 3
    assert usage(gateway, people.charlie, "start=2025-01-01&end=2025-02-01")["data"] == []
    moment = (datetime.now(UTC) - timedelta(hours=3)).isoformat()
    assert usage(gateway, people.charlie, f"start={moment}")["total"]["requests"] == 3


def test_a_service_account_sees_its_key_and_no_more(gateway: Gateway, people: People):
    answer = usage(gateway, people.machine)
    assert (answer["scope"], answer["total"]["requests"]) == ("key", 1)
    for query in ("scope=user", "scope=team", f"team={people.team}"):
        refused = gateway.get(f"/v1/usage?{query}", people.machine)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")


def test_a_key_of_a_user_shows_itself_alone_where_asked(gateway: Gateway, people: People):
    second = issue(gateway, user_id=people.user(gateway, "charlie"))
    assert usage(gateway, second)["total"]["requests"] == 3
    assert usage(gateway, second, "scope=key")["total"]["requests"] == 0
    assert usage(gateway, people.charlie, "scope=key")["total"]["requests"] == 3


def test_a_manager_and_an_admin_see_the_team(gateway: Gateway, people: People):
    for key, query in ((people.bob, "scope=team"), (people.alice, f"team={people.team}")):
        answer = usage(gateway, key, f"{query}&group_by=user")
        assert (answer["scope"], answer["total"]["requests"]) == ("team", 5)
        assert {row["user"]: row["requests"] for row in answer["data"]} == {
            people.email("charlie"): 3,
            people.email("bob"): 1,
        }


def test_nobody_else_sees_the_team(gateway: Gateway, people: People):
    asking = [
        (people.charlie, "scope=team"),
        (people.dave, f"team={people.team}"),
        (people.charlie, "team=there-is-none"),
    ]
    for key, query in asking:
        refused = gateway.get(f"/v1/usage?{query}", key)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    assert usage(gateway, people.dave)["total"]["requests"] == 0


def test_it_is_served_without_v1_and_needs_a_key(gateway: Gateway, people: People):
    assert gateway.get("/usage", people.charlie).json()["total"]["requests"] == 3
    assert gateway.get("/v1/usage", "sk-tg-nobody").status_code == 401
    assert gateway.post("/v1/usage", {}, people.charlie).status_code == 405


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("start=yesterday", "start"),
        ("start=2026-13-01", "start"),
        ("start=0001-01-01", "start"),
        ("end=9999-12-31T23:59:59-12:00", "end"),
        ("start=2026-02-01&end=2026-02-01", "end"),
        ("start=2150-01-01", "start"),
        ("start=2024-01-01&end=2026-01-01", "start"),
        ("start=2026-01-01&end=2026-03-01&group_by=hour", "start"),
        ("timezone=Mars/Olympus", "timezone"),
        ("timezone=../../etc/passwd", "timezone"),
        ("timezone=%00", "timezone"),
        ("group_by=secret", "group_by"),
        ("group_by=model,tag", "group_by"),
        ("group_by=day,hour", "group_by"),
        ("scope=everybody", "scope"),
        ("scope=key&team=x", "team"),
        ("user=7", "user"),
        ("scope=team&team=%00", "team"),
    ],
)
def test_a_query_that_cannot_be_is_refused_by_its_parameter(gateway: Gateway, query: str, param: str):
    refused = gateway.get(f"/v1/usage?{query}")
    assert refused.status_code == 400, refused.text
    assert refused.json()["error"]["param"] == param
