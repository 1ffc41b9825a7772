"""What a run waits for: whatever the gateway itself has no room for at the moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.asking import DatabaseAway
from gateway.batches import pace
from gateway.batches.calling import OURS
from gateway.errors import translate

logger = logging.getLogger(__name__)
T = TypeVar("T")

AWAY_SECONDS = 1.0
# a limit's own estimate is of its whole, others of whom wait too
MOST_SECONDS = 5.0


async def when_there_is_room(ask: Callable[[], Awaitable[T]]) -> T:
    """Return what ``ask`` returns as soon as it is let through; the run's time is what bounds this.

    Raises what it is refused for otherwise, and where it would never be let through.
    """
    while True:
        try:
            return await ask()
        except OURS as error:
            seconds = pace.retry_seconds(translate(error).headers)
            if seconds is None:
                raise
        await asyncio.sleep(min(seconds, MOST_SECONDS))


async def when_it_is_there(write: Callable[[], Awaitable[T]]) -> T:
    """Return what ``write`` returns, which waits for a database that is away: what it writes has been paid for."""
    while True:
        try:
            return await write()
        except DatabaseAway:
            logger.warning("a run waits for the database")
        await asyncio.sleep(AWAY_SECONDS)
