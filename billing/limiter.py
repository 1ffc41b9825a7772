"""One process's way to the limits: Redis decides where there is one and it answers, else this process's own memory.

One event loop owns it. Who was admitted never waits for it: what a request used is told in the background.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from billing import clock
from billing.counters import Counters, CountersAway, Lease, MemoryCounters
from billing.limits import LEASE_MS, PARALLEL, Demand, Verdict, corrections, given_back

logger = logging.getLogger(__name__)

TEND_SECONDS = 1.0
MOST_UNTOLD = 10_000
# no request lives longer: the holder's watchdog settles it by then
LONGEST_SECONDS = 16 * 60.0


class SharedCounters(Counters, Protocol):
    """Counters that several processes use, elsewhere; every step may raise ``CountersAway``."""

    async def ping(self) -> None: ...
    async def close(self) -> None: ...


class Taken(NamedTuple):
    """What a request took, and of which counters; a refused one took nothing."""

    request_id: str
    demands: tuple[Demand, ...]
    verdict: Verdict
    by: Counters


class _Running(NamedTuple):
    leases: tuple[Lease, ...]
    overdue_at: float


class _Untold(NamedTuple):
    """What shared counters could not be told yet."""

    changes: tuple[Demand, ...]
    request_id: str


class Limiter:
    """``is_alone`` while shared counters do not answer: then each process holds the limits by itself."""

    def __init__(
        self,
        shared: SharedCounters | None = None,
        lease_ms: int = LEASE_MS,
        now_ms: Callable[[], int] = lambda: clock.now_us() // 1000,
    ) -> None:
        self.is_alone = False
        self._shared = shared
        self._lease_ms = lease_ms
        self._now_ms = now_ms
        self._memory = MemoryCounters(lease_ms)
        self._running: dict[str, _Running] = {}
        self._untold: deque[_Untold] = deque(maxlen=MOST_UNTOLD)
        self._renewed_at = clock.elapsed()
        self._tending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect, and keep the leases of what runs until ``close``."""
        if self._shared is not None:
            try:
                await self._shared.ping()
            except CountersAway as error:
                self._go_on_alone(error)
        self._tending = asyncio.create_task(self._tend())

    async def close(self) -> None:
        """End; the slots of what still runs are free then. Settle requests before."""
        if self._tending is not None:
            self._tending.cancel()
        if self._shared is not None:
            for request_id, running in self._running.items():
                self._tell(_Untold(tuple(Demand(lease.key, PARALLEL, 0) for lease in running.leases), request_id))
            await self._shared.close()

    async def take(self, demands: Sequence[Demand], request_id: str) -> Taken:
        """Take all of ``demands`` or none, in one step."""
        asked = tuple(demands)
        counters = self._deciding
        try:
            verdict = await counters.take(asked, request_id, self._now_ms())
        except CountersAway as error:
            self._go_on_alone(error)
            counters = self._memory
            verdict = await counters.take(asked, request_id, self._now_ms())
        self._note(asked, request_id, verdict)
        return Taken(request_id, asked, verdict, counters)

    def settle(self, taken: Taken, tokens: int) -> None:
        """End the slots of a request and charge the ``tokens`` it really used instead of the estimate."""
        self._end(taken, corrections(taken.demands, tokens))

    def give_back(self, taken: Taken) -> None:
        """Undo all that a request took, as nothing of it went upstream."""
        self._end(taken, given_back(taken.demands))

    @property
    def _deciding(self) -> Counters:
        return self._memory if self._shared is None or self.is_alone else self._shared

    def _note(self, demands: Iterable[Demand], request_id: str, verdict: Verdict) -> None:
        leases = tuple(Lease(demand.key, request_id) for demand in demands if demand.kind == PARALLEL)
        if leases and verdict.refused is None:
            self._running[request_id] = _Running(leases, clock.elapsed() + LONGEST_SECONDS)

    def _end(self, taken: Taken, changes: Sequence[Demand]) -> None:
        """Counters other than those that took know at most of the slots: running requests move with their leases."""
        self._running.pop(taken.request_id, None)
        slots = tuple(change for change in changes if change.kind == PARALLEL)
        self._tell(_Untold(tuple(changes) if taken.by is self._shared else slots, taken.request_id))
        self._memory.change(changes if taken.by is self._memory else slots, taken.request_id, self._now_ms())

    def _tell(self, news: _Untold) -> None:
        if self._shared is None or not news.changes:
            return
        if self.is_alone:
            self._untold.append(news)
            return
        told = asyncio.ensure_future(self._shared.settle(news.changes, news.request_id, self._now_ms()))
        told.add_done_callback(partial(self._told, news))

    def _told(self, news: _Untold, answer: asyncio.Future[None]) -> None:
        if answer.cancelled():
            return
        error = answer.exception()
        if error is not None:
            self._untold.append(news)
            self._go_on_alone(error)

    def _go_on_alone(self, error: BaseException) -> None:
        if self.is_alone:
            return
        logger.warning("Redis does not answer, so each process holds rpm, tpm and parallel limits by itself: %s", error)
        self.is_alone = True
        self._memory = MemoryCounters(self._lease_ms)
        self._memory.lease(self._leases(), self._now_ms())

    def _leases(self) -> list[Lease]:
        return [lease for running in self._running.values() for lease in running.leases]

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            try:
                await self._turn()
            except CountersAway as error:
                self._go_on_alone(error)
            except Exception:
                logger.exception("leases could not be renewed; tried again in a second")

    async def _turn(self) -> None:
        """Renew what is due; where shared counters answer again, tell them all that they missed."""
        self._drop_overdue()
        if self.is_alone and self._shared is not None:
            await self._return(self._shared)
        elif clock.elapsed() - self._renewed_at >= self._lease_ms / 3000:
            self._renewed_at = clock.elapsed()
            await self._deciding.renew(self._leases(), self._now_ms())

    async def _return(self, shared: SharedCounters) -> None:
        try:
            await shared.ping()
            await shared.renew(self._leases(), self._now_ms())
        except CountersAway:
            return
        logger.info("Redis answers again: limits hold over all processes")
        self.is_alone = False
        self._renewed_at = 0.0  # a request that was admitted during the last lines is leased at the next turn
        for _ in range(len(self._untold)):
            self._tell(self._untold.popleft())

    def _drop_overdue(self) -> None:
        """Let go of requests that must have ended: the lease of one that was never settled runs out then."""
        now = clock.elapsed()
        for request_id in [id for id, running in self._running.items() if running.overdue_at < now]:
            del self._running[request_id]
