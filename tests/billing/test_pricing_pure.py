"""What one call costs: classes out of usage, and exact money out of classes."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import (
    DEFAULTS,
    MOST,
    MOST_MARKUP,
    MOST_USD,
    PriceRow,
    Usage,
    cost_of,
    divide_half_even,
    usage_of,
    variant_of,
)

INPUT, CACHED, OUTPUT = 25_000_000_000, 12_500_000_000, 100_000_000_000  # 2.50, 1.25 and 10.00 USD per million


def row(component, amount_atoms, above_tokens=0, service_tier="", unit="million"):
    return PriceRow(
        hash((component, above_tokens, service_tier)), component, above_tokens, service_tier, unit, amount_atoms
    )


GPT = (row("input", INPUT), row("cached_input", CACHED), row("output", OUTPUT))


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, Usage(input=9, output=3)),
        ({"prompt_tokens": 9, "completion_tokens": 3}, Usage(input=9, output=3)),
        ({"prompt_tokens": 8, "total_tokens": 8}, Usage(input=8)),
        ({"completion_tokens": 3, "total_tokens": 12}, Usage(input=9, output=3)),
        ({}, Usage()),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 5},
                "completion_tokens_details": {
                    "reasoning_tokens": 20,
                    "audio_tokens": 7,
                    "accepted_prediction_tokens": 3,
                },
            },
            Usage(input=25, cached_input=60, cache_write=10, audio_in=5, output=23, reasoning=20, audio_out=7),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "total_tokens": 12,
                "prompt_tokens_details": None,
                "completion_tokens_details": {"reasoning_tokens": None},
            },
            Usage(input=9, output=3),
        ),
        (
            {
                "prompt_tokens": 30,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cache_write_tokens": 9, "cache_write_1h_tokens": 4},
            },
            Usage(input=21, cache_write=5, cache_write_1h=4, output=1),
        ),
        (
            {
                "input_tokens": 335,
                "output_tokens": 4167,
                "input_tokens_details": {"text_tokens": 12, "image_tokens": 323},
                "output_tokens_details": {"text_tokens": 7, "image_tokens": 4160},
            },
            Usage(input=12, image_in=323, output=7, image_out=4160),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 80, "text_tokens": 40, "image_tokens": 60},
            },
            Usage(cached_input=80, image_in=20, output=1),
        ),
    ],
    ids=[
        "plain",
        "no total",
        "embedding",
        "no prompt",
        "nothing",
        "every part",
        "null parts",
        "writes of an hour",
        "pictures",
        "pictures of which some are cached",
    ],
)
def test_each_token_stands_in_one_class(reported, usage):
    assert usage_of(reported) == (usage, False)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "total_tokens": 11,
                "prompt_cache_hit_tokens": 8,
                "prompt_cache_miss_tokens": 2,
            },
            Usage(input=2, cached_input=8, output=1),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cached_tokens": 8},
            Usage(input=2, cached_input=8, output=1),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 1,
                "total_tokens": 11,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 3,
            },
            Usage(input=3, cached_input=4, cache_write=3, output=1),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 115,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(input=10, output=5, reasoning=100),
        ),
        (
            {
                "input_tokens": 20,
                "input_tokens_details": {"cached_tokens": 12, "cache_write_tokens": 3},
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 29,
            },
            Usage(input=5, cached_input=12, cache_write=3, output=5, reasoning=4),
        ),
    ],
    ids=[
        "DeepSeek's cache",
        "Moonshot's cache",
        "Anthropic's words",
        "xAI's reasoning beside the completion",
        "Responses",
    ],
)
def test_understands_other_words_for_the_same(reported, usage):
    assert usage_of(reported) == (usage, False)


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 13}, Usage(input=9, output=3)),
        (
            {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 10}},
            Usage(cached_input=9, output=3),
        ),
        (
            {
                "prompt_tokens": 1,
                "completion_tokens": 3,
                "completion_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 4,
            },
            Usage(input=1, reasoning=3),
        ),
        ({"prompt_tokens": -9, "completion_tokens": 3}, Usage(output=3)),
        ({"prompt_tokens": "9", "completion_tokens": 3}, Usage(input=9, output=3)),
        ({"prompt_tokens": 9.0, "completion_tokens": 3}, Usage(input=9, output=3)),
        ({"prompt_tokens": "many", "completion_tokens": []}, Usage()),
        ({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}, Usage()),
        ({"prompt_tokens": True, "completion_tokens": 3}, Usage(input=1, output=3)),
        ({"prompt_tokens": 10**30, "completion_tokens": 0}, Usage(input=MOST)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": [1]}, Usage(input=9, output=3)),
        ({"total_tokens": 12, "completion_tokens": "3"}, Usage(input=9, output=3)),
    ],
)
def test_flags_what_does_not_add_up_and_keeps_the_best_of_it(reported, usage):
    assert usage_of(reported) == (usage, True)


numbers = st.one_of(
    st.none(), st.integers(-5, 10_000), st.floats(), st.text(max_size=4), st.booleans(), st.lists(st.none())
)
details = st.one_of(
    numbers,
    st.dictionaries(
        st.sampled_from(
            ["cached_tokens", "cache_write_tokens", "cache_write_1h_tokens", "audio_tokens", "reasoning_tokens"]
        ),
        numbers,
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens", "prompt_cache_hit_tokens"]), numbers
    ),
    details,
    details,
)
def test_no_upstream_can_make_a_class_negative(reported, prompt, completion):
    usage, doubtful = usage_of({**reported, "prompt_tokens_details": prompt, "completion_tokens_details": completion})
    assert min(usage) >= 0
    if not doubtful and reported.get("total_tokens") is not None:
        assert usage.tokens == reported["total_tokens"]


def test_costs_the_sum_of_its_parts():
    cost = cost_of(Usage(input=1000, cached_input=200, output=50), GPT)
    assert cost.atoms == 25_000_000 + 2_500_000 + 5_000_000
    assert [(part.component, part.quantity, part.price, part.atoms) for part in cost.parts] == [
        ("input", 1000, GPT[0], 25_000_000),
        ("cached_input", 200, GPT[1], 2_500_000),
        ("output", 50, GPT[2], 5_000_000),
    ]


def test_a_class_without_its_own_price_costs_what_its_default_costs():
    prices = (row("input", INPUT), row("output", OUTPUT))
    assert cost_of(Usage(cached_input=3, cache_write=4, cache_write_1h=5), prices).atoms == 12 * INPUT // 10**6
    assert cost_of(Usage(reasoning=7), prices).atoms == 7 * OUTPUT // 10**6
    dearer = (*prices, row("cache_write", 2 * INPUT))
    assert cost_of(Usage(cache_write_1h=5), dearer).atoms == 10 * INPUT // 10**6


@pytest.mark.parametrize("component", [name for name in Usage._fields if name not in DEFAULTS and name != "request"])
def test_any_other_class_without_a_price_leaves_the_cost_unknown(component):
    prices = tuple(row(name, INPUT) for name in Usage._fields if name != component)
    cost = cost_of(Usage(request=0)._replace(**{component: 1}), prices)
    assert cost.atoms is None
    assert [(part.component, part.atoms) for part in cost.parts] == [(component, None)]


def test_nothing_used_costs_nothing_even_without_prices():
    assert cost_of(Usage(), ()) == (0, ())


def test_a_price_of_zero_is_a_price():
    assert cost_of(Usage(input=10, output=10), (row("input", 0), row("output", 0))).atoms == 0


def test_the_tier_of_the_whole_prompt_prices_the_whole_call():
    prices = (
        row("input", 10**10),
        row("input", 2 * 10**10, above_tokens=1000),
        row("input", 3 * 10**10, above_tokens=5000),
        row("cached_input", 10**9),
        row("output", 10**11),
        row("output", 10**12, above_tokens=1000),
    )
    assert cost_of(Usage(input=900, cached_input=100, output=1), prices).atoms == 900 * 10**4 + 100 * 10**3 + 10**5
    assert cost_of(Usage(input=901, cached_input=100, output=1), prices).atoms == 901 * 2 * 10**4 + 100 * 10**3 + 10**6
    assert cost_of(Usage(input=5001), prices).atoms == 5001 * 3 * 10**4


def test_a_service_tier_prices_what_it_names_and_leaves_the_rest_standard():
    prices = (*GPT, row("output", OUTPUT // 2, service_tier="flex"))
    usage = Usage(input=1000, output=1000)
    standard = 1000 * INPUT // 10**6 + 1000 * OUTPUT // 10**6
    assert cost_of(usage, prices).atoms == cost_of(usage, prices, "default").atoms == standard
    assert cost_of(usage, prices, "flex").atoms == 1000 * INPUT // 10**6 + 500 * OUTPUT // 10**6


@pytest.mark.parametrize(
    ("usage", "price", "atoms"),
    [
        (Usage(second=1500), row("second", 10**6, unit="one"), 1_500_000),
        (Usage(image=3), row("image", 4 * 10**8, unit="one"), 12 * 10**8),
        (Usage(character=1_000), row("character", 15 * 10**10), 15 * 10**7),
        (Usage(), row("request", 5 * 10**7, unit="one"), 5 * 10**7),
    ],
)
def test_other_units_are_priced_too(usage, price, atoms):
    assert cost_of(usage, (price,)).atoms == atoms


amounts = st.integers(0, 10**13)
counts = st.integers(0, 2_000_000)
price_sheets = st.builds(
    lambda values: tuple(row(name, value) for name, value in zip(Usage._fields, values, strict=True)),
    st.lists(amounts, min_size=len(Usage._fields), max_size=len(Usage._fields)),
)
usages = st.builds(Usage, *[counts] * (len(Usage._fields) - 1), st.integers(0, 1))


@given(usages, price_sheets)
def test_equals_decimal_arithmetic_rounded_once_per_component(usage, prices):
    expected = Decimal(0)
    for quantity, price in zip(usage, prices, strict=True):
        per = Decimal(1_000_000) * (1000 if price.component == "second" else 1)
        exact = Decimal(quantity) * Decimal(price.amount_atoms) / per
        expected += exact.quantize(Decimal(1), ROUND_HALF_EVEN)
    cost = cost_of(usage, prices)
    assert cost.atoms == expected == sum(part.atoms for part in cost.parts)
    assert cost.atoms >= 0


@given(usages, price_sheets, st.sampled_from(Usage._fields), counts)
def test_more_never_costs_less(usage, prices, component, more):
    larger = usage._replace(**{component: getattr(usage, component) + more})
    assert cost_of(larger, prices).atoms >= cost_of(usage, prices).atoms


@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_rounds_ties_to_even(number, by):
    nearest = divide_half_even(number, by)
    assert abs(nearest * by - number) * 2 <= by
    if abs(nearest * by - number) * 2 == by:
        assert nearest % 2 == 0


def image(variant, usd):
    return PriceRow(1, "image", 0, "", "one", usd * 10**10, variant)


@pytest.mark.parametrize(
    ("variants", "variant", "usd"),
    [
        ({"": 1, "hd": 2, "1024x1024": 3, "1024x1024/hd": 4}, "1024x1024/hd", 4),
        ({"": 1, "hd": 2, "1024x1024": 3}, "1024x1024/hd", 3),
        ({"": 1, "hd": 2}, "1024x1024/hd", 2),
        ({"": 1}, "1024x1024/hd", 1),
        ({"": 1, "hd": 2, "1024x1024": 3, "1024x1024/hd": 4}, "1024x1024", 3),
        ({"": 1, "hd": 2, "1024x1024": 3}, "hd", 2),
        ({"": 1, "hd": 2, "1024x1024": 3}, "", 1),
        ({"1024x1024/hd": 4, "hd": 2}, "1024x1024", None),
        ({"1024x1024/hd": 4, "hd": 2}, "", None),
    ],
)
def test_an_images_price_is_the_nearest_to_its_size_and_quality(variants, variant, usd):
    rows = [image(*row) for row in variants.items()]
    for order in (rows, rows[::-1]):
        assert cost_of(Usage(image=2), order, variant=variant).atoms == (None if usd is None else 2 * usd * 10**10)


@pytest.mark.parametrize(
    ("size", "quality", "variant"),
    [
        ("1024x1024", "HD", "1024x1024/hd"),
        ("1024x1024", None, "1024x1024"),
        ("auto", "high", "high"),
        (None, "auto", ""),
        (["1024x1024"], 7, ""),
        ("x" * 100, "hd", "x" * 64),
    ],
)
def test_names_an_images_variant_as_prices_do(size, quality, variant):
    assert variant_of(size, quality) == variant


@given(usages, st.integers(0, MOST_MARKUP))
def test_the_dearest_call_there_is_fits_its_column_many_times(usage, markup):
    rows = [row(name, MOST_USD["million"] * 10**10) for name in Usage._fields]
    rows += [row(name, MOST_USD["one"] * 10**10, unit="one", service_tier="flex") for name in Usage._fields]
    for tier in ("", "flex"):
        assert cost_of(usage._replace(image=10**30), rows, tier, markup=markup).atoms <= (2**63 - 1) // 7


def test_the_dearest_tokens_that_are_believed_are_charged_in_full():
    usage, _ = usage_of({"prompt_tokens": 10**30, "completion_tokens": 10**30})
    cost = cost_of(usage, [row("input", 10**14), row("output", 10**14)], markup=MOST_MARKUP)
    assert cost.atoms == 2 * MOST * 10**9


@given(usages, usages, price_sheets)
def test_costs_of_disjoint_classes_add_up(one, other, prices):
    """Split a call's usage into two calls, class by class: together they cost what the whole does."""
    first = Usage(*(count if place % 2 else 0 for place, count in enumerate(one)))
    second = Usage(*(0 if place % 2 else count for place, count in enumerate(other)))
    whole = Usage(*(mine + theirs for mine, theirs in zip(first, second, strict=True)))
    assert cost_of(first, prices).atoms + cost_of(second, prices).atoms == cost_of(whole, prices).atoms
