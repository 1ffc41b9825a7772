"""LocalAI's ``backend``: a hint which of a route's targets to ask, for keys that may choose an upstream. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.litellm.words import ADAPTERS as WORDS
from providers.targets import Route


def hinted(route: Route, body: dict[str, Any], *, may_choose: bool) -> Route:
    """Return the route to the targets that ``body`` hints at, by a provider's name or its kind.

    A hint that is followed is taken out of ``body``. One that is not goes the way of any parameter: on to an upstream
    that knows it, else it is dropped and named.
    """
    said = body.get("backend")
    if not may_choose or not isinstance(said, str) or not said:
        return route
    kind = WORDS.get(said, said)
    meant = tuple(each for each in route.targets if said == each.provider.name or kind == each.provider.adapter)
    if not meant:
        return route
    del body["backend"]
    return replace(route, targets=meant)
