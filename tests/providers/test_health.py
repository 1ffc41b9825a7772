"""Providers that are asked in the background whether they live."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from providers.adapters import ADAPTERS
from providers.health import REASON, Checks, request
from providers.targets import Route, RouteTable, Target, Upstream
from tests.providers.conftest import SECRET

EVERY = {"health": {"every": 30}, "allow_private": True}


def checks(client, upstream: Upstream, *models: str) -> Checks:
    targets = tuple(Target(number, upstream, model) for number, model in enumerate(models))
    return Checks(
        client,
        lambda: RouteTable([Route("public", targets=targets), Route("up/*", targets=(Target(9, upstream, ""),))]),
    )


def cooling(client) -> list[tuple[str, str]]:
    return [(each.model, each.reason) for each in client.conditions.cooling(asyncio.get_running_loop().time())]


@pytest.mark.parametrize("status", [200, 404, 429, 403])
async def test_any_answer_is_a_sign_of_life(client, upstream, status):
    upstream.will_answer(status, {})
    provider = Upstream("up", "openai", upstream.url, SECRET, EVERY)
    await checks(client, provider, "m").check(provider, 30)
    assert cooling(client) == []
    assert upstream.asked[0].path == "/v1/models"
    assert upstream.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert "content-type" not in upstream.asked[0].headers


@pytest.mark.parametrize("status", [500, 503, 401])
async def test_while_it_fails_all_its_targets_are_left_alone(client, upstream, status):
    provider = Upstream("up", "openai", upstream.url, SECRET, EVERY)
    client.conditions.named("up", "of-a-family")
    client.conditions.named("other", "m")
    upstream.will_answer(status, {})
    asking = checks(client, provider, "m", "n")
    await asking.check(provider, 30)
    assert sorted(cooling(client)) == [("m", REASON), ("n", REASON), ("of-a-family", REASON)]
    await asking.check(provider, 30)
    assert cooling(client) == []


async def test_who_does_not_listen_fails_and_a_good_check_ends_only_what_a_check_began(client):
    provider = Upstream("up", "openai", "http://127.0.0.1:9/v1", SECRET, EVERY)
    asking = checks(client, provider, "m")
    await asking.check(provider, 30)
    assert cooling(client) == [("m", REASON)]


async def test_a_target_that_fails_its_calls_stays_alone_though_its_provider_lives(client, upstream):
    provider = Upstream("up", "openai", upstream.url, SECRET, EVERY)
    client.conditions.named("up", "m").breaker.cool(asyncio.get_running_loop().time(), 30, "is overloaded")
    await checks(client, provider, "m").check(provider, 30)
    assert cooling(client) == [("m", "is overloaded")]


async def test_only_providers_whose_options_want_it_are_checked_and_at_their_path(client, upstream, other):
    wanted = Upstream("up", "openai", upstream.url, SECRET, {**EVERY, "health": {"every": 30, "path": "/health"}})
    silent = Upstream("other", "openai", other.url, SECRET, {"allow_private": True})
    table = RouteTable([Route("a", targets=(Target(1, wanted, "m"), Target(2, silent, "m")))])
    running = asyncio.ensure_future(Checks(client, lambda: table).run())
    for _ in range(2000):
        await asyncio.sleep(0.005)
        if upstream.asked:
            break
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [asked.path for asked in upstream.asked] == ["/v1/health"]
    assert other.asked == []


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_every_wire_format_can_be_asked(adapter):
    options = {**EVERY, "region": "eu-central-1"}
    asked = request(Upstream("up", adapter, "https://example.com", "access:secret", options), datetime.now(UTC))
    assert (asked.method, asked.body, asked.path) == ("GET", b"", "/models")
