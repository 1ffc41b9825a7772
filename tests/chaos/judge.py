"""Whether the ledger tells what callers and upstream saw, after all that was killed."""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from billing import lines
from tests.chaos.killer import Kill
from tests.chaos.site import Site
from tests.chaos.traffic import FULL, LEFT, LOST, PARTLY, Note, cost_of

# a process that has just lost its caller may be killed before it has settled that
NOTICED_SECONDS = 3.0
# what is said to requests that were never sent: 429 of a budget, 503 of a gateway that cannot serve now
REFUSALS = {(429, "insufficient_quota"), (429, "rate_limit_exceeded"), (503, "overloaded")}
FAILURES = {502: "upstream_error", 503: "upstream_error", 504: "timeout"}
COUNTED = {"plain", "stream", "busy at first"}


class Record(NamedTuple):
    id: str
    request_id: str
    number: int
    status: str
    cost: int | None
    tokens: int
    attempts: int
    estimated: bool
    over_bound: bool


class Period(NamedTuple):
    id: int
    budget: int
    unit: str
    mode: str
    amount: int
    posted: int
    lent: int


def records(site: Site) -> list[Record]:
    rows = site.sql(
        "SELECT id::text, request_id, end_user, status, cost, input_tokens + output_tokens, attempts, estimated,"
        " over_bound FROM billing_usagerecord"
    )
    return [Record(row[0], row[1], int(row[2]), *row[3:]) for row in rows]


def periods(site: Site) -> list[Period]:
    rows = site.sql(
        "SELECT p.id, b.id, b.unit, b.mode, b.amount, p.posted, p.lent FROM billing_budgetperiod p"
        " JOIN billing_budget b ON b.id = p.budget_id ORDER BY p.id"
    )
    return [Period._make(row) for row in rows]


class Judge:
    """``faults`` are sentences, each of which must not be."""

    def __init__(self, notes: Sequence[Note], kills: Sequence[Kill], calls: Mapping[int, int], found: Sequence[Record]):
        self._notes = notes
        self._kills = kills
        self._calls = calls
        self._by_number: defaultdict[int, list[Record]] = defaultdict(list)
        self._by_request_id: defaultdict[str, list[Record]] = defaultdict(list)
        for record in found:
            self._by_number[record.number].append(record)
            self._by_request_id[record.request_id].append(record)

    def faults(self) -> Iterator[str]:
        numbers = {note.ask.number for note in self._notes}
        for number in self._by_number.keys() - numbers:
            yield f"a record of request {number}, which nobody made"
        for note in self._notes:
            for fault in self._faults_of(note):
                yield f"request {note.ask.number}: {fault} — {note}"

    def _faults_of(self, note: Note) -> Iterator[str]:
        found = self._by_number[note.ask.number]
        was_sent = self._calls[note.ask.number] > 0
        if len(found) > 1:
            yield f"{len(found)} records"
        if was_sent and not found:
            yield "the upstream was asked, and there is no record"
        if note.request_id and found and self._by_request_id[note.request_id] != found:
            yield "its record has another request id"
        if note.ending == LEFT and not note.manner.leaves:
            yield "no end in a minute"
        if note.status is not None and note.status != 200:
            yield from self._refused_or_failed(note, found, was_sent)
        elif note.ending == FULL and not found:
            yield "it was answered, and there is no record"
        if found:
            yield from self._of_record(note, found[0], was_sent)

    def _refused_or_failed(self, note: Note, found: list[Record], was_sent: bool) -> Iterator[str]:
        if (note.status, note.code) in REFUSALS and not was_sent:
            if found:
                yield "it was refused, and there is a record"
        elif note.status not in FAILURES:
            yield f"answered {note.status}"
        elif found and found[0].status != FAILURES[note.status]:
            yield f"answered {note.status}, and recorded as {found[0].status}"

    def _of_record(self, note: Note, record: Record, was_sent: bool) -> Iterator[str]:
        if not was_sent and record.status not in {"interrupted", "client_gone"}:
            yield f"the upstream was never asked, and it is recorded as {record.status}"
        if record.status == "interrupted" and not self._was_killed(note):
            yield "recorded as interrupted, and its process lived"
        if record.status == "client_gone" and note.ending != LEFT:
            yield "recorded as left by its caller, who did not leave"
        if record.status == "timeout" and note.manner.kind != "silent":
            yield "recorded as out of time"
        if note.ending == FULL and note.status == 200:
            yield from self._of_answered(note, record)

    def _of_answered(self, note: Note, record: Record) -> Iterator[str]:
        expected = "completed" if not note.code else "upstream_error"
        if note.manner.kind != "silent" and record.status != expected:
            yield f"answered in full, and recorded as {record.status}"
        if record.status == "completed" and record.attempts != self._calls[note.ask.number]:
            yield f"{record.attempts} attempts recorded, {self._calls[note.ask.number]} made"
        if record.status == "completed" and note.manner.kind in COUNTED and record.cost != cost_of(note.ask):
            yield f"it cost {cost_of(note.ask)} atoms, and {record.cost} are recorded"
        if record.over_bound and not note.manner.overshoots:
            yield "it cost more than its bound"

    def _was_killed(self, note: Note) -> bool:
        name = f"web{note.web}"
        return any(
            kill.name == name and note.began_at <= kill.done_at and kill.began_at <= note.ended_at + NOTICED_SECONDS
            for kill in self._kills
        )


def overshot(site: Site) -> Counter[int]:
    """Return {period: atoms} that single requests were charged beyond what was held for them, as the journals say."""
    charged: dict[str, lines.Settled] = {}
    for (payload,) in site.sql("SELECT payload FROM billing_segment"):
        for _, line, _ in lines.read(zlib.decompress(payload)).lines:
            if isinstance(line, lines.Settled):
                charged.setdefault(line.id, line)
    over: Counter[int] = Counter()
    for line in charged.values():
        for period, taken in line.taken.items():
            over[period] += line.charges[period] - taken
    return over


def budget_faults(now: Sequence[Period], most: Mapping[int, int], over: Mapping[int, int]) -> Iterator[str]:
    """``most`` is the most that was ever seen posted and lent of each period."""
    for period in now:
        if period.lent:
            yield f"{period.lent} atoms of budget {period.budget} are lent to nobody"
        if period.mode != "enforce":
            continue
        allowed = period.amount + over.get(period.id, 0)
        if period.posted > allowed:
            yield f"budget {period.budget} of {period.amount} {period.unit} is passed: {period.posted} posted"
        if most.get(period.id, 0) > allowed:
            yield f"budget {period.budget} of {period.amount}: {most[period.id]} were posted and lent at one time"


def endings(notes: Sequence[Note]) -> dict[str, int]:
    """Return how many requests ended in which way for their callers."""
    ways: Counter[str] = Counter()
    for note in notes:
        if note.status not in (None, 200):
            ways["refused" if note.status in (429,) or note.code == "overloaded" else "failed"] += 1
        elif note.ending == FULL and note.code:
            ways["failed"] += 1
        else:
            ways[{FULL: "answered", PARTLY: "cut", LEFT: "left", LOST: "lost"}[note.ending]] += 1
    return dict(ways)
