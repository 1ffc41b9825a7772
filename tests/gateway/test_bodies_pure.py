"""What a body weighs, whom it names, and what may stand in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import bodies
from gateway.fieldchecks import Invalid
from gateway.validation import OPERATIONS, validate

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fields = sorted({name for _, checks in OPERATIONS.values() for name in checks})
anything = st.dictionaries(st.sampled_from(fields) | st.text(max_size=8), json, max_size=8)


@given(st.sampled_from(sorted(OPERATIONS)), anything | json)
def test_any_json_is_valid_or_refused_with_words(operation: str, body: Any) -> None:
    try:
        outcome = validate(operation, body)
    except Invalid as refusal:
        outcome = refusal.message
    assert outcome is body or (isinstance(outcome, str) and outcome)


@given(st.sampled_from(sorted(OPERATIONS)), anything)
def test_what_is_valid_can_be_weighed(operation: str, body: Any) -> None:
    try:
        validate(operation, body)
    except Invalid:
        return
    assert bodies.prompt_estimate(body) >= 0
    assert isinstance(bodies.prompt_text(body), str)
    assert isinstance(bodies.end_user(body), str)
    assert all(isinstance(tag, str) for tag in bodies.metadata_tags(body))


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"messages": [{"role": "user", "content": "12345678"}]}, 6),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "12345678"}]}]}, 7),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x" * 9000}}]}]}, 7),
        ({"input": [1, 2, 3]}, 3),
        ({"input": ["abcd", "efgh"]}, 2),
        ({"prompt": "ééé"}, 2),
    ],
)
def test_a_prompt_weighs_its_text_and_its_token_ids(body: dict[str, Any], tokens: int) -> None:
    assert bodies.prompt_estimate(body) == tokens


def test_the_answers_text_has_tool_arguments_too() -> None:
    call = {"function": {"name": "look", "arguments": '{"a":1}'}}
    answer = {"choices": [{"message": {"content": "Hi", "tool_calls": [call]}}, {"text": " there"}]}
    assert bodies.answer_text(answer) == 'Hilook{"a":1} there'


@pytest.mark.parametrize(
    ("metadata", "tags"),
    [(None, []), ({}, []), ({"tags": "a, b,"}, ["a", "b"]), ({"tags": ["a", 1]}, ["a"]), ({"tags": 7}, [])],
)
def test_tags_come_from_metadata_in_either_form(metadata: Any, tags: list[str]) -> None:
    assert bodies.metadata_tags({"metadata": metadata}) == tags
