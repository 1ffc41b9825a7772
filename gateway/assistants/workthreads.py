"""Threads for what runs at work do with the database: their own, so that callers wait for none of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from gateway.asking import connected

P = ParamSpec("P")
T = TypeVar("T")

_executor = ThreadPoolExecutor(4, thread_name_prefix="runs")


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``work`` returns. Raises what it raises, or ``DatabaseAway``."""
    return await asyncio.get_running_loop().run_in_executor(_executor, lambda: connected(work, *args, **kwargs))
