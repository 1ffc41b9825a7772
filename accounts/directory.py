"""Who a secret belongs to, known in the process: digest -> Caller, read again when the configuration version moves."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta

from django.db import Error, connection

from accounts import registry
from accounts.callers import Caller
from accounts.errors import (
    DirectoryUnavailable,
    ExpiredKey,
    KeyRefused,
    MalformedKey,
    MissingKey,
    UnknownKey,
)
from accounts.keys import digest_of, is_malformed

log = logging.getLogger(__name__)

Verdict = Caller | type[KeyRefused]

WITHOUT_DATABASE = timedelta(minutes=15)
LOOK_UP_SECONDS = 4.0
BATCH = 500
MOST_WAITING = 5_000
MOST_REFUSED = 10_000
REFUSED_SECONDS = 5.0


class Directory:
    """One per process. ``find`` is for any event loop, ``refresh`` and ``seen`` are for the poll thread.

    Only digests are kept, never a clear secret. Refusals are kept few and short, so that a flood of made-up keys
    fills no memory and a key issued a moment ago works at once.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._seen_at = clock()
        self._callers: dict[str, Caller] = {}
        self._refused: dict[str, tuple[type[KeyRefused], float]] = {}
        self._waiting: dict[str, Future[Verdict]] = {}
        self._generation = 0
        self._is_behind = False
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="directory")

    async def find(self, secret: str) -> Caller:
        """Return whose ``secret`` it is. Raises a kind of ``KeyRefused`` that says why, or ``DirectoryUnavailable``."""
        if not secret:
            raise MissingKey
        digest = digest_of(secret)
        if digest not in self._callers and is_malformed(secret):
            raise MalformedKey
        return await self.known(digest)

    async def known(self, digest: str) -> Caller:
        """Return whose secret has this ``digest``. Raises as ``find`` does."""
        caller = self._callers.get(digest)
        if caller is None:
            caller = await self._look_up(digest)
        now = self._clock()
        if now - self._seen_at > WITHOUT_DATABASE:
            raise DirectoryUnavailable
        if caller.has_expired(now):
            raise ExpiredKey
        return caller

    def refresh(self) -> None:
        """Read every known digest again. Raises ``django.db.Error``, and is then made up for by the next ``seen``."""
        with self._lock:
            self._is_behind = True
            # a look-up that read before this moment may be out of date: it sees the number moved and reads again
            self._generation += 1
            self._refused.clear()
            digests = list(self._callers)
        for start in range(0, len(digests), BATCH):
            batch = digests[start : start + BATCH]
            self._keep(batch, registry.read(batch))
        self._is_behind = False

    def seen(self, now: datetime) -> None:
        """The database answered at ``now``: known keys are good for another 15 minutes. Raises ``django.db.Error``."""
        if self._is_behind:
            self.refresh()
        self._seen_at = now

    def close(self) -> None:
        self._executor.submit(_hang_up)
        self._executor.shutdown()

    async def _look_up(self, digest: str) -> Caller:
        verdict = self._refusal(digest) or await self._wait_for(self._join(digest))
        if isinstance(verdict, Caller):
            return verdict
        raise verdict

    def _refusal(self, digest: str) -> type[KeyRefused] | None:
        refusal, until = self._refused.get(digest, (None, 0.0))
        return refusal if time.monotonic() < until else None

    async def _wait_for(self, waiting: Future[Verdict]) -> Verdict:
        try:
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await asyncio.wrap_future(waiting)
        except TimeoutError:
            raise DirectoryUnavailable from None

    def _join(self, digest: str) -> Future[Verdict]:
        """Return the look-up of ``digest`` that is under way, or begin one."""
        with self._lock:
            waiting = self._waiting.get(digest)
            if waiting is None:
                if len(self._waiting) >= MOST_WAITING:
                    raise DirectoryUnavailable
                waiting = self._waiting[digest] = Future()
                # counts as running, so that a client that leaves cannot cancel what others wait for
                waiting.set_running_or_notify_cancel()
                self._executor.submit(self._answer_all)
        return waiting

    def _answer_all(self) -> None:
        """Answer all who wait in one read: a flood of unknown keys costs one query per round."""
        with self._lock:
            batch = dict(list(self._waiting.items())[:BATCH])
        if not batch:
            return
        try:
            verdicts = self._read_current(list(batch))
        except Error as error:
            log.warning("the key directory cannot read the database: %s", type(error).__name__)
            verdicts = None
        except Exception:  # the thread's outermost edge: whatever failed, nobody is left waiting
            log.exception("the key directory failed")
            verdicts = None
        self._settle(batch, verdicts)

    def _settle(self, batch: dict[str, Future[Verdict]], verdicts: dict[str, Verdict] | None) -> None:
        with self._lock:
            for digest in batch:
                del self._waiting[digest]
        for digest, waiting in batch.items():
            if verdicts is None:
                waiting.set_exception(DirectoryUnavailable())
            else:
                waiting.set_result(verdicts[digest])

    def _read_current(self, digests: list[str]) -> dict[str, Verdict]:
        while True:
            generation = self._generation
            verdicts = _read_on_a_living_connection(digests)
            if self._keep(digests, verdicts, generation):
                return {digest: verdicts.get(digest, UnknownKey) for digest in digests}

    def _keep(self, digests: Iterable[str], verdicts: dict[str, Verdict], generation: int | None = None) -> bool:
        """Remember what was read, unless the configuration moved on since ``generation``; return whether it did not."""
        until = time.monotonic() + REFUSED_SECONDS
        with self._lock:
            if generation is not None and generation != self._generation:
                return False
            for digest in digests:
                verdict = verdicts.get(digest, UnknownKey)
                if isinstance(verdict, Caller):
                    self._callers[digest] = verdict
                else:
                    self._callers.pop(digest, None)
                    self._refuse(digest, verdict, until)
        return True

    def _refuse(self, digest: str, refusal: type[KeyRefused], until: float) -> None:
        self._refused.pop(digest, None)
        if len(self._refused) >= MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        self._refused[digest] = (refusal, until)


def _hang_up() -> None:
    connection.close()


def _read_on_a_living_connection(digests: list[str]) -> dict[str, Verdict]:
    """Read; where the thread's connection turns out dead, once more on a new one."""
    was_open = connection.connection is not None
    try:
        return registry.read(digests)
    except Error:
        connection.close()
        if not was_open:
            raise
    return registry.read(digests)
