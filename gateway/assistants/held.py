"""A run under its row's lock: each change of it goes through here, and is told in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from billing import clock, database
from gateway.assistants import log, retelling, shown
from gateway.assistants.log import Overtaken
from gateway.assistants.rows import Message, Run, RunEvents, RunStep
from gateway.assistants.speaking import CALLS, MESSAGE
from gateway.assistants.states import (
    CANCELLED,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    OPEN,
    TERMINAL,
    may_follow,
)

SECONDS = 5
Error = Mapping[str, str]
# how an end of a run ends what is open of it: its step, and why its message is incomplete
ENDS = {
    CANCELLED: (CANCELLED, "run_cancelled"),
    EXPIRED: (EXPIRED, "run_expired"),
    FAILED: (FAILED, "run_failed"),
}
ENDED_AT = {
    COMPLETED: "completed_at",
    INCOMPLETE: "completed_at",
    FAILED: "failed_at",
    CANCELLED: "cancelled_at",
    EXPIRED: "expired_at",
}


class NotPossible(Exception):
    """No run goes from the one status to the other: a fault of ours."""


@contextmanager
def held(pk: int, fence: int | None = None, *, owned_by: Mapping[str, Any] | None = None) -> Iterator[Held]:
    """Hold a run for a transaction; with ``fence`` for the process alone that works on it.

    Raises ``Overtaken`` where the run is gone, or has ended or is another's.
    """
    mine = {} if fence is None else {"fence": fence, "status__in": OPEN}
    with database.writing(SECONDS):
        rows = Run.objects.select_related("thread").select_for_update(of=("self",), no_key=True)
        row = rows.filter(pk=pk, **mine).first()
        if row is None:
            raise Overtaken
        run = Held(row)
        yield run
        run.keep()


class Held:
    """``run`` is the row; what happens to it is kept, and told, when the transaction ends."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.now = clock.now()
        self._events: list[log.Event] = []

    def keep(self) -> None:
        log.append(self.run, self._events)
        self.run.save()

    # the run --------------------------------------------------------------------------------------------------------

    def become(self, status: str) -> None:
        """Go over to ``status``. Raises ``NotPossible``."""
        run = self.run
        if not may_follow(run.status, status):
            raise NotPossible(f"{run.handle}: {run.status} -> {status}")
        run.status = status
        if status == IN_PROGRESS:
            run.started_at = run.started_at or self.now
        else:
            run.required_action = None
        if status in TERMINAL:
            run.lease_until, run.call = None, ""
            if status in ENDED_AT and status != EXPIRED:
                setattr(run, ENDED_AT[status], self.now)

    def tell(self, name: str = "") -> None:
        """Tell how the run stands, as an event of its status or of this name."""
        data = shown.run(self.run, self.run.thread.handle)
        self._events.append((f"thread.run.{name or self.run.status}", data))

    def turn(self, status: str) -> None:
        """Go over to ``status``, and tell so."""
        self.become(status)
        self.tell()

    def end(self, status: str, error: Error | None = None) -> None:
        """End the run, and what is open of it, where it was not done."""
        self.end_open(*ENDS[status], error)
        self.run.last_error = error
        self.turn(status)

    def cut_off(self) -> None:
        """Let nobody who works on the run write any more."""
        self.run.fence += 1

    def end_open(self, status: str, reason: str, error: Error | None = None) -> None:
        """End the step that is open, as far as it has come, and its message."""
        step = self.open_step()
        if step is None:
            return
        if step.type == MESSAGE:
            message = self.message_of(step)
            if message is not None and message.status == IN_PROGRESS:
                message.content = retelling.content_told(self._told(), message.handle)
                self.end_message(message, reason)
        elif not step.details[CALLS]:
            step.details = {"type": CALLS, CALLS: retelling.calls_told(self._told(), step.handle)}
        self.end_step(step, status, error)

    def _told(self) -> list[log.Event]:
        batches = RunEvents.objects.filter(run=self.run).order_by("last").values_list("events", flat=True)
        return [(name, data) for batch in batches for _, name, data in batch]

    # its steps and messages -----------------------------------------------------------------------------------------

    def open_step(self) -> RunStep | None:
        step: RunStep | None = self.run.steps.filter(status=IN_PROGRESS).first()
        return step

    def begin_message(self, step: str, message: str, record: str) -> None:
        if self._is_there(step):
            return
        row = Message(
            thread=self.run.thread,
            handle=message,
            role="assistant",
            status=IN_PROGRESS,
            run=self.run.handle,
            assistant=self.run.assistant,
            created_at=self.now,
        )
        row.save(force_insert=True)
        self._begin_step(step, {"type": MESSAGE, MESSAGE: {"message_id": message}}, record)
        self._tell_message("created", row)
        self._tell_message(IN_PROGRESS, row)

    def begin_calls(self, step: str, record: str) -> None:
        if not self._is_there(step):
            self._begin_step(step, {"type": CALLS, CALLS: []}, record)

    def _is_there(self, step: str) -> bool:
        """Whether a commit that nobody answered for has come about all the same."""
        return bool(self.run.steps.filter(handle=step).exists())

    def _begin_step(self, handle: str, details: Mapping[str, Any], record: str) -> None:
        step = RunStep(
            run=self.run, handle=handle, type=details["type"], details=details, record=record, created_at=self.now
        )
        step.save(force_insert=True)
        self.tell_step(step, "created")
        self.tell_step(step)

    def message_of(self, step: RunStep) -> Message | None:
        return Message.objects.filter(handle=step.details[MESSAGE]["message_id"]).first()

    def end_message(self, message: Message, reason: str = "") -> None:
        """End a message: it is whole, or incomplete for a ``reason``."""
        if reason:
            message.status, message.incomplete_reason, message.incomplete_at = "incomplete", reason, self.now
        else:
            message.status, message.completed_at = COMPLETED, self.now
        message.save()
        self._tell_message(message.status, message)

    def end_step(self, step: RunStep, status: str, error: Error | None = None) -> None:
        step.status, step.last_error = status, error if status == FAILED else None
        setattr(step, ENDED_AT[status], self.now)
        step.save()
        self.tell_step(step)

    def tell_step(self, step: RunStep, name: str = "") -> None:
        run = self.run
        data = shown.step(
            step,
            run.handle,
            run.thread.handle,
            run.assistant,
            include_results=bool(run.asked.get("request", {}).get("includes_results")),
            expires_at=expiry_of(run),
        )
        self._events.append((f"thread.run.step.{name or step.status}", data))

    def _tell_message(self, name: str, message: Message) -> None:
        self._events.append((f"thread.message.{name}", shown.message(message, self.run.thread.handle)))


def expiry_of(run: Run) -> datetime | None:
    """Return when the run expires, None where it has ended."""
    return None if run.status in TERMINAL else run.expires_at
