"""What one call has to do with the answer cache. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.caching.entries import Entry

HIT, MISS, OFF = "hit", "miss", "off"
# stands on the records of hits; no caller's own tags have it
TAG = "cache:hit"


@dataclass(slots=True)
class Access:
    """``key`` is where the call's answer would be, ``entry`` what was found there; ``ttl`` is for how many seconds an
    answer from upstream may be kept, 0 not at all.
    """

    key: str
    ttl: float
    entry: Entry | None = None

    @property
    def outcome(self) -> str:
        return MISS if self.entry is None else HIT
