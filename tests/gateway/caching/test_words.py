"""What a request says of the cache: LiteLLM's words, each with its bad values."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import options
from gateway.caching.words import NOTHING, Said, said
from gateway.fieldchecks import Invalid


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, NOTHING),
        ({"caching": True}, NOTHING),
        ({"caching": None, "cache": None}, NOTHING),
        ({"cache": {}}, NOTHING),
        ({"cache": {"ttl": None, "use-cache": True, "type": "redis"}}, NOTHING),
        ({"caching": False}, Said(reads=False)),
        ({"cache": {"no-cache": True}}, Said(reads=False)),
        ({"cache": {"no-cache": False}}, NOTHING),
        ({"caching": True, "cache": {"no-cache": True}}, Said(reads=False)),
        ({"cache": {"no-store": True}}, Said(stores=False)),
        ({"cache": {"ttl": 60}}, Said(ttl=60)),
        ({"cache": {"ttl": 0.5, "s-maxage": 10}}, Said(ttl=0.5, most_age=10)),
        ({"cache": {"namespace": "mine"}}, Said(namespace="mine")),
    ],
)
def test_what_it_says(body: dict[str, Any], expected: Said) -> None:
    assert said(body) == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"caching": "yes"}, "caching"),
        ({"caching": 1}, "caching"),
        ({"cache": True}, "cache"),
        ({"cache": ["no-cache"]}, "cache"),
        ({"cache": {"no-cache": "true"}}, "cache.no-cache"),
        ({"cache": {"no-store": 1}}, "cache.no-store"),
        ({"cache": {"ttl": "60"}}, "cache.ttl"),
        ({"cache": {"ttl": -1}}, "cache.ttl"),
        ({"cache": {"ttl": True}}, "cache.ttl"),
        ({"cache": {"s-maxage": 10**12}}, "cache.s-maxage"),
        ({"cache": {"namespace": 5}}, "cache.namespace"),
        ({"cache": {"namespace": "x" * 201}}, "cache.namespace"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        said(body)
    assert refused.value.param == param


def test_they_are_the_gateways_own_and_leave_the_body() -> None:
    body = {"model": "m", "caching": False, "cache": {"ttl": 5}}
    assert options.taken(body, may_override=False).cache == Said(reads=False, ttl=5)
    assert body == {"model": "m"}
