"""Which targets cool, shared between processes by Redis: small keys that end by themselves. No call waits for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from providers.conditions import Condition, Conditions, Key
from providers.targets import RouteTable

logger = logging.getLogger(__name__)

PREFIX = "{tollgate}:cooling:"
PATIENCE_SECONDS = 2.0
TURN_SECONDS = 0.5
MOST_AT_ONCE = 500


class SharedCooling:
    """What one process tells and hears, in a turn each half second. Clocks of machines may differ by a little.

    ``routes`` returns the routes in force: what others say is heard before the first call here.
    """

    def __init__(self, url: str, conditions: Conditions, routes: Callable[[], RouteTable] = RouteTable) -> None:
        self._redis = Redis.from_url(
            url, socket_connect_timeout=PATIENCE_SECONDS, socket_timeout=PATIENCE_SECONDS, max_connections=2, protocol=2
        )
        self._conditions = conditions
        self._routes = routes
        self._told: dict[Key, int] = {}
        self._standing: set[Key] = set()
        self._is_away = False

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            try:
                await self.turn()
                self._is_away = False
            except (RedisError, OSError) as error:
                if not self._is_away:
                    logger.warning(
                        "Redis does not answer, so each process learns by itself which target fails: %s", error
                    )
                self._is_away = True
            await asyncio.sleep(TURN_SECONDS)

    async def turn(self) -> None:
        """Tell what has changed here, hear what others say. Raises ``RedisError`` and ``OSError``."""
        ended = await self._tell()
        keys = [key for key in self._routes().asked() | set(self._conditions.known()) if key not in ended]
        for start in range(0, len(keys), MOST_AT_ONCE):
            await self._hear(keys[start : start + MOST_AT_ONCE])

    async def close(self) -> None:
        await self._redis.aclose()

    async def _tell(self) -> set[Key]:
        """Write what cools since the last turn, and take back what was closed before its time; return the latter."""
        now, ended = asyncio.get_running_loop().time(), set[Key]()
        for key in self._conditions.known():
            breaker = self._conditions.named(*key).breaker
            if not breaker.is_open and key in self._standing:
                await self._redis.delete(_name(key))
                ended.add(key)
            elif (
                breaker.is_open and breaker.until > now and not breaker.is_told and self._told.get(key) != breaker.turn
            ):
                left = breaker.until - now
                await self._redis.set(
                    _name(key), f"{time.time() + left:.3f} {breaker.reason}", px=max(1, int(left * 1000))
                )
                self._told[key] = breaker.turn
                self._standing.add(key)
        self._standing -= ended
        return ended

    async def _hear(self, keys: Sequence[Key]) -> None:
        said = await self._redis.mget([_name(key) for key in keys])
        now, wall = asyncio.get_running_loop().time(), time.time()
        known = set(self._conditions.known())
        for key, value in zip(keys, said, strict=True):
            if value is not None:
                self._standing.add(key)
                _take_in(self._conditions.named(*key), value.decode() if isinstance(value, bytes) else value, now, wall)
            elif key in known:
                self._standing.discard(key)
                self._conditions.named(*key).breaker.hear(now, None, "")


def _take_in(condition: Condition, value: str, now: float, wall: float) -> None:
    until, _, reason = value.partition(" ")
    try:
        condition.breaker.hear(now, now + float(until) - wall, reason)
    except ValueError:
        logger.error("Redis holds what is no cooling: %r", value)


def _name(key: Key) -> str:
    return PREFIX + "/".join(key)
