"""Telling workers that something waits: free to be lost, as they look around by themselves, and never waited for."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

logger = logging.getLogger(__name__)

# a broker that hangs holds up nobody but who is to be told next
_teller = ThreadPoolExecutor(1, thread_name_prefix="telling")


def hint(task: Any, *args: Any) -> None:
    """Let a Celery task run somewhere, soon. A hint may be lost: what waits is hinted at again."""
    _teller.submit(_hint, task, args)


def _hint(task: Any, args: tuple[Any, ...]) -> None:
    try:
        task.apply_async(args, retry=False, ignore_result=True)
    except Exception as error:  # noqa: BLE001 whatever the broker's client raises, workers look around too
        logger.warning("workers cannot be told of %s%s now: %s", task.name, args, error)
