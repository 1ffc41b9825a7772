"""The bell between processes: numbers of runs by Redis's publish and subscribe, and nothing of what is said."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any

import redis
from redis import asyncio as redis_asyncio
from redis.exceptions import RedisError

from gateway.assistants.bell import Heard
from gateway.assistants.gathering import Gathering

logger = logging.getLogger(__name__)

CHANNEL = "tollgate:runs"
PATIENCE_SECONDS = 1.0
# a connection that has died without a word is noticed within these
HEALTH_SECONDS = 5
AGAIN_SECONDS = 0.5


class RedisBell:
    """Rings and listens. While Redis is away nothing is rung, and followers look by themselves."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._options: dict[str, Any] = {
            "socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS, "protocol": 2,
        }  # fmt: skip
        self._own = secrets.token_hex(4)
        self._client = redis.Redis.from_url(url, max_connections=1, **self._options)
        self._ringing = Gathering[Collection[int]](self._ring, 0, "bell")
        self._is_away = False

    def ring(self, runs: Collection[int]) -> None:
        self._ringing.put(runs)

    def _ring(self, together: list[Collection[int]]) -> None:
        runs = {run for runs in together for run in runs}
        try:
            self._client.publish(CHANNEL, f"{self._own} {' '.join(map(str, runs))}")
            self._is_away = False
        except (RedisError, OSError) as error:
            if not self._is_away:
                logger.warning("Redis does not answer, so who follows runs learns of events later: %s", error)
            self._is_away = True

    async def listen(self, heard: Heard, connected: Callable[[], None]) -> None:
        """Call ``heard`` with the runs that other processes ring for, until cancelled."""
        options = {**self._options, "health_check_interval": HEALTH_SECONDS}
        async with redis_asyncio.Redis.from_url(self._url, **options) as client:
            while True:
                try:
                    await self._hear(client, heard, connected)
                except (RedisError, OSError) as error:
                    logger.info("the bell is not heard: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _hear(self, client: Any, heard: Heard, connected: Callable[[], None]) -> None:
        async with client.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            while True:
                message = await channel.get_message(timeout=HEALTH_SECONDS)
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    connected()
                elif message["type"] == "message":
                    own, *runs = message["data"].decode().split()
                    if own != self._own:
                        heard([int(run) for run in runs])
