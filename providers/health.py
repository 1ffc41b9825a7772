"""Asking providers in the background whether they live, where their options want that: {"health": {"every": 30}}."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from providers.adapters import ADAPTERS
from providers.adapters.shapes import Request
from providers.client import Client
from providers.errors import KeyRefused, ServerError, UpstreamError
from providers.targets import RouteTable, Target, Upstream

logger = logging.getLogger(__name__)

PATH = "/models"
# what the call would ask for whose headers are used
MODEL = "health/check"
LEAST_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
TURN_SECONDS = 1.0
# A failed check counts until the next two are over.
CHECKS = 2.5
REASON = "failed its health check"


class Checks:
    """The checks of one process. ``routes`` returns the routes in force."""

    def __init__(self, client: Client, routes: Callable[[], RouteTable]) -> None:
        self._client = client
        self._routes = routes
        self._due: dict[str, float] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Check what is due until cancelled."""
        try:
            while True:
                self.begin_due()
                await asyncio.sleep(TURN_SECONDS)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    def begin_due(self) -> None:
        now = asyncio.get_running_loop().time()
        for upstream in self._routes().upstreams():
            every = _every(upstream)
            if every is not None and self._due.get(upstream.name, 0.0) <= now:
                self._due[upstream.name] = now + every
                task = asyncio.create_task(self.check(upstream, every))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def check(self, upstream: Upstream, every: float) -> None:
        """Ask ``upstream``; all its targets are left alone while it fails."""
        try:
            await self._ask(upstream)
        except UpstreamError as error:
            logger.warning("%s failed its health check: it %s", upstream.name, error.outcome)
            self._judge(upstream, every)
        else:
            self._judge(upstream, None)

    async def _ask(self, upstream: Upstream) -> None:
        """Raise ``UpstreamError`` where it does not answer, with an error of its own, or not to our key.

        Any other answer is one: what is not found there, or has been asked too often, lives.
        """
        status = await self._client.probe(upstream, request(upstream, datetime.now(UTC)), PATIENCE_SECONDS)
        if status == 401:
            raise KeyRefused(upstream_status=status)
        if status >= 500:
            raise ServerError(upstream_status=status)

    def _judge(self, upstream: Upstream, every: float | None) -> None:
        now, conditions = asyncio.get_running_loop().time(), self._client.conditions
        for provider, model in self._routes().asked() | set(conditions.known()):
            if provider != upstream.name:
                continue
            breaker = conditions.named(provider, model).breaker
            if every is not None:
                breaker.cool(now, CHECKS * every, REASON)
            elif breaker.is_open and breaker.reason == REASON:
                breaker.works(breaker.turn)


def request(upstream: Upstream, now: datetime) -> Request:
    """Return what is asked: with the headers, and the signature, of any call."""
    adapter = ADAPTERS[upstream.adapter]
    target = Target(0, upstream, MODEL)
    body: dict[str, Any] = {"model": MODEL, "messages": [{"role": "user", "content": "-"}], "input": "-"}
    headers = adapter.encode(adapter.operations[0], body, target).headers
    asked = Request(
        _path(upstream), tuple(pair for pair in headers if not pair[0].lower().startswith("content-")), b"", "GET"
    )
    return adapter.sign(asked, target, now) if adapter.sign is not None else asked


def _every(upstream: Upstream) -> float | None:
    said = upstream.options.get("health")
    every = said.get("every") if isinstance(said, Mapping) else None
    return max(LEAST_SECONDS, float(every)) if isinstance(every, int | float) else None


def _path(upstream: Upstream) -> str:
    said = upstream.options["health"].get("path")
    return said if isinstance(said, str) and said.startswith("/") else PATH
