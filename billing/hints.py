"""Telling a worker that a holder has something to post: free to be lost, late or doubled, and never waited for."""

from __future__ import annotations

import logging
import queue
import threading

from billing.tasks import record_usage

logger = logging.getLogger(__name__)


class Hints:
    """A queue of one in front of the broker, which may hang or refuse: only a thread of its own notices."""

    def __init__(self) -> None:
        self._next: queue.Queue[str | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._run, name="hints", daemon=True)
        self.is_failing = False

    def start(self) -> None:
        self._thread.start()

    def give(self, holder: str) -> None:
        """Hint at ``holder`` unless a hint is waiting already."""
        try:
            self._next.put_nowait(holder)
        except queue.Full:
            return

    def stop(self, timeout: float) -> None:
        try:
            self._next.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)

    def _run(self) -> None:
        while (holder := self._next.get()) is not None:
            try:
                record_usage.apply_async((holder,), retry=False, ignore_result=True)
                self.is_failing = False
            except Exception as error:
                if not self.is_failing:
                    logger.warning("workers cannot be told of new usage, flushers post it themselves: %s", error)
                    logger.debug("the broker", exc_info=True)
                self.is_failing = True
