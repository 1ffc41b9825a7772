"""What bodies of /v1/requests are understood to say."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway import handles
from gateway.fieldchecks import Invalid
from gateway.more_body import MOST_ATOMS, asked, atoms

NUMBERS = st.one_of(st.integers(), st.floats(), st.text(max_size=30), st.decimals().map(str))


@given(NUMBERS | st.none() | st.lists(st.integers()), st.sampled_from(["usd", "tokens"]))
def test_an_amount_is_exact_and_bounded_or_refused(amount: Any, unit: str):
    try:
        found = atoms(amount, unit)
    except Invalid as refused:
        assert refused.param == "amount"  # noqa: PT017 either is right
    else:
        assert 0 < found <= MOST_ATOMS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)
)


@given(st.dictionaries(st.sampled_from(["kind", "budget", "amount", "days", "reason", "team", "model"]), JSON))
def test_any_body_is_understood_or_refused(body: dict[str, Any]):
    try:
        assert asked(body, 366).days >= 1
    except Invalid as refused:
        assert refused.param  # noqa: PT017 either is right


@given(st.text(max_size=30) | st.integers(0, 10**18 - 1).map(lambda id: f"more_{id}"))
def test_a_handle_is_read_as_it_was_written(text: str):
    number = handles.read("request", text)
    assert number is None or int(handles.written("request", number).removeprefix("more_")) == number
