"""Runs in the database as workers deal with them: taken by one process at a time, carried on, ended in one way only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import Func, IntegerField, QuerySet

from billing import database
from gateway.assistants import expiry
from gateway.assistants.held import SECONDS, Error, Held, held
from gateway.assistants.log import Overtaken
from gateway.assistants.prompting import Done, added, fitted
from gateway.assistants.rows import Message, Run, RunStep
from gateway.assistants.speaking import CALLS, MESSAGE, Handles
from gateway.assistants.states import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    INCOMPLETE,
    OPEN,
    QUEUED,
    REQUIRES_ACTION,
)
from gateway.files.rows import PROCESSED, StoredFile

# how long who works on a run need not be heard of
LEASE = timedelta(seconds=settings.RUN_LEASE_SECONDS)
MOST_TAKEOVERS = 3
WORKED_ON = (QUEUED, IN_PROGRESS, CANCELLING)
# what a model is told of a thread at most, from its end
MOST_MESSAGES = 5_000
# so much of a thread is in the memory beside what its model is told; of what a chat may hold, this much is read
PORTION_BYTES, MOST_CHATS_READ = 1024 * 1024, 4
Content = Sequence[Mapping[str, Any]]
LOST: Error = {"code": "server_error", "message": "The process that worked on this ended before it was done."}
CUT: Error = {"code": "server_error", "message": "The model's answer was cut before its calls were whole."}


class Octets(Func):
    """How many bytes a text is, which the database knows without reading it."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **extra)


class Owner(NamedTuple):
    """Who shares the places where runs are executed: a user, or a key that belongs to none."""

    user: int | None
    key: int | None


def owner_of(pk: int) -> Owner | None:
    """Return whose run it is; None where nobody needs to work on it."""
    with database.reading(SECONDS):
        rows = Run.objects.filter(pk=pk, status__in=WORKED_ON)
        found = rows.values_list("user_id", "api_key_id").first()
    return None if found is None else Owner(found[0], None if found[0] is not None else found[1])


def take(pk: int) -> Run | None:
    """Let this process work on a run; None where another one does, or where nobody needs to any more."""
    try:
        with held(pk) as run:
            return run.run if _taken(run) else None
    except Overtaken:
        return None


def _taken(run: Held) -> bool:
    """Whether it is this process's now. What another one began and has not ended is failed before it is begun anew."""
    row = run.run
    if row.status not in WORKED_ON or not expiry.is_free(row) or _is_over(run):
        return False
    row.fence += 1
    if row.status == IN_PROGRESS:
        row.takeovers += 1
        if row.takeovers > MOST_TAKEOVERS:
            run.end(FAILED, LOST)
            return False
        run.end_open(FAILED, "run_failed", LOST)
    else:
        run.turn(IN_PROGRESS)
    row.lease_until = database.now() + LEASE
    return True


def _is_over(run: Held) -> bool:
    """Whether nothing is left but to end the run, which is done."""
    end = EXPIRED if run.run.expires_at <= run.now else CANCELLED if run.run.status == CANCELLING else ""
    if end:
        run.cut_off()
        run.end(end)
    return bool(end)


def release(pk: int, fence: int) -> None:
    """Let another process go on at once, as this one ends: what is open is failed. Raises ``Overtaken``.

    A run that waits for its caller is left to that.
    """
    with held(pk, fence) as run:
        if run.run.status == CANCELLING:
            run.end(CANCELLED)
        if run.run.status != IN_PROGRESS:
            return
        run.end_open(FAILED, "run_failed", LOST)
        run.run.lease_until = run.run.hinted_at = None
        run.turn(QUEUED)


def renew(fences: Mapping[int, int]) -> dict[int, str]:
    """Be heard of for these runs, held by these fences; return the statuses of those that are this process's still."""
    with database.reading(SECONDS):
        columns = ("pk", "fence", "status", "lease_until")
        rows = list(Run.objects.filter(pk__in=fences, status__in=OPEN).values_list(*columns))
        until = database.now() + LEASE
    mine = [row for row in rows if row[1] == fences[row[0]]]
    due = [(pk, fence) for pk, fence, _, leased in mine if leased is not None and leased < until - LEASE / 3]
    if due:
        with database.writing(SECONDS):
            _lease(due, until)
    return {pk: status for pk, _, status, _ in mine}


def _lease(held: Sequence[tuple[int, int]], until: datetime) -> None:
    """Let the leases of those runs that are held by these fences still, and by anybody, last ``until``."""
    places = ", ".join("(%s, %s)" for _ in held)
    values = [value for hold in held for value in hold]
    with connection.cursor() as cursor:
        cursor.execute(_LEASE.format(held=places), [connection.ops.adapt_datetimefield_value(until), *values])


class History(NamedTuple):
    """What has come to pass until now, and what its model may be told of it.

    ``messages`` are roles and contents of the thread's messages that are not the run's own; ``steps`` are those that
    the run has done. ``sources`` are what may be cited; ``files`` the names of those that code has made, by id;
    ``pictures`` those of them that no message has shown.
    """

    messages: list[tuple[str, Content]]
    steps: list[Done]
    usage: dict[str, int]
    sources: dict[str, dict[str, Any]]
    files: dict[str, str]
    pictures: list[str]


def history(pk: int, fence: int) -> History:
    """Return what has come to pass. Raises ``Overtaken``."""
    with database.reading(SECONDS):
        run = Run.objects.filter(pk=pk, fence=fence, status__in=OPEN).first()
        if run is None:
            raise Overtaken
        newest = _newest(Message.objects.filter(thread=run.thread_id).exclude(run=run.handle))
        rows = list(run.steps.filter(status=COMPLETED).order_by("pk"))
        texts = _texts(run)
    said = [row.said or {} for row in rows]
    return History(
        newest,
        [_done(row, texts) for row in rows],
        run.usage,
        {text: source for each in said for text, source in (each.get("sources") or {}).items()},
        {id: name for each in said for id, name in (each.get("files") or {}).items()},
        _unshown(rows),
    )


def _newest(messages: QuerySet[Message]) -> list[tuple[str, Content]]:
    """Return what a chat could hold of them at most, oldest first."""
    found: list[tuple[str, Content]] = []
    left = settings.MAX_BODY_BYTES
    sizes = messages.order_by("-pk").annotate(size=Octets("content")).values_list("pk", "size")[:MOST_MESSAGES]
    for some in _portions(list(sizes)):
        for role, content in messages.filter(pk__in=some).order_by("-pk").values_list("role", "content"):
            content, left = fitted(content, left)
            if left < 0:
                return found[::-1]
            found.append((role, content))
    return found[::-1]


def _portions(sizes: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
    """Yield the rows to read at a time, whose ``sizes`` are in bytes: not all of a long thread's pictures at once.

    Pictures that a chat has no room for are read in vain, for the texts beside them; that has an end too.
    """
    together: list[int] = []
    size, left = 0, MOST_CHATS_READ * settings.MAX_BODY_BYTES
    for pk, bytes in sizes:
        left -= bytes
        if left < 0:
            break
        if together and size + bytes > PORTION_BYTES:
            yield together
            together, size = [], 0
        together.append(pk)
        size += bytes
    if together:
        yield together


def _texts(run: Run) -> dict[str, str]:
    own = Message.objects.filter(run=run.handle).values_list("handle", "content")
    return {
        handle: "".join(part["text"]["value"] for part in content if part["type"] == "text") for handle, content in own
    }


def _done(step: RunStep, texts: Mapping[str, str]) -> Done:
    if step.type == MESSAGE:
        return Done(step.record, texts.get(step.details[MESSAGE]["message_id"], ""))
    said = step.said or {}
    return Done(step.record, "", said.get("message"), said.get("outputs", {}))


def _unshown(steps: Sequence[RunStep]) -> list[str]:
    last = max((place for place, step in enumerate(steps, 1) if step.type == MESSAGE), default=0)
    calls = (call for step in steps[last:] for call in step.details[CALLS] if call["type"] == "code_interpreter")
    outputs = (output for call in calls for output in call["code_interpreter"]["outputs"])
    return [output["image"]["file_id"] for output in outputs if output["type"] == "image"]


def begin_call(pk: int, fence: int, call: str) -> None:
    """Note that a call of a model is about to be made, before it is. Raises ``Overtaken``."""
    with held(pk, fence) as run:
        run.run.call = call


def begin_message(pk: int, fence: int, handles: Handles, record: str) -> None:
    with held(pk, fence) as run:
        run.begin_message(handles.first, handles.message, record)


def begin_calls(pk: int, fence: int, step: str, record: str) -> None:
    with held(pk, fence) as run:
        run.begin_calls(step, record)


def end_message(pk: int, fence: int, content: Content) -> None:
    """Note that a message is whole, and that calls follow."""
    with held(pk, fence) as run:
        _end_message(run, content, "", None)


def _end_message(run: Held, content: Content, reason: str, usage: Mapping[str, int] | None) -> None:
    step = run.open_step()
    if step is None or step.type != MESSAGE:
        return
    message = run.message_of(step)
    if message is not None:
        message.content = list(content)
        run.end_message(message, reason)
    step.usage = usage
    run.end_step(step, COMPLETED)


def answer(
    pk: int, fence: int, content: Content, usage: Mapping[str, int], *, reason: str = "", error: Error | None = None
) -> None:
    """End a run by its message, which is incomplete for a ``reason``; it has failed where there is an ``error``."""
    with held(pk, fence) as run:
        _count(run, usage)
        _end_message(run, content, reason, usage)
        if error is not None:
            run.end(FAILED, error)
        elif reason:
            _end_incomplete(run, "max_completion_tokens")
        else:
            run.turn(COMPLETED)


def _count(run: Held, usage: Mapping[str, int]) -> None:
    run.run.usage = added(run.run.usage, usage)
    run.run.call = ""


def incomplete(pk: int, fence: int, reason: str, usage: Mapping[str, int] | None = None) -> None:
    """End a run that has used all the tokens it may, for the ``reason`` that it tells; calls that were cut fail."""
    with held(pk, fence) as run:
        if usage is not None:
            _count(run, usage)
        run.end_open(FAILED, "max_tokens", CUT)
        _end_incomplete(run, reason)


def _end_incomplete(run: Held, reason: str) -> None:
    run.run.incomplete_reason = reason
    run.turn(INCOMPLETE)


class Called(NamedTuple):
    """What came of an answer that calls: ``calls`` as the step shows them, ``message`` as its model wants it back.

    Of the calls that were executed here there are ``outputs``, what may be cited of those, and the names of the files
    that they made, by id.
    """

    calls: Sequence[Mapping[str, Any]]
    message: Mapping[str, Any]
    outputs: Mapping[str, str]
    sources: Mapping[str, Mapping[str, Any]]
    files: Mapping[str, str]

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The calls that the run's caller is to execute, as it is told of them."""
        wanted = ((call["id"], call["function"]) for call in self.calls if call["type"] == "function")
        return [
            {"id": id, "type": "function", "function": {name: said[name] for name in ("name", "arguments")}}
            for id, said in wanted
        ]


def called(pk: int, fence: int, called: Called, usage: Mapping[str, int]) -> bool:
    """Note what was called, and wait for the caller where something is left to it; whether to go on now."""
    functions = called.functions
    with held(pk, fence) as run:
        step = run.open_step()
        if step is None or run.run.status == REQUIRES_ACTION:
            # a commit that nobody answered for has come about all the same
            return run.run.status in (IN_PROGRESS, CANCELLING)
        _count(run, usage)
        step.details = {"type": CALLS, CALLS: list(called.calls)}
        step.said = {
            "message": called.message,
            "outputs": dict(called.outputs),
            "sources": dict(called.sources),
            "files": dict(called.files),
            "usage": dict(usage),
        }
        StoredFile.objects.filter(pk__in=called.files).update(status=PROCESSED)
        if functions and run.run.status == CANCELLING:
            step.save()
            run.end(CANCELLED)
            return False
        if not functions:
            step.usage = usage
            run.end_step(step, COMPLETED)
            return True
        step.save()
        run.become(REQUIRES_ACTION)
        run.run.lease_until = None
        run.run.required_action = {
            "type": "submit_tool_outputs",
            "submit_tool_outputs": {"tool_calls": functions},
        }
        run.tell()
    return False


def end(pk: int, fence: int, status: str, error: Error | None = None) -> None:
    """End a run that this process works on, and what is open of it. Raises ``Overtaken``."""
    with held(pk, fence) as run:
        run.end(status, error)


_LEASE = """
    UPDATE gateway_run SET lease_until = %s
    WHERE (id, fence) IN (VALUES {held}) AND lease_until IS NOT NULL
"""
