"""The course of a run on one axis of time: its wait, its calls and its steps, with tokens and cost. Reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from gateway import figures
from gateway.assistants.states import TERMINAL
from gateway.pages.arithmetic import Bar, bar

TONES = {
    "completed": "tg-flow", "in_progress": "tg-open", "failed": "tg-failed", "expired": "tg-failed",
    "cancelled": "tg-wait",
}  # fmt: skip
WORDS = {"message_creation": "Message"}


class Call(NamedTuple):
    """A call of the run's model, as its usage record has it; its cost is None where a price is missing."""

    record: UUID
    begun_at: datetime
    ended_at: datetime
    status: str
    target: str
    is_repeat: bool
    tokens: int
    cost: Decimal | None


class Row(NamedTuple):
    """``call`` is the one that the row came of, told with the first of its rows."""

    bar: Bar
    tokens: int | None = None
    call: Call | None = None


def ended_at(run: Any, steps: Sequence[Any]) -> datetime | None:
    """Return when a run came to its end, None where it has not."""
    if run.status not in TERMINAL:
        return None
    moments = (run.completed_at, run.failed_at, run.cancelled_at, *map(step_ended_at, steps))
    ends: list[datetime] = [moment for moment in moments if moment is not None]
    expired_at: datetime = run.expires_at
    return max(ends, default=expired_at)


def step_ended_at(step: Any) -> datetime | None:
    moment: datetime | None = step.completed_at or step.failed_at or step.cancelled_at or step.expired_at
    return moment


def rows(run: Any, steps: Sequence[Any], calls: Sequence[Call], now: datetime) -> list[Row]:
    """Return the rows of a run in the order in which they began."""
    axis = _Axis(run.created_at, ended_at(run, steps) or now)
    without_step = {str(call.record): call for call in calls}
    found = [(run.created_at, _waiting(run, axis))]
    for step in steps:
        found.append((step.created_at, _step(step, without_step.pop(step.record, None), axis)))
    found += [(call.begun_at, _call(call, axis)) for call in without_step.values()]
    return [row for _, row in sorted(found, key=lambda each: each[0])]


class _Axis:
    def __init__(self, start: datetime, end: datetime) -> None:
        self._start, self._end = start, end
        self.total = max(1.0, (end - start).total_seconds() * 1000)

    def bar(self, label: str, detail: str, start: datetime, end: datetime | None, tone: str, said: str) -> Bar:
        took = ((end or self._end) - start).total_seconds() * 1000
        words = f"{said} {figures.duration(max(0.0, took))}"
        return bar(label, detail, (self._at(start), self._at(end or self._end)), self.total, tone, words)

    def _at(self, moment: datetime) -> float:
        return (moment - self._start).total_seconds() * 1000


def _waiting(run: Any, axis: _Axis) -> Row:
    is_over = run.started_at is not None or run.status in TERMINAL
    words = "taken up after" if run.started_at else "never taken up:" if is_over else "waiting for a worker for"
    return Row(axis.bar("Queued", "", run.created_at, run.started_at, "tg-wait", words))


def _step(step: Any, call: Call | None, axis: _Axis) -> Row:
    words = "going on for" if step.status == "in_progress" else f"{step.status} after"
    if step.last_error:
        words = f"{step.last_error.get('code', 'error')}: {words}"
    end = step_ended_at(step)
    shown = axis.bar(_label(step), step.handle, step.created_at, end, TONES.get(step.status, "tg-wait"), words)
    said = (step.usage or {}).get("total_tokens")
    return Row(shown, call.tokens if said is None and call else said, call)


def _call(call: Call, axis: _Axis) -> Row:
    """A call that no step came of: it failed, or its process died."""
    label = "Call in the place of another" if call.is_repeat else "Call"
    tone = "tg-flow" if call.status == "completed" else "tg-failed"
    words = f"{call.status.replace('_', ' ')} after"
    return Row(axis.bar(label, call.target, call.begun_at, call.ended_at, tone, words), call.tokens, call)


def _label(step: Any) -> str:
    if step.type in WORDS:
        return WORDS[step.type]
    names = [tool_name(call) for call in (step.details or {}).get("tool_calls") or ()]
    return ", ".join(dict.fromkeys(names)) or "Tools"


def tool_name(call: dict[str, Any]) -> str:
    function = call.get("function") or {}
    return str(function.get("name") or call.get("type") or "tool")
