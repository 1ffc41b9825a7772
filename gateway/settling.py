"""Settle: what a request used and cost becomes one journal line. Once, without an await, before the last byte."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from billing import clock, lines
from billing.pricing import Usage, costs_of, usage_of
from gateway import bodies, caps, judged, limiting, measuring, metrics, overtaken, runtime, traces
from gateway.calls import Call, tier_name
from gateway.demands import FREE
from gateway.measuring import Told
from providers import tokens
from providers.errors import ANSWERED, Attempt, Skip
from providers.operations import MEDIA

NOTHING = Usage(request=0)
# An attempt that failed cost nothing that we know of; one that was left or ran out of time was being worked on.
WORKED_ON = {"completed", "client_gone", "timeout", "cancelled"}
COUNTED_BYTES = 20_000


def settle(
    call: Call,
    status: str,
    *,
    http_status: int,
    usage: Any = None,
    tried: Sequence[Attempt] = (),
    skipped: Sequence[Skip] = (),
    answer: dict[str, Any] | None = None,
    service_tier: str | None = None,
) -> int | None:
    """Write what ``call`` used; return its cost in atoms, None where a price is missing. A second call does nothing.

    ``service_tier`` is what the answer says it was served at; without a word the tier that was asked for is billed.
    """
    if call.settled or call.opened is None:
        limiting.give_back(call)
        caps.settle(call, 0)
        return None
    call.drawn_as(answer)
    used, mismatch, estimated = _used(call, status, usage, answer)
    tier = _tier(call, service_tier)
    cost, upstream_cost = costs_of(used, call.opened.price_rows or (), tier, call.opened.variant, call.opened.markup)
    log: list[dict[str, Any]] = []
    if len(tried) > 1 or call.hedged or (tried and tried[0].outcome != ANSWERED):
        lost = overtaken.lost(call, tried)
        log, estimated = lost.log, estimated or lost.any
        cost, upstream_cost = _sum(cost, lost.cost), _sum(upstream_cost, lost.upstream_cost)
    line = lines.settled(
        call.opened,
        used,
        finished_at=clock.now_us(),
        status=status,
        cost=cost,
        upstream_cost=upstream_cost,
        service_tier=tier,
        estimated=estimated,
        usage_mismatch=mismatch,
        attempt_log=log,
        trace=traces.of(call, tried, skipped, used.request),
        http_status=http_status,
        latency_ms=_milliseconds(call, time.monotonic()),
        first_token_ms=_milliseconds(call, call.first_token_at),
    )
    call.settled = True
    runtime.current().holder.settle(line)
    limiting.settle(call, used.prompt_tokens + used.completion_tokens)
    caps.settle(call, used.prompt_tokens + used.completion_tokens)
    _count(call, status, used, cost)
    return cost


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def _tier(call: Call, served: Any) -> str:
    return tier_name(served) if isinstance(served, str) else call.service_tier


def _used(call: Call, status: str, usage: Any, answer: dict[str, Any] | None) -> tuple[Usage, bool, bool]:
    """Return the usage, whether it contradicts itself, and whether it is an estimate; a stored answer used nothing."""
    if call.hit is not None or call.operation in FREE:
        return NOTHING, False, False
    if call.operation in MEDIA:
        return _used_of_media(call, status, usage, answer)
    if call.operation in judged.OPERATIONS and (answer or usage or status in WORKED_ON):
        return judged.used(call.body, call.opened.price_rows or (), usage, answer, call.prompt_tokens)
    if usage and isinstance(usage, dict):
        return *usage_of(usage), False
    if call.delivered or answer or status in WORKED_ON:
        return _estimate(call, answer), False, True
    return NOTHING, False, False


def _used_of_media(call: Call, status: str, usage: Any, answer: dict[str, Any] | None) -> tuple[Usage, bool, bool]:
    """Return the same of a call about pictures or sound; of an answer that broke off all of it is billed."""
    if not (usage or answer or call.first_token_at is not None or status in WORKED_ON):
        return NOTHING, False, False
    told = Told(usage if isinstance(usage, dict) else {}, answer, "".join(call.delivered))
    rows = call.opened.price_rows or ()
    found = measuring.used(call.operation, call.body, told, rows, call.service_tier, call.opened.variant)
    return found.usage, found.is_doubtful, found.is_estimated or status != "completed"


def _estimate(call: Call, answer: dict[str, Any] | None) -> Usage:
    delivered = bodies.answer_text(answer) if answer else "".join(call.delivered)
    prompt = bodies.prompt_text(call.body)
    read = tokens.count(prompt) if 0 < len(prompt) <= COUNTED_BYTES else call.prompt_tokens
    written = tokens.count(delivered) if len(delivered) <= COUNTED_BYTES else tokens.estimate(len(delivered))
    return Usage(input=read, output=written)


def _milliseconds(call: Call, until: float | None) -> int | None:
    return None if until is None else max(0, round((until - call.inquiry.started) * 1000))


def _count(call: Call, status: str, used: Usage, atoms: int | None) -> None:
    metrics.ended(call.shown_operation, call.route.model, status).inc()
    metrics.timed(metrics.latency, call.shown_operation).observe(time.monotonic() - call.inquiry.started)
    if call.first_token_at is not None:
        metrics.timed(metrics.first_token, call.shown_operation).observe(call.first_token_at - call.inquiry.started)
    if used.prompt_tokens:
        metrics.counted(call.route.model, "input").inc(used.prompt_tokens)
    if used.completion_tokens:
        metrics.counted(call.route.model, "output").inc(used.completion_tokens)
    if atoms is None:
        metrics.unpriced.labels(call.route.model).inc()
