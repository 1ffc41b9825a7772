"""Work on the database that a caller waits for: in a few threads, never on the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from django.db import close_old_connections

from accounts.callers import Caller
from billing import database
from billing.database import AWAY

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 4
# who would wait behind more than this is better told to come again
MOST_WAITING = 64
# one key that asks in a loop must leave threads to the others
MOST_OF_ONE = 2
# what calls of models keep here is asked for as often as there are calls: they wait for each other
MOST_CALLS_OF_ONE, MOST_CALLS_WAITING = 256, 1024
SECONDS = 10.0


class DatabaseAway(Exception):
    """The database does not answer, or not in time."""


class Busy(Exception):
    """This key is being answered already, as often at one time as it may be."""


class Threads:
    """Some threads, each with a connection while it works. ``of_one`` and ``waiting`` bound who may wait for them."""

    def __init__(self, name: str = "asking", of_one: int = 0, waiting: int = 0) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix=name)
        self._of_one, self._most_waiting = of_one, waiting
        self._lock = threading.Lock()
        self._waiting: Counter[int] = Counter()

    async def run(
        self, work: Callable[Concatenate[Caller, P], T], caller: Caller, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Return what ``work`` returns for ``caller``. Raises what it raises, ``Busy`` or ``DatabaseAway``.

        What has begun goes on where nobody waits for it any more, so that a decision is made whole.
        """
        with self._lock:
            if self._waiting[caller.key_id] >= (self._of_one or MOST_OF_ONE):
                raise Busy
            if self._waiting.total() >= (self._most_waiting or MOST_WAITING):
                raise DatabaseAway
            self._waiting[caller.key_id] += 1
        future = self._executor.submit(connected, work, caller, *args, **kwargs)
        future.add_done_callback(lambda _: self._done(caller.key_id))
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise DatabaseAway from None

    def _done(self, key: int) -> None:
        with self._lock:
            self._waiting -= Counter([key])


class OwnThreads:
    """Threads for what a part of the gateway does in the background: its own, so that callers wait for none of it."""

    def __init__(self, name: str, count: int = THREADS) -> None:
        self._executor = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what ``work`` returns. Raises what it raises, or ``DatabaseAway``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, lambda: connected(work, *args, **kwargs))


def connected(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do ``work`` in this thread, which keeps no connection that has died. Raises ``DatabaseAway`` too."""
    close_old_connections()
    try:
        return work(*args, **kwargs)
    except AWAY as error:
        database.give_back()
        raise DatabaseAway from error
    finally:
        close_old_connections()


_threads = Threads()
in_database = _threads.run
in_store = Threads("storing", MOST_CALLS_OF_ONE, MOST_CALLS_WAITING).run
