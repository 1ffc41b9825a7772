"""Buckets and slots of limits, kept in this process: for the shape without Redis, and for while Redis is away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from billing.limits import LEASE_MS, PARALLEL, Bucket, Demand, Verdict, changed, drained, judge


class Lease(NamedTuple):
    """A slot under ``key`` that a running request has."""

    key: str
    request_id: str


class CountersAway(Exception):
    """The counters do not answer; nobody knows whether a step was made."""


class Counters(Protocol):
    """Each step is made whole or not at all, in the order of the calls. Times are in milliseconds."""

    def take(self, demands: Sequence[Demand], request_id: str, now: int) -> Awaitable[Verdict]:
        """Take all of ``demands``, or nothing where one of them does not fit."""

    def settle(self, changes: Sequence[Demand], request_id: str, now: int) -> Awaitable[Any]:
        """Add each amount to its bucket; a change of slots ends the request's."""

    def renew(self, leases: Iterable[Lease], now: int) -> Awaitable[Any]:
        """Lease each slot from ``now`` on, whether it is known or not: its request does run."""


class MemoryCounters:
    """Counters of one event loop. Never away."""

    def __init__(self, lease_ms: int = LEASE_MS) -> None:
        self._lease_ms = lease_ms
        self._buckets: dict[str, Bucket] = {}
        self._slots: defaultdict[str, dict[str, int]] = defaultdict(dict)

    async def take(self, demands: Sequence[Demand], request_id: str, now: int) -> Verdict:
        verdict = judge(demands, [self._level(demand, now) for demand in demands])
        if verdict.refused is None:
            for demand in demands:
                self._take(demand, request_id, now)
        return verdict

    async def settle(self, changes: Sequence[Demand], request_id: str, now: int) -> None:
        self.change(changes, request_id, now)

    async def renew(self, leases: Iterable[Lease], now: int) -> None:
        self.lease(leases, now)

    def change(self, changes: Sequence[Demand], request_id: str, now: int) -> None:
        """``settle``, at once."""
        for change in changes:
            if change.kind == PARALLEL:
                self._slots[change.key].pop(request_id, None)
            else:
                self._change(change, now)

    def lease(self, leases: Iterable[Lease], now: int) -> None:
        """``renew``, at once."""
        for lease in leases:
            self._slots[lease.key][lease.request_id] = now + self._lease_ms

    def _level(self, demand: Demand, now: int) -> int:
        if demand.kind != PARALLEL:
            return drained(self._buckets.get(demand.key, Bucket()), demand.limit, now).used
        return sum(1 for ends in self._slots[demand.key].values() if ends > now)

    def _take(self, demand: Demand, request_id: str, now: int) -> None:
        if demand.kind != PARALLEL:
            self._change(demand, now)
            return
        living = {holder: ends for holder, ends in self._slots[demand.key].items() if ends > now}
        self._slots[demand.key] = living | {request_id: now + self._lease_ms}

    def _change(self, change: Demand, now: int) -> None:
        bucket = drained(self._buckets.get(change.key, Bucket()), change.limit, now)
        self._buckets[change.key] = changed(bucket, change.amount)
