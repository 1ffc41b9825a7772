"""One call's attempts: which target next, after what pause, and what the caller is told when none answered."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

from providers import balancing, errors
from providers.adapters import supports
from providers.conditions import Conditions, Trial
from providers.errors import ANSWERED, OVERTAKEN, Attempt, Skip, UpstreamError
from providers.plan import (
    CONTENT_FALLBACK,
    CONTEXT_FALLBACK,
    FAILOVER,
    FALLBACK,
    FIRST,
    HEDGE,
    LEAST_BAD,
    RETRY,
    Dispatch,
    Group,
    Plan,
    Step,
)
from providers.targets import Target, Upstream
from providers.timeouts import Timeouts

# A retry-after above this is the caller's to wait for, where its call has no deadline.
PATIENCE_SECONDS = 2.0
BACKOFF_SECONDS = 0.1
MOST_BACKOFF_SECONDS = 8.0
# An attempt that is given less of its target's time says nothing about the target.
FAIR_SHARE = 0.5
INSTEAD = {
    "context_length_exceeded": CONTEXT_FALLBACK,
    "content_filter": CONTENT_FALLBACK,
    "content_policy_violation": CONTENT_FALLBACK,
}

# What is shorter is no secret, and stands in every other word of an error.
SHORTEST_SECRET = 6

CHANCE = Random()

T = TypeVar("T")
# asks a target, in so many seconds at most
Ask = Callable[[Target, float | None], Awaitable[T]]
logger = logging.getLogger(__name__)


class Answered(NamedTuple, Generic[T]):
    """What a target answered. ``trial`` is over for a plain answer; a stream's reader tells how that ends."""

    result: T
    attempt: Attempt
    trial: Trial


class Attempts(Generic[T]):
    """The attempts of one call, made by ``first``; ``tried`` and ``skipped`` say what became of them.

    ``discard`` closes an answer that came too late to be used.
    """

    def __init__(
        self,
        operation: str,
        plan: Plan,
        ask: Ask[T],
        dispatch: Dispatch,
        conditions: Conditions,
        *,
        streams: bool = False,
        discard: Callable[[T], Awaitable[None]] | None = None,
    ) -> None:
        self.tried: list[Attempt] = []
        self.skipped: list[Skip] = [*plan.skipped]
        self._operation = operation
        self._plan = plan
        self._ask = ask
        self._dispatch = dispatch
        self._conditions = conditions
        self._streams = streams
        self._discard = discard
        self._now = asyncio.get_running_loop().time
        self._began = self._now()
        self._sent = 0
        self._candidates = 0
        self._left_alone: list[tuple[Group, Target]] = []
        # when those that failed may be asked again
        self._waits: dict[Target, float] = {}
        self._refusal: Exception | None = None
        self._error: UpstreamError | None = None

    async def first(self) -> Answered[T]:
        """Return the first answer; its attempt is the last of ``tried``.

        Every target of a model is tried once, then up to ``retries`` times those whose failure may pass by itself;
        then the next model. A cooling target is left for the very end. Raises the last ``UpstreamError``, and whatever
        ``dispatch`` raises; what that skips is left out, and where nothing was tried its first reason is raised.
        """
        answered = await self._along(deque(self._plan.groups), FIRST)
        if answered is None and self._left_alone and self._may_go_on:
            group, target = min(self._left_alone, key=lambda each: self._conditions.of(each[1]).breaker.until)
            answered = await self._among(group, [target], LEAST_BAD)
        if answered is None:
            raise self._final()
        self.tried.append(answered.attempt)
        return answered

    async def _along(self, groups: deque[Group], reason: str) -> Answered[T] | None:
        """Try one model after the other; others take the place of all that follow where the request is the reason."""
        while groups:
            group = groups.popleft()
            answered = await self._among(group, self._usable(group), reason)
            if answered is not None:
                return answered
            kind = INSTEAD.get(self._error.code or "") if self._error is not None else None
            instead = {CONTEXT_FALLBACK: self._plan.context, CONTENT_FALLBACK: self._plan.content}.get(kind or "")
            if kind is not None and instead and reason in (FIRST, FALLBACK):
                groups, reason = deque(instead), kind
                self._left_alone.clear()
            elif kind != reason and not self._may_go_on:
                return None
            elif reason == FIRST:
                reason = FALLBACK
        return None

    @property
    def _may_go_on(self) -> bool:
        """Whether another target may do better, in the time that is left."""
        return (self._error is None or self._error.elsewhere) and not self._is_late()

    def _usable(self, group: Group) -> list[Target]:
        """Return the targets to try, in order; those left out are noted."""
        targets = self._ordered(group)
        usable = [target for target in targets if self._is_usable(group, target)]
        if targets and not usable and not self._left_alone and self._refusal is None:
            self._refusal = errors.RequestRejected(
                f"This model cannot do {self._operation}.", code="unsupported_operation", param="model"
            )
        self._candidates += len(targets)
        return usable

    def _ordered(self, group: Group) -> list[Target]:
        strategy = group.route.strategy
        if len(group.targets) < 2 or strategy == "ordered":
            return list(group.targets)
        facts = balancing.Facts(self._conditions, CHANCE, self._streams, self._plan.cost)
        return balancing.order(strategy, group.targets, facts)

    def _is_usable(self, group: Group, target: Target) -> bool:
        if not supports(target.provider.adapter, self._operation):
            self._skip(target, errors.UNSUPPORTED)
            return False
        breaker = self._conditions.of(target).breaker
        if not breaker.is_open or target.cooldown is None or breaker.admits(self._now()):
            return True
        self._left_alone.append((group, target))
        self._skip(target, errors.COOLING)
        return False

    async def _among(self, group: Group, targets: list[Target], reason: str) -> Answered[T] | None:
        """Try ``targets`` in order, and again those that may be asked again. Leaves the last error in ``_error``."""
        waits = self._waits = {}
        for turn in range(self._plan.retries + 1):
            waiting = deque(targets)
            while waiting:
                if self._is_late():
                    self._skip(waiting[0], errors.DEADLINE)
                    return None
                target = waiting.popleft()
                delay = self._delay(group) if waiting else None
                if delay is None:
                    outcome = await self._try(group, target, reason)
                else:
                    outcome = await self._race(group, target, waiting, reason, delay)
                if isinstance(outcome, Answered):
                    return outcome
                if outcome is not None:
                    self._error = outcome
                    if not outcome.elsewhere:
                        return None
                    reason = RETRY if turn else FAILOVER
            if turn == self._plan.retries or not waits or not await self._pause(turn, min(waits.values())):
                return None
            targets, reason = self._ready(), RETRY
        return None

    def _ready(self) -> list[Target]:
        """Return who may be asked again now; one that is left alone by now only where there is no other."""
        now, waits = self._now(), self._waits
        ready = [target for target, at in waits.items() if at <= now] or [min(waits, key=lambda each: waits[each])]
        return [t for t in ready if t.cooldown is None or self._conditions.of(t).breaker.admits(now)] or ready

    async def _pause(self, turn: int, until: float) -> bool:
        """Wait before targets are asked again; False where there is no time for it."""
        wait = max(_backoff(turn), until - self._now())
        if (left := self._left()) is not None and wait >= left:
            return False
        await asyncio.sleep(wait)
        return True

    # one attempt, or two

    async def _race(
        self, group: Group, target: Target, others: deque[Target], reason: str, delay: float
    ) -> Answered[T] | UpstreamError | None:
        """Try ``target``; after ``delay`` seconds the next of ``others`` beside it. The first answer counts."""
        first = asyncio.ensure_future(self._try(group, target, reason))
        tasks = [first]
        winner: Answered[T] | None = None
        try:
            await asyncio.wait(tasks, timeout=delay)
            if not first.done():
                tasks.append(asyncio.ensure_future(self._try(group, others.popleft(), HEDGE, beside=target)))
            winner, error = await _winner(tasks)
        finally:
            try:
                await self._end(tasks, winner)
            except asyncio.CancelledError:
                if winner is not None:
                    await self._drop(winner)
                raise
        return winner or error

    def _delay(self, group: Group) -> float | None:
        """Return after how many seconds a second request is worth its price."""
        if self._plan.hedge is None:
            return None
        return self._conditions.latencies(group.route.model, self._streams).delay(self._plan.hedge)

    async def _end(self, tasks: list[asyncio.Task[Answered[T] | UpstreamError | None]], winner: object) -> None:
        """Cancel what goes on, and close what came as well: only one answer is the caller's."""
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Answered) and outcome is not winner:
                self.tried.append(outcome.attempt._replace(outcome=OVERTAKEN, status=None))
                await self._drop(outcome)

    async def _drop(self, answered: Answered[T]) -> None:
        answered.trial.left()
        if self._discard is not None:
            await self._discard(answered.result)

    async def _try(
        self, group: Group, target: Target, reason: str, beside: Target | None = None
    ) -> Answered[T] | UpstreamError | None:
        """Return the answer, the error, or None where the target was skipped. Raises what ``dispatch`` raises."""
        self._waits.pop(target, None)
        self._sent += 1
        try:
            await self._dispatch(Step(target, group, self._sent, reason, beside))
        except errors.Skipped as skip:
            self._sent -= 1
            self._refusal = self._refusal or skip.reason
            self._skip(target, skip.why)
            return None
        limit = self._limit()
        is_fair = limit is None or self._is_fair(group, target, limit)
        trial = Trial(target, self._conditions.of(target), self._now(), self._streams, is_fair)
        try:
            result = await self._ask(target, limit)
        except UpstreamError as failure:
            self._failed(target, trial, reason, _scrubbed(failure, target.provider))
            return failure
        except BaseException:
            trial.left()
            self._measure(group, trial, reason)
            self.tried.append(self._attempt(target, trial, self._now(), OVERTAKEN, None, reason))
            raise
        now = self._now()
        trial.answered(now)
        if not self._streams:
            trial.succeeded(now)
        self._measure(group, trial, reason)
        return Answered(result, self._attempt(target, trial, now, ANSWERED, 200, reason), trial)

    def _failed(self, target: Target, trial: Trial, reason: str, error: UpstreamError) -> None:
        now = self._now()
        trial.failed(now, error)
        if error.again and (error.retry_after or 0) <= self._patience():
            self._waits[target] = now + (error.retry_after or 0)
        self.tried.append(self._attempt(target, trial, now, error.outcome, error.upstream_status, reason))
        logger.warning("attempt %d: %s %s (%s)", len(self.tried), target, error.outcome, error.upstream_status)

    def _attempt(
        self, target: Target, trial: Trial, now: float, outcome: str, status: int | None, reason: str
    ) -> Attempt:
        started, duration = round(trial.began - self._began, 4), round(now - trial.began, 4)
        return Attempt(target.provider.name, target.upstream_model, outcome, status, started, duration, reason)

    def _measure(self, group: Group, trial: Trial, reason: str) -> None:
        """Learn what is slow on this route, also from an attempt that was overtaken: it took at least so long."""
        if self._plan.hedge is not None and reason != HEDGE:
            self._conditions.latencies(group.route.model, self._streams).add(self._now() - trial.began)

    def _skip(self, target: Target, reason: str) -> None:
        self.skipped.append(Skip(str(target), reason))

    # time

    def _left(self) -> float | None:
        return None if self._plan.deadline is None else max(0.0, self._began + self._plan.deadline - self._now())

    def _is_late(self) -> bool:
        return self._plan.deadline is not None and self._now() >= self._began + self._plan.deadline

    def _limit(self) -> float | None:
        left, timeout = self._left(), self._plan.timeout
        return timeout if left is None else left if timeout is None else min(left, timeout)

    def _patience(self) -> float:
        left = self._left()
        return PATIENCE_SECONDS if left is None else left

    def _is_fair(self, group: Group, target: Target, limit: float) -> bool:
        own = Timeouts.of(target, streams=self._streams).first_byte
        return limit >= FAIR_SHARE * min(own, group.route.deadline or own)

    # the end

    def _final(self) -> Exception:
        """Return what is raised when nothing answered."""
        tried = tuple(self.tried)
        if not tried and self._refusal is not None:
            error: Exception = self._refusal
        elif self._error is not None:
            error = _told(self._error, tried, self._candidates)
        else:
            error = errors.DeadlinePassed() if self._is_late() else errors.NoTarget()
        if isinstance(error, UpstreamError):
            error.tried, error.skipped = tried, tuple(self.skipped)
        return error


async def _winner(
    tasks: list[asyncio.Task[Answered[T] | UpstreamError | None]],
) -> tuple[Answered[T] | None, UpstreamError | None]:
    """Return the first answer, or an error: the caller's fault, else the last. Raises what the others raised."""
    running = set(tasks)
    failed: list[UpstreamError] = []
    raised: list[BaseException] = []
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in sorted(done, key=tasks.index):
            if (error := task.exception()) is not None:
                raised.append(error)
                logger.warning("an attempt could not be made: %s", error)
                continue
            outcome = task.result()
            if isinstance(outcome, Answered):
                return outcome, None
            if outcome is not None:
                failed.append(outcome)
    if raised:
        raise raised[0]
    return None, min(reversed(failed), key=lambda each: each.elsewhere, default=None)


def _told(error: UpstreamError, tried: tuple[Attempt, ...], targets: int) -> UpstreamError:
    """Return the error for the caller: what was tried, and nothing that the upstream said about us."""
    if isinstance(error, errors.ModelMissing) and targets > 1:
        error = errors.BadAnswer()
    if error.status >= 500:
        error.message = "No upstream answered: " + ", ".join(f"{a.provider}/{a.model} {a.outcome}" for a in tried) + "."
    elif isinstance(error, errors.KeyRefused):
        remedy = "Your API key is fine: an admin has to look at the provider's secret."
        error.message = f"{tried[-1].provider} {error.outcome}. {remedy}"
    elif error.status == 429:
        error.message = f"{tried[-1].provider} is rate limited upstream. Please try again later."
    return error


def _scrubbed(error: UpstreamError, provider: Upstream) -> UpstreamError:
    """Take our key and the upstream's address out of what may quote them."""
    address = urlsplit(provider.base_url).netloc
    headers = provider.options.get("headers")
    given = headers.values() if isinstance(headers, dict) else ()
    for secret in (provider.secret, provider.base_url.rstrip("/"), address, *map(str, given)):
        if len(secret) >= SHORTEST_SECRET:
            for name in ("message", "code", "type", "param"):
                if said := getattr(error, name):
                    setattr(error, name, said.replace(secret, "…"))
    return error


def _backoff(turn: int) -> float:
    return min(MOST_BACKOFF_SECONDS, BACKOFF_SECONDS * float(2**turn)) * CHANCE.uniform(0.75, 1.25)
