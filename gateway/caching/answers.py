"""One process's way to stored answers, wherever they are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.caching import entries
from gateway.caching.entries import Entry

# the work on larger ones would be noticed by other callers: it goes to a thread
LARGE_BYTES = 128 * 1024


class Store(Protocol):
    """Bytes by key. It never raises: what cannot be asked has nothing, what cannot be kept is not."""

    async def get(self, key: str) -> bytes | None: ...
    def put(self, key: str, value: bytes, ttl: float) -> None: ...
    async def close(self) -> None: ...


class Answers:
    """``seal`` is the gateway's own; ``most_bytes`` of JSON is the largest answer that is kept; ``now`` is in µs."""

    def __init__(self, store: Store, seal: bytes, most_bytes: int, now: Callable[[], int]) -> None:
        self.most_bytes = most_bytes
        self._store = store
        self._seal = seal
        self._now = now
        self._packing: set[asyncio.Task[None]] = set()

    async def find(self, key: str, most_age: float) -> Entry | None:
        """Return the entry under ``key`` that is at most so many seconds old."""
        raw = await self._store.get(key)
        if raw is None:
            return None
        entry = await self._unpacked(raw, key)
        if entry is None or entry.size > self.most_bytes or entry.is_older(most_age, self._now()):
            return None
        return entry

    def keep(self, key: str, entry: Entry, ttl: float) -> None:
        """Keep ``entry`` for ``ttl`` seconds, if it is not too large. Nobody waits for it."""
        if entry.size > self.most_bytes:
            return
        if entry.size <= LARGE_BYTES:
            self._store.put(key, entries.pack(entry, key, self._seal), ttl)
            return
        task = asyncio.ensure_future(self._keep_large(key, entry, ttl))
        self._packing.add(task)
        task.add_done_callback(self._packing.discard)

    async def _unpacked(self, raw: bytes, key: str) -> Entry | None:
        if len(raw) <= LARGE_BYTES:
            return entries.unpack(raw, key, self._seal)
        return await asyncio.to_thread(entries.unpack, raw, key, self._seal)

    async def _keep_large(self, key: str, entry: Entry, ttl: float) -> None:
        self._store.put(key, await asyncio.to_thread(entries.pack, entry, key, self._seal), ttl)

    async def close(self) -> None:
        await asyncio.gather(*self._packing, return_exceptions=True)
        await self._store.close()
