"""How much the database lends to a process that asks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

SHARE = 16
SECONDS = 10


class Want(NamedTuple):
    """What a process asks of one period: ``needs`` are what its waiting requests lack, in their order.

    ``rate`` is what it reserves per second; ``is_tight`` says that it was asked to give back a moment ago.
    """

    budget: int
    start: datetime
    needs: tuple[int, ...] = ()
    rate: float = 0
    is_tight: bool = False


class Room(NamedTuple):
    """A period as its row says: ``counted`` is what is posted, of a rolling budget inside its window."""

    limit: int
    counted: int
    lent: int
    is_wanted: bool

    @property
    def left(self) -> int:
        return self.limit - self.counted - self.lent


class Loan(NamedTuple):
    """The answer: everything ever ``granted`` to the holder and ``used`` of it, as far as its journal is posted.

    ``headroom`` is the limit less what is counted.
    """

    budget: int
    start: datetime
    period: int
    granted: int
    headroom: int
    used: int = 0


def amount(want: Want, room: Room) -> int:
    """Return what to lend: some seconds' worth while there is plenty, whole requests where there is not."""
    needs = hopeful(want.needs, room)
    need = sum(needs)
    is_tight = want.is_tight or room.is_wanted or room.left < SHARE * need
    asked = need if is_tight else max(need, min(int(SECONDS * want.rate), room.left // SHARE))
    return max(0, asked) if asked <= room.left else _whole(needs, room.left)


def hopeful(needs: Sequence[int], room: Room) -> list[int]:
    """Return those of ``needs`` that there is room for once others have given back what they hold."""
    return [need for need in needs if need <= room.limit - room.counted]


def _whole(needs: Sequence[int], left: int) -> int:
    lent = 0
    for need in needs:
        if lent + need > left:
            break
        lent += need
    return lent
