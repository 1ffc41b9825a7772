"""Threads for what batches do with the database and with files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.asking import DatabaseAway, OwnThreads

T = TypeVar("T")

logger = logging.getLogger(__name__)
AWAY_SECONDS = 1.0
# as many as a process works on at one time
MOST_BATCHES = 50

# for what is a matter of moments
in_thread = OwnThreads("batches").run
# a large file, or a slow storage, must neither hold up other batches nor keep one from being heard of
with_files = OwnThreads("batches-files", MOST_BATCHES).run


async def patiently(where: Callable[..., Awaitable[T]], work: Callable[..., T], *args: Any) -> T:
    """Return what ``work`` returns ``where`` it is done; while the database does not answer, it is tried again."""
    while True:
        try:
            return await where(work, *args)
        except DatabaseAway as error:
            logger.warning("a batch waits: the database does not answer: %s", error.__cause__)
        await asyncio.sleep(AWAY_SECONDS)
