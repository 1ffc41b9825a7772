"""What pictures and sounds are billed by, and that no call is billed more than what was reserved for it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import bounds
from billing.interrupted import Unsettled, record_of
from billing.lines import Open
from billing.pricing import Usage, cost_of, variant_of
from gateway.measuring import Told, asked, used
from gateway.media_demands import demand_of
from gateway.picturing import tokens_of_pictures
from providers.operations import IMAGES
from tests.gateway.media.samples import rows, sound, upload

TOKENS = {"input_tokens": 10, "output_tokens": 100, "total_tokens": 110}
HEARD = {**TOKENS, "input_token_details": {"text_tokens": 2, "audio_tokens": 8}}
READ = {**TOKENS, "input_tokens_details": {"text_tokens": 2, "image_tokens": 8}}
TOKENS_AND_WORDS = {**TOKENS, "output_tokens_details": {"text_tokens": 3, "image_tokens": 97}}
BY_TOKENS = rows(input=3, output=5)
DRAW, SAY = {"prompt": "A cat", "n": 2}, {"input": "Hello!"}
HEAR = {"file": sound(3700)}
TWO = {"data": [{"b64_json": "x"}, {"b64_json": "y"}]}


def image(**told: Any) -> Told:
    return Told(told.get("usage", {}), told.get("answer"))


@pytest.mark.parametrize(
    ("operation", "body", "told", "prices", "usage", "is_estimated"),
    [
        ("images.generations", DRAW, Told(TOKENS, TWO), BY_TOKENS, Usage(input=10, image_out=100), False),
        ("images.generations", DRAW, Told(TOKENS_AND_WORDS, TWO), BY_TOKENS, Usage(input=10, output=3, image_out=97),
         False),
        ("images.edits", DRAW, Told(READ, TWO), rows(input=3, image_in=4, image_out=5),
         Usage(input=2, image_in=8, image_out=100), False),
        ("images.generations", DRAW, Told(TOKENS, TWO), rows(image=7), Usage(image=2), False),
        ("images.generations", DRAW, Told({}, {"data": [{"url": "x"}]}), rows(image=7), Usage(image=1), False),
        ("images.generations", DRAW, Told({"images": 1}), rows(image=7), Usage(image=1), False),
        ("images.generations", DRAW, Told(), rows(image=7), Usage(image=2), True),
        ("images.generations", DRAW, Told({}, TWO), BY_TOKENS, Usage(input=2, image_out=2 * 6292), True),
        ("images.generations", DRAW, Told(TOKENS, TWO), (), Usage(input=10, image_out=100), False),
        ("audio.speech", SAY, Told(), rows(character=1), Usage(character=6), False),
        ("audio.speech", SAY, Told(TOKENS), rows(character=1), Usage(character=6), False),
        ("audio.speech", SAY, Told(TOKENS), BY_TOKENS, Usage(input=10, output=100), False),
        ("audio.speech", SAY, Told(TOKENS), rows(input=1, audio_out=2), Usage(input=10, audio_out=100), False),
        ("audio.speech", SAY, Told(), BY_TOKENS, Usage(input=2, output=9), True),
        ("audio.speech", SAY, Told(), (), Usage(character=6), False),
        ("audio.transcriptions", HEAR, Told(HEARD), rows(input=1, audio_in=2, output=3),
         Usage(input=2, audio_in=8, output=100), False),
        ("audio.transcriptions", HEAR, Told(HEARD), BY_TOKENS, Usage(input=10, output=100), False),
        ("audio.transcriptions", HEAR, Told({"type": "duration", "seconds": 4}), rows(second=1), Usage(second=4000),
         False),
        ("audio.transcriptions", HEAR, Told({**HEARD, "prompt_audio_seconds": 3}), rows(second=1), Usage(second=3000),
         False),
        ("audio.transcriptions", HEAR, Told({}, {"text": "x", "duration": 3.25}), rows(second=1), Usage(second=3250),
         False),
        ("audio.transcriptions", HEAR, Told({}, {"text": "x"}), rows(second=1), Usage(second=3700), False),
        ("audio.transcriptions", {"file": upload(data=b"?" * 8000)}, Told(), rows(second=1), Usage(second=0), True),
        ("audio.transcriptions", HEAR, Told({}, None, "Good day"), rows(audio_in=1, output=3),
         Usage(audio_in=37, output=2), True),
        ("audio.transcriptions", HEAR, Told({}, {"text": "Good day"}), BY_TOKENS, Usage(input=37, output=2), True),
        ("audio.translations", HEAR, Told({}, {"text": "x"}), rows(second=1), Usage(second=3700), False),
    ],
)  # fmt: skip
def test_the_first_that_is_known_and_priced_is_billed(operation, body, told, prices, usage, is_estimated):
    found = used(operation, body, told, prices)
    assert (found.usage, found.is_estimated, found.is_doubtful) == (usage, is_estimated, False)


@pytest.mark.parametrize("seconds", [-1, 0, 1e12, float("nan"), "4", True, None, [4]])
def test_seconds_that_make_no_sense_are_measured(seconds):
    told = Told({"seconds": seconds}, {"text": "x", "duration": seconds})
    found = used("audio.transcriptions", HEAR, told, rows(second=1))
    assert found.usage == Usage(second=1000 if seconds is True else 3700)


@pytest.mark.parametrize(
    ("asked_for", "prices", "usage", "cost"),
    [
        ({"image": 2, "request": 1}, rows(image=7), Usage(image=2), 14),
        ({"second": 3700, "request": 1}, rows(second=1000), Usage(second=3700), 3700),
        ({}, rows(input=1, output=1), Usage(input=5, output=3), 8),
    ],
)
def test_what_nobody_saw_the_end_of_is_billed_by_its_unit(asked_for, prices, usage, cost):
    opened = Open(
        id="0", request_id="req_1", operation="x", model="m", prompt_tokens=5, asked=asked_for, price_rows=prices
    )
    record = record_of(Unsettled(opened, 3), 0)
    assert record.cost == cost
    assert record.estimated
    assert (record.images, record.milliseconds, record.input_tokens) == (usage.image, usage.second, usage.input)


def test_usage_that_contradicts_itself_is_noted():
    assert used("images.generations", DRAW, Told({**TOKENS, "total_tokens": 5}), BY_TOKENS).is_doubtful


@pytest.mark.parametrize(
    ("size", "quality", "tokens"),
    [
        ("1024x1024", "low", 272), ("1024x1024", "medium", 1056), ("1024x1024", "high", 4160),
        ("1024x1536", "low", 408), ("1024x1536", "medium", 1584), ("1024x1536", "high", 6240),
        ("1536x1024", "high", 6240), ("auto", "auto", 6240), (None, None, 6240),
    ],
)  # fmt: skip
def test_no_picture_is_thought_to_be_less_than_it_is_billed_as(size, quality, tokens):
    assert tokens_of_pictures({"size": size, "quality": quality}) >= tokens
    assert tokens_of_pictures({"size": size, "quality": quality, "partial_images": 3}) >= tokens + 300


PRICES = st.dictionaries(
    st.sampled_from(["input", "output", "audio_in", "audio_out", "image", "second", "character", "request"]),
    st.integers(0, 10**12), min_size=1,
).map(lambda atoms: rows(**atoms))  # fmt: skip
BODIES = st.one_of(
    st.tuples(
        st.sampled_from(IMAGES),
        st.fixed_dictionaries(
            {"prompt": st.text(max_size=50)},
            optional={"n": st.integers(1, 10), "size": st.sampled_from(["auto", "256x256", "1024x1536"]),
                      "quality": st.sampled_from(["low", "high", "auto"])},
        ),
    ),
    st.tuples(st.just("audio.speech"), st.fixed_dictionaries({"input": st.text(min_size=1, max_size=300)})),
    st.tuples(
        st.sampled_from(["audio.transcriptions", "audio.translations"]),
        st.fixed_dictionaries({"file": st.integers(1, 2000).map(sound)}),
    ),
)  # fmt: skip


@given(BODIES, PRICES)
def test_what_nobody_tells_costs_no_more_than_was_reserved(call, prices):
    operation, body = call
    variant = variant_of(body.get("size"), body.get("quality"))
    usage = asked(operation, body, prices, variant=variant)
    cost = cost_of(usage, prices, variant=variant).atoms
    most = bounds.most(demand_of(operation, body), prices, variant=variant)
    assert cost is None or most is None or cost <= most  # where there is no bound, no budget lets it pass


VARIANTS = {"1024x1024/standard": 40, "1024x1024/hd": 80, "1792x1024": 70, "": 5}


@pytest.mark.parametrize(
    ("said", "most"),
    [
        ({"size": "1024x1024", "quality": "standard"}, 40), ({"size": "1024x1024", "quality": "hd"}, 80),
        ({"size": "1024x1024"}, 80), ({"quality": "hd"}, 80), ({"size": "1792x1024"}, 70), ({}, 80),
        ({"size": "1792x1024", "quality": "hd"}, 70), ({"size": "256x256", "quality": "standard"}, 5),
        ({"size": "256x256"}, 5), ({"quality": "standard"}, 70),
    ],
)  # fmt: skip
def test_a_picture_is_reserved_at_the_dearest_that_it_can_be(said, most):
    variant = variant_of(said.get("size"), said.get("quality"))
    demand = demand_of("images.generations", {"prompt": "x", "n": 3, **said})
    assert bounds.most(demand, rows(image=VARIANTS), variant=variant) == 3 * most


@pytest.mark.parametrize(
    ("operation", "body", "prices", "most"),
    [
        ("audio.speech", {"input": "Hello!"}, rows(character=2), 12),
        ("audio.transcriptions", {"file": sound(3001)}, rows(second=7000), 28_000),
        ("audio.transcriptions", {"file": upload(data=b"?" * 8000)}, rows(second=7000), 56_000),
        ("images.edits", {"prompt": "x", "n": 2, "image": [1, 2]}, rows(image=9), 18),
        ("images.generations", {"prompt": "x"}, rows(second=9), None),
    ],
)
def test_what_is_counted_is_reserved_exactly(operation, body, prices, most):
    assert bounds.most(demand_of(operation, body), prices) == most


def test_a_price_of_both_kinds_reserves_the_dearer():
    demand = demand_of("images.generations", {"prompt": "", "quality": "low", "size": "1024x1024"})
    assert bounds.most(demand, rows(image=1000, input=1, output=1)) == 1000
    assert bounds.most(demand, rows(image=10, input=0, output=1)) == 276
