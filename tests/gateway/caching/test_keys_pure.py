"""Which requests are given one answer: whatever matters makes another key, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.callers import Caller
from gateway.caching.keys import UNCOUNTED, key_of, sharer_of
from providers.caching import Caching
from providers.targets import Route, Target, Upstream

UPSTREAM = Upstream("openai", "openai", "https://api.example/v1", "secret", {"headers": {"x": "y"}})
TARGET = Target(1, UPSTREAM, "gpt-4o-2024")
ROUTE = Route("gpt-4o", targets=(TARGET,), cache=Caching(300))
BODY = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0, "seed": 1}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(max_size=8), values, max_size=6)


def key(body: dict[str, Any] = BODY, route: Route = ROUTE, **changes: Any) -> str:
    known = {"operation": "chat.completions", "model": "gpt-4o", "sharer": "key 1", "namespace": ""} | changes
    return key_of(known["operation"], known["model"], body, route, sharer=known["sharer"], namespace=known["namespace"])


def shuffled(value: Any) -> Any:
    """Return ``value`` with the names of all its objects the other way round."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(bodies)
def test_the_order_of_names_makes_no_other_key(body: dict[str, Any]) -> None:
    assert key(shuffled(body)) == key(body)


@given(bodies, bodies)
def test_bodies_that_differ_have_keys_that_differ(one: dict[str, Any], other: dict[str, Any]) -> None:
    counted = [
        json.dumps({name: part for name, part in body.items() if name not in UNCOUNTED and part is not None},
                   sort_keys=True)
        for body in (one, other)
    ]  # fmt: skip
    assert (key(one) == key(other)) == (counted[0] == counted[1])


@given(bodies, st.text(max_size=8), values)
def test_a_parameter_more_is_another_key(body: dict[str, Any], name: str, value: Any) -> None:
    assume(name not in UNCOUNTED and value is not None and body.get(name) is None)
    assert key({**body, name: value}) != key(body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("messages", [{"role": "user", "content": "Hello!"}]),
        ("messages", [{"role": "system", "content": "Hello"}]),
        ("temperature", 1),
        ("seed", 2),
        ("n", 2),
        ("user", "somebody"),
        ("safety_identifier", "somebody"),
        ("max_tokens", 5),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tool_choice", "none"),
        ("response_format", {"type": "json_object"}),
        ("logprobs", True),
        ("service_tier", "flex"),
        ("top_k", 5),
        ("nobody_knows_this", "x"),
    ],
)
def test_all_that_shapes_an_answer_counts(name: str, value: Any) -> None:
    assert key({**BODY, name: value}) != key()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stream", True),
        ("stream_options", {"include_usage": True}),
        ("metadata", {"trace": "1"}),
        ("store", False),
        ("prompt_cache_key", "k"),
        ("top_p", None),
        ("model", "an-alias-is-told-by-the-model"),
    ],
)
def test_how_it_is_sent_and_labelled_does_not(name: str, value: Any) -> None:
    assert key({**BODY, name: value}) == key()


@pytest.mark.parametrize(
    "change",
    [
        {"operation": "completions"},
        {"model": "gpt-4o-latest"},
        {"sharer": "key 2"},
        {"sharer": "team 1"},
        {"sharer": "all"},
        {"namespace": "mine"},
    ],
)
def test_who_asks_for_what_counts(change: dict[str, str]) -> None:
    assert key(**change) != key()


@pytest.mark.parametrize(
    "route",
    [
        replace(ROUTE, cache=Caching(300, version=1)),
        replace(ROUTE, targets=(replace(TARGET, upstream_model="gpt-4o-2025"),)),
        replace(ROUTE, targets=(TARGET, TARGET)),
        replace(ROUTE, targets=(replace(TARGET, refuses=True),)),
        replace(ROUTE, targets=(replace(TARGET, provider=replace(UPSTREAM, name="azure")),)),
        replace(ROUTE, targets=(replace(TARGET, provider=replace(UPSTREAM, base_url="https://other.example")),)),
        replace(ROUTE, targets=(replace(TARGET, provider=replace(UPSTREAM, options={"region": "eu"})),)),
        replace(ROUTE, targets=(replace(TARGET, provider=replace(UPSTREAM, quirks={"parameters": {"seed": False}})),)),
    ],
)
def test_a_route_that_answers_otherwise_has_other_keys(route: Route) -> None:
    assert key(route=route) != key()


@pytest.mark.parametrize(
    "route",
    [
        replace(ROUTE, retries=7, fallbacks=("other",), deadline=3.0),
        replace(ROUTE, cache=Caching(60)),
        replace(ROUTE, targets=(replace(TARGET, id=2, timeout=5.0, weight=3, rpm=7),)),
        replace(ROUTE, targets=(replace(TARGET, provider=replace(UPSTREAM, secret="rotated", options={})),)),
    ],
)
def test_how_a_target_is_reached_does_not_count(route: Route) -> None:
    assert key(route=route) == key()


def caller(key_id: int, team_id: int | None) -> Caller:
    return Caller(key_id, "public", "name", 1, "a@example.com", team_id, "team" if team_id else None, "member")


@pytest.mark.parametrize(
    ("share", "team", "sharer"),
    [
        ("key", None, "key 7"),
        ("key", 3, "key 7"),
        ("team", 3, "team 3"),
        ("team", None, "key 7"),
        ("all", 3, "all"),
        ("nonsense", 3, "key 7"),
    ],
)
def test_who_shares(share: str, team: int | None, sharer: str) -> None:
    assert sharer_of(share, caller(7, team)) == sharer


def test_a_key_shows_nothing_of_what_was_asked() -> None:
    assert len(key()) == 64
    assert "Hello" not in key()


@pytest.mark.parametrize("value", [2**70, "half \ud800 a character"])
def test_what_json_can_hardly_say_has_a_key(value: Any) -> None:
    assert key({**BODY, "x": value, "y": 1}) == key({**BODY, "y": 1, "x": value}) != key()
