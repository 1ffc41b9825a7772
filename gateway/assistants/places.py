"""Whose runs a process executes: a place for each, shared between owners, so that nobody's runs keep all others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from threading import Lock
from typing import NamedTuple


class Waiting(NamedTuple):
    """A run, by its row, that waits for a place of its ``owner``."""

    owner: Hashable
    run: int


class Places:
    """So many places, used from any thread. An owner gets another one while more are free than it holds.

    Alone it gets half of them, the next one half of those that are left, and so on: whoever holds its places for
    long, since its calls are slow or wait for a limit, leaves some to others. Of each owner ``most_waiting`` runs wait
    at most; others are forgotten.
    """

    def __init__(self, count: int, most_waiting: int) -> None:
        self._count, self._most_waiting = count, most_waiting
        self._held: Counter[Hashable] = Counter()
        # in the order in which they came, each run once
        self._waiting: dict[Hashable, dict[int, None]] = {}
        self._lock = Lock()

    def ask(self, owner: Hashable, run: int) -> bool:
        """Whether the run has a place now, which is to be left again; otherwise it waits for one."""
        with self._lock:
            if self._has_room(owner):
                self._held[owner] += 1
                return True
            waiting = self._waiting.setdefault(owner, {})
            if len(waiting) < self._most_waiting:
                waiting[run] = None
            return False

    def leave(self, owner: Hashable) -> None:
        """Let a place of this owner's go."""
        with self._lock:
            self._held -= Counter([owner])

    def next(self) -> Waiting | None:
        """Return a run that has a place now after it waited, of whoever holds the fewest; None where none has."""
        with self._lock:
            owner = min(filter(self._has_room, self._waiting), key=self._held.__getitem__, default=None)
            if owner is None:
                return None
            run = next(iter(self._waiting[owner]))
            del self._waiting[owner][run]
            if not self._waiting[owner]:
                del self._waiting[owner]
            self._held[owner] += 1
            return Waiting(owner, run)

    def _has_room(self, owner: Hashable) -> bool:
        return self._held[owner] < self._count - self._held.total()
