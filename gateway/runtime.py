"""What one process that answers needs: its configuration, directory, client, holder and threads."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.directory import Directory
from billing import clock
from billing.flusher import Flusher
from billing.holder import Holder
from billing.limiter import Limiter, SharedCounters
from billing.poll import Poll, Poller
from gateway import metrics, proof, snapshot
from gateway.backlog import Backlog
from gateway.caching import entries
from gateway.caching.answers import Answers, Store
from gateway.caching.memory import MemoryStore
from gateway.errors import Starting
from gateway.snapshot import Snapshot
from gateway.worker import EmbeddedWorker
from providers import tokens
from providers.client import Client
from providers.health import Checks
from providers.targets import RouteTable

logger = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_POLL_SECONDS = 5.0
STALE_SECONDS = 5.0
# how long what is read on for clients that have left may take when the process ends
LAST_SECONDS = 5.0


class Runtime:
    """Started once per process, on the event loop that owns its money."""

    def __init__(self) -> None:
        self.directory = Directory(clock.now)
        self.client = Client()
        self._sharing = _shared_cooling(self.client, self._routes)
        self._background: list[asyncio.Task[None]] = []
        self.limiter = Limiter(_shared_counters(), settings.SLOT_LEASE_MS)
        self.answers = _answers()
        self.polled_at = 0.0
        self._gauges = proof.Gauges()
        self._snapshot: Snapshot | None = None
        self._reading_on: set[asyncio.Task[None]] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._worker = None if settings.REDIS_URL else EmbeddedWorker()

    @property
    def configuration(self) -> Snapshot:
        if self._snapshot is None:
            raise Starting
        return self._snapshot

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.holder = await loop.run_in_executor(None, _open_holder)
        self.holder.run_sealer()
        self._backlog = Backlog(self.holder)
        self.flusher = Flusher(self.holder)
        self.flusher.measure = self._backlog.look_here
        self.flusher.start()
        self._first_poll = asyncio.Event()
        self._loop = loop
        self.poller = Poller(self.holder, self._polled)
        self.poller.start()
        if self._worker is not None:
            self._worker.start()
        try:
            async with asyncio.timeout(FIRST_POLL_SECONDS):
                await self._first_poll.wait()
        except TimeoutError:
            logger.warning("the database does not answer: no call can be served until it does")
        await self.limiter.start()
        if self._sharing is not None:
            self._background.append(asyncio.create_task(self._sharing.run()))
        self._background.append(asyncio.create_task(Checks(self.client, self._routes).run()))
        calm_the_collector()
        loop.run_in_executor(None, tokens.load)  # else the first answer without usage would wait for it

    def _polled(self, poll: Poll) -> None:
        """Take in what the poll thread saw; runs in that thread."""
        if self._snapshot is None or poll.version != self._snapshot.version:
            self.directory.refresh()  # first: a row that cannot be loaded must not keep a revoked key alive
            self._snapshot = snapshot.load(poll.version)
            self._loop.call_soon_threadsafe(self.holder.allowances.change, self._snapshot.budgets)
            self._loop.call_soon_threadsafe(metrics.configuration_version.set, poll.version)
        self.directory.seen(poll.now)
        self.polled_at = time.monotonic()
        metrics.polled.set_to_current_time()
        metrics.limits_alone.set(self.limiter.is_alone)
        metrics.open_requests.set(self.holder.in_flight)
        self._gauges.refresh()
        self._backlog.look_everywhere()
        self._loop.call_soon_threadsafe(self._first_poll.set)

    def _routes(self) -> RouteTable:
        return self._snapshot.routes if self._snapshot is not None else RouteTable()

    def checks(self) -> dict[str, Any]:
        """Return what works and what does not, for /readyz: "ok" or what is wrong."""
        silent = time.monotonic() - self.polled_at
        return {
            "configuration": "ok" if self._snapshot else "not read yet",
            "database": "ok" if silent < STALE_SECONDS else "away: keys known here go on, usage waits in the journal",
            "broker": "away: usage is posted up to 10 s later" if self.flusher.broker_is_away else "ok",
            "limits": "Redis is away: each process holds them by itself" if self.limiter.is_alone else "ok",
            "journal": "full" if self.holder.is_full else "ok",
        }

    def read_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Go on with ``work`` though its client has left; at the end it has a few seconds."""
        task = asyncio.ensure_future(work)
        self._reading_on.add(task)
        task.add_done_callback(self._reading_on.discard)

    async def look_after(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what ``work`` returns; it is cancelled when the process ends."""
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await task

    async def end_work(self) -> None:
        """End what goes on without a request; what it settles needs all that ``close`` ends."""
        for work in self._working:
            work.cancel()
        for end in await asyncio.gather(*self._working, return_exceptions=True):
            if isinstance(end, Exception):
                logger.error("work was not ended as it should be", exc_info=end)
        if self._reading_on:
            await asyncio.wait(self._reading_on, timeout=LAST_SECONDS)
            for task in self._reading_on:
                task.cancel()
            await asyncio.gather(*self._reading_on, return_exceptions=True)

    async def close(self) -> None:
        """Hand the journal over, end the threads."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._sharing is not None:
            await self._sharing.close()
        await self.client.close()
        await self.limiter.close()
        await self.answers.close()
        loop = asyncio.get_running_loop()
        await self.holder.close()
        await loop.run_in_executor(None, self.flusher.stop)
        await loop.run_in_executor(None, self.poller.stop)
        if self._worker is not None:
            await loop.run_in_executor(None, self._worker.stop)
        self.directory.close()


def calm_the_collector() -> None:
    """Leave what start-up made out of every later collection, and collect the rest less often.

    Django and its libraries are some 300,000 objects that never die; walking them again and again took a fifth of the
    processor's time at full load.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _shared_counters() -> SharedCounters | None:
    if not settings.REDIS_URL:
        return None
    # by name: the client is a quarter of a second and 20 MB that the shape without Redis does not need
    counters = import_string("billing.redis_counters.RedisCounters")
    return counters(settings.REDIS_URL, settings.SLOT_LEASE_MS, settings.REDIS_PATIENCE_SECONDS)


def _shared_cooling(client: Client, routes: Callable[[], RouteTable]) -> Any:
    """Return what tells other processes which targets cool; by name, as the counters."""
    if not settings.REDIS_URL:
        return None
    return import_string("providers.sharing.SharedCooling")(settings.REDIS_URL, client.conditions, routes)


def _answers() -> Answers:
    seal, most = entries.seal_of(settings.SECRET_KEY), settings.CACHE_ANSWER_BYTES
    return Answers(_store(), seal, most, clock.now_us)


def _store() -> Store:
    """Return where answers are cached: in Redis, by name as the counters, else in this process."""
    if not settings.CACHE_REDIS_URL:
        return MemoryStore(settings.CACHE_BYTES, clock.elapsed)
    store = import_string("gateway.caching.redis_store.RedisStore")
    most = entries.most_packed(settings.CACHE_ANSWER_BYTES)
    return store(settings.CACHE_REDIS_URL, most, settings.REDIS_PATIENCE_SECONDS)


def _open_holder() -> Holder:
    settings.JOURNAL.mkdir(parents=True, exist_ok=True)
    return Holder.open(settings.JOURNAL, socket.gethostname())


_runtime: Runtime | None = None
_home: asyncio.AbstractEventLoop | None = None
_starting: asyncio.Task[None] | None = None


def current() -> Runtime:
    if _runtime is None:
        raise Starting
    return _runtime


def home() -> asyncio.AbstractEventLoop | None:
    """Return the loop on which this process's gateway runs or starts, None where there is none."""
    return _home


async def ensure() -> None:
    """Start the runtime where it does not run yet; everybody who asks meanwhile waits for the one start."""
    global _runtime, _starting
    if _starting is None:
        if _runtime is not None:
            return
        _starting = asyncio.ensure_future(_started())
    starting = _starting
    try:
        _runtime = await asyncio.shield(starting)
    finally:
        if starting.done() and _starting is starting:
            _starting = None  # a start that failed is tried again by who asks next


async def _started() -> Runtime:
    global _home
    _home = asyncio.get_running_loop()
    runtime = Runtime()
    await runtime.start()
    return runtime


async def close() -> None:
    """End what was started. Harmless where nothing was."""
    global _runtime, _home
    _home = None
    if _runtime is not None:
        await _runtime.end_work()
    runtime, _runtime = _runtime, None
    if runtime is not None:
        await runtime.close()
