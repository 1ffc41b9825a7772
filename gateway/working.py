"""Work of Celery tasks that speaks to models: run on the loop of this process's gateway, not in the task's thread.

In the embedded shape that is the loop of the web process; a worker of its own starts one when its first task comes,
with a holder and a journal of its own.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Hashable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

from celery.signals import worker_process_shutdown, worker_shutdown
from django.conf import settings

from gateway import runtime
from gateway.errors import Starting

P = ParamSpec("P")
T = TypeVar("T")

CLOSING_SECONDS = 20.0
STARTING_SECONDS = 60.0

_lock = threading.Lock()
_own: asyncio.AbstractEventLoop | None = None


def perform(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``function`` on the gateway's loop and return what it returns. Raises what it raises, or ``Starting``."""
    return begin(function, *args, **kwargs).result()


def get_ready() -> None:
    """Return when the gateway runs here: before that nothing should be taken which only it can do.

    Raises ``Starting``, or what keeps it from starting.
    """
    asyncio.run_coroutine_threadsafe(runtime.ensure(), _loop()).result(STARTING_SECONDS)


def begin(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """Let ``function`` run on the gateway's loop. It is cancelled when the process ends. Raises ``Starting``."""
    return asyncio.run_coroutine_threadsafe(_work(function, *args, **kwargs), _loop())


def has_begun(
    function: Callable[[T, Hashable], Coroutine[Any, Any, None]],
    taken: T | None,
    owner: Hashable,
    put_back: Callable[[T], object],
) -> bool:
    """Whether ``function`` works now on what was ``taken``; where it cannot, ``put_back`` lets others take it."""
    if taken is None:
        return False
    try:
        begin(function, taken, owner)
    except Starting:
        put_back(taken)
        return False
    return True


async def _work(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    await runtime.ensure()
    return await runtime.current().look_after(function(*args, **kwargs))


def _loop() -> asyncio.AbstractEventLoop:
    home = runtime.home()
    if home is not None:
        return home
    if not settings.REDIS_URL:
        raise Starting  # the web process, in which this worker lives, is not up yet or ends
    return _own_loop()


def _own_loop() -> asyncio.AbstractEventLoop:
    global _own
    with _lock:
        if _own is None:
            _own = asyncio.new_event_loop()
            threading.Thread(target=_own.run_forever, name="gateway", daemon=True).start()
        return _own


@worker_shutdown.connect
@worker_process_shutdown.connect
def close(**_: Any) -> None:
    """End the loop that this worker has started: what is open is settled, the journal handed over."""
    global _own
    with _lock:
        loop, _own = _own, None
    if loop is not None:
        asyncio.run_coroutine_threadsafe(runtime.close(), loop).result(CLOSING_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
