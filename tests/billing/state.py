"""What a modelled world consists of: the database's rows, a process's memory and files, messages on their way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from billing import lines
from billing.lines import Line, Open, Settled
from billing.pricing import PriceRow

PRICES = (PriceRow(1, "input", 0, "", "one", 1), PriceRow(2, "output", 0, "", "one", 1))


class Rules(NamedTuple):
    """What the protocol demands; the model must fail when one is taken out."""

    frees_by_journal_alone: bool = True
    borrow_checks_closed: bool = True
    seal_carries_open: bool = True
    begin_counts_carried: bool = True
    returns_in_journal: bool = True
    post_checks_seq: bool = True
    post_lowers_lent: bool = True
    refused_gives_back: bool = True


@dataclass
class Period:
    limit: int
    posted: int = 0
    lent: int = 0
    over: int = 0
    is_wanted: bool = False


@dataclass
class Allowance:
    granted: int = 0
    used: int = 0

    @property
    def held(self) -> int:
        return self.granted - self.used


@dataclass
class HolderRow:
    posted_seq: int = 0
    is_closed: bool = False


@dataclass
class Database:
    periods: dict[int, Period]
    holders: dict[str, HolderRow] = field(default_factory=dict)
    allowances: dict[tuple[str, int], Allowance] = field(default_factory=dict)
    segments: dict[tuple[str, int], bytes] = field(default_factory=dict)
    records: dict[str, Settled] = field(default_factory=dict)
    corrections: dict[str, int] = field(default_factory=dict)

    def held(self, holder: str) -> dict[int, int]:
        return {period: row.held for (owner, period), row in self.allowances.items() if owner == holder}


@dataclass
class Process:
    """Memory (gone at death) and files (which stay)."""

    holder: str
    files: dict[int, bytes] = field(default_factory=dict)
    sealed_seq: int = 0
    is_alive: bool = True
    has_ended: bool = False
    live: dict[str, Open] = field(default_factory=dict)
    output: Counter[str] = field(default_factory=Counter)
    free: Counter[int] = field(default_factory=Counter)
    learned: Counter[int] = field(default_factory=Counter)

    @property
    def seq(self) -> int:
        return max(self.files)

    def write(self, line: Line) -> None:
        self.files[self.seq] += lines.encode(line)


class Borrow(NamedTuple):
    holder: str
    need: int
    rate: int = 0


class Reply(NamedTuple):
    holder: str
    granted: dict[int, int]


class Posting(NamedTuple):
    """A transaction that has read its segment and not committed yet."""

    holder: str
    seq: int
    payload: bytes
