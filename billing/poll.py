"""What every process asks the database each 0.4 s, on a connection of its own: the time, and what changed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from billing import clock, database
from billing.database import AWAY, Outage
from billing.holder import Holder

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.4

_TIME = {"postgresql": "clock_timestamp()", "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"}
_RECENTLY = {
    "postgresql": "clock_timestamp() - interval '2 seconds'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-2 seconds')",
}
_LISTED = {"postgresql": "string_agg(id::text, ',')", "sqlite": "group_concat(id)"}
_QUERY = """
    SELECT {time},
        (SELECT version FROM accounts_configversion WHERE id = 1),
        (SELECT closed_at FROM billing_holder WHERE id = %s),
        (SELECT max(seq) FROM billing_segment WHERE holder_id = %s),
        (SELECT posted_seq FROM billing_holder WHERE id = %s),
        (SELECT {listed} FROM billing_budgetperiod WHERE wanted_at > {recently})
"""


class Poll(NamedTuple):
    """``closed_at`` is that of the process's own holder, ``highest_seq`` the highest file the database has of it.

    ``wanted`` are the budget periods that somebody was short of a moment ago.
    """

    now: datetime
    version: int
    closed_at: datetime | None
    highest_seq: int
    wanted: tuple[int, ...] = ()


class Poller:
    """A thread that polls until ``stop``; ``on_poll`` gets each answer in it, after clock and holder."""

    def __init__(self, holder: Holder, on_poll: Callable[[Poll], None]) -> None:
        self._holder = holder
        self._on_poll = on_poll
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._outage = Outage("poll")

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        self._stopping.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._turn()
            if self._stopping.wait(POLL_SECONDS):
                break
        database.give_back()

    def _turn(self) -> None:
        try:
            journal = self._holder.journal
            stored = journal.stored_seq
            answer = poll(journal.holder)
            self._outage.ends()
            clock.sync(answer.now)
            if answer.highest_seq < stored:
                journal.went_back_to = answer.highest_seq
            self._holder.heard(journal.holder if answer.closed_at else None, answer.wanted)
            self._on_poll(answer)
        except AWAY as error:
            self._outage.begins(error)
        except Exception:
            logger.exception("a poll failed; the next one follows")
            database.give_back()


def poll(holder: str) -> Poll:
    """Ask the database."""
    id = holder if connection.vendor == "postgresql" else holder.replace("-", "")
    with database.reading(), connection.cursor() as cursor:
        vendor = connection.vendor
        query = _QUERY.format(time=_TIME[vendor], recently=_RECENTLY[vendor], listed=_LISTED[vendor])
        cursor.execute(query, [id, id, id])
        now, version, closed_at, stored, posted, wanted = cursor.fetchone()
    periods = tuple(map(int, wanted.split(","))) if wanted else ()
    return Poll(_aware(now), version or 0, _aware(closed_at), max(stored or 0, posted or 0), periods)


def _aware(moment: Any) -> Any:
    """SQLite answers times as text."""
    return datetime.fromisoformat(moment).replace(tzinfo=UTC) if isinstance(moment, str) else moment
