"""The states of a run: which may follow which, and that each way ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assistants.states import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    FOLLOWING,
    IN_PROGRESS,
    INCOMPLETE,
    OPEN,
    QUEUED,
    REQUIRES_ACTION,
    TERMINAL,
    may_follow,
)

ALL = (*OPEN, *TERMINAL)
STATES = st.sampled_from(ALL)


@given(STATES, STATES)
def test_nothing_follows_an_end(status: str, next: str):
    assert not (status in TERMINAL and may_follow(status, next))


@given(STATES, STATES)
def test_no_state_follows_itself_and_nothing_is_made_anew(status: str, next: str):
    if may_follow(status, next):
        assert next != status
        assert next != QUEUED or status in (IN_PROGRESS, REQUIRES_ACTION)


@given(st.lists(st.integers(0, 99), min_size=20, max_size=60))
def test_every_way_keeps_to_the_table_and_an_end_is_always_near(choices: list[int]):
    status = QUEUED
    for choice in choices:
        nexts = sorted(FOLLOWING[status])
        if not nexts:
            break
        assert set(nexts) & set(TERMINAL)  # whatever has happened, a run can be ended at once
        status = nexts[choice % len(nexts)]
        assert status in ALL
    assert status in TERMINAL or status in OPEN


@pytest.mark.parametrize(
    ("status", "nexts"),
    [
        (QUEUED, {IN_PROGRESS, CANCELLING, CANCELLED, FAILED, EXPIRED}),
        (IN_PROGRESS, {QUEUED, REQUIRES_ACTION, CANCELLING, COMPLETED, INCOMPLETE, FAILED, EXPIRED}),
        (REQUIRES_ACTION, {QUEUED, CANCELLING, CANCELLED, EXPIRED}),
        (CANCELLING, {CANCELLED, COMPLETED, INCOMPLETE, FAILED, EXPIRED}),
    ],
)
def test_what_may_follow_each_open_state(status: str, nexts: set[str]):
    assert {next for next in ALL if may_follow(status, next)} == nexts


def test_every_state_is_reached_from_the_first():
    reached, new = {QUEUED}, {QUEUED}
    while new:
        new = {next for status in new for next in FOLLOWING[status]} - reached
        reached |= new
    assert reached == set(ALL)
