"""When a target is left alone, and how it comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from providers.cooldown import CLOSED, COOLING, DEFAULT, HALF_OPEN, MOST_SECONDS, Breaker, Cooldown, rules

RULES = Cooldown(attempts=5, share=0.5, window=30, seconds=30)


def after(*outcomes: bool, now: float = 0.0, each: float = 1.0) -> tuple[Breaker, float]:
    """Return a breaker after these outcomes (True: answered), one each second, and the time then."""
    breaker = Breaker()
    for answered in outcomes:
        if answered:
            breaker.succeeded(now, RULES)
        else:
            breaker.failed(now, breaker.turn, "is overloaded", RULES)
        now += each
    return breaker, now


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([False] * 4, CLOSED),
        ([False] * 5, COOLING),
        ([True] * 3 + [False] * 2, CLOSED),
        ([True] * 3 + [False] * 3, COOLING),
        ([False, False, True, True, False], COOLING),
        ([True] * 20 + [False] * 5, CLOSED),
    ],
)
def test_cools_after_enough_attempts_of_which_enough_failed(outcomes, state):
    breaker, now = after(*outcomes)
    assert breaker.state(now) == state


def test_what_lies_outside_the_window_is_forgotten():
    breaker, _ = after(*[False] * 4)
    breaker.failed(33.0, breaker.turn, "", RULES)
    assert breaker.state(33) == CLOSED
    breaker, _ = after(*[False] * 4)
    breaker.failed(29.0, breaker.turn, "", RULES)
    assert breaker.state(29) == COOLING


def test_one_attempt_finds_out_and_the_others_wait_for_it():
    breaker, now = after(*[False] * 5)
    assert not breaker.admits(now)
    later = now + 40
    assert breaker.state(later) == HALF_OPEN
    assert breaker.admits(later)
    assert breaker.begin(later)
    assert not breaker.admits(later)
    assert not breaker.begin(later)
    breaker.release()
    assert breaker.admits(later)


def test_success_closes_and_failure_cools_again():
    breaker, now = after(*[False] * 5)
    breaker.begin(now + 40)
    breaker.failed(now + 41, breaker.turn, "timed out", RULES)
    breaker.release()
    assert (breaker.state(now + 42), breaker.reason, breaker.until) == (COOLING, "timed out", now + 71)
    breaker.works(breaker.turn)
    assert breaker.state(now + 42) == CLOSED
    breaker.failed(now + 43, breaker.turn, "", RULES)
    assert breaker.state(now + 43) == CLOSED, "what was before is forgotten"


def test_what_began_before_it_cooled_says_nothing_of_it_now():
    breaker = Breaker()
    turn = breaker.turn
    breaker.cool(0, 30, "refused the gateway's own key")
    breaker.works(turn)
    breaker.failed(29, turn, "", RULES)
    assert (breaker.state(10), breaker.until) == (COOLING, 30)


def test_is_left_alone_as_long_as_it_asks_for_but_not_for_ever():
    breaker = Breaker()
    breaker.cool(0, 12, "is rate limited")
    breaker.cool(1, 5, "is rate limited")
    assert breaker.until == 12
    breaker.cool(2, 10**9, "is rate limited")
    assert breaker.until == 2 + MOST_SECONDS


def test_hears_from_others_when_it_cools_and_when_it_may_be_tried_again():
    breaker = Breaker()
    breaker.hear(0, 20.0, "is overloaded")
    assert (breaker.state(10), breaker.reason, breaker.is_told) == (COOLING, "is overloaded", True)
    breaker.hear(10, None, "")
    assert breaker.state(10) == HALF_OPEN


def test_the_silence_of_others_does_not_end_what_it_has_seen_itself():
    breaker, now = after(*[False] * 5)
    breaker.hear(now, None, "")
    assert breaker.state(now) == COOLING


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ([], DEFAULT),
        ([None, {}], DEFAULT),
        ([{"attempts": 3, "seconds": 5}, {"seconds": 60}], Cooldown(3, 0.5, 30, 60)),
        ([{"enabled": False}, None], None),
        ([{"enabled": False}, {"enabled": True}], DEFAULT),
        ([{"attempts": "many"}, "nonsense"], DEFAULT),
    ],
)
def test_a_route_says_more_than_its_provider(said, meant):
    assert rules(*said) == meant


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_cools_exactly_when_the_window_says_so(events):
    """Against a model that remembers everything; times are whole seconds, as the breaker counts them."""
    breaker, now, seen = Breaker(), 0, []
    for pause, answered in events:
        now += pause
        if breaker.state(now) != CLOSED:
            return
        seen.append((now, answered))
        if answered:
            breaker.succeeded(now, RULES)
            continue
        breaker.failed(now, breaker.turn, "", RULES)
        recent = [good for at, good in seen if at > now - RULES.window]
        is_bad = len(recent) >= RULES.attempts and recent.count(False) >= RULES.share * len(recent)
        assert (breaker.state(now) == COOLING) == is_bad


class Traffic(RuleBasedStateMachine):
    """Attempts begin, end as they like, and time passes; probes never overlap and nothing stays shut for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0
        self.running: list[tuple[int, bool]] = []

    @rule(seconds=st.floats(0, 50))
    def passes(self, seconds):
        self.now += seconds

    @rule(forced=st.booleans())
    def begins(self, forced):
        admitted = self.breaker.admits(self.now)
        if admitted or forced:
            finds_out = self.breaker.begin(self.now)
            assert not finds_out or admitted
            self.running.append((self.breaker.turn, finds_out))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), how=st.sampled_from(["answered", "failed", "left"]))
    def ends(self, data, how):
        turn, finds_out = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        before, was_open = self.breaker.turn, self.breaker.is_open
        if finds_out:
            self.breaker.release()
        if how == "answered":
            self.breaker.works(turn)
            self.breaker.succeeded(self.now, RULES)
            assert turn != before or self.breaker.state(self.now) == CLOSED
        elif how == "failed":
            self.breaker.failed(self.now, turn, "", RULES)
            assert turn != before or not was_open or self.breaker.state(self.now) == COOLING

    @rule(left=st.one_of(st.none(), st.floats(1, 1000)))
    def hears(self, left):
        self.breaker.hear(self.now, None if left is None else self.now + left, "")

    @invariant()
    def one_finds_out_at_most(self):
        assert sum(finds_out for _, finds_out in self.running) <= 1

    @invariant()
    def it_comes_back(self):
        assert self.breaker.state(self.now + MOST_SECONDS) != COOLING
        if not any(finds_out for _, finds_out in self.running):
            assert self.breaker.admits(self.now + MOST_SECONDS)


TestTraffic = Traffic.TestCase
