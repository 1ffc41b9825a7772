"""Stored answers in the process: at most so many bytes, the longest unused go first. Pure but for the clock given."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

# what the table itself takes for one of them, roughly
OVERHEAD_BYTES = 400


class _Kept(NamedTuple):
    value: bytes
    until: float


class MemoryStore:
    """``clock`` is monotonic, in seconds."""

    def __init__(self, most_bytes: int, clock: Callable[[], float]) -> None:
        self.bytes = 0
        self._most_bytes = most_bytes
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._clock():
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep ``value`` for ``ttl`` seconds; one that is larger than all the room is not kept."""
        self._drop(key)
        if _size(value) > self._most_bytes:
            return
        self._kept[key] = _Kept(value, self._clock() + ttl)
        self.bytes += _size(value)
        while self.bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    async def close(self) -> None:
        self._kept.clear()
        self.bytes = 0

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.bytes -= _size(kept.value)


def _size(value: bytes) -> int:
    return len(value) + OVERHEAD_BYTES
