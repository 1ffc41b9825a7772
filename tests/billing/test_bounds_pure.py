"""What is set aside for a call is never less than the call can cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import bounds
from billing.bounds import Demand
from billing.pricing import UNCHANGED, PriceRow, Usage, cost_of

USD = 10**10
MILLION = 10**6


def row(component: str, amount: int, above: int = 0, tier: str = "", unit: str = "million") -> PriceRow:
    return PriceRow(1, component, above, tier, unit, amount)


PLAIN = (row("input", 3 * USD), row("output", 15 * USD))
CACHED = (*PLAIN, row("cached_input", USD), row("cache_write_1h", 6 * USD))
LONG = (*PLAIN, row("input", 6 * USD, 200_000), row("output", 30 * USD, 200_000))
TIERS = (*PLAIN, row("output", 30 * USD, tier="priority"))
PICTURES = (*PLAIN, row("image_in", 40 * USD), row("image_out", 80 * USD))
SOUND = (*PLAIN, row("audio_in", 40 * USD), row("audio_out", 80 * USD))


@pytest.mark.parametrize(
    ("demand", "rows", "tier", "expected"),
    [
        (Demand(1000, 100), PLAIN, "", 1000 * 3 + 100 * 15),
        (Demand(1000, 100, choices=3), PLAIN, "", 1000 * 3 + 300 * 15),
        (Demand(1000, 100), CACHED, "", 1000 * 6 + 100 * 15),
        (Demand(200_000, 100), LONG, "", 200_000 * 3 + 100 * 15),
        (Demand(200_001, 100), LONG, "", 200_001 * 6 + 100 * 30),
        (Demand(1000, 100), TIERS, "", 1000 * 3 + 100 * 15),
        (Demand(1000, 100), TIERS, "priority", 1000 * 3 + 100 * 30),
        (Demand(1000, 100), SOUND, "", 1000 * 3 + 100 * 15),
        (Demand(1000, 100, has_audio=True), SOUND, "", 1000 * 40 + 100 * 80),
        (Demand(1000, 100), PICTURES, "", 1000 * 40 + 100 * 80),
        (Demand(1000, 0), PLAIN[:1], "", 1000 * 3),
        (Demand(1000, 1), PLAIN[:1], "", None),
        (Demand(1, 0), (*PLAIN, row("request", USD // 100, unit="one")), "", 3 + 10**4),
        (Demand(0, 0, images=2), (row("image", USD // 100, unit="one"),), "", 2 * 10**4),
        (Demand(0, 0, milliseconds=1500), (row("second", USD // 100, unit="one"),), "", 15_000),
    ],
)
def test_the_dearest_that_can_be_billed_is_set_aside(
    demand: Demand, rows: tuple[PriceRow, ...], tier: str, expected: int | None
):
    """``expected`` is in millionths of a USD."""
    most = bounds.most(demand, rows, tier=tier)
    assert most == (None if expected is None else expected * USD // MILLION)


PRICES = st.lists(
    st.builds(
        row,
        st.sampled_from(
            [
                "cached_input",
                "cache_write",
                "cache_write_1h",
                "reasoning",
                "audio_in",
                "audio_out",
                "image_in",
                "image_out",
                "request",
                "image",
            ]
        ),
        st.integers(0, 3 * USD),
        st.sampled_from([0, 0, 50, 500]),
        st.sampled_from(["", "priority", "flex"]),
        st.sampled_from(["million", "one"]),
    ),
    max_size=8,
)
BASE = st.builds(
    lambda read, written, more: (row("input", read), row("output", written), *more),
    st.integers(0, 20 * USD),
    st.integers(0, 80 * USD),
    st.lists(
        st.builds(row, st.sampled_from(["input", "output"]), st.integers(0, USD), st.sampled_from([0, 50])), max_size=3
    ),
)
TIER = st.sampled_from(["", "priority", "flex"])
MARKUP = st.sampled_from([UNCHANGED, 1_200_000, 1_333_333, 700_001])


@st.composite
def used(draw: st.DrawFn) -> tuple[Demand, Usage]:
    """Return a demand and something that can be used within it."""
    demand = Demand(
        draw(st.integers(0, 1000)),
        draw(st.integers(0, 1000)),
        draw(st.integers(1, 4)),
        draw(st.booleans()),
        draw(st.integers(0, 3)),
    )
    inputs = parts(draw, demand.prompt, 5 if demand.has_audio else 4)
    outputs = parts(draw, demand.output * demand.choices, 3 if demand.has_audio else 2)
    names = ["input", "cached_input", "cache_write", "cache_write_1h", "audio_in"]
    usage = dict(zip(names, inputs, strict=False)) | dict(
        zip(["output", "reasoning", "audio_out"], outputs, strict=False)
    )
    return demand, Usage(**usage, image=draw(st.integers(0, demand.images)))


def parts(draw: st.DrawFn, whole: int, count: int) -> list[int]:
    found = []
    for _ in range(count):
        found.append(draw(st.integers(0, whole)))
        whole -= found[-1]
    return found


@given(used(), BASE, PRICES, TIER, st.booleans(), MARKUP)
def test_nothing_a_call_can_report_costs_more(
    both: tuple[Demand, Usage], base: tuple[PriceRow, ...], prices: list[PriceRow], tier: str, served: bool, markup: int
):
    demand, usage = both
    rows = [*base, *prices]
    most = bounds.most(demand, rows, tier=tier, markup=markup)
    cost = cost_of(usage, rows, tier if served else "", markup=markup).atoms
    if most is not None and cost is not None:
        assert cost <= most


@given(st.integers(0, 1000), st.integers(1, 4), BASE, MARKUP, st.integers(0, 10**8))
def test_the_output_that_fits_does_fit(prompt: int, choices: int, rows: tuple[PriceRow, ...], markup: int, room: int):
    demand = Demand(prompt, 16_384, choices)
    fits = bounds.output_that_fits(demand, room, rows, markup=markup)
    kept = bounds.most(demand._replace(output=fits), rows, markup=markup)
    assert fits == 0 or (kept is not None and kept <= room)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(USD // 1000, 80 * USD), MARKUP, st.integers(10**6, 10**11))
def test_little_more_would_fit(prompt: int, choices: int, price: int, markup: int, room: int):
    rows = (row("input", price // 4), row("output", price), row("output", 2 * price, above=500))
    demand = Demand(prompt, 16_384, choices)
    fits = bounds.output_that_fits(demand, room, rows, markup=markup)
    more = bounds.most(demand._replace(output=fits + 2 + fits // 10**5), rows, markup=markup)
    assert more is not None
    assert more > room
