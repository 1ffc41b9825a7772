"""What a request says of the answer cache, as LiteLLM's clients say it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.fieldchecks import Check, Invalid, boolean, mapping, number, string

MOST_SECONDS = 10.0**9
LONGEST_NAMESPACE = 200

OWN = frozenset({"caching", "cache"})


class Said(NamedTuple):
    """Whether a stored answer will do, at most ``most_age`` seconds old, and whether this one may be kept, for at most
    ``ttl`` seconds. Only requests of one ``namespace`` are given each other's answers.
    """

    reads: bool = True
    stores: bool = True
    ttl: float | None = None
    most_age: float | None = None
    namespace: str = ""


NOTHING = Said()


def said(body: Mapping[str, Any]) -> Said:
    """Return what ``caching`` and ``cache`` of ``body`` say; a null says nothing. Raises ``Invalid``."""
    caching, cache = body.get("caching"), body.get("cache")
    if caching is not None:
        boolean(caching, "caching")
    if cache is not None:
        mapping(cache, "cache")
    words = {name: value for name, value in (cache or {}).items() if name in WORDS and value is not None}
    for name, value in words.items():
        WORDS[name](value, f"cache.{name}")
    return Said(
        reads=caching is not False and not words.get("no-cache", False),
        stores=not words.get("no-store", False),
        ttl=words.get("ttl"),
        most_age=words.get("s-maxage"),
        namespace=words.get("namespace", ""),
    )


def _namespace(value: Any, param: str) -> None:
    string(value, param)
    if len(value) > LONGEST_NAMESPACE:
        raise Invalid(f"Invalid value for '{param}': it has more than {LONGEST_NAMESPACE} characters.", param)


WORDS: Mapping[str, Check] = {
    "no-cache": boolean,
    "no-store": boolean,
    "ttl": number(0, MOST_SECONDS),
    "s-maxage": number(0, MOST_SECONDS),
    "namespace": _namespace,
}
