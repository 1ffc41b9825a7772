"""What a route says of its answer cache: how long an answer stands, and who may be given it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from providers.ranges import problems as range_problems

KEY, TEAM, ALL = "key", "team", "all"
SHARES = (KEY, TEAM, ALL)

# what may be configured; the time is in seconds
RANGES = {"ttl": (1, 30 * 86_400)}


class Caching(NamedTuple):
    """Answers stand for ``ttl`` seconds, for callers of the same ``share``; another ``version`` is an empty cache."""

    ttl: float
    share: str = KEY
    version: int = 0


def caching_of(said: Any, version: int) -> Caching | None:
    """Return what ``{"ttl": 300, "share": "key"}`` says; None where nothing is cached."""
    if not isinstance(said, Mapping) or not said or next(problems(said), None):
        return None
    return Caching(float(said["ttl"]), said.get("share", KEY), version)


def problems(said: Any) -> Iterator[str]:
    """Yield what is wrong with a mapping that somebody wrote; an empty one switches the cache off."""
    if isinstance(said, Mapping):
        if said.get("share", KEY) not in SHARES:
            yield f"share must be one of {', '.join(SHARES)}."
        if said and "ttl" not in said:
            yield "ttl is missing: for how many seconds an answer stands."
        said = {name: value for name, value in said.items() if name != "share"}
    yield from range_problems(said, RANGES)
