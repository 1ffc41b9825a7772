"""Which connections wait to be used again."""

from __future__ import annotations

import asyncio
from weakref import WeakSet

from providers.connections import Connection
from providers.dialling import Origin

IDLE_SECONDS = 30


class Pool:
    """The connection used last is used next, so that those not needed grow old. There is no limit in flight."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[Connection]] = {}
        self._all: WeakSet[Connection] = WeakSet()
        self._sweeping: asyncio.TimerHandle | None = None

    def take(self, origin: Origin) -> Connection | None:
        """Return a connection that is open as far as can be known, or None."""
        idle = self._idle.get(origin, [])
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while idle:
            connection = idle.pop()
            if connection.is_reusable and connection.idle_since > oldest and connection.is_silent():
                return connection
            connection.abort()
        return None

    def add(self, connection: Connection) -> None:
        self._all.add(connection)

    def give_back(self, origin: Origin, connection: Connection) -> None:
        """Keep a connection whose answer is complete; close any other."""
        if not connection.is_reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._idle.setdefault(origin, []).append(connection)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep)

    def close(self) -> None:
        """Cut every connection, those in use too."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        for origin, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= oldest:
                idle.pop(0).abort()
            if not idle:
                del self._idle[origin]
        self._sweeping = loop.call_later(IDLE_SECONDS, self._sweep) if self._idle else None
