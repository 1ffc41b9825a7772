"""What becomes of a body's parameters where the upstream does not know all of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import RequestRejected
from providers.parameters import (
    DEFAULTS,
    KINDS,
    OWN,
    STRUCTURE,
    TRANSLATED,
    ZERO_IS_UNSET,
    Fitted,
    Kind,
    Rule,
    carried,
    fit,
    kind_of,
    sent,
    translated,
)
from tests.providers.shared import SPEC, needs_spec

NOW = datetime(2026, 11, 21, tzinfo=UTC)
RULES = {**sent("temperature", "stop", top_k="k", seed="random_seed"), **translated("tools", "max_tokens")}
VALUES = st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
NAMES = st.sampled_from(sorted({*KINDS, *STRUCTURE, *OWN})) | st.text(min_size=1, max_size=6)
BODIES = st.dictionaries(NAMES, VALUES, max_size=8)
SAYINGS = st.dictionaries(NAMES | st.just("*"), st.booleans() | st.sampled_from(["other", "inside.other"]), max_size=5)


@pytest.mark.parametrize(("body", "fitted", "dropped"), [
    ({"temperature": 1}, {"temperature": 1}, ()),
    ({"top_k": 5, "seed": 7}, {"k": 5, "random_seed": 7}, ()),
    ({"tools": [1], "max_tokens": 3}, {"tools": [1], "max_tokens": 3}, ()),
    ({"user": "u", "store": True}, {}, ("user", "store")),
    ({"tfz": 0.5, "unheard_of": 1}, {}, ("tfz", "unheard_of")),
    ({"n": 1, "logprobs": False, "echo": False, "presence_penalty": 0.0}, {}, ()),
    ({"grammar": None, "n": None}, {}, ()),
    ({"repeat_penalty": 0, "typical_p": 0.0, "grammar": "", "negative_prompt": "", "batch": 0}, {}, ()),
    ({"caching": True, "cache": {"ttl": 3}}, {}, ()),
    ({"model": "m", "messages": [], "stream": True}, {"model": "m", "messages": [], "stream": True}, ()),
])  # fmt: skip
def test_a_parameter_is_sent_renamed_or_dropped(body, fitted, dropped):
    assert fit(body, RULES, {}) == (fitted, dropped)


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind is Kind.BINDING))
def test_what_a_program_depends_on_is_refused_by_its_name(name):
    with pytest.raises(RequestRejected) as refused:
        fit({name: "something"}, {}, {})
    assert (refused.value.code, refused.value.param, refused.value.status) == ("unsupported_parameter", name, 400)


def test_what_shapes_an_answer_is_refused_where_the_route_says_so():
    with pytest.raises(RequestRejected) as refused:
        fit({"user": "u", "top_k": 5}, {}, {}, refuses=True)
    assert refused.value.param == "top_k"
    assert fit({"user": "u", "top_k": 0}, {}, {}, refuses=True).dropped == ("user",)


def test_logprobs_of_0_ask_for_some_and_false_for_none():
    assert fit({"logprobs": False}, {}, {}).dropped == ()
    with pytest.raises(RequestRejected):
        fit({"logprobs": 0}, {}, {})


@pytest.mark.parametrize(("quirks", "body", "fitted"), [
    ({"seed": "s"}, {"seed": 1, "x": 2}, {"s": 1, "x": 2}),
    ({"top_k": False}, {"top_k": 1, "x": 2}, {"x": 2}),
    ({"g": "outer.inner"}, {"g": 1}, {"outer": {"inner": 1}}),
    ({"g": "outer.inner"}, {"g": 1, "outer": {"a": 2}}, {"outer": {"a": 2, "inner": 1}}),
    ({"g": "outer.inner"}, {"outer": 5, "g": 1}, {"outer": {"inner": 1}}),
    ({"a.b": True}, {"a.b": 1}, {"a.b": 1}),
    ({"*": False, "temperature": True}, {"model": "m", "temperature": 1, "x": 2}, {"model": "m", "temperature": 1}),
])  # fmt: skip
def test_a_provider_can_rename_send_and_withhold(quirks, body, fitted):
    assert fit(body, None, quirks).body == fitted


def test_a_quirk_goes_before_the_formats_rule():
    assert fit({"seed": 1, "x": 2}, RULES, {"seed": False, "x": True}) == ({"x": 2}, ("seed",))


def test_what_is_said_in_the_formats_own_words_is_not_carried_over():
    body = {"model": "m", "messages": [], "k": 5, "tools": [1], "temperature": 1}
    assert carried(body, RULES) == {"k": 5, "temperature": 1}


@given(BODIES, SAYINGS, st.booleans(), st.booleans())
def test_nothing_unknown_is_sent_and_all_that_was_left_out_had_been_said(body, quirks, refuses, has_rules):
    rules = RULES if has_rules else None
    before = json.dumps(body)
    fitted = fitting(body, rules, quirks, refuses)
    assert json.dumps(body) == before
    if isinstance(fitted, RequestRejected):
        assert fitted.param in body
        assert fitted.code == "unsupported_parameter"
        assert kind_of(fitted.param) is not Kind.HARMLESS
        return
    assert set(fitted.dropped) <= body.keys()
    assert OWN.isdisjoint(fitted.body)
    named = {name for name, said in quirks.items() if said is True} | {"other", "inside"}
    ours = {rule.name or name for name, rule in RULES.items()}
    if has_rules:
        assert fitted.body.keys() <= ours | named | STRUCTURE
    elif quirks.get("*") is False:
        assert fitted.body.keys() <= named | STRUCTURE
    if refuses:
        assert {kind_of(name) for name in fitted.dropped} <= {Kind.HARMLESS}


def fitting(body: Any, rules: Any, quirks: Any, refuses: bool) -> Fitted | RequestRejected:
    try:
        return fit(body, rules, quirks, refuses=refuses)
    except RequestRejected as refused:
        return refused


@given(BODIES)
def test_a_format_that_knows_all_gets_all_but_our_own(body):
    kept = {name: value for name, value in body.items() if name not in OWN and (name not in ZERO_IS_UNSET or value)}
    assert fit(body, None, {}) == (kept, ())


def test_defaults_and_zeros_are_of_parameters_that_have_a_kind():
    assert DEFAULTS.keys() - KINDS.keys() == {"stream"}
    assert not ZERO_IS_UNSET - KINDS.keys()


def test_a_rule_says_a_name_or_that_there_are_words_for_it():
    assert sent("a", b="c") == {"a": Rule("a"), "b": Rule("c")}
    assert translated("a") == {"a": TRANSLATED}


@needs_spec
@pytest.mark.parametrize("schema", ["CreateChatCompletionRequest", "CreateCompletionRequest", "CreateEmbeddingRequest"])
def test_every_parameter_of_openais_specification_has_a_kind(schema):
    schemas = json.loads(SPEC.read_bytes())["components"]["schemas"]

    def properties(part: dict[str, Any]) -> set[str]:
        if "$ref" in part:
            return properties(schemas[part["$ref"].rpartition("/")[2]])
        return set(part.get("properties", {})).union(*(properties(each) for each in part.get("allOf", ())))

    assert properties(schemas[schema]) - KINDS.keys() - STRUCTURE == set()
