"""The numbered log of a run's events: written in order, by whoever has the run, and read again by its followers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import msgspec
from django.db import connection, models, transaction
from django.db.models import F
from django.db.models.functions import Cast

from billing import clock, database
from billing.database import AWAY, Outage
from gateway.assistants import bell
from gateway.assistants.gathering import Gathering
from gateway.assistants.rows import Run, RunEvents
from gateway.assistants.states import OPEN, TERMINAL

logger = logging.getLogger(__name__)

# what comes within this is committed together
TOGETHER_SECONDS = 0.02
SECONDS = 5
AGAIN_SECONDS, BUSY_SECONDS = 0.5, 0.02
KEPT = timedelta(days=1)
DROPPED_AT_ONCE = 500

Event = tuple[str, Mapping[str, Any]]


class Overtaken(Exception):
    """The run has ended, is gone, or another process has it: nothing more of this one's is written."""


def begin(run: Run, events: Sequence[Event]) -> None:
    """Insert the row of a new run with its first events, within a transaction, and tell its followers as ``append``."""
    run.last_event = len(events)
    run.save(force_insert=True)
    _add(run, events)


def append(run: Run, events: Sequence[Event]) -> None:
    """Add events to the log, in the transaction that holds the run's row lock and saves it afterwards, and tell its
    followers when that commits.

    ``events`` are names and data, as they go over the wire. Sets ``run.last_event``.
    """
    if events:
        run.last_event += len(events)
        _add(run, events)


def _add(run: Run, events: Sequence[Event]) -> None:
    first = run.last_event - len(events) + 1
    numbered = [[number, name, data] for number, (name, data) in enumerate(events, first)]
    RunEvents(run=run, last=run.last_event, events=numbered, created_at=clock.now()).save(force_insert=True)
    transaction.on_commit(partial(bell.ring, [run.pk]))


def drop_old() -> None:
    """Let go of the logs of runs that have ended a day ago. What a run came to stays."""
    until = database.now() - KEPT
    ends = RunEvents.objects.filter(created_at__lt=until, last=F("run__last_event"), run__status__in=TERMINAL)
    while runs := list(ends.values_list("run_id", flat=True)[:DROPPED_AT_ONCE]):
        RunEvents.objects.filter(run__in=runs).delete()


class Telling:
    """What one process tells of the run that it holds by ``fence``; all of it on one event loop.

    Events are in the log soon after ``add``, in one transaction with those of this process's other runs. What has to
    come after them, a change of the run's row say, waits for ``flush``.
    """

    def __init__(self, run_id: int, fence: int) -> None:
        self.run_id, self.fence = run_id, fence
        self.is_overtaken = False
        self._last: Future[None] | None = None

    def add(self, events: Sequence[Event]) -> None:
        """Let events be written. Their data is taken as it is now; after ``Overtaken`` nothing is done with it."""
        if not events or self.is_overtaken:
            return
        said = _Said(self, [(name, msgspec.Raw(msgspec.json.encode(data))) for name, data in events], Future())
        said.written.set_running_or_notify_cancel()  # who stops waiting for it takes nothing back
        self._last = said.written
        _together.put(said)

    async def flush(self) -> None:
        """Return when all that was added is committed. Waits while the database is away. Raises ``Overtaken``."""
        if self._last is not None:
            await asyncio.wrap_future(self._last)
        if self.is_overtaken:
            raise Overtaken


class _Said(NamedTuple):
    telling: Telling
    events: list[tuple[str, msgspec.Raw]]
    written: Future[None]


Hold = tuple[int, int]  # of a run, by a fence
Row = tuple[int, list[tuple[int, str, msgspec.Raw]]]  # the number of its last event, and all of them


def _write_down(together: list[_Said]) -> None:
    events: dict[Hold, list[tuple[str, msgspec.Raw]]] = {}
    for said in together:
        events.setdefault((said.telling.run_id, said.telling.fence), []).extend(said.events)
    try:
        written = _written(events)
    except Exception as error:
        logger.exception("events of %d runs cannot be written", len(events))
        database.give_back()
        for said in together:
            said.written.set_exception(error)
        return
    for said in together:
        said.telling.is_overtaken |= (said.telling.run_id, said.telling.fence) not in written
        said.written.set_result(None)
    bell.ring({run for run, _ in written})


def _written(events: Mapping[Hold, list[tuple[str, msgspec.Raw]]]) -> set[Hold]:
    """Return of which holds the events are in the log now; the others have been overtaken."""
    tried: dict[Hold, Row] = {}
    while True:
        try:
            with database.writing(SECONDS):
                there = _there_already(tried)
                rows = _numbered({hold: said for hold, said in events.items() if hold not in there})
                tried = rows | {hold: tried[hold] for hold in there}
                _insert(rows)
        except AWAY as error:
            if database.is_contention(error):
                time.sleep(BUSY_SECONDS)
            else:
                _outage.begins(error)
                time.sleep(AGAIN_SECONDS)
        else:
            _outage.ends()
            return set(tried)


def _there_already(tried: Mapping[Hold, Row]) -> set[Hold]:
    """Return of which holds a commit that nobody answered for has come about all the same."""
    if not tried:
        return set()
    lasts = RunEvents.objects.filter(run__in=[run for run, _ in tried], last__in=[last for last, _ in tried.values()])
    texts = {(run, last): text for run, last, text in _as_text(lasts).values_list("run_id", "last", "text")}
    return {hold for hold, (last, row) in tried.items() if texts.get((hold[0], last)) == _text(row)}


def _as_text(rows: models.QuerySet[RunEvents]) -> models.QuerySet[RunEvents]:
    return rows.annotate(text=Cast("events", models.TextField()))


def _text(row: object) -> str:
    return msgspec.json.encode(row).decode()


def _numbered(events: Mapping[Hold, list[tuple[str, msgspec.Raw]]]) -> dict[Hold, Row]:
    """Lock the runs that are held still, and count on in them; return their rows to be."""
    if not events:
        return {}
    values = [value for (run, fence), said in events.items() for value in (run, fence, len(said))]
    places = ", ".join("(%s, %s, %s)" for _ in events)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ON.format(held=places, open=", ".join("%s" for _ in OPEN)), [*values, *OPEN])
        lasts = {(run, fence): last for run, fence, last in cursor.fetchall()}
    return {hold: (last, _numbers(events[hold], last)) for hold, last in lasts.items()}


def _numbers(said: list[tuple[str, msgspec.Raw]], last: int) -> list[tuple[int, str, msgspec.Raw]]:
    return [(number, name, data) for number, (name, data) in enumerate(said, last - len(said) + 1)]


def _insert(rows: Mapping[Hold, Row]) -> None:
    now = clock.now()
    RunEvents.objects.bulk_create(
        RunEvents(run_id=run, last=last, events=row, created_at=now) for (run, _), (last, row) in rows.items()
    )


_COUNT_ON = """
    WITH held (run, held_by, told) AS (VALUES {held})
    UPDATE gateway_run SET last_event = last_event + held.told
    FROM held WHERE id = held.run AND fence = held.held_by AND status IN ({open})
    RETURNING id, fence, last_event
"""
_outage = Outage("run log")
_together = Gathering[_Said](_write_down, TOGETHER_SECONDS, "run log")
