"""What a record keeps of a call's way, for ``explain`` to be told from: small, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from accounts.callers import Caller, listed_by
from billing import ids
from billing.limiter import Taken
from gateway.caching.access import Access
from gateway.calls import Call
from providers.errors import Attempt, Skip
from providers.plan import Group

# A route may have many targets, and fall back to many more: what comes after these is counted, not named.
MOST_CANDIDATES = 24
MOST_SKIPS = 24


def of(call: Call, tried: Sequence[Attempt], skipped: Sequence[Skip], requests: int = 1) -> dict[str, Any]:
    """Return the trace; what is empty is left out. Times are milliseconds since the request came in.

    ``models`` are lists of a public name and the targets behind it, in order, as provider/model; ``context`` and
    ``content`` those that take their place. ``requests`` is how often the price per request was charged, where that is
    not once. ``took`` is [attempt's duration] where the record has no log of attempts.
    """
    plan, opened, received = call.plan, call.opened, call.inquiry.started
    trace: dict[str, Any] = {"admitted": _ms(call.admitted - received), "models": _candidates(plan.groups)}
    if call.upstream_started:
        trace["sent"] = _ms(call.upstream_started - received)
    if len(tried) == 1:
        trace["took"] = _ms(tried[0].duration)
    if via := _via(call):
        trace["via"] = via
    if call.inquiry.caller.models:
        trace["rule"] = _rule(call.inquiry.caller, call)
    if plan.context:
        trace["context"] = _candidates(plan.context)
    if plan.content:
        trace["content"] = _candidates(plan.content)
    if skipped:
        trace["skipped"] = list(dict.fromkeys(skipped))[:MOST_SKIPS]
    if call.taken is not None or call.caps:
        trace["limits"] = _limits(call)
    if requests != 1:
        trace["requests"] = requests
    if opened is not None and opened.hold:
        trace["hold"] = dict(opened.hold)
    if call.cache is not None:
        trace["cache"] = _cache(call.cache)
    return trace


def _cache(cache: Access) -> list[Any]:
    """Return what a look-up came to; of a hit when its answer was stored, in microseconds, and by which request."""
    entry = cache.entry
    return [cache.outcome] if entry is None else [cache.outcome, entry.stored_at, entry.request_id]


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)


def _candidates(groups: Iterable[Group]) -> list[list[str]]:
    named: list[list[str]] = []
    room = MOST_CANDIDATES
    for group in groups:
        named.append([group.model, *[str(target) for target in group.targets[:room]]])
        room -= len(group.targets)
        if room <= 0:
            break
    return named


def _via(call: Call) -> list[str] | None:
    """Return how the model's name led to its route, and which; None where it is the route's own name."""
    if call.body.get("model") is None:
        return ["default", call.route.model]
    if call.route.family:
        return ["family", call.route.family]
    return ["alias", call.route.model] if call.route.model != call.model else None


def _rule(caller: Caller, call: Call) -> list[str]:
    """Return by what a key that is restricted may use the model."""
    listed = _listed(caller.models, call.model)
    return ["listed", *listed] if listed else caller.granted_by(call.model, ids.instant(ids.moment(call.id)))


_listed = lru_cache(maxsize=4096)(listed_by)


def _limits(call: Call) -> list[list[Any]]:
    return [*_taken("", call.taken), *(limit for target, taken in call.caps for limit in _taken(str(target), taken))]


def _taken(target: str, taken: Taken | None) -> list[list[Any]]:
    """Return [whose, of what, how much, of how much] of each limit that a call was counted against."""
    demands = taken.demands if taken is not None else ()
    return [[target or _limit(demand.key), demand.kind, demand.amount, demand.limit] for demand in demands]


def _limit(key: str) -> int | str:
    """Return the id of a limit from the key it is counted under: id.microseconds:kind."""
    number = key.partition(".")[0]
    return int(number) if number.isdigit() else key
