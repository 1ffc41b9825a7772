"""Which addresses a name has had lately."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

FRESH_SECONDS = 10

Resolve = Callable[[str, int], Coroutine[Any, Any, Sequence[str]]]


async def look_up(host: str, port: int) -> Sequence[str]:
    """Return the addresses of ``host``, in the order to try them. The resolver runs in a thread."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Asked(NamedTuple):
    at: float
    answer: asyncio.Task[Sequence[str]]


class Names:
    """Asks once for what many want to know at the same time: a burst of calls is a burst of connections."""

    def __init__(self, resolve: Resolve = look_up) -> None:
        self._resolve = resolve
        self._asked: dict[tuple[str, int], Asked] = {}

    def addresses(self, host: str, port: int) -> Awaitable[Sequence[str]]:
        """Return the addresses of ``host``. Raises ``OSError``, for a name that cannot be one ``ValueError``."""
        loop = asyncio.get_running_loop()
        asked = self._asked.get((host, port))
        if asked is None or loop.time() - asked.at > FRESH_SECONDS:
            asked = Asked(loop.time(), loop.create_task(self._resolve(host, port)))
            asked.answer.add_done_callback(lambda answer: self._forget_failed(host, port, answer))
            self._asked[host, port] = asked
        return asyncio.shield(asked.answer)

    def _forget_failed(self, host: str, port: int, answer: asyncio.Task[Sequence[str]]) -> None:
        if answer.cancelled() or answer.exception() is not None:
            self._asked.pop((host, port), None)
