"""What records add to the sums does not depend on how they are batched, or in which order they come."""

from __future__ import annotations

from collections import Counter
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from billing import ids, lines, posting
from billing.posting import Sums
from billing.pricing import PriceRow, Usage, cost_of
from tests.billing.journals import request

START, MINUTE = 1_790_000_000_000_000, 60 * 10**6
ROWS = (PriceRow(1, "input", 0, "", "million", 7 * 10**9), PriceRow(2, "output", 0, "", "million", 3 * 10**10))

requests = st.builds(
    lambda minutes, user, tags, hold: request(
        id=ids.lowest(ids.instant(START + minutes * 60 * 10**6)),
        user=user,
        tags=tuple(tags),
        hold=hold,
        price_rows=ROWS,
    ),
    st.integers(0, 100),
    st.integers(1, 3),
    st.lists(st.sampled_from("abc"), max_size=3),
    st.dictionaries(st.integers(1, 3), st.integers(0, 10**6)),
)
usages = st.builds(Usage, input=st.integers(0, 10**6), output=st.integers(0, 10**6), image=st.integers(0, 1))


def _settled(opened, usage):
    cost = cost_of(usage, ROWS).atoms
    return lines.settled(opened, usage, cost=cost, status="completed", finished_at=START)


batches = st.lists(st.lists(st.builds(_settled, requests, usages), max_size=4), max_size=4)


def together(parts):
    """Return the sums of several batches, posted one after the other."""
    sums: dict = {}
    for part in parts:
        for key, own in part.items():
            sums[key] = sums.get(key, Sums()).plus(own)
    return sums


@given(batches, st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_batches_or_their_order(parts, chance):
    whole = [line for part in parts for line in part]
    chance.shuffle(whole)
    assert together(map(posting.spend_of, parts)) == posting.spend_of(whole)
    assert reduce(Counter.__add__, map(posting.charges_of, parts), Counter()) == +posting.charges_of(whole)
    assert reduce(Counter.__add__, map(posting.hours_of, parts), Counter()) == +posting.hours_of(whole)


@given(batches)
def test_every_dimension_holds_the_whole_cost_but_what_has_no_value(parts):
    whole = [line for part in parts for line in part]
    sums: Counter[str] = Counter()
    for key, own in posting.spend_of(whole).items():
        sums[key.dimension] += own.cost
    cost = sum(line.cost or 0 for line in whole)
    for dimension in ("total", "user", "model", "provider", "operation"):
        assert sums[dimension] == cost
