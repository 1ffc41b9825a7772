"""What a model's public name leads to. Pure and immutable: a reloaded configuration is a new table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from providers import quirks
from providers.caching import Caching
from providers.cooldown import DEFAULT, Cooldown
from providers.errors import UnknownModel
from providers.hedging import Hedge

MAX_MODEL_LENGTH = 200


@dataclass(frozen=True, slots=True, eq=False)
class Upstream:
    """A provider as the client needs it. The secret is in clear; no repr has it, nor the options with their headers.

    Of ``quirks`` it has what is of the right kind.
    """

    name: str
    adapter: str
    base_url: str = ""
    secret: str = field(default="", repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    quirks: Mapping[str, Any] = field(default_factory=dict)
    price_book: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "quirks", quirks.valid(self.quirks))


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """One provider's model. ``timeout`` is seconds for the whole answer, None the provider's.

    ``context_window`` and ``max_output`` are the most tokens of a prompt and of an answer, where they are known.
    ``refuses``: a call is refused rather than sent without a parameter that shapes its answer. ``weight`` is its share
    of its priority's calls; ``rpm`` and ``tpm`` are the most that it is sent a minute. ``cooldown``: when it is left
    alone for a while, None never.
    """

    id: int
    provider: Upstream
    upstream_model: str
    priority: int = 0
    timeout: float | None = None
    context_window: int | None = None
    max_output: int | None = None
    refuses: bool = False
    weight: int = 1
    rpm: int | None = None
    tpm: int | None = None
    cooldown: Cooldown | None = DEFAULT

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.upstream_model}"


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A public name, and the targets by priority, then in their order. ``created`` is in seconds since 1970.

    ``strategy`` is one of ``providers.balancing``. The fallbacks are public names: of other models in general, where
    the prompt is too long, and where it is against an upstream's policy. ``deadline`` is seconds for everything.
    ``paused`` are the targets, as provider/model, that somebody has paused. ``fallback_access`` is key where a fallback
    is for keys that may use it, all where it is for whoever may use this route. ``family`` is the name with the ``*``
    that a member of a family was found by. ``cache``: whether answers are given again, None never.
    """

    model: str
    aliases: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    retries: int = 2
    unpriced: str = ""
    targets: tuple[Target, ...] = ()
    default: bool = False
    created: int = 0
    client_gone: str = "estimate"
    interrupted: str = "estimate"
    strategy: str = "ordered"
    fallbacks: tuple[str, ...] = ()
    context_fallbacks: tuple[str, ...] = ()
    content_fallbacks: tuple[str, ...] = ()
    deadline: float | None = None
    hedge: Hedge | None = None
    paused: tuple[str, ...] = ()
    fallback_access: str = "key"
    family: str = ""
    cache: Caching | None = None

    @property
    def is_family(self) -> bool:
        return self.model.endswith("*")

    def called(self, model: str, prefix: str) -> Route:
        """Return this family as the route of one of its models."""
        rest = model[len(prefix) :] if prefix.endswith("/") else model
        targets = tuple(replace(target, upstream_model=_named(target.upstream_model, rest)) for target in self.targets)
        return replace(self, model=model, aliases=(), targets=targets, family=f"{prefix}*")


class RouteTable:
    """Finds the route of a model: its name, else an alias, else the family with the longest prefix."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes = tuple(routes)
        self._exact: dict[str, Route] = {}
        families: dict[str, Route] = {}
        for route in self._routes:
            for name in (route.model, *route.aliases):
                if name.endswith("*"):
                    families.setdefault(name[:-1], route)
        for name, route in _exact_names(self._routes):
            self._exact.setdefault(name, route)
        self._families = tuple(sorted(families.items(), key=lambda item: -len(item[0])))
        self._family_member = lru_cache(maxsize=1024)(self._of_family)

    def upstreams(self) -> set[Upstream]:
        """Return every provider that any route leads to, families included."""
        return {target.provider for route in self._routes for target in route.targets}

    def asked(self) -> set[tuple[str, str]]:
        """Return the providers and upstream models that routes with a name of their own lead to."""
        targets = (target for route in self._exact.values() for target in route.targets)
        return {(target.provider.name, target.upstream_model) for target in targets}

    def resolve(self, model: str) -> Route:
        """Return the route of ``model``. Raises ``UnknownModel``."""
        return self._exact.get(model) or self._family_member(model)

    def default_for(self, operation: str) -> Route | None:
        """Return the route that answers a body without a model."""
        return next((route for route in self._routes if route.default and operation in route.operations), None)

    def listed(self) -> list[Route]:
        """Return the routes with a name of their own; families have none."""
        return [route for route in self._routes if not route.is_family]

    def _of_family(self, model: str) -> Route:
        if len(model) <= MAX_MODEL_LENGTH:
            for prefix, route in self._families:
                if model.startswith(prefix) and len(model) > len(prefix):
                    return route.called(model, prefix)
        raise UnknownModel(model[:MAX_MODEL_LENGTH])


def _exact_names(routes: tuple[Route, ...]) -> Iterable[tuple[str, Route]]:
    """Names of their own come before aliases, whatever the order of the rows."""
    for route in routes:
        if not route.is_family:
            yield route.model, _filled(route)
    for route in routes:
        for alias in route.aliases:
            if not alias.endswith("*"):
                yield alias, _filled(route)


def _filled(route: Route) -> Route:
    targets = tuple(t if t.upstream_model else replace(t, upstream_model=route.model) for t in route.targets)
    return replace(route, targets=targets)


def _named(upstream_model: str, rest: str) -> str:
    """Return the upstream's name: what the row says, with the called name where it says nothing or ``*``."""
    if not upstream_model:
        return rest
    return upstream_model[:-1] + rest if upstream_model.endswith("*") else upstream_model
