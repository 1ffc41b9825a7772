"""Waiting for a server no longer than is good for who waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TURNS = 10


@asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """As ``asyncio.timeout``, in turns: a loop that was busy must not take its own delay for the server's, whose
    answer lies there unread."""
    loop, pause = asyncio.get_running_loop(), seconds / TURNS
    timer: asyncio.TimerHandle

    def turn(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(pause, turn, left - 1)
        else:
            scope.reschedule(loop.time())

    async with asyncio.timeout(None) as scope:
        timer = loop.call_later(pause, turn, TURNS - 1)
        try:
            yield
        finally:
            timer.cancel()
