"""The judge of the kill run sees what must not be: each kind of fault is shown to it once."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.chaos.judge import Judge, Period, Record, budget_faults
from tests.chaos.killer import Kill
from tests.chaos.traffic import FULL, LEFT, LOST, MANNERS, Note, cost_of
from tests.chaos.upstream import Ask

ASK = Ask(7, "stream", words=3)
PATIENT = next(manner for manner in MANNERS if manner.kind == "stream" and not manner.leaves)
IMPATIENT = next(manner for manner in MANNERS if manner.kind == "stream" and manner.leaves)
ANSWERED = Note(ASK, PATIENT, 0, 100.0, 101.0, FULL, 200, "req_7")
LEFT_BEHIND = dataclasses.replace(ANSWERED, manner=IMPATIENT, ending=LEFT)
CUT_OFF = dataclasses.replace(ANSWERED, ending=LOST, status=None, request_id="")
REFUSED = dataclasses.replace(ANSWERED, status=429, code="insufficient_quota")
RECORD = Record("a", "req_7", 7, "completed", cost_of(ASK), 13, 1, estimated=False, over_bound=False)
KILL = Kill("web0", "all of it", 100.9, 101.1, [])
ELSEWHERE = KILL._replace(name="web1")


def faults(note: Note, *found: Record, calls: int = 1, kills: tuple[Kill, ...] = ()) -> list[str]:
    return [fault.partition(" — ")[0] for fault in Judge([note], kills, {7: calls}, found).faults()]


def changed(**fields: Any) -> Record:
    return RECORD._replace(**fields)


@pytest.mark.parametrize(
    ("note", "found", "calls", "kills"),
    [
        (ANSWERED, [RECORD], 1, ()),
        (LEFT_BEHIND, [changed(status="client_gone")], 1, ()),
        (LEFT_BEHIND, [], 0, ()),
        (CUT_OFF, [changed(status="interrupted")], 1, (KILL,)),
        (CUT_OFF, [], 0, (KILL,)),
        (REFUSED, [], 0, ()),
    ],
)
def test_what_may_be(note: Note, found: list[Record], calls: int, kills: tuple[Kill, ...]):
    assert faults(note, *found, calls=calls, kills=kills) == []


@pytest.mark.parametrize(
    ("note", "found", "calls", "kills", "fault"),
    [
        (ANSWERED, [], 0, (), "it was answered, and there is no record"),
        (ANSWERED, [RECORD, changed(id="b")], 1, (), "2 records"),
        (ANSWERED, [changed(cost=1)], 1, (), f"it cost {cost_of(ASK)} atoms, and 1 are recorded"),
        (ANSWERED, [changed(attempts=2)], 1, (), "2 attempts recorded, 1 made"),
        (ANSWERED, [changed(over_bound=True)], 1, (), "it cost more than its bound"),
        (ANSWERED, [changed(request_id="req_8")], 1, (), "its record has another request id"),
        (ANSWERED, [changed(status="interrupted")], 1, (KILL,), "answered in full, and recorded as interrupted"),
        (CUT_OFF, [], 1, (KILL,), "the upstream was asked, and there is no record"),
        (CUT_OFF, [RECORD], 0, (KILL,), "the upstream was never asked, and it is recorded as completed"),
        (
            CUT_OFF,
            [changed(status="interrupted")],
            1,
            (ELSEWHERE,),
            "recorded as interrupted, and its process lived",
        ),
        (
            CUT_OFF,
            [changed(status="client_gone")],
            1,
            (KILL,),
            "recorded as left by its caller, who did not leave",
        ),
        (REFUSED, [RECORD], 0, (), "it was refused, and there is a record"),
        (REFUSED, [RECORD], 1, (), "answered 429"),
        (dataclasses.replace(ANSWERED, status=500), [RECORD], 1, (), "answered 500"),
        (dataclasses.replace(ANSWERED, status=502), [RECORD], 1, (), "answered 502, and recorded as completed"),
        (dataclasses.replace(ANSWERED, ending=LEFT), [RECORD], 1, (), "no end in a minute"),
    ],
)
def test_what_must_not_be(note: Note, found: list[Record], calls: int, kills: tuple[Kill, ...], fault: str):
    assert f"request 7: {fault}" in faults(note, *found, calls=calls, kills=kills)


def test_a_record_of_nobody():
    assert list(Judge([], [], {}, [RECORD]).faults()) == ["a record of request 7, which nobody made"]


PERIOD = Period(1, 5, "usd", "enforce", amount=100, posted=100, lent=0)


@pytest.mark.parametrize(
    ("period", "most", "over", "count"),
    [
        (PERIOD, 100, 0, 0),
        (PERIOD._replace(posted=110), 110, 10, 0),
        (PERIOD._replace(posted=110), 100, 0, 1),
        (PERIOD, 101, 0, 1),
        (PERIOD._replace(lent=1), 100, 0, 1),
        (PERIOD._replace(mode="observe", posted=1000), 1000, 0, 0),
    ],
)
def test_budgets(period: Period, most: int, over: int, count: int):
    assert len(list(budget_faults([period], {1: most}, {1: over}))) == count
