"""The ids of records and holders: UUIDv7 with the microsecond of their moment inside. Pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def new(at: int) -> str:
    """Return a new UUIDv7 of the moment ``at`` (microseconds since 1970), as text."""
    milliseconds, rest = divmod(at, 1000)
    chance = random.getrandbits(64)
    return _written(milliseconds << 80 | 7 << 76 | rest << 66 | (chance >> 62) << 64 | 2 << 62 | chance & (2**62 - 1))


def moment(id: str) -> int:
    """Return the moment inside an id of ``new``, in microseconds since 1970."""
    return int(id[:8] + id[9:13], 16) * 1000 + min(int(id[15:18], 16) >> 2, 999)


def lowest(at: datetime) -> str:
    """Return the bound that every id of a moment before ``at`` is below, and no other."""
    return _written(microseconds(at) // 1000 << 80)


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // _MICROSECOND


def instant(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=at)


def _written(value: int) -> str:
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
