"""What a record would cost at other prices, judged again and again."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from billing.pricing import UNCHANGED, PriceRow, Usage, cost_of
from billing.repricing import CHANGED, LEFT, PRICED, SAME, UNPRICED, Earlier, Facts, cause_of, judge

USAGE = Usage(input=100, output=10)
MONEY, TOKENS = 1, 2


def sheet(input, output=None, id=1):
    rows = [PriceRow(id, "input", 0, "", "one", input)]
    return (*rows, PriceRow(id + 1, "output", 0, "", "one", output)) if output is not None else tuple(rows)


OWN = sheet(1, 2)


def facts(rows=OWN, cost="as its rows say", charges=None, usage=USAGE, markup=UNCHANGED):
    if cost == "as its rows say":
        cost = cost_of(usage, rows, markup=markup).atoms
    return Facts(usage, rows, "", "", markup, cost, {} if charges is None else charges)


def after(earlier, verdict):
    """Return what a record's adjustments are once the correction stands."""
    charges = Counter(earlier.charges)
    charges.update(verdict.correction.charges)
    cost = verdict.correction.cost
    return Earlier(earlier.adjustments + 1, earlier.cost + cost, earlier.repriced + cost, earlier.reprices + 1, charges)


def test_the_difference_of_the_prices_is_the_correction():
    verdict = judge(facts(charges={MONEY: 120, TOKENS: 110}), Earlier(), sheet(2, 2, id=5), {MONEY})
    assert verdict == (CHANGED, 120, 220, (100, {MONEY: 100}, False))


def test_the_same_prices_correct_nothing():
    assert judge(facts(), Earlier(), sheet(1, 2), {MONEY}) == (SAME, 120, 120, None)
    assert judge(facts(), Earlier(), sheet(1, 2, id=9), {MONEY}) == (SAME, 120, 120, None)


def test_an_unpriced_record_gets_its_price_and_gives_back_what_it_held():
    unpriced = facts((), None, {MONEY: 500, TOKENS: 110})
    assert judge(unpriced, Earlier(), sheet(1, 2), {MONEY}) == (PRICED, None, 120, (120, {MONEY: -380}, True))
    observed = facts((), None, {MONEY: 0})
    assert judge(observed, Earlier(), sheet(1, 2), {MONEY}).correction == (120, {MONEY: 120}, True)


def test_a_price_of_nothing_is_a_price():
    assert judge(facts((), None), Earlier(), sheet(0, 0), set()) == (PRICED, None, 0, (0, {}, True))


def test_what_still_has_no_price_stays():
    assert judge(facts((), None), Earlier(), sheet(1), set()) == (UNPRICED, None, None, None)
    assert judge(facts(), Earlier(), (), set()) == (LEFT, 120, 120, None)
    assert judge(facts(), Earlier(), None, set()) == (LEFT, 120, 120, None)


def test_what_was_charged_beside_the_usage_stays():
    attempts_before = facts(cost=1120)
    assert judge(attempts_before, Earlier(), sheet(2, 2, id=5), set())[1:3] == (1120, 1220)
    refunded = Earlier(adjustments=1, cost=-20)
    assert judge(facts(), refunded, sheet(2, 2, id=5), set())[1:3] == (100, 200)


def test_a_markup_is_in_both_prices():
    assert judge(facts(markup=1_500_000), Earlier(), sheet(2, 2, id=5), set())[1:3] == (180, 330)


def test_a_record_whose_usage_is_an_estimate_that_was_corrected_stays():
    late = Earlier(adjustments=1, cost=30, is_final=True)
    assert judge(facts(), late, sheet(2, 2, id=5), set()) == (LEFT, 150, 150, None)


def test_a_cause_names_the_prices_and_fits_its_column():
    first, second = cause_of(sheet(1, 2), Earlier()), cause_of(sheet(1, 2), Earlier(reprices=1))
    assert first.rsplit(":", 1)[0] == second.rsplit(":", 1)[0] == cause_of(sheet(1, 2)[::-1], Earlier())[:-2]
    assert cause_of(sheet(1, 2, id=7), Earlier()) != first
    assert len(cause_of(sheet(1, 2), Earlier(reprices=10**9))) <= 64


amounts = st.integers(0, 10**6)
sheets = st.builds(sheet, amounts, amounts | st.none(), st.integers(1, 10**6))
usages = st.builds(Usage, input=st.integers(0, 10**5), output=st.integers(0, 10**5))


@given(usages, sheets, st.lists(sheets, max_size=4), st.integers(0, 3 * UNCHANGED), st.integers(-(10**12), 10**6))
def test_the_last_prices_decide_and_no_net_is_negative(usage, own, later, markup, refund):
    paid = cost_of(usage, own, markup=markup).atoms
    charges = {MONEY: 77 if paid is None else paid, TOKENS: 5}
    record = facts(own, paid, charges, usage, markup)
    earlier = Earlier()
    if paid is not None:
        earlier = Earlier(adjustments=1, cost=max(refund, -paid), charges={MONEY: max(refund, -paid)})
    for rows in later:
        verdict = judge(record, earlier, rows, {MONEY})
        if verdict.correction is not None:
            assert TOKENS not in verdict.correction.charges
            earlier = after(earlier, verdict)
        if verdict.new is not None:
            assert verdict.new == (paid or 0) + earlier.cost >= 0
            assert charges[MONEY] + earlier.charges.get(MONEY, 0) == verdict.new
        assert judge(record, earlier, rows, {MONEY}).correction is None
    price = cost_of(usage, later[-1], markup=markup).atoms if later else None
    if price is not None and refund >= 0:
        assert (paid or 0) + earlier.cost == price + (refund if paid is not None else 0)
