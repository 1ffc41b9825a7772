"""Providers, routes and targets of a file become rows."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.configuration.document import Path, Problem
from gateway.configuration.rows import Rows
from gateway.configuration.schema import Configuration, ProviderEntry, RouteEntry, TargetEntry
from providers import quirks
from providers.adapters import ADAPTERS, needs_url, operations_of
from providers.addresses import AddressRefused, check_url, look_up
from providers.models import ModelRoute, Provider, Target
from providers.secrets import encrypt, holds

FALLBACKS = ("fallbacks", "context_fallbacks", "content_fallbacks")


def address_problems(configuration: Configuration) -> list[Problem]:
    """Return which providers' URLs lead where they may not. Asks the name servers: call it outside a transaction."""
    allowed = {row.name: row.options for row in Provider.objects.all()}
    problems = []
    for position, entry in enumerate(configuration.providers):
        options = entry.given("options").get("options", allowed.get(entry.name, {}))
        try:
            if entry.base_url:
                check_url(entry.base_url, allow_private=options.get("allow_private") is True, look_up=look_up)
        except (AddressRefused, ValueError) as error:
            problems.append(Problem(("providers", position, "base_url"), str(error)))
    return problems


def write(configuration: Configuration, rows: Rows) -> None:
    for position, provider in enumerate(configuration.providers):
        _write_provider(provider, ("providers", position), rows)
    for position, route in enumerate(configuration.routes):
        _write_route(route, ("routes", position), rows)
    _check_defaults(configuration, rows)
    _check_names(configuration, rows)
    _check_fallbacks(configuration, rows)


def _write_provider(entry: ProviderEntry, path: Path, rows: Rows) -> None:
    row = Provider.objects.filter(name=entry.name).first() or Provider(name=entry.name)
    values = entry.given("adapter", "base_url", "options", "quirks", "price_book")
    if entry.secret is not None and not holds(row.secret, entry.secret):
        values["secret"] = encrypt(entry.secret) if entry.secret else ""
    for where, message in quirks.problems(values.get("quirks", {})):
        rows.refuse((*path, "quirks", *where), message)
    adapter = values.get("adapter", row.adapter)
    if adapter not in ADAPTERS:
        rows.refuse((*path, "adapter"), f"must be one of {', '.join(sorted(ADAPTERS))}")
        return
    if needs_url(adapter) and not values.get("base_url", row.base_url):
        rows.refuse((*path, "base_url"), f"is missing: the adapter {adapter} needs one")
    rows.put(row, f"provider {entry.name}", values, path)


def _write_route(entry: RouteEntry, path: Path, rows: Rows) -> None:
    row = ModelRoute.objects.filter(model=entry.model).first() or ModelRoute(model=entry.model)
    for position, operation in enumerate(entry.operations or ()):
        if operation not in operations_of(ADAPTERS):
            known = ", ".join(sorted(operations_of(ADAPTERS)))
            rows.refuse((*path, "operations", position), f"must be one of {known}")
    if row._state.adding and not entry.targets:
        rows.refuse((*path, "targets"), "is missing: a new route needs one")
        return
    values = entry.given(
        "aliases",
        "operations",
        "strategy",
        "retries",
        "fallbacks",
        "context_fallbacks",
        "content_fallbacks",
        "deadline",
        "cooldown",
        "hedge",
        "cache",
        "unpriced",
        "on_unsupported",
        "fallback_access",
        "client_gone",
        "interrupted",
        "default",
    )
    rows.put(row, f"route {entry.model}", values, path)
    if entry.targets is not None and row.pk:
        _write_targets(row, entry.targets, path, rows)


def _write_targets(route: ModelRoute, entries: list[TargetEntry], path: Path, rows: Rows) -> None:
    """Make the route's targets exactly these, in this order; one that is there keeps its pause."""
    present = {(row.provider.name, row.upstream_model): row for row in route.targets.select_related("provider")}
    providers = {row.name: row for row in Provider.objects.all()}
    for position, entry in enumerate(entries):
        place = (*path, "targets", position)
        if entry.provider not in providers:
            rows.refuse((*place, "provider"), f"there is no provider {entry.provider!r}")
            continue
        row = present.pop((entry.provider, entry.upstream_model), None) or Target(
            route=route, provider=providers[entry.provider], upstream_model=entry.upstream_model
        )
        values = {name: getattr(entry, name) for name in ("priority", "weight", "timeout", "rpm", "tpm")}
        values["position"] = position
        # these may have been found in a price list: they go only where the file says otherwise
        rows.put(row, f"target {row}", values | entry.given("context_window", "max_output"), place)
    for row in present.values():
        rows.remove(row, f"target {row}")


def _check_defaults(configuration: Configuration, rows: Rows) -> None:
    """One route at most answers an operation's bodies without a model: the file's, where it names one."""
    chosen = {entry.model: position for position, entry in enumerate(configuration.routes) if entry.default}
    defaults = list(ModelRoute.objects.filter(default=True).prefetch_related("targets__provider"))
    mine = [route for route in defaults if route.model in chosen]
    for number, route in enumerate(mine):
        for other in mine[:number]:
            if shared := _operations(route) & _operations(other):
                path = ("routes", chosen[route.model], "default")
                rows.refuse(path, f"{other.model} is the default of {', '.join(sorted(shared))} too")
    for route in defaults:
        if route.model not in chosen and any(_operations(route) & _operations(own) for own in mine):
            rows.put(route, f"route {route.model}", {"default": False}, ("routes",))


def _operations(route: ModelRoute) -> set[str]:
    return set(route.operations or operations_of(target.provider.adapter for target in route.targets.all()))


def _check_names(configuration: Configuration, rows: Rows) -> None:
    """Every public name leads to one route only."""
    owners: dict[str, str] = {}
    positions = {entry.model: position for position, entry in enumerate(configuration.routes)}
    for route, name in _names():
        other = owners.setdefault(name, route)
        if other != route and (route in positions or other in positions):
            path = ("routes", positions.get(route, positions.get(other, 0)))
            rows.refuse(path, f"{name!r} is a name of {other} and of {route}")


def _check_fallbacks(configuration: Configuration, rows: Rows) -> None:
    """A fallback leads somewhere, and somewhere else."""
    names = {name for _, name in _names()}
    families = tuple(name[:-1] for name in names if name.endswith("*"))
    for number, entry in enumerate(configuration.routes):
        own = {entry.model, *(entry.aliases or ())}
        for kind in FALLBACKS:
            for position, model in enumerate(getattr(entry, kind) or ()):
                path = ("routes", number, kind, position)
                if model in own:
                    rows.refuse(path, f"{model!r} is this route itself")
                elif model.endswith("*") or not (model in names or model.startswith(families)):
                    rows.refuse(path, f"no route has the name {model!r}")


def _names() -> Iterator[tuple[str, str]]:
    for model, aliases in ModelRoute.objects.values_list("model", "aliases"):
        for name in (model, *aliases):
            yield model, name
