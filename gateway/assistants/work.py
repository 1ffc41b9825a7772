"""The worker's side of runs: executed as they come, heard of, stopped when they are cancelled, gone or too late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable
from contextlib import suppress

from billing import clock
from gateway import runtime, working
from gateway.asking import DatabaseAway
from gateway.assistants import workstore
from gateway.assistants.engine import Engine, error_of
from gateway.assistants.log import Overtaken
from gateway.assistants.rows import Run
from gateway.assistants.states import CANCELLED, CANCELLING, EXPIRED, FAILED
from gateway.assistants.workthreads import in_thread
from gateway.errors import translate
from gateway.places import Places, Turns

logger = logging.getLogger(__name__)

# how often a run hears that it is cancelled
LOOK_SECONDS = 0.25
# what a process has no room for waits for its next place, and is offered to others meanwhile
MOST_AT_ONCE = 400
MOST_WAITING_OF_ONE = 1_000
LOST = "lost"
# how long a process that ends waits for the database
RELEASE_SECONDS = 5.0

_at_work: dict[int, _Execution] = {}
_looking: asyncio.Future[None] | None = None


def _has_begun(owner: Hashable, pk: int) -> bool:
    return working.has_begun(executed, workstore.take(pk), owner, lambda run: workstore.release(run.pk, run.fence))


turns = Turns(Places(MOST_AT_ONCE, MOST_WAITING_OF_ONE), workstore.owner_of, _has_begun)


async def executed(run: Run, owner: Hashable) -> None:
    """Work on a run that this process has taken until it rests, or is another's; then leave its owner's place."""
    global _looking
    execution = _at_work[run.pk] = _Execution(run)
    if _looking is None or _looking.done():
        _looking = asyncio.ensure_future(runtime.current().look_after(_look()))
    try:
        await execution.whole()
    except Overtaken:
        logger.info("%s is worked on elsewhere now, or not at all", run.handle)
    except Exception:  # the outermost edge: its lease ends, and it is taken over until it expires
        logger.exception("%s cannot be worked on now", run.handle)
    finally:
        if _at_work.get(run.pk) is execution:
            del _at_work[run.pk]
        turns.leave(owner)
    with suppress(DatabaseAway):  # what waits is hinted at again
        await in_thread(turns.go_on)


async def _look() -> None:
    """Be heard of for all runs at work, and tell them what has become of them, until the process ends."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            if _at_work:
                await _look_once(dict(_at_work))
        except DatabaseAway:
            logger.info("%d runs go on without the database", len(_at_work))
        except Exception:  # the outermost edge: what is not heard of now is heard of next time
            logger.exception("runs at work cannot be looked at")


async def _look_once(mine: dict[int, _Execution]) -> None:
    now = clock.now()
    for each in mine.values():
        if each.run.expires_at <= now:
            each.stop(EXPIRED)
    statuses = await in_thread(workstore.renew, {pk: each.run.fence for pk, each in mine.items()})
    for pk, each in mine.items():
        each.hear(statuses.get(pk, LOST))


class _Execution:
    """One run that this process works on."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._engine = Engine(run)
        self._stopped: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def hear(self, status: str) -> None:
        """Take in how the run stands in the database."""
        if status in (LOST, CANCELLING):
            self.stop(CANCELLED if status == CANCELLING else LOST)

    def stop(self, end: str) -> None:
        """Let nothing more be done; the run comes to this ``end``."""
        if not self._stopped.done():
            self._stopped.set_result(end)

    async def whole(self) -> None:
        """Execute the run until it rests or is stopped. Raises ``Overtaken``."""
        work = asyncio.ensure_future(self._engine.execute())
        try:
            await asyncio.wait({work, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the process ends
            await _ended(work)
            with suppress(Overtaken, TimeoutError):  # its lease ends by itself
                async with asyncio.timeout(RELEASE_SECONDS):
                    await self._engine.release()
            raise
        if not work.done():
            await _ended(work)
            if self._stopped.result() != LOST:
                await self._engine.end(self._stopped.result())
            return
        error = work.exception()
        if isinstance(error, Overtaken):
            raise error
        if error is not None:
            await self._engine.end(FAILED, error_of(translate(error)))


async def _ended(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
