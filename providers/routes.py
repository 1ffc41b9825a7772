"""The configured routes, read from the database."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from providers import cooldown, quirks
from providers.adapters import ADAPTERS, operations_of
from providers.caching import caching_of
from providers.errors import UnknownModel
from providers.hedging import hedge_of
from providers.models import ModelRoute, Provider
from providers.models import Target as TargetRow
from providers.secrets import SecretUnreadable, decrypt
from providers.targets import Route, RouteTable, Target, Upstream

__all__ = ["Route", "RouteTable", "Target", "UnknownModel", "Upstream", "load"]

logger = logging.getLogger(__name__)

DROP, REFUSE = "drop", "refuse"


def load(on_unsupported: str = DROP) -> RouteTable:
    """Return the routes in force, in three queries; paused providers and targets are left out.

    ``on_unsupported`` is for the routes that say nothing of their own: drop or refuse.
    """
    upstreams = _upstreams()
    routes = list(ModelRoute.objects.filter(is_active=True))
    refusing = {row.id for row in routes if (row.on_unsupported or on_unsupported) == REFUSE}
    targets: dict[int, list[Target]] = defaultdict(list)
    paused: dict[int, list[str]] = defaultdict(list)
    said = {row.id: row.cooldown for row in routes}
    for row in TargetRow.objects.select_related("provider", "route").order_by("priority", "position", "id"):
        upstream = upstreams.get(row.provider_id)
        if row.paused_at is not None or row.provider.paused_at is not None:
            paused[row.route_id].append(f"{row.provider.name}/{row.upstream_model or row.route.model}")
        elif upstream is not None:
            target = Target(
                row.id,
                upstream,
                row.upstream_model,
                row.priority,
                row.timeout,
                row.context_window,
                row.max_output,
                refuses=row.route_id in refusing,
                weight=row.weight,
                rpm=row.rpm,
                tpm=row.tpm,
                cooldown=cooldown.rules(upstream.options.get("cooldown"), said.get(row.route_id)),
            )
            targets[row.route_id].append(target)
    return RouteTable(_route(row, targets[row.id], paused[row.id]) for row in routes)


def _upstreams() -> dict[int, Upstream]:
    found = {}
    for row in Provider.objects.filter(paused_at=None):
        try:
            secret = decrypt(row.secret) if row.secret else ""
        except SecretUnreadable:
            logger.error("provider %s is left out: its secret was encrypted with another key", row.name)
            continue
        found[row.id] = Upstream(
            row.name,
            row.adapter,
            row.base_url or _default(row.adapter, "base_url"),
            secret,
            row.options,
            _quirks(row),
            price_book_of(row),
        )
    return found


def price_book_of(row: Provider) -> str:
    """Return whose prices apply to a provider."""
    return row.price_book or _default(row.adapter, "price_book") or row.name


def _default(adapter: str, name: str) -> str:
    return getattr(ADAPTERS[adapter], name) if adapter in ADAPTERS else ""


def _quirks(row: Provider) -> dict[str, Any]:
    """Return the quirks of a row over those of its adapter, in mappings name by name; a null takes one back."""
    known = ADAPTERS[row.adapter].quirks if row.adapter in ADAPTERS else {}
    for path, message in quirks.problems(row.quirks):
        logger.error("provider %s: its quirk %s %s; it is left out", row.name, ".".join(path), message)
    taken_back = {name for name, value in row.quirks.items() if value is None} if isinstance(row.quirks, dict) else ()
    kept = {name: value for name, value in known.items() if name not in taken_back}
    return kept | {name: _over(known.get(name), value) for name, value in quirks.valid(row.quirks).items()}


def _over(known: Any, value: Any) -> Any:
    return {**known, **value} if isinstance(known, Mapping) and isinstance(value, Mapping) else value


def _route(row: ModelRoute, targets: list[Target], paused: list[str]) -> Route:
    return Route(
        model=row.model,
        aliases=tuple(row.aliases),
        operations=tuple(row.operations) or operations_of(target.provider.adapter for target in targets),
        retries=row.retries,
        unpriced=row.unpriced,
        targets=tuple(targets),
        default=row.default,
        created=int(row.created_at.timestamp()),
        client_gone=row.client_gone,
        interrupted=row.interrupted,
        fallback_access=row.fallback_access,
        strategy=row.strategy,
        fallbacks=tuple(row.fallbacks),
        context_fallbacks=tuple(row.context_fallbacks),
        content_fallbacks=tuple(row.content_fallbacks),
        deadline=row.deadline or None,
        hedge=hedge_of(row.hedge),
        paused=tuple(paused),
        cache=caching_of(row.cache, row.cache_version),
    )
