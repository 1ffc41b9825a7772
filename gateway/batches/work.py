"""A batch on its way: its lines sent some at a time, until all are answered, its time is over or it is cancelled."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from django.conf import settings

from accounts.callers import Caller
from accounts.errors import DirectoryUnavailable, KeyRefused
from billing import clock, ids
from gateway.asking import DatabaseAway
from gateway.batches import calling, outcomes, output, queue
from gateway.batches.calling import Later, Sending
from gateway.batches.lines import Line, error
from gateway.batches.notes import Notes
from gateway.batches.queue import Lost, Sent
from gateway.batches.rows import CANCELLED, CANCELLING, COMPLETED, EXPIRED, FAILED, FINALIZING, VALIDATING, Batch
from gateway.batches.sources import Source
from gateway.batches.threads import MOST_BATCHES, in_thread, patiently, with_files
from gateway.callers import caller_with
from gateway.files.store import UnknownFile

logger = logging.getLogger(__name__)

# how often a batch is heard of, and hears that it is cancelled
BEAT_SECONDS = min(2.0, settings.BATCH_LEASE_SECONDS / 3)
# how long lines that were sent may still take when no more are
LAST_SECONDS = 60.0
AWAY_SECONDS = 2.0
UNSENT = {COMPLETED: "", CANCELLED: "batch_cancelled", EXPIRED: "batch_expired", FAILED: "batch_failed"}

# of all batches of this process together
_places = asyncio.Semaphore(settings.BATCH_CONCURRENCY)
_at_work: set[str] = set()


def has_room() -> bool:
    """Whether this process takes more batches."""
    return len(_at_work) < MOST_BATCHES


def is_at(id: str) -> bool:
    """Whether this process works on the batch."""
    return id in _at_work


async def done(batch: Batch) -> None:
    """Work on ``batch``, which this process has taken, until it has ended or is another's."""
    _at_work.add(batch.pk)
    try:
        await _Work(batch).whole()
    except Lost:
        logger.info("%s is worked on elsewhere now", batch.pk)
    except asyncio.CancelledError:
        await asyncio.shield(in_thread(queue.release, batch.pk, batch.fence))
        raise
    except Exception:  # the outermost edge: its lease ends, and it is taken up again until it expires
        logger.exception("%s cannot be worked on now", batch.pk)
    finally:
        _at_work.discard(batch.pk)


class _Work:
    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self._notes = Notes(batch.pk, batch.fence, batch.status)
        self._end = ""
        self._stopped = asyncio.Event()
        self._resume_at = 0.0

    async def whole(self) -> None:
        """Do all that is left to do, and be heard of meanwhile."""
        tasks = [asyncio.ensure_future(self._carry()), asyncio.ensure_future(self._beat())]
        try:
            finished, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._notes.close()

    async def _beat(self) -> None:
        while True:
            self._look_around()
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(DatabaseAway):
                self._notes.status = await in_thread(queue.renew, self.batch.pk, self.batch.fence)

    def _look_around(self) -> None:
        if self._notes.status == CANCELLING:
            self._stop(CANCELLED)
        elif clock.now() >= self.batch.expires_at:
            self._stop(EXPIRED)

    def _stop(self, end: str) -> None:
        """Send no more lines: the batch comes to this ``end``."""
        self._end = self._end or end
        self._stopped.set()

    async def _carry(self) -> None:
        if self._notes.status == VALIDATING and not await self._is_good():
            return
        if self._notes.status != FINALIZING:
            await self._send_all()
        end = await self._finalized(self._end or COMPLETED)
        files = await patiently(with_files, output.written, self.batch, UNSENT[end])
        await patiently(in_thread, queue.end, self.batch.pk, self.batch.fence, end, *files)

    async def _finalized(self, end: str) -> str:
        status = await patiently(in_thread, queue.finalize, self.batch.pk, self.batch.fence)
        return CANCELLED if status == CANCELLING and end == COMPLETED else end

    async def _is_good(self) -> bool:
        checked = await patiently(with_files, output.check, self.batch)
        self._notes.status = await patiently(in_thread, queue.begin, self.batch.pk, self.batch.fence, checked)
        return self._notes.status != FAILED

    # the lines ------------------------------------------------------------------------------------------------------

    async def _send_all(self) -> None:
        self._look_around()
        source = Source(self.batch)
        tasks = [asyncio.ensure_future(self._send_some(source)) for _ in range(settings.BATCH_CONCURRENCY)]
        stopping = asyncio.ensure_future(self._end_soon(tasks))
        try:
            await asyncio.gather(*tasks)
        except asyncio.CancelledError:
            if not self._end or not stopping.done():
                raise
        finally:
            for task in [*tasks, stopping]:
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            await source.close()

    async def _end_soon(self, tasks: list[asyncio.Future[None]]) -> None:
        """Cut off what takes too long once no more lines are sent."""
        await self._stopped.wait()
        await asyncio.sleep(LAST_SECONDS)
        for task in tasks:
            task.cancel()

    async def _send_some(self, source: Source) -> None:
        while not self._end and (line := await self._next(source)) is not None:
            await self._pause()
            while not self._end and not await self._is_sent(line, source.former(line)):
                await self._pause()

    async def _next(self, source: Source) -> Line | None:
        try:
            return await source.next()
        except UnknownFile:
            await self._fail(output.GONE)
            return None

    async def _pause(self) -> None:
        """Wait while the batch holds back, or until it is stopped."""
        while not self._end and (left := self._resume_at - clock.elapsed()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stopped.wait()

    def _hold_back(self, seconds: float) -> None:
        self._resume_at = max(self._resume_at, clock.elapsed() + seconds)

    async def _is_sent(self, line: Line, former: str | None) -> bool:
        """Send a line and write down its answer; False where it has to wait."""
        async with _places:
            if self._end:
                return True
            caller = await self._caller()
            return caller is not None and await self._is_answered(caller, line, former)

    async def _is_answered(self, caller: Caller, line: Line, former: str | None) -> bool:
        sending = self._sending(former)
        await self._notes.write(Sent(line.number, sending.record_id))
        try:
            answer = await calling.call(caller, self.batch.endpoint, line.body, sending, self.batch.expires_at)
        except Later as later:
            self._hold_back(later.seconds)
            await self._notes.write(Sent(line.number, former))
            return False
        self._hold_back(answer.breather)
        await self._notes.write(outcomes.answered(line, *answer[:3]))
        self._look_around()
        return True

    def _sending(self, former: str | None) -> Sending:
        tags = (f"batch:{self.batch.pk}", *(() if former is None else ("batch-rerun",)))
        return Sending(ids.new(clock.now_us()), former or None, tags)

    async def _caller(self) -> Caller | None:
        """Return who the batch calls for: a key that is refused stops it. None: not known now."""
        if self.batch.api_key_id is None:
            return await self._refused("The API key that made this batch is gone.")
        try:
            return await caller_with(self.batch.api_key_id)
        except KeyRefused as refused:
            return await self._refused(str(refused))
        except (DirectoryUnavailable, DatabaseAway):
            self._hold_back(AWAY_SECONDS)
            return None

    async def _refused(self, message: str) -> None:
        await self._fail(error("invalid_api_key", message, None, None))

    async def _fail(self, fault: dict[str, object]) -> None:
        await patiently(in_thread, queue.fault, self.batch.pk, self.batch.fence, fault)
        self._stop(FAILED)
