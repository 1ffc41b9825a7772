"""Whether the answer to a call is there already; what of an answer from upstream is kept for the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from billing import clock
from gateway import metrics, runtime
from gateway.caching import keys, worth
from gateway.caching.access import Access
from gateway.caching.assembling import Assembly
from gateway.caching.entries import Entry
from gateway.calls import Call
from gateway.options import Options
from providers.translated import original_of


async def look_up(call: Call, options: Options) -> Access | None:
    """Return what ``call``, which may use its model, has to do with its route's cache; None: nothing.

    An upstream that a caller names is the caller's own: its answers are nobody else's, and other answers not its.
    """
    caching, said = call.route.cache, options.cache
    if caching is None or call.operation not in keys.OPERATIONS or options.override is not None:
        return None
    reads = said.reads and call.body.get("store") is not True
    ttl = min(caching.ttl, caching.ttl if said.ttl is None else said.ttl) if said.stores else 0
    if not reads and not ttl:
        return None
    sharer = keys.sharer_of(caching.share, call.inquiry.caller)
    key = keys.key_of(call.operation, call.model, call.body, call.route, sharer=sharer, namespace=said.namespace)
    access = Access(key, ttl)
    if reads:
        most_age = caching.ttl if said.most_age is None else min(caching.ttl, said.most_age)
        access.entry = await runtime.current().answers.find(key, most_age)
        metrics.looked_up(call.route.model, access.outcome).inc()
    return access


def assembly_of(call: Call) -> Assembly | None:
    """Return what puts the chunks of ``call`` together, where they are to be kept."""
    if call.cache is None or not call.cache.ttl or call.hit is not None:
        return None
    return Assembly(runtime.current().answers.most_bytes)


def keep(call: Call, answer: Mapping[str, Any], raw: bytes | None = None) -> None:
    """Keep the whole answer of ``call`` for the next that asks so; ``raw`` is its JSON where that is at hand.

    Not what a stand-in has answered, which may be another model that others may not use; nor what was kept short for
    the sake of a budget.
    """
    cache, target = call.cache, call.target
    if cache is None or not cache.ttl or cache.entry is not None or target is None:
        return
    if call.max_output is not None or target not in call.plan.groups[0].targets or not worth.is_whole(answer):
        return
    entry = Entry(
        answer=raw if raw is not None else msgspec.json.encode(answer),
        provider=target.provider.name,
        upstream_model=target.upstream_model,
        request_id=call.inquiry.request_id,
        stored_at=clock.now_us(),
        dropped=call.dropped,
        original=_original(call, answer),
    )
    runtime.current().answers.keep(cache.key, entry, cache.ttl)


def _original(call: Call, answer: Mapping[str, Any]) -> bytes:
    """Return what was said in the dialect that the call came in, empty where the upstream does not speak it."""
    original = original_of(answer) if original_of(call.body) is not None else None
    return b"" if original is None else msgspec.json.encode(original)
