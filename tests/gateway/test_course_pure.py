"""A run on its axis of time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace as Row
from typing import Any
from uuid import UUID

from gateway.pages import course
from gateway.pages.course import Call

BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RECORD = UUID("0193f000-0000-7000-8000-000000000001")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def run(**fields: Any) -> Row:
    given = {"status": "completed", "created_at": BEGIN, "started_at": at(1), "expires_at": at(600)}
    ends = dict.fromkeys(("completed_at", "failed_at", "cancelled_at"))
    return Row(**{**given, **ends, **fields})


def step(begun: float, ended: float | None, **fields: Any) -> Row:
    given = {
        "type": "message_creation", "status": "completed", "handle": "step_1", "details": {}, "record": str(RECORD),
        "usage": {"total_tokens": 30}, "last_error": None, "created_at": at(begun),
        "completed_at": None if ended is None else at(ended), "failed_at": None, "cancelled_at": None,
        "expired_at": None,
    }  # fmt: skip
    return Row(**{**given, **fields})


def call(begun: float = 1, ended: float = 4, **fields: Any) -> Call:
    given: dict[str, Any] = {
        "record": RECORD, "begun_at": at(begun), "ended_at": at(ended), "status": "completed",
        "target": "openai/gpt-4o", "is_repeat": False, "tokens": 30, "cost": Decimal("0.5"),
    }  # fmt: skip
    return Call(**{**given, **fields})


def test_a_step_stands_where_it_was_and_with_its_call() -> None:
    queued, message = course.rows(run(completed_at=at(4)), [step(2, 4)], [call()], at(99))
    assert (queued.bar.label, queued.bar.x, queued.bar.width, queued.bar.said) == (
        "Queued",
        0,
        150,
        "taken up after 1.0 s",
    )
    assert (message.bar.label, message.bar.x, message.bar.width) == ("Message", 300, 300)
    assert message.bar.said == "completed after 2.0 s"
    assert (message.tokens, message.call) == (30, call())


def test_a_call_is_told_with_the_first_of_its_steps_alone() -> None:
    rows = course.rows(run(completed_at=at(9)), [step(2, 4), step(5, 9)], [call()], at(99))
    assert [row.call for row in rows] == [None, call(), None]


def test_a_call_without_a_step_has_a_row_of_its_own() -> None:
    failed = call(status="upstream_error", is_repeat=True)
    _, row = course.rows(run(status="failed", failed_at=at(4)), [], [failed], at(99))
    assert (row.bar.label, row.bar.tone, row.bar.said) == (
        "Call in the place of another", "tg-failed", "upstream error after 3.0 s",
    )  # fmt: skip


def test_what_goes_on_reaches_to_now() -> None:
    open_step = step(2, None, status="in_progress", usage=None, type="tool_calls")
    _, row = course.rows(run(status="in_progress"), [open_step], [call()], at(12))
    assert (row.bar.x + row.bar.width, row.bar.said) == (600, "going on for 10.0 s")
    assert row.tokens == 30


def test_a_run_that_nobody_took_up_waits() -> None:
    (row,) = course.rows(run(status="queued", started_at=None), [], [], at(30))
    assert row.bar.said == "waiting for a worker for 30.0 s"
    (row,) = course.rows(run(status="expired", started_at=None), [], [], at(3000))
    assert row.bar.said == "never taken up: 10 min 0 s"


def test_tools_are_called_by_their_names_each_once() -> None:
    called = [{"type": "file_search"}, {"type": "function", "function": {"name": "a"}}, {"type": "file_search"}]
    tools = step(2, 4, type="tool_calls", details={"tool_calls": called})
    assert course.rows(run(completed_at=at(4)), [tools], [], at(9))[1].bar.label == "file_search, a"


def test_an_incomplete_run_ended_with_its_last_step() -> None:
    assert course.ended_at(run(status="incomplete"), [step(2, 4), step(4, 7)]) == at(7)
    assert course.ended_at(run(status="in_progress"), [step(2, 4)]) is None
