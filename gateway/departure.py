"""Noticing that the client left, and ending at once what was done for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
Receive = Callable[[], Awaitable[dict[str, Any]]]

# Listening for a departure costs as much as the rest of the door, so short answers are not listened through. A client
# that leaves is noticed within 100 ms all the same.
PATIENCE_SECONDS = 0.05


class ClientGone(Exception):
    """The client closed its connection before it was answered."""


async def until_client_leaves(work: Awaitable[T], receive: Receive) -> T:
    """Return what ``work`` returns. Raises ``ClientGone``, after ``work`` was cancelled, where the client left."""
    watch = _Watch(receive)
    try:
        result = await work
    except asyncio.CancelledError:
        if watch.has_fired:
            raise ClientGone from None
        raise
    finally:
        watch.end()
    if watch.has_fired:
        await watch.absorb()
        raise ClientGone
    return result


class _Watch:
    """Cancels the task that made it when its client leaves."""

    def __init__(self, receive: Receive) -> None:
        self.has_fired = False
        self._receive = receive
        self._task = asyncio.current_task()
        self._listening: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._listen)

    def _listen(self) -> None:
        self._listening = asyncio.ensure_future(self._departure())

    async def _departure(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_fired = True
        self._task.cancel()

    def end(self) -> None:
        self._timer.cancel()
        if self._listening is not None and not self.has_fired:
            self._listening.cancel()

    async def absorb(self) -> None:
        """Take the cancellation that came when the work was done already."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
