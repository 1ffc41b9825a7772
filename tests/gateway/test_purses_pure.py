"""How a budget reads, and which amounts it may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import ceilings
from billing.fields import to_usd
from gateway.pages import ownlimits, purses
from gateway.pages.purses import Stand

START = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
AMOUNTS = st.integers(min_value=0, max_value=10**18)


def stand(amount, posted, lent=0, enforced=True, alert_at=(), end=END):
    return Stand(amount, posted, lent, START, end, enforced, alert_at)


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.lists(st.floats(min_value=0.01, max_value=10)))
def test_a_bar_never_leaves_its_frame(amount, posted, lent, alert_at):
    bar = purses.bar(stand(amount, posted, lent, alert_at=alert_at))
    assert 0 <= bar.spent <= 100
    assert 0 <= bar.reserved <= 100
    assert bar.spent + bar.reserved <= 100.01
    assert all(0 <= tick.at <= 100 for tick in bar.ticks)


STATES = [
    (stand(100, 0), "room"),
    (stand(100, 79), "room"),
    (stand(100, 70, 10), "near"),
    (stand(100, 99), "near"),
    (stand(100, 100), "used up"),
    (stand(0, 0), "used up"),
    (stand(100, 140, enforced=False), "would refuse"),
]


@pytest.mark.parametrize(("given", "word"), STATES)
def test_a_state_is_a_word(given, word):
    assert purses.state(given)[0] == word


def test_the_course_is_the_pace_so_far_and_nothing_at_first():
    half = START + timedelta(days=15)
    assert purses.course(stand(100, 40), half) == 80
    assert purses.course(stand(100, 40), START + timedelta(hours=3)) is None
    assert purses.course(stand(100, 0), half) is None
    assert purses.course(stand(100, 40, end=None), half) is None


WORDS = [
    (("gateway", "", ""), "the whole gateway"),
    (("gateway", "", "gpt-*"), "everybody, for gpt-*"),
    (("team", "data", ""), "team data"),
    (("user", "a@b.co", "gpt-5"), "user a@b.co, for gpt-5"),
]


@pytest.mark.parametrize(("scope", "words"), WORDS)
def test_whose_it_is(scope, words):
    assert purses.named(*scope) == words


def test_when_it_renews():
    assert purses.renewal(END, "Europe/Berlin", False) == "renews 1 Dec 01:00 Europe/Berlin"
    assert purses.renewal(None, "UTC", True) == "renews hour by hour"
    assert purses.renewal(None, "UTC", False) == "does not renew"


@given(st.decimals(min_value=0, max_value=Decimal("99999999.9999999999"), places=10))
def test_usd_are_exact_and_fit(amount):
    atoms = ceilings.atoms_of(amount, "usd")
    assert to_usd(atoms) == amount
    assert atoms + 100 * 10**16 < 2**63


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(["tokens", "requests"]))
def test_counts_are_themselves(amount, unit):
    assert ceilings.atoms_of(Decimal(amount), unit) == amount


REFUSED = [("-1", "usd"), ("100000000", "usd"), ("0.00000000001", "usd"), ("1.5", "tokens"), ("1e16", "requests")]


@pytest.mark.parametrize(("amount", "unit"), REFUSED)
def test_what_no_budget_can_have(amount, unit):
    with pytest.raises(ceilings.AmountRefused):
        ceilings.atoms_of(Decimal(amount), unit)


def test_limits_in_words():
    class Limited:
        rpm, tpm, parallel = 600, None, 5

    assert ownlimits.words(Limited()) == "600 requests a minute, 5 at one time"
