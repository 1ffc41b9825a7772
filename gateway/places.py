"""Whose work a process does: a place for each piece, shared between owners, so that nobody's keeps all others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, NamedTuple, TypeVar

# what is worked on, by its row
W = TypeVar("W", bound=Hashable)


class Waiting(NamedTuple, Generic[W]):
    """Work that waits for a place of its ``owner``."""

    owner: Hashable
    work: W


class Places(Generic[W]):
    """So many places, used from any thread. An owner gets another one while more are free than it holds.

    Alone it gets half of them, the next one half of those that are left, and so on: whoever holds its places for
    long, since its calls are slow or wait for a limit, leaves some to others. Of each owner ``most_waiting`` pieces of
    work wait at most; others are forgotten.
    """

    def __init__(self, count: int, most_waiting: int) -> None:
        self._count, self._most_waiting = count, most_waiting
        self._held: Counter[Hashable] = Counter()
        # in the order in which it came, and each piece once
        self._waiting: dict[Hashable, dict[W, None]] = {}
        self._lock = Lock()

    def ask(self, owner: Hashable, work: W) -> bool:
        """Whether the work has a place now, which is to be left again; otherwise it waits for one."""
        with self._lock:
            if self._has_room(owner):
                self._held[owner] += 1
                return True
            waiting = self._waiting.setdefault(owner, {})
            if len(waiting) < self._most_waiting:
                waiting[work] = None
            return False

    def leave(self, owner: Hashable) -> None:
        """Let a place of this owner's go."""
        with self._lock:
            self._held -= Counter([owner])

    def next(self) -> Waiting[W] | None:
        """Return work that has a place now after it waited, of whoever holds the fewest; None where none has."""
        with self._lock:
            owner = min(filter(self._has_room, self._waiting), key=self._held.__getitem__, default=None)
            if owner is None:
                return None
            work = next(iter(self._waiting[owner]))
            del self._waiting[owner][work]
            if not self._waiting[owner]:
                del self._waiting[owner]
            self._held[owner] += 1
            return Waiting(owner, work)

    def _has_room(self, owner: Hashable) -> bool:
        return self._held[owner] < self._count - self._held.total()


class Turns(Generic[W]):
    """Work that a process begins as soon as its owner has a place for it; ``leave`` and ``go_on`` at its end.

    ``owner_of`` returns None for what nobody needs to do any more. ``has_begun`` begins it, and returns whether it has.
    """

    def __init__(
        self, places: Places[W], owner_of: Callable[[W], Hashable | None], has_begun: Callable[[Hashable, W], bool]
    ) -> None:
        self._places, self._owner_of, self._has_begun = places, owner_of, has_begun
        self.leave = places.leave

    def offer(self, work: W) -> None:
        """Begin the work, where there is a place for it; otherwise as soon as there is one."""
        owner = self._owner_of(work)
        if owner is not None and self._places.ask(owner, work):
            self._begin(owner, work)
            self.go_on()

    def go_on(self) -> None:
        """Begin what has waited for the places that are free now."""
        while (waiting := self._places.next()) is not None:
            self._begin(*waiting)

    def _begin(self, owner: Hashable, work: W) -> None:
        has_begun = False
        try:
            has_begun = self._has_begun(owner, work)
        finally:
            if not has_begun:
                self.leave(owner)
