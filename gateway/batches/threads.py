"""Threads for what batches do with the database and with files: their own, so that callers wait for none of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from gateway.asking import DatabaseAway, connected

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger(__name__)
AWAY_SECONDS = 1.0
# as many as a process works on at one time
MOST_BATCHES = 50

_executor = ThreadPoolExecutor(4, thread_name_prefix="batches")
# a large file, or a slow storage, must neither hold up other batches nor keep one from being heard of
_with_files = ThreadPoolExecutor(MOST_BATCHES, thread_name_prefix="batches-files")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns, which is a matter of moments. Raises what it raises, or ``DatabaseAway``."""
    return await asyncio.get_running_loop().run_in_executor(_executor, lambda: connected(work, *args, **kwargs))


async def with_files(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns, which reads or writes whole files. Raises as ``in_thread`` does."""
    return await asyncio.get_running_loop().run_in_executor(_with_files, lambda: connected(work, *args, **kwargs))


async def patiently(where: Callable[..., Awaitable[T]], work: Callable[..., T], *args: Any) -> T:
    """Return what ``work`` returns ``where`` it is done; while the database does not answer, it is tried again."""
    while True:
        try:
            return await where(work, *args)
        except DatabaseAway as error:
            logger.warning("a batch waits: the database does not answer: %s", error.__cause__)
        await asyncio.sleep(AWAY_SECONDS)
