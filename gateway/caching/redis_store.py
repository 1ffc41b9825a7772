"""Stored answers in Redis, for all processes: what it does not say soon is a miss, and it is left alone for a while."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from billing.patience import patience

logger = logging.getLogger(__name__)

PREFIX = "tollgate:answer:"
CONNECT_SECONDS = 2.0
MOST_CONNECTIONS = 16
# how long nobody asks a server that was silent
REST_SECONDS = 2.0
MOST_UNDER_WAY = 1_000
MOST_TOLD = 10


class RedisStore:
    """``Store`` of one event loop. ``most_bytes`` is read of a value, and no more, whoever wrote it."""

    def __init__(self, url: str, most_bytes: int, patience: float) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MOST_CONNECTIONS,
            timeout=None,
            # one repeat, for the connection that died since it was last used
            retry=Retry(NoBackoff(), 1),
            socket_connect_timeout=CONNECT_SECONDS,
            protocol=2,
        )
        self._redis = Redis.from_pool(pool)
        self._most_bytes = most_bytes
        self._patience = patience
        self._is_away = False
        self._returning: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    async def get(self, key: str) -> bytes | None:
        if self._is_away:
            return None
        try:
            async with patience(self._patience):
                value = await self._redis.getrange(PREFIX + key, 0, self._most_bytes)
        except ResponseError as error:
            self._tell(error)
            return None
        except (RedisError, OSError) as error:
            self._leave_alone(error)
            return None
        return value if value and isinstance(value, bytes) else None

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Keep ``value`` for ``ttl`` seconds: it is on its way when this returns."""
        if not self._is_away and len(self._under_way) < MOST_UNDER_WAY:
            self._begin(self._put(key, value, ttl))

    async def _put(self, key: str, value: bytes, ttl: float) -> None:
        try:
            async with patience(CONNECT_SECONDS):
                await self._redis.set(PREFIX + key, value, px=max(1, int(ttl * 1000)))
        except ResponseError as error:
            self._tell(error)
        except (RedisError, OSError) as error:
            self._leave_alone(error)

    async def close(self) -> None:
        if self._returning is not None:
            self._returning.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=CONNECT_SECONDS)
        await self._redis.aclose()

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    def _leave_alone(self, error: Exception) -> None:
        if self._is_away:
            return
        said = str(error) or type(error).__name__
        logger.warning("Redis does not answer, so nothing is found in the answer cache: %s", said)
        self._is_away = True
        self._returning = self._begin(self._return())

    async def _return(self) -> None:
        """Ask again and again, beside all calls, whether it is there."""
        while self._is_away:
            await asyncio.sleep(REST_SECONDS)
            with suppress(RedisError, OSError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._redis.ping()
                self._is_away = False
        logger.info("Redis answers again: the answer cache is in use")

    def _tell(self, error: ResponseError) -> None:
        """It answers, and refuses: a value of another kind, no room, no right."""
        said = str(error)[:200]
        if said not in self._told and len(self._told) < MOST_TOLD:
            self._told.add(said)
            logger.warning("Redis refuses the answer cache something: %s", said)
