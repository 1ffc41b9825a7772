"""A route's cache in the admin and in tollgate.yaml; its hits on the pages and in corrections."""

from __future__ import annotations

import uuid
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from billing import bulk, clock, ids, lines, reprice
from billing.models import UsageRecord
from billing.pricing import PriceRow
from billing.repricing import Earlier, judge
from gateway.configuration.applying import apply
from providers import routes
from providers.caching import Caching, caching_of, problems
from providers.models import ModelRoute, Provider, Target

pytestmark = pytest.mark.django_db


@pytest.fixture
def route() -> ModelRoute:
    made = ModelRoute.objects.create(model="gpt", cache={"ttl": 300, "share": "team"})
    provider = Provider.objects.create(name="openai", adapter="openai")
    Target.objects.create(route=made, provider=provider, upstream_model="gpt-4o")
    return made


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(User.objects.create_user("admin@example.com", "a long password", role="admin"))
    return client


def loaded() -> Caching | None:
    return routes.load().resolve("gpt").cache


def test_the_rows_of_a_route_say_how_it_caches(route: ModelRoute) -> None:
    assert loaded() == Caching(300, "team", 0)
    ModelRoute.objects.update(cache={})
    assert loaded() is None


def test_the_button_empties_it_and_looking_does_not(admin: Client, route: ModelRoute) -> None:
    page = f"/admin/providers/modelroute/{route.pk}/empty-cache/"
    assert "Empty the answer cache of" in admin.get(page, follow=True).content.decode()
    assert loaded().version == 0
    answer = admin.post(page, follow=True)
    assert answer.status_code == 200
    assert "The answer cache of gpt is empty." in unescape(answer.content.decode())
    assert loaded() == Caching(300, "team", 1)


def test_who_may_only_look_empties_nothing(route: ModelRoute) -> None:
    client = Client()
    client.force_login(User.objects.create_user("viewer@example.com", "a long password", role="viewer"))
    assert client.post(f"/admin/providers/modelroute/{route.pk}/empty-cache/").status_code in (302, 403)
    assert loaded().version == 0


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, None),
        ({"ttl": 300}, None),
        ({"ttl": 0.5}, "ttl must be from 1"),
        ({"ttl": 300, "share": "all"}, None),
        ({"share": "all"}, "ttl is missing"),
        ({"ttl": 300, "share": "everybody"}, "share must be one of key, team, all."),
        ({"ttl": 300, "shared": "all"}, "shared is none of ttl."),
        ({"ttl": "300"}, "ttl must be a number."),
        ({"ttl": 10**9}, "ttl must be from 1"),
        ([300], "It must be a mapping."),
    ],
)
def test_what_is_wrong_is_said_and_switches_it_off(said: Any, problem: str | None) -> None:
    found = list(problems(said))
    assert bool(found) == (problem is not None)
    assert problem is None or any(problem in each for each in found)
    assert (caching_of(said, 3) is None) == bool(problem or not said)


def test_an_unknown_share_in_the_form_is_refused(admin: Client, route: ModelRoute) -> None:
    page = f"/admin/providers/modelroute/{route.pk}/change/"
    assert '"share": "team"' in unescape(admin.get(page).content.decode())
    answer = admin.post(page, {"model": "gpt", "cache": '{"ttl": 5, "share": "everybody"}'})
    assert "share must be one of key, team, all." in answer.content.decode()


def test_a_file_sets_it_changes_it_and_switches_it_off(route: ModelRoute) -> None:
    for text, expected in (
        ("{ttl: 60}", Caching(60, "key", 0)),
        ("{ttl: 60, share: all}", Caching(60, "all", 0)),
        ("{}", None),
    ):
        file = f"routes: [{{model: gpt, cache: {text}}}]"
        assert apply(file, {})
        assert not apply(file, {})
        assert loaded() == expected


def hit(stored_by: str, price_rows: tuple[PriceRow, ...] = ()) -> UsageRecord:
    """Return the record of a hit, as it is posted."""
    now = clock.now_us()
    line = lines.Settled(
        id=ids.new(now), request_id=f"req_{uuid.uuid4().hex}", operation="chat.completions", model="gpt",
        provider="openai", upstream_model="gpt-4o", finished_at=now, status="completed", cost=0, upstream_cost=0,
        attempts=0, tags=("cache:hit",), price_rows=price_rows, trace={"cache": ["hit", now, stored_by]},
    )  # fmt: skip
    bulk.insert_records([line])
    return UsageRecord.objects.get(pk=line.id)


def test_the_page_of_a_hit_says_what_it_is(admin: Client) -> None:
    record = hit("req_of_another")
    page = admin.get(f"/admin/billing/usagerecord/{record.pk}/change/")
    assert page.status_code == 200
    assert "It was answered from the cache, by what" in page.content.decode()
    assert "req_of_another" in page.content.decode()


def test_a_price_per_request_is_none_of_a_hit() -> None:
    fee = PriceRow(1, "request", 0, "", "one", 10**8)
    facts = reprice.facts_of(hit("req_of_another", (fee,)))
    assert facts.usage.request == 0
    assert judge(facts, Earlier(), (fee,), ()).correction is None
    assert judge(facts._replace(rows=()), Earlier(), (fee,), ()).correction is None
