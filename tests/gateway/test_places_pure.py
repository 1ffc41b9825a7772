"""Places for work: shared between owners, and given in turn to those who wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.places import Places, Turns, Waiting


def asked(places: Places, owner: str, runs: range) -> int:
    """Return for how many of the runs there was a place."""
    return sum([places.ask(owner, run) for run in runs])


def test_one_owner_alone_gets_half_of_the_places_and_the_next_half_of_what_is_left():
    places = Places(400, 1_000)
    assert [asked(places, owner, range(300)) for owner in "abc"] == [200, 100, 50]


def test_runs_that_leave_no_place_of_their_owner_keep_nobody_else_from_one():
    places = Places(400, 1_000)
    asked(places, "waits for its limit", range(10_000))
    for run in range(500):
        assert places.ask("another", run)
        places.leave("another")


def test_what_waits_is_given_a_place_that_is_left_in_its_order_and_once():
    places = Places(4, 10)
    assert asked(places, "a", range(5)) == 2
    places.ask("a", 3)
    assert places.next() is None
    places.leave("a")
    assert places.next() == Waiting("a", 2)
    places.leave("a")
    places.leave("a")
    assert [places.next(), places.next(), places.next()] == [Waiting("a", 3), Waiting("a", 4), None]


def test_who_has_the_fewest_places_is_next():
    places = Places(8, 10)
    assert (asked(places, "a", range(9)), asked(places, "b", range(10, 19))) == (4, 2)
    places.leave("b")
    places.leave("b")
    places.leave("a")
    assert [places.next() for _ in range(4)] == [*(Waiting("b", run) for run in (12, 13, 14)), None]


def test_of_one_owner_only_so_many_wait_and_the_others_wait_all_the_same():
    places = Places(1, 3)
    asked(places, "a", range(10))
    places.ask("b", 10)
    places.leave("a")
    waited = []
    while (waiting := places.next()) is not None:
        waited.append(waiting)
        places.leave(waiting.owner)
    assert waited == [*(Waiting("a", run) for run in (1, 2, 3)), Waiting("b", 10)]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=200), st.integers(1, 20))
def test_no_more_places_are_given_than_there_are_and_who_asks_first_has_one(acts: list[tuple[str, bool]], count: int):
    places, held = Places(count, 100), dict.fromkeys("abcd", 0)
    for number, (owner, leaves) in enumerate(acts):
        if leaves and held[owner]:
            places.leave(owner)
            held[owner] -= 1
        elif not leaves:
            is_first, is_full = not held[owner], sum(held.values()) >= count
            has_place = places.ask(owner, number)
            held[owner] += has_place
            assert not is_first or has_place != is_full
        while (waiting := places.next()) is not None:
            held[str(waiting.owner)] += 1
        assert sum(held.values()) <= count


class Begun(list[int]):
    """Work that has begun; odd pieces are "b"'s, negative ones nobody's, and what is ``refused`` does not begin."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.refused: set[int] = set()
        self.turns = Turns(Places[int](places, 10), lambda work: None if work < 0 else "ab"[work % 2], self._has_begun)

    def _has_begun(self, owner: object, work: int) -> bool:
        if work in self.refused:
            return False
        self.append(work)
        return True


def test_work_begins_as_soon_as_its_owner_has_a_place():
    begun = Begun(places=4)
    for work in (0, 2, 4, 1):
        begun.turns.offer(work)
    assert begun == [0, 2, 1]
    begun.turns.leave("a")
    begun.turns.go_on()
    assert begun == [0, 2, 1, 4]


def test_what_does_not_begin_keeps_no_place():
    begun = Begun(places=2)
    begun.refused = {0, 2}
    for work in (-1, 0, 2, 4):
        begun.turns.offer(work)
    assert begun == [4]


def test_what_cannot_begin_keeps_no_place(monkeypatch):
    begun = Begun(places=1)
    with monkeypatch.context() as patch:
        patch.setattr(begun, "refused", None)
        with pytest.raises(TypeError):
            begun.turns.offer(0)
    begun.turns.offer(2)
    assert begun == [2]
