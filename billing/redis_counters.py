"""Buckets and slots of limits, kept in Redis for all processes: one script, one round trip for all who ask at once."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from billing.counters import CountersAway, Lease
from billing.limits import LEASE_MS, Demand, Standing, Verdict, given_back
from billing.patience import patience

SCRIPT = Path(__file__).with_name("limits.lua").read_text()
DIGEST = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
PATIENCE_SECONDS = 0.1
CONNECT_SECONDS = 2.0
MOST_AT_ONCE = 200

# One hash tag for all: a call's limits belong to a key, a user, a team and a model, and one step changes them all, so
# a Redis Cluster must keep them on one node. A node runs some 25,000 such steps a second (six limits each).
PREFIX = "{tollgate}:limit:"


class _Step(NamedTuple):
    """One run of the script on its way."""

    keys: list[str]
    arguments: list[Any]
    answer: asyncio.Future[list[int]]


class RedisCounters:
    """``Counters`` of one event loop over one connection, which keeps the order of steps; see ``limits.lua``."""

    def __init__(self, url: str, lease_ms: int = LEASE_MS, patience: float = PATIENCE_SECONDS) -> None:
        # one repeat, for the connection that died since it was last used; a step that is made twice only drains later
        self._redis = Redis.from_url(
            url, retry=Retry(NoBackoff(), 1), socket_connect_timeout=CONNECT_SECONDS, max_connections=2, protocol=2
        )
        self._lease_ms = lease_ms
        self._patience = patience
        self._waiting: list[_Step] = []
        self._sender: asyncio.Task[None] | None = None

    async def take(self, demands: Sequence[Demand], request_id: str, now: int) -> Verdict:
        """As ``Counters.take``. Raises ``CountersAway``. A caller that leaves meanwhile has taken nothing."""
        answer = self._send("take", demands, request_id, now)
        try:
            return _verdict(await asyncio.shield(answer))
        except asyncio.CancelledError:
            answer.add_done_callback(partial(self._undo, demands, request_id, now))
            raise

    def settle(self, changes: Sequence[Demand], request_id: str, now: int) -> asyncio.Future[list[int]]:
        """As ``Counters.settle``, on its way when this returns. Raises ``CountersAway``."""
        return self._send("settle", changes, request_id, now)

    def renew(self, leases: Iterable[Lease], now: int) -> asyncio.Future[list[list[int]]]:
        """As ``Counters.renew``, on its way when this returns. Raises ``CountersAway``."""
        known = list(leases)
        parts = [known[start : start + MOST_AT_ONCE] for start in range(0, len(known), MOST_AT_ONCE)]
        return asyncio.gather(*[self._renew(part, now) for part in parts])

    async def ping(self) -> None:
        """Connect, and see whether it answers as soon as steps must be. Raises ``CountersAway``."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._redis.ping()
            async with patience(self._patience):
                await self._redis.ping()
        except (RedisError, OSError) as error:
            raise CountersAway(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        if self._sender is not None:
            await asyncio.wait([self._sender], timeout=PATIENCE_SECONDS)
        await self._redis.aclose()

    def _send(self, verb: str, demands: Sequence[Demand], request_id: str, now: int) -> asyncio.Future[list[int]]:
        arguments: list[Any] = [verb, now, request_id, self._lease_ms]
        for demand in demands:
            arguments += (demand.kind, demand.limit, demand.amount)
        return self._queue([PREFIX + demand.key for demand in demands], arguments)

    def _renew(self, leases: Sequence[Lease], now: int) -> asyncio.Future[list[int]]:
        arguments = ["renew", now, "", self._lease_ms, *(lease.request_id for lease in leases)]
        return self._queue([PREFIX + lease.key for lease in leases], arguments)

    def _queue(self, keys: list[str], arguments: list[Any]) -> asyncio.Future[list[int]]:
        loop = asyncio.get_running_loop()
        step = _Step(keys, arguments, loop.create_future())
        self._waiting.append(step)
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send_waiting())
        return step.answer

    def _undo(self, demands: Sequence[Demand], request_id: str, now: int, answer: asyncio.Future[list[int]]) -> None:
        if answer.exception() is None and _verdict(answer.result()).refused is None:
            self._send("settle", given_back(demands), request_id, now).add_done_callback(_forget)

    async def _send_waiting(self) -> None:
        while self._waiting:
            steps, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                async with patience(self._patience):
                    answers = await self._round_trip(steps)
            except Exception as error:  # noqa: BLE001 the task's outermost edge: whatever failed, nobody is left waiting
                steps, self._waiting = steps + self._waiting, []  # nor waits through a second silence
                answers = [error] * len(steps)
            for step, answer in zip(steps, answers, strict=True):
                _resolve(step.answer, answer)

    async def _round_trip(self, steps: Sequence[_Step]) -> list[Any]:
        answers = await self._run(steps, "evalsha", DIGEST)
        unknown = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            for i, answer in zip(unknown, await self._run([steps[i] for i in unknown], "eval", SCRIPT), strict=True):
                answers[i] = answer
        return answers

    async def _run(self, steps: Sequence[_Step], command: str, script: str) -> list[Any]:
        pipeline: Pipeline
        async with self._redis.pipeline(transaction=False) as pipeline:
            for step in steps:
                getattr(pipeline, command)(script, len(step.keys), *step.keys, *step.arguments)
            return await pipeline.execute(raise_on_error=False)


def _resolve(future: asyncio.Future[list[int]], answer: Any) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(CountersAway(str(answer) or type(answer).__name__))
    else:
        future.set_result(answer)


def _forget(answer: asyncio.Future[list[int]]) -> None:
    answer.exception()  # the lease ends by itself


def _verdict(answer: list[int]) -> Verdict:
    refused, wait_ms, *pairs = answer
    standings = tuple(Standing(*pair) for pair in zip(pairs[::2], pairs[1::2], strict=True))
    return Verdict(refused - 1 if refused else None, wait_ms, standings)
