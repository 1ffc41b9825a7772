"""A thread that works off together what came within a moment. Pure but for its thread and clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Gathering(Generic[T]):
    """Gives ``work`` what was put in, in its order: at once where nothing was begun within ``seconds``, else together
    with what comes until then. ``work`` raises nothing. The thread starts with the first thing and is never ended.
    """

    def __init__(self, work: Callable[[list[T]], None], seconds: float, name: str) -> None:
        self._work, self._seconds, self._name = work, seconds, name
        self._waiting: list[T] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, thing: T) -> None:
        """Let ``thing`` be worked off soon. From any thread; waits for nothing."""
        with self._changed:
            self._waiting.append(thing)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                things, self._waiting = self._waiting, []
            begun = time.monotonic()
            self._work(things)
            time.sleep(max(0.0, begun + self._seconds - time.monotonic()))
