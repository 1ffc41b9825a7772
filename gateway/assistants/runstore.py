"""Runs in the database as their callers deal with them: made, looked at, cancelled, told what came of their calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from accounts.callers import Caller
from billing import clock, database
from gateway.assistants import attaching, expiry, log, runasked, shown, store
from gateway.assistants.asked import checked_thread
from gateway.assistants.held import SECONDS, Held, expiry_of, held
from gateway.assistants.log import Overtaken
from gateway.assistants.refusals import NoRun, NoStep, NoUserMessage, RunStatus, ThreadBusy
from gateway.assistants.rows import Assistant, Run, RunStep, Thread, new_handle
from gateway.assistants.runasked import Asked
from gateway.assistants.speaking import CALLS
from gateway.assistants.states import CANCELLED, CANCELLING, COMPLETED, OPEN, QUEUED, REQUIRES_ACTION, TERMINAL
from gateway.fieldchecks import Invalid
from gateway.lists import places
from gateway.owned import owner_of
from gateway.responses.listing import Query
from gateway.responses.refusals import sought

# until when a run is done at the latest
LASTS = timedelta(seconds=600)


def create(caller: Caller, thread: str, assistant: Assistant, asked: Asked, request: Mapping[str, Any]) -> Run:
    """Queue a run on the caller's thread. Raises ``NoThread``, ``ThreadBusy``, ``NoUserMessage``, and as
    ``attaching.with_messages``; then nothing is done.

    ``request`` is what of the request shapes its calls.
    """
    with database.writing(SECONDS):
        row = store.one_thread(caller, thread, lock=True)
        busy = expiry.open_run(row)
        if busy:
            raise ThreadBusy(thread, busy)
        store.add_messages(caller, row, asked.messages)
        return _insert(caller, row, assistant, asked, request)


def create_with_thread(caller: Caller, assistant: Assistant, asked: Asked, request: Mapping[str, Any]) -> Run:
    """Queue a run on a new thread. Raises as ``create``, and as ``attaching.settled``."""
    with database.writing(SECONDS):
        asked = asked._replace(body=attaching.settled(caller, asked.body))
        thread = store.make_thread(caller, asked.thread or checked_thread(None))
        return _insert(caller, thread, assistant, asked, request, ("thread.created", shown.thread(thread)))


def _insert(
    caller: Caller, thread: Thread, assistant: Assistant, asked: Asked, request: Mapping[str, Any], *before: log.Event
) -> Run:
    said = runasked.fixed(asked, assistant.body, thread.body)
    if not said.get("instructions") and not thread.messages.filter(role="user").exists():
        raise NoUserMessage
    now = clock.now()
    run = Run(
        thread=thread,
        handle=new_handle("run"),
        assistant=assistant.handle,
        status=QUEUED,
        asked={**said, "request": request},
        metadata=asked.metadata,
        created_at=now,
        expires_at=now + LASTS,
        hinted_at=now,
        **owner_of(caller),
    )
    looks = shown.run(run, thread.handle)
    log.begin(run, [*before, ("thread.run.created", looks), ("thread.run.queued", looks)])
    return run


def one(caller: Caller, thread: str, handle: str) -> Run:
    """Return a run of the caller's thread as it stands: one whose time is over has expired.

    Raises ``NoThread``, ``NoRun``.
    """
    with database.reading(SECONDS):
        row = _one(caller, thread, handle)
    if row.status in OPEN and row.expires_at <= clock.now():
        expiry.expire(row.pk)
        with database.reading(SECONDS):
            row = _one(caller, thread, handle)
    return row


def _one(caller: Caller, thread: str, handle: str) -> Run:
    row = store.one_thread(caller, thread).runs.filter(handle=sought(handle, NoRun)).first()
    if row is None:
        raise NoRun(handle)
    found: Run = row
    return found


def listed(caller: Caller, thread: str, query: Query) -> list[dict[str, Any]]:
    """Return what runs of a thread look like, as ``places.next_to``. Raises ``NoThread``, ``Invalid``."""
    with database.reading(SECONDS):
        found = store.one_thread(caller, thread).runs.all()
    expiry.end_overdue(found)
    with database.reading(SECONDS):
        return [shown.run(row, thread) for row in places.next_to(found, query)]


def steps(caller: Caller, thread: str, handle: str, query: Query, *, includes_results: bool) -> list[dict[str, Any]]:
    """Return what steps of a run look like, as ``places.next_to``. Raises ``NoThread``, ``NoRun``, ``Invalid``."""
    run = one(caller, thread, handle)
    with database.reading(SECONDS):
        rows = places.next_to(run.steps.all(), query)
    return [_step_shown(step, run, thread, includes_results=includes_results) for step in rows]


def step(caller: Caller, thread: str, handle: str, step: str, *, includes_results: bool) -> dict[str, Any]:
    """Return what a step of a run looks like. Raises ``NoThread``, ``NoRun``, ``NoStep``."""
    run = one(caller, thread, handle)
    with database.reading(SECONDS):
        row = run.steps.filter(handle=sought(step, NoStep)).first()
    if row is None:
        raise NoStep(step)
    return _step_shown(row, run, thread, includes_results=includes_results)


def _step_shown(step: RunStep, run: Run, thread: str, *, includes_results: bool) -> dict[str, Any]:
    return shown.step(step, run.handle, thread, run.assistant, includes_results, expiry_of(run))


def describe(caller: Caller, thread: str, handle: str, metadata: Mapping[str, str] | None) -> Run:
    """Put other metadata in the place of a run's, None for none other.

    Raises ``NoThread``, ``NoRun``, ``RunStatus`` while it works.
    """
    with _held(one(caller, thread, handle)) as run:
        if run.run.status in OPEN and run.run.status != REQUIRES_ACTION:
            raise RunStatus(run.run.status)
        if metadata is not None:
            run.run.metadata = dict(metadata)
    return run.run


def cancel(caller: Caller, thread: str, handle: str) -> dict[str, Any]:
    """Let nothing more be done for a run, and return what it looks like: it is cancelling.

    Where nobody works on it, it is cancelled when this returns. Raises ``NoThread``, ``NoRun``, ``Invalid``.
    """
    with _held(one(caller, thread, handle)) as run:
        return _cancelled(run)


def cancel_any(run: Run) -> Run:
    """Cancel somebody's run, as an admin may; return how it stands. Raises ``NoRun``, ``Invalid``."""
    with _held(run) as held_run:
        _cancelled(held_run)
        return held_run.run


def _cancelled(run: Held) -> dict[str, Any]:
    if run.run.status in TERMINAL:
        raise Invalid(f"Cannot cancel run with status '{run.run.status}'.", None, None)
    if run.run.status != CANCELLING:
        run.turn(CANCELLING)
    looks = shown.run(run.run, run.run.thread.handle)
    if expiry.is_free(run.run):
        run.cut_off()
        run.end(CANCELLED)
    return looks


def submit(caller: Caller, thread: str, handle: str, outputs: Mapping[str, str]) -> tuple[Run, int]:
    """Go on with a run that waits for what came of its calls; return it, and the number of its last event before.

    Raises ``NoThread``, ``NoRun``, ``Invalid`` where these are not the outputs that it waits for.
    """
    with _held(one(caller, thread, handle)) as run:
        before = run.run.last_event
        if run.run.status != REQUIRES_ACTION:
            raise Invalid(f'Runs in status "{run.run.status}" do not accept tool outputs.', None, None)
        wanted = [call["id"] for call in run.run.required_action["submit_tool_outputs"]["tool_calls"]]
        if set(wanted) != set(outputs):
            raise Invalid(f"Expected tool outputs for call_ids {wanted}, got {sorted(outputs)}", "tool_outputs", None)
        _end_calls(run, outputs)
        run.run.hinted_at = run.now
        run.turn(QUEUED)
    return run.run, before


def _end_calls(run: Held, outputs: Mapping[str, str]) -> None:
    step = run.open_step()
    if step is None:
        return
    calls = [_with_output(call, outputs) for call in step.details[CALLS]]
    step.details = {"type": CALLS, CALLS: calls}
    said = step.said or {}
    step.said = {**said, "outputs": {**said.get("outputs", {}), **outputs}}
    step.usage = said.get("usage")
    run.end_step(step, COMPLETED)


def _with_output(call: Mapping[str, Any], outputs: Mapping[str, str]) -> Mapping[str, Any]:
    if call["type"] != "function":
        return call
    return {**call, "function": {**call["function"], "output": outputs[call["id"]]}}


@contextmanager
def _held(row: Run) -> Iterator[Held]:
    """Hold a run that was there a moment ago. Raises ``NoRun``."""
    try:
        with held(row.pk) as run:
            yield run
    except Overtaken:
        raise NoRun(row.handle) from None
