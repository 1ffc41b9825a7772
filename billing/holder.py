"""What one process has in flight: every dispatched request stands in the journal until it is settled there, once.

One event loop owns a holder; there are no locks, and no ``await`` between looking and writing.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from billing import borrowing, clock, disk, ids, lines
from billing.allowances import Allowances
from billing.interrupted import Unsettled, record_of
from billing.journal import Journal, JournalUnavailable
from billing.lines import Mark, Open, Return, Settled
from billing.purses import Reservation

logger = logging.getLogger(__name__)

SEAL_SECONDS = 1.0
SEAL_SECONDS_WHEN_WANTED = 0.05
SEAL_LINES = 500
LONGEST_REQUEST = 15 * 60.0
GRACE = 60.0
FENCE = 10 * 60.0
FULL = "the disk under the journal is full"

Progress = Callable[[], int]


class Fenced(JournalUnavailable):
    """Ten minutes without the database: nothing more may be reserved from what it lent."""


def machine_of(root: Path, host: str) -> str:
    """Return this machine's name: the host's, and an id that is kept with the journals."""
    path = root / "machine-id"
    if not path.exists():
        unfinished = path.with_suffix(f".{uuid.uuid4().hex}")
        unfinished.write_text(uuid.uuid4().hex)
        try:
            path.hardlink_to(unfinished)
        except FileExistsError:
            pass  # a neighbour started at the same moment
        finally:
            unfinished.unlink()
    return f"{host[:120]}/{path.read_text().strip()}"


class _Live:
    """A dispatched request that is not settled in the journal yet."""

    __slots__ = ("journal", "line", "marked", "overdue_at", "progress", "reservation", "settled")

    def __init__(
        self, journal: Journal, line: bytes, progress: Progress, overdue_at: float, reservation: Reservation | None
    ) -> None:
        self.journal = journal
        self.line = line
        self.progress = progress
        self.overdue_at = overdue_at
        self.reservation = reservation
        self.marked = 0
        self.settled = b""


class Holder:
    """One life of one process in the ledger's eyes. Open it after any fork, in the event loop that will use it.

    The order of a process's life: ``Holder.open``, ``Flusher(holder).start()``, ``Poller(holder, …).start()``,
    ``run_sealer`` in the loop; at the end ``await close()`` once requests are drained, then the flusher's ``stop``.

    ``is_full`` is set by the flusher thread while the disk has no room for new requests.
    """

    def __init__(self, root: Path, machine: str, journal: Journal) -> None:
        self.root = root
        self.machine = machine
        self.journals: tuple[Journal, ...] = (journal,)
        self.is_full = False
        self.wake: Callable[[], None] = lambda: None
        self.started_at = clock.now()
        self._live: dict[str, _Live] = {}
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._hurried: asyncio.TimerHandle | None = None
        self._heard_at = clock.elapsed()
        self.allowances = Allowances(lambda: self.id, borrowing.lender(machine), self.give_back)
        self.allowances.when_closed(self.renew)

    @classmethod
    def open(cls, root: Path, machine: str) -> Holder:
        """Begin a journal under ``root`` on the host ``machine``; no database is needed.

        Raises ``NetworkFileSystem``, or ``OSError`` where nothing can be written.
        """
        root.mkdir(parents=True, exist_ok=True)
        disk.refuse_network(root)
        journal = Journal.make(root, ids.new(clock.now_us()))
        disk.keep_ballast(journal.ballast)
        return cls(root, machine_of(root, machine), journal)

    @property
    def journal(self) -> Journal:
        return self.journals[-1]

    @property
    def id(self) -> str:
        return self.journal.holder

    @property
    def trouble(self) -> str:
        """What keeps requests from being dispatched, empty where nothing does."""
        return FULL if self.is_full else ""

    @property
    def in_flight(self) -> int:
        return len(self._live)

    @property
    def is_hurried(self) -> bool:
        """Whether somebody waits for money that comes back with what this process posts."""
        return clock.elapsed() < self.allowances.hurry_until

    def dispatch(
        self,
        line: Open,
        progress: Progress,
        timeout: float = LONGEST_REQUEST,
        reservation: Reservation | None = None,
    ) -> None:
        """Note that an attempt goes upstream; call it before the first byte of every attempt. The last one counts.

        ``progress`` returns the tokens delivered so far; ``reservation`` is what stands in the line's ``hold``, let go
        of when it is settled. Raises ``JournalUnavailable``: then nothing may be sent.
        """
        if self.is_full:
            raise JournalUnavailable(FULL)
        if line.hold and self.is_fenced:
            raise Fenced("the database has been away for ten minutes")
        raw = lines.encode(line)
        known = self._live.get(line.id)
        journal = known.journal if known else self.journal
        journal.append(raw)
        overdue_at = known.overdue_at if known else clock.elapsed() + timeout + GRACE
        self._live[line.id] = _Live(journal, raw, progress, overdue_at, reservation)
        if known is not None and reservation is not None:
            self.allowances.keep(reservation, line.hold)
        self._seal_when_long(journal)

    def settle(self, line: Settled) -> bool:
        """Write a dispatched request's record; False, and nothing written, where it is settled already.

        Never raises and never waits: where the disk is full the line is kept in memory until there is room.
        """
        live = self._live.get(line.id)
        if live is None or live.settled:
            return False
        live.settled = lines.encode(line)
        if not self._write_settled(line.id, live):
            self._waiting.append(line.id)
        if live.reservation is not None:
            # what stands in the journal of a closed holder is paid by none of the money lent to this one
            taken = line.taken if live.journal is self.journal else {}
            self.allowances.release(live.reservation, taken)
        if self.is_hurried:
            self._hurry()
        return True

    def give_back(self, amounts: dict[int, int]) -> bool:
        """Write that {period: amount} goes back to the database; False where nothing can be written."""
        try:
            self.journal.append(lines.encode(Return(amounts=amounts)))
        except JournalUnavailable as error:
            logger.error("nothing is given back now: %s", error)
            return False
        self._hurry()
        return True

    @property
    def is_fenced(self) -> bool:
        return clock.elapsed() - self._heard_at > FENCE

    def heard(self, closed: str | None, wanted: Sequence[int] = ()) -> None:
        """Take notice of the database's answer to a poll; may be called from any thread.

        A process whose holder the database has ``closed``, as it was thought lost, goes on as a new one. ``wanted`` are
        the periods of which somebody is short.
        """
        self._heard_at = clock.elapsed()
        if self._loop is None:
            return
        if closed is not None:
            self._loop.call_soon_threadsafe(self.renew, closed)
        if wanted:
            self._loop.call_soon_threadsafe(self.allowances.recall, wanted)

    def renew(self, closed: str) -> None:
        """Go on with a new journal; what is in flight finishes on the old one."""
        if self.id != closed:
            return
        try:
            journal = Journal.make(self.root, ids.new(clock.now_us()))
        except OSError:
            logger.exception("no journal for a new holder; tried again at the next poll")
            return
        logger.warning("holder %s was closed by the database; going on as %s", closed, journal.holder)
        self.journals = (*self.journals, journal)
        self.allowances.begin_anew()
        self.wake()

    def run_sealer(self) -> None:
        """Seal each second from the running loop, until ``close``."""
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(SEAL_SECONDS, self._tick, self._loop)

    def seal(self) -> None:
        """Hand what was written so far to the flusher now."""
        for journal in self.journals:
            if not journal.has_ended and self._has_news(journal):
                self._seal(journal)

    async def close(self) -> None:
        """Settle what is still open as interrupted, and end the journal. Drain requests before."""
        for timer in (self._timer, self._hurried):
            if timer is not None:
                timer.cancel()
        await self.allowances.close()
        for live in list(self._live.values()):
            if not live.settled:
                self.settle(_record(live, "interrupted"))
        self._write_waiting()
        for journal in self.journals:
            self._end(journal)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(SEAL_SECONDS, self._tick, loop)
        try:
            self._write_waiting()
            self._settle_overdue()
            self.allowances.tick()
            self.seal()
            for journal in self.journals[:-1]:
                self._retire(journal)
        except Exception:
            logger.exception("the journal's turn failed; the next one follows in a second")

    def _hurry(self) -> None:
        """Seal soon: what comes back with it is waited for."""
        if self._hurried is None and self._loop is not None:
            self._hurried = self._loop.call_later(SEAL_SECONDS_WHEN_WANTED, self._seal_soon)

    def _seal_soon(self) -> None:
        self._hurried = None
        self.seal()

    def _retire(self, journal: Journal) -> None:
        """End a journal that was closed by the database once nothing in flight needs it; let go of it once stored."""
        if not any(live.journal is journal for live in self._live.values()):
            self._end(journal)
        if journal.has_ended and journal.stored_seq == journal.seq:
            self.journals = tuple(each for each in self.journals if each is not journal)
            journal.release()

    def _has_news(self, journal: Journal) -> bool:
        return bool(journal.lines) or any(
            live.journal is journal and live.progress() != live.marked for live in self._live.values()
        )

    def _seal_when_long(self, journal: Journal) -> None:
        if journal.lines >= SEAL_LINES:
            self._seal(journal)

    def _seal(self, journal: Journal) -> None:
        carried, count = [], 0
        for id, live in self._live.items():
            if live.journal is not journal:
                continue
            count += 1
            carried.append(live.line)
            live.marked = live.progress()
            if live.marked:
                carried.append(lines.encode(Mark(id=id, output=live.marked)))
        try:
            journal.seal(lines.head(journal.holder, journal.seq + 1, carried, count))
        except JournalUnavailable as error:
            logger.error("%s", error)
            return
        self.wake()

    def _write_settled(self, id: str, live: _Live) -> bool:
        try:
            live.journal.append(live.settled)
        except JournalUnavailable as error:
            if not self._drop_ballast(live.journal, error):
                return False
            try:
                live.journal.append(live.settled)
            except JournalUnavailable:
                return False
        del self._live[id]
        live.journal.settled += 1
        self._seal_when_long(live.journal)
        return True

    def _drop_ballast(self, journal: Journal, error: JournalUnavailable) -> bool:
        self.is_full = True
        try:
            journal.ballast.unlink()
        except OSError:
            return False
        logger.error("%s; the ballast is freed for it, new requests are refused", error)
        return True

    def _write_waiting(self) -> None:
        self._waiting = [id for id in self._waiting if not self._write_settled(id, self._live[id])]

    def _settle_overdue(self) -> None:
        now = clock.elapsed()
        for id, live in [(id, live) for id, live in self._live.items() if live.overdue_at < now]:
            if not live.settled:
                logger.error("defect: request %s was never settled; recorded as a timeout", id)
                self.settle(_record(live, "timeout"))

    def _end(self, journal: Journal) -> None:
        if journal.has_ended:
            return
        try:
            journal.end()
        except JournalUnavailable:
            logger.exception("the journal of %s cannot be ended; the next process recovers it", journal.holder)
        self.wake()


def _record(live: _Live, status: str) -> Settled:
    return record_of(Unsettled(lines.decode_open(live.line), live.progress()), clock.now_us(), status)
