"""Embeddings come in the encoding that was asked for, whatever the upstream knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.embeddings import to_base64, to_floats
from providers.errors import BadAnswer

VECTOR = [0.5, -0.25, 1.0]
FLOATS = st.lists(st.floats(width=32, allow_nan=False), max_size=20)


@given(FLOATS)
def test_floats_survive_the_way_there_and_back(vector):
    assert to_floats(to_base64(vector)) == vector


@pytest.mark.parametrize("text", ["AAA", "!!!!", "AAAA"])
def test_what_is_no_vector_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        to_floats(text)


def body(vector):
    data = [{"object": "embedding", "index": 0, "embedding": vector}]
    return {"object": "list", "data": data, "model": "e", "usage": {"prompt_tokens": 1, "total_tokens": 1}}


@pytest.mark.parametrize("given_vector", [VECTOR, to_base64(VECTOR)])
@pytest.mark.parametrize(("asked", "expected"), [("base64", to_base64(VECTOR)), ("float", VECTOR), (None, VECTOR)])
@pytest.mark.parametrize("quirks", [{}, {"encoding_format": "floats_only"}])
async def test_the_caller_gets_the_encoding_it_asked_for(ask, target, upstream, given_vector, asked, expected, quirks):
    upstream.will_answer(body=body(given_vector))
    wanted = {"encoding_format": asked} if asked else {}
    answer = await ask(target(upstream.url, quirks=quirks), operation="embeddings", input="x", **wanted)
    assert answer.body["data"][0]["embedding"] == expected
    assert (answer.raw is not None) == (given_vector == expected)
    sent = upstream.asked[0].body
    assert sent.get("encoding_format") == (None if quirks else asked)


@pytest.mark.parametrize("vector", ["not base64", ["x"], [None], [[0.5]], [1e300]])
async def test_a_vector_that_cannot_be_read_is_a_bad_answer(ask, target, upstream, vector):
    upstream.will_answer(body=body(vector))
    wanted = "float" if isinstance(vector, str) else "base64"
    with pytest.raises(BadAnswer):
        await ask(target(upstream.url), operation="embeddings", input="x", encoding_format=wanted)
