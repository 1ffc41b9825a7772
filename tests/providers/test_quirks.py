"""Quirks: what is wrong with them is said by name, and nothing that an admin writes there breaks a call."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.adapters import ADAPTERS
from providers.adapters.shapes import Response
from providers.errors import UpstreamError
from providers.exchange import Exchange
from providers.models import ModelRoute, Provider
from providers.quirks import KNOWN, problems, valid
from providers.routes import load
from providers.targets import Target, Upstream
from tests.providers.fake import ANSWER, HELLO, chunk, events

NOW = datetime(2026, 11, 21, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 3) | st.sampled_from(["", "a", "*", "usage", "x.y", "count"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["logprobs", "name", "a", "*"]), inner),
    max_leaves=5,
)  # fmt: skip
QUIRKS = st.dictionaries(st.sampled_from([*KNOWN, "unheard_of"]), JSON, max_size=5) | JSON


@pytest.mark.parametrize(("quirks", "said"), [
    ({"functions": "yes"}, ("functions", "must be 'translate'")),
    ({"stream_usage": "no"}, ("stream_usage", "must be true or false")),
    ({"parameters": ["top_k"]}, ("parameters", "must be a mapping")),
    ({"parameters": {"top_k": 5}}, ("parameters.top_k", "must be a name, true or false")),
    ({"parameters": {"top_k": ""}}, ("parameters.top_k", "must be a name, true or false")),
    ({"messages": {"name": True}}, ("messages.name", "must be a name or false")),
    ({"answers": {"reasoning": False}}, ("answers.reasoning", "must be a name")),
    ({"image_tokens": True}, ("image_tokens", "must be a whole number above 0")),
    ({"usage_in": 3}, ("usage_in", "must be a name")),
    ({"function": "translate"}, ("function", "is no quirk; did you mean functions?")),
    ({"xyzzy": 1}, ("xyzzy", "is no quirk")),
    (["functions"], ("", "must be a mapping")),
])  # fmt: skip
def test_what_is_wrong_is_said_by_name(quirks, said):
    assert [(".".join(path), message) for path, message in problems(quirks)] == [said]


@pytest.mark.parametrize("adapter", sorted(ADAPTERS))
def test_nothing_is_wrong_with_an_adapters_own(adapter):
    assert problems(ADAPTERS[adapter].quirks) == []
    assert valid(ADAPTERS[adapter].quirks) == ADAPTERS[adapter].quirks


def test_what_is_wrong_is_left_out_and_the_rest_holds():
    written = {"functions": 7, "parameters": {"seed": "s", "top_k": 5, "n": None}, "stream_usage": None, "own": 1}
    assert valid(written) == {"parameters": {"seed": "s"}, "own": 1}


@given(QUIRKS)
def test_whatever_an_admin_writes_a_call_goes_on(quirks):
    assert problems(valid(quirks)) == [
        ((name,), message) for name in valid(quirks) if name not in KNOWN for _, message in problems({name: 1})
    ]
    body = {"messages": [{"role": "user", "content": "x", "name": "n"}], "logprobs": True, "grammar": "g", "top_k": 3}
    exchange = Exchange("chat.completions", body, Target(1, Upstream("up", "openai", quirks=quirks), "m"))
    with contextlib.suppress(UpstreamError):
        exchange.request(NOW)
        exchange.answer(Response(200, {}, json.dumps(ANSWER).encode()))
        reader = exchange.reader()
        reader.feed(events(*HELLO, chunk(None, usage={"a": 1, "prompt_tokens": 2})))
        assert reader.error is None or isinstance(reader.error, UpstreamError)


@pytest.mark.django_db
@pytest.mark.parametrize(("written", "merged"), [
    ({}, {"parameters.n": False, "functions": "translate"}),
    ({"parameters": {"n": True, "x": "y"}}, {"parameters.n": True, "parameters.top_k": False, "parameters.x": "y"}),
    ({"functions": None}, {"functions": None, "parameters.n": False}),
    ({"parameters": "all"}, {"parameters.n": False}),
    ({"functions": 5}, {"functions": "translate"}),
    ([1, 2], {"functions": "translate"}),
])  # fmt: skip
def test_a_rows_quirks_go_over_its_adapters_name_by_name(written, merged):
    from_row(written)
    (route,) = load().listed()
    quirks = route.targets[0].provider.quirks
    for path, value in merged.items():
        outer, _, inner = path.partition(".")
        assert (quirks[outer].get(inner) if inner else quirks.get(outer)) == value


def from_row(quirks: object) -> None:
    provider = Provider.objects.create(name="fast", adapter="groq", quirks=quirks)
    ModelRoute.objects.create(model="m").targets.create(provider=provider)
