"""What a request says of its own way, as LiteLLM's clients say it: other models, time, retries, an upstream. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.caching import words
from gateway.caching.words import Said
from gateway.fieldchecks import Invalid, filled, integer, number

MOST_FALLBACKS = 10
MOST_SECONDS = 86_400.0
LEAST_SECONDS = 0.001
LONGEST = {"api_base": 500, "base_url": 500, "api_version": 100, "custom_llm_provider": 100, "api_key": 8_192}

OVERRIDES = frozenset(LONGEST)
OWN = frozenset({"fallbacks", "timeout", "num_retries"}) | OVERRIDES | words.OWN


@dataclass(frozen=True, slots=True)
class Override:
    """The upstream that a request names: empty is what it does not say. No repr has the key."""

    base_url: str = ""
    api_key: str = field(default="", repr=False)
    api_version: str = ""
    provider: str = ""


class Options(NamedTuple):
    """``fallbacks`` take the place of the route's general ones; ``timeout`` is seconds for each attempt."""

    fallbacks: tuple[str, ...] | None = None
    timeout: float | None = None
    retries: int | None = None
    override: Override | None = None
    cache: Said = words.NOTHING


NOTHING = Options()


def taken(body: dict[str, Any], *, may_override: bool) -> Options:
    """Take out of ``body`` what is for the gateway alone. Raises ``Invalid``."""
    if OWN.isdisjoint(body):
        return NOTHING
    said = {name: value for name in OWN.intersection(body) if (value := body.pop(name)) is not None}
    if not said:
        return NOTHING
    if "timeout" in said:
        number(LEAST_SECONDS, MOST_SECONDS)(said["timeout"], "timeout")
    if "num_retries" in said:
        integer(0)(said["num_retries"], "num_retries")
    return Options(
        _fallbacks(said["fallbacks"]) if "fallbacks" in said else None,
        said.get("timeout"),
        said.get("num_retries"),
        _override({name: said[name] for name in sorted(OVERRIDES.intersection(said))}, may_override),
        words.said(said),
    )


def _fallbacks(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Invalid("Invalid type for 'fallbacks': expected an array of model names.", "fallbacks", "invalid_type")
    if len(value) > MOST_FALLBACKS:
        raise Invalid(f"Invalid length of 'fallbacks': {len(value)} items, at most {MOST_FALLBACKS}.", "fallbacks")
    for index, item in enumerate(value):
        filled(item, f"fallbacks[{index}]")
    return tuple(value)


def _override(said: dict[str, Any], may_override: bool) -> Override | None:
    if not said:
        return None
    if not may_override:
        name = next(iter(said))
        raise Invalid(
            f"This API key may not set '{name}': the gateway chooses the upstream. An admin can allow it for the key.",
            name,
            "unsupported_parameter",
        )
    for name, value in said.items():
        filled(value, name)
        _check_text(name, value)
    if "api_base" in said and said.get("base_url", said["api_base"]) != said["api_base"]:
        raise Invalid("'api_base' and 'base_url' are two names of one thing, and say two things here.", "base_url")
    return Override(
        said.get("api_base") or said.get("base_url") or "",
        said.get("api_key", ""),
        said.get("api_version", ""),
        said.get("custom_llm_provider", ""),
    )


def _check_text(name: str, value: str) -> None:
    """They become a part of a URL or a header: nothing in them may end it. The value is in no message."""
    if len(value) > LONGEST[name] or not value.isascii() or not value.isprintable():
        raise Invalid(
            f"Invalid value for '{name}': it needs printable ASCII, at most {LONGEST[name]} characters.", name
        )
