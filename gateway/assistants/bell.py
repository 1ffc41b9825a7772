"""Says that runs have new events: within this process at once, to the others by Redis. A ring may be lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

Heard = Callable[[Collection[int]], None]

_listeners: list[Heard] = []


class Relay(Protocol):
    """Carries rings between processes. ``connected`` comes each time when it hears the others (again)."""

    def ring(self, runs: Collection[int]) -> None: ...

    async def listen(self, heard: Heard, connected: Callable[[], None]) -> None: ...


def ring(runs: Collection[int]) -> None:
    """Say that these runs' logs have grown, after the commit. From any thread; waits for nothing, raises nothing."""
    for heard in tuple(_listeners):
        heard(runs)
    if (relay := _relay()) is not None:
        relay.ring(runs)


def add_listener(heard: Heard) -> None:
    """Let ``heard`` be called with the runs that this process rings for, in whichever thread does."""
    _listeners.append(heard)


def remove_listener(heard: Heard) -> None:
    _listeners.remove(heard)


def others(heard: Heard, connected: Callable[[], None]) -> Awaitable[None] | None:
    """Return what, awaited, calls ``heard`` when other processes ring, until it is cancelled; None where none can."""
    relay = _relay()
    return None if relay is None else relay.listen(heard, connected)


@cache
def _relay() -> Relay | None:
    if not settings.REDIS_URL:
        return None
    # by name: the client is a quarter of a second and 20 MB that the shape without Redis does not need
    relay: Relay = import_string("gateway.assistants.redis_bell.RedisBell")(settings.REDIS_URL)
    return relay
