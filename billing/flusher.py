"""The thread that carries a process's journal into the database, and its dead neighbours' journals too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.db.models.functions import Now

from billing import clock, database, disk, ids, ledger, lost, recovery, store
from billing.database import AWAY, Outage
from billing.hints import Hints
from billing.holder import Holder
from billing.journal import Journal
from billing.models import Segment

logger = logging.getLogger(__name__)

TURN_SECONDS = 1.0
POSTS_ITSELF_AFTER = timedelta(seconds=10)


class Flusher:
    """Started once per process after the holder was opened; ``stop`` after the holder was closed.

    Works on through outages of the database: the files wait.
    """

    def __init__(self, holder: Holder) -> None:
        self._holder = holder
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
        self._hints = Hints()
        self._outage = Outage("flush")
        self._recovered: set[str] = set()
        self._steps = [
            _Step(5, self._guard_disk),
            _Step(5, self._measure),
            _Step(0, self._store),
            _Step(0, self._post_when_wanted),
            _Step(10, self._beat),
            _Step(5, self._recover_neighbours),
            _Step(10, self._post_what_waited),
            _Step(60, self._drop_old_files),
        ]
        holder.wake = self._woken.set
        self.measure: Callable[[], None] = lambda: None

    @property
    def broker_is_away(self) -> bool:
        """Whether the last hint to the workers failed; then what they would have posted is posted here, 10 s later."""
        return self._hints.is_failing

    def start(self) -> None:
        self._hints.start()
        self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """Store what the closed holder left for at most ``timeout`` seconds, and post it if there is time."""
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        self._woken.set()
        self._thread.join(timeout + 1)
        self._hints.stop(0.1)
        for journal in self._holder.journals:
            journal.release()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._turn(self._steps)
            self._woken.wait(TURN_SECONDS)
            self._woken.clear()
        while not self._turn([_Step(0, self._store)]) and time.monotonic() < self._deadline:
            time.sleep(0.2)
        if time.monotonic() < self._deadline:
            self._turn([_Step(0, self._post_own)])
        database.give_back()

    def _turn(self, steps: list[_Step]) -> bool:
        """Take the steps that are due; say whether all went well. Without the database the others wait too."""
        went_well = True
        for step in steps:
            try:
                step.take_when_due()
            except AWAY as error:
                step.is_due_again()
                self._outage.begins(error)
                return False
            except Exception:
                logger.exception("%s failed; it is tried again", step.name)
                database.give_back()
                went_well = False
        self._outage.ends()
        return went_well

    def _store(self) -> None:
        for journal in self._holder.journals:
            sealed = journal.sealed_seq
            while journal.synced_seq < sealed:
                store.sync(journal.folder, journal.synced_seq + 1)
                journal.synced_seq += 1
            self._go_back(journal)
            for seq in range(journal.stored_seq + 1, sealed + 1):
                with database.writing():
                    self._register(journal)
                    store.insert_file(journal.folder, journal.holder, seq)
                journal.stored_seq = seq
                store.move(journal.folder, seq)
                self._hints.give(journal.holder)

    def _post_when_wanted(self) -> None:
        """Near a budget's limit somebody waits for what this brings back: sooner than any worker's turn comes."""
        if self._holder.is_hurried:
            self._post_own()

    def _go_back(self, journal: Journal) -> None:
        """Store again what a database that went back to an older state has lost."""
        lowest, journal.went_back_to = journal.went_back_to, None
        if lowest is None or lowest >= journal.stored_seq:
            return
        logger.error("the database has only %d of %d files: storing them again", lowest, journal.stored_seq)
        journal.stored_seq = lowest
        self._recovered.clear()

    def _register(self, journal: Journal) -> None:
        store.register(journal.holder, self._holder.machine, ids.instant(ids.moment(journal.holder)))

    def _beat(self) -> None:
        with database.writing():
            for journal in self._holder.journals:
                self._register(journal)
            lost.beat([journal.holder for journal in self._holder.journals])

    def _recover_neighbours(self) -> None:
        own = {journal.holder for journal in self._holder.journals}
        for folder in recovery.neighbours(self._holder.root):
            name = folder.name
            if name not in own and name not in self._recovered and recovery.recover(folder, self._holder.machine):
                self._recovered.add(name)
                self._hints.give(name)

    def _post_what_waited(self) -> None:
        waited = Segment.objects.filter(
            posted_at__isnull=True,
            stored_at__lt=Now() - POSTS_ITSELF_AFTER,
            holder__machine=self._holder.machine,
        )
        for holder in waited.order_by().values_list("holder_id", flat=True).distinct():
            ledger.post(str(holder))

    def _post_own(self) -> None:
        for journal in self._holder.journals:
            ledger.post(journal.holder)

    def _drop_old_files(self) -> None:
        for journal in self._holder.journals:
            store.drop_old(journal.folder)
        for name in list(self._recovered):
            if recovery.drop(self._holder.root / name):
                self._recovered.discard(name)

    def _measure(self) -> None:
        """Let who owns the metrics look at the journal: here, as this thread turns while the database is away too."""
        self.measure()

    def _guard_disk(self) -> None:
        try:
            self._holder.is_full = disk.is_full(self._holder.root)
            if not self._holder.is_full:
                disk.keep_ballast(self._holder.journal.ballast)
        except OSError as error:
            logger.error("the journal's disk: %s", error)
            self._holder.is_full = True


class _Step:
    """Something done each so many seconds, from the first turn on."""

    def __init__(self, seconds: float, take: Callable[[], None]) -> None:
        self.name = take.__name__.strip("_").replace("_", " ")
        self._seconds = seconds
        self._take = take
        self._due_at = 0.0

    def take_when_due(self) -> None:
        if clock.elapsed() < self._due_at:
            return
        self._due_at = clock.elapsed() + self._seconds
        self._take()

    def is_due_again(self) -> None:
        self._due_at = 0.0
