"""What has become of runs since their followers looked last: for all of them in one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from django.db import connection

from billing import clock, database
from gateway.assistants import expiry, shown
from gateway.assistants.rows import Run
from gateway.assistants.states import OPEN, REQUIRES_ACTION, TERMINAL

SECONDS = 5
# what is read at a time, so that no number of followers of long logs fills the memory
MOST_ROWS = 256


class Place(NamedTuple):
    """Where a follower stands: the run's row, and the number of the last event that it has."""

    run: int
    after: int


class Told(NamedTuple):
    """An event as the log has it. ``data`` is JSON."""

    number: int
    name: str
    data: bytes


class Progress(NamedTuple):
    """``events`` beyond a place. ``is_at_rest``: there are no more to come, unless somebody does something."""

    events: list[Told]
    is_at_rest: bool
    last_event: int


class Look(NamedTuple):
    """How the runs of the first places stand, None of one that is gone. ``is_all``: there is nothing more of any."""

    found: list[Progress | None]
    is_all: bool


def look(places: Sequence[Place]) -> Look:
    """Return what is beyond these places, in their order, as far as it can be read at a time.

    It is one statement, so that events told before an end are seen with it. Runs whose time is over expire, which is
    news to come.
    """
    rows = _rows(places)
    for run in {places[number].run for number, _, _, is_over, _ in rows if is_over}:
        expiry.expire(run)
    found: list[Progress | None] = [None] * len(places)
    for number, status, last_event, _, batch in rows:
        known = found[number] or Progress([], status == REQUIRES_ACTION or status in TERMINAL, last_event)
        known.events.extend(_beyond(places[number].after, batch))
        found[number] = known
    if len(rows) < MOST_ROWS:
        return Look(found, is_all=True)
    return Look(found[: rows[-1][0] + 1], is_all=False)


def _rows(places: Sequence[Place]) -> list[tuple[int, str, int, bool, str | None]]:
    held = ", ".join("(%s, %s, %s)" for _ in places)
    values = [value for number, place in enumerate(places) for value in (number, *place)]
    now = connection.ops.adapt_datetimefield_value(clock.now())
    with database.reading(SECONDS), connection.cursor() as cursor:
        cursor.execute(_BEYOND.format(held=held, open=", ".join("%s" for _ in OPEN)), [*values, *OPEN, now, MOST_ROWS])
        return list(cursor.fetchall())


def end_of(run: int) -> Told | None:
    """Return how a run ended, or where it waits, as its last event says; for a run whose log is gone already."""
    with database.reading(SECONDS):
        row = Run.objects.select_related("thread").filter(pk=run).first()
    if row is None:
        return None
    data = msgspec.json.encode(shown.run(row, row.thread.handle))
    return Told(row.last_event, f"thread.run.{row.status}", data)


def _beyond(after: int, batch: str | None) -> list[Told]:
    if batch is None:
        return []
    return [Told(number, name, bytes(data)) for number, name, data in _events.decode(batch) if number > after]


_events = msgspec.json.Decoder(list[tuple[int, str, msgspec.Raw]])
_BEYOND = """
    WITH place (number, run, after) AS (VALUES {held})
    SELECT place.number, gateway_run.status, gateway_run.last_event,
        gateway_run.status IN ({open}) AND gateway_run.expires_at <= %s, gateway_runevents.events
    FROM place JOIN gateway_run ON gateway_run.id = place.run
    LEFT JOIN gateway_runevents ON gateway_runevents.run_id = place.run AND gateway_runevents.last > place.after
    ORDER BY place.number, gateway_runevents.last
    LIMIT %s
"""
