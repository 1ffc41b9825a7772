"""Asks the database for money, in a thread of its own, one question at a time, while somebody wants some."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from billing import clock, database
from billing.borrowing import HolderClosed
from billing.lending import Loan, Want

logger = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = (0.15, 0.35)
# a statement takes at most a second: who has not answered after two is away
SILENCE_SECONDS = 2.0

Lend = Callable[[str, Sequence[Want]], list[Loan]]
Answered = Callable[[str, list[Want], list[Loan] | None], None]


def before_asking_again() -> float:
    """Return how many seconds who got too little waits: others that did are not to ask in step with it."""
    return random.uniform(*ASK_AGAIN_SECONDS)


class Borrower:
    """``lend`` runs in the thread; everything else in the loop.

    ``wants`` says what to ask for now, ``pause`` in how many seconds there may be more (None: when woken), and
    ``answered`` gets the holder, what was wanted and what was lent, None where nobody answered.
    ``closed`` is told of a holder that is lent nothing any more.
    """

    def __init__(
        self,
        holder: Callable[[], str],
        lend: Lend,
        wants: Callable[[], list[Want]],
        pause: Callable[[], float | None],
        answered: Answered,
    ) -> None:
        self.closed: Callable[[str], None] = lambda holder: None
        self.is_away = False
        self.is_closed = False
        self._holder = holder
        self._lend = lend
        self._wants = wants
        self._pause = pause
        self._answered = answered
        self._asked_at: float | None = None
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="borrow")

    @property
    def hears_nothing(self) -> bool:
        """Whether the database is away, or does not answer what it was asked."""
        is_silent = self._asked_at is not None and clock.elapsed() - self._asked_at > SILENCE_SECONDS
        return self.is_away or is_silent

    def wake(self) -> None:
        """Look soon what is wanted."""
        if self.is_closed:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        self._woken.set()

    async def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._executor.submit(database.give_back)
        self._executor.shutdown(wait=False)

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except Exception:
                logger.exception("borrowing failed; it goes on")
                await asyncio.sleep(before_asking_again())

    async def _turn(self) -> None:
        """Ask for what is wanted now; where that is nothing, wait until there is more."""
        wants = self._wants()
        if wants:
            holder = self._holder()
            self._answered(holder, wants, await self._ask(holder, wants))
            return
        self._woken.clear()
        try:
            async with asyncio.timeout(self._pause()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _ask(self, holder: str, wants: list[Want]) -> list[Loan] | None:
        self._asked_at = clock.elapsed()
        try:
            loans = await asyncio.get_running_loop().run_in_executor(self._executor, self._lend, holder, wants)
            self.is_away = False
            return loans
        except HolderClosed:
            self.closed(holder)
        except database.AWAY as error:
            self._say_away(error)
        except Exception:
            logger.exception("borrowing failed; it is tried again")
            self.is_away = True
        finally:
            self._asked_at = None
        return None

    def _say_away(self, error: Exception) -> None:
        is_away = not database.is_contention(error)
        if is_away and not self.is_away:
            logger.warning("nothing can be borrowed: %s", str(error).strip())
        self.is_away = is_away
