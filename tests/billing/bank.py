"""A bank in memory with processes that use the real allowances: what the database and the journals do, simplified.

Lending is the real arithmetic. What a process writes is posted in order after a flush; polls tell what is wanted.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db import OperationalError

from billing import clock, lending
from billing.allowances import REMEMBERED_SECONDS, Allowances
from billing.borrowing import HolderClosed
from billing.budgets import BudgetTable, Terms
from billing.lending import Loan, Room, Want
from billing.purses import Busy, Exhausted, Purse, Reservation, Unreachable
from tests.billing.virtual import VirtualLoop

POLL_SECONDS = 0.4
SEAL_SECONDS = 1.0
HURRIED_SECONDS = 0.05
POSTING_SECONDS = 0.02
LONGEST_WAIT = 3.0 + 1.0


def terms(id: int, amount: int, **fields: object) -> Terms:
    known = {
        "user_id": None, "team_id": None, "api_key_id": None, "model": "", "unit": "usd", "period": "total",
        "timezone": "UTC", "rolling": False, "mode": "enforce",
    }  # fmt: skip
    return Terms(id=id, amount=amount, **{**known, **fields})  # type: ignore[arg-type]


@dataclass
class Row:
    id: int
    budget: int
    posted: int = 0
    lent: int = 0
    over: int = 0
    wanted_at: float = -100.0


@dataclass
class Held:
    granted: int = 0
    used: int = 0


class Bank:
    """The database. ``trouble`` is what the next borrow raises, if anything."""

    def __init__(self, budgets: Sequence[Terms]) -> None:
        self.table = BudgetTable(budgets)
        self.periods: dict[tuple[int, datetime], Row] = {}
        self.held: dict[tuple[str, int], Held] = {}
        self.closed: set[str] = set()
        self.trouble: Exception | None = None
        self.borrows = 0
        self.lowered = False
        self.former: dict[float, BudgetTable] = {}

    def limit(self, budget: int) -> int:
        return self.table.by_id[budget].amount

    def limit_of_late(self, budget: int) -> int:
        """Return the lowest limit an answer may still tell of: it is under way a moment and remembered a second."""
        late = [table for until, table in self.former.items() if clock.elapsed() - until < REMEMBERED_SECONDS + 0.1]
        return min(table.by_id[budget].amount for table in (self.table, *late))

    def lend(self, holder: str, wants: Sequence[Want]) -> list[Loan]:
        self.borrows += 1
        if self.trouble is not None:
            raise self.trouble
        if holder in self.closed:
            raise HolderClosed(holder)
        return [self._lend(holder, want) for want in wants]

    def _lend(self, holder: str, want: Want) -> Loan:
        row = self.periods.setdefault((want.budget, want.start), Row(len(self.periods) + 1, want.budget))
        limit = self.limit(want.budget)
        room = Room(limit, row.posted, row.lent, clock.elapsed() - row.wanted_at < 10)
        amount = lending.amount(want, room)
        if amount < sum(lending.hopeful(want.needs, room)):
            row.wanted_at = clock.elapsed()
        held = self.held.setdefault((holder, row.id), Held())
        row.lent += amount
        held.granted += amount
        assert amount == 0 or row.posted + row.lent <= limit + row.over, "lent beyond the limit"
        return Loan(want.budget, want.start, row.id, held.granted, limit - row.posted, held.used)

    def post(self, holder: str, line: Line) -> None:
        for row in self.periods.values():
            held = self.held.get((holder, row.id), Held())
            give = min(line.taken.get(row.id, 0) + line.returned.get(row.id, 0), held.granted - held.used)
            row.posted += line.charges.get(row.id, 0)
            row.over += max(0, line.charges.get(row.id, 0) - (give - line.returned.get(row.id, 0)))
            row.lent -= give
            held.used += give

    def close(self, holder: str) -> None:
        """What the write-off of a lost machine does."""
        self.closed.add(holder)
        for row in self.periods.values():
            held = self.held.setdefault((holder, row.id), Held())
            row.lent -= held.granted - held.used
            held.used = held.granted

    def changes(self, budgets: Sequence[Terms], processes: Sequence[Process]) -> None:
        self.lowered = self.lowered or any(each.amount < self.limit(each.id) for each in budgets)
        self.former[clock.elapsed()] = self.table
        self.table = BudgetTable(budgets)
        for process in processes:
            process.allowances.change(self.table)

    def wanted(self) -> tuple[int, ...]:
        return tuple(row.id for row in self.periods.values() if clock.elapsed() - row.wanted_at < 2)

    def row(self, budget: int) -> Row:
        return next(row for row in self.periods.values() if row.budget == budget)


class Line(NamedTuple):
    """What a journal's line means for money."""

    taken: Mapping[int, int] = {}
    charges: Mapping[int, int] = {}
    returned: Mapping[int, int] = {}


@dataclass
class Outcome:
    kind: str
    waited: float
    at: float


@dataclass
class Ask:
    """One request: what each of its attempts needs of which budgets, what it costs, when and for how long."""

    needs: Sequence[Mapping[int, int]]
    cost: float = 1.0
    lasts: float = 0.1
    arrives: float = 0.0
    leaves: float | None = None
    observed: Sequence[int] = ()
    outcome: Outcome | None = field(default=None, compare=False)


class Process:
    """One life after another of a process with the real allowances."""

    def __init__(self, name: str, bank: Bank, loop: VirtualLoop) -> None:
        self.bank = bank
        self.loop = loop
        self.holder = name
        self.can_write = True
        self.posting_seconds = POSTING_SECONDS
        self.unposted: list[Line] = []
        self.live: set[Reservation] = set()
        self.allowances = Allowances(lambda: self.holder, bank.lend, self._give_back)
        self.allowances.when_closed(self.renew)
        self._flush: asyncio.TimerHandle | None = None
        self._tasks = [asyncio.ensure_future(self._poll()), asyncio.ensure_future(self._tick())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await self.allowances.close()

    def renew(self, holder: str) -> None:
        if holder == self.holder:
            self.holder += "'"
            self.unposted = []
            self.allowances.begin_anew()

    async def _poll(self) -> None:
        await asyncio.sleep(random.uniform(0, POLL_SECONDS))
        while True:
            if self.bank.trouble is None:
                if self.holder in self.bank.closed:
                    self.renew(self.holder)
                self.allowances.recall(self.bank.wanted())
            await asyncio.sleep(POLL_SECONDS)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.allowances.tick()

    # the journal

    def _give_back(self, amounts: dict[int, int]) -> bool:
        if self.can_write:
            self._write(Line(returned=amounts), is_hurried=True)
        return self.can_write

    def _write(self, line: Line, is_hurried: bool) -> None:
        self.unposted.append(line)
        due = self.loop.time() + (HURRIED_SECONDS if is_hurried else SEAL_SECONDS)
        if self._flush is None or self._flush.when() > due:
            if self._flush is not None:
                self._flush.cancel()
            self._flush = self.loop.call_at(due, self._seal)

    def _seal(self) -> None:
        self._flush = None
        self.loop.call_later(self.posting_seconds, self._post, self.holder, len(self.unposted))

    def _post(self, holder: str, count: int) -> None:
        if holder != self.holder:
            return
        if self.bank.trouble is not None:
            self._flush = self._flush or self.loop.call_later(SEAL_SECONDS, self._seal)
            return
        posted, self.unposted = self.unposted[:count], self.unposted[count:]
        for line in posted:
            self.bank.post(holder, line)

    # a request

    async def serve(self, ask: Ask) -> None:
        await asyncio.sleep(ask.arrives)
        began = self.loop.time()
        task = asyncio.ensure_future(self._serve(ask))
        if ask.leaves is not None:
            self.loop.call_later(ask.leaves, task.cancel)
        waited = [0.0]
        task.add_done_callback(lambda _: waited.__setitem__(0, self.loop.time() - began))
        try:
            kind = await task
        except asyncio.CancelledError:
            kind = "left"
        ask.outcome = Outcome(kind, waited[0], self.loop.time())

    async def _serve(self, ask: Ask) -> str:
        """The way of a request: reserve, dispatch, perhaps again elsewhere, settle."""
        reservation, hold, observed, holder = Reservation(), None, (), self.holder
        admitted_at = clock.now_us()
        try:
            for needs in ask.needs:
                began = self.loop.time()
                purses = {self.purse(budget, admitted_at): need for budget, need in needs.items()}
                watched = [self.purse(budget, admitted_at) for budget in ask.observed]
                try:
                    await self.allowances.reserve(reservation, purses, watched)
                except Exhausted as error:
                    self._check_exhausted(error)
                    if hold is None:
                        return "exhausted"
                    break
                except (Busy, Unreachable) as error:
                    if hold is None:
                        return type(error).__name__.lower()
                    break
                finally:
                    assert self.loop.time() - began <= LONGEST_WAIT, "waited too long"
                if hold is None:
                    holder = self.holder
                hold = {purse.period: need for purse, need in purses.items()}
                observed = tuple(purse.period for purse in reservation.observed)
                self.live.add(reservation)
                self.allowances.keep(reservation, hold)
                await asyncio.sleep(ask.lasts / len(ask.needs))
            return "served"
        finally:
            self.live.discard(reservation)
            if hold is None:
                self.allowances.release(reservation, {})
            else:
                self._settle(reservation, hold, observed, ask.cost, holder)

    def _settle(
        self, reservation: Reservation, hold: Mapping[int, int], observed: Sequence[int], cost: float, holder: str
    ) -> None:
        charges = {period: int(amount * cost) for period, amount in hold.items()}
        taken = {period: min(hold[period], charge) for period, charge in charges.items()}
        charges |= dict.fromkeys(observed, 1)
        if holder == self.holder:
            self._write(Line(taken, charges), is_hurried=self.loop.time() < self.allowances.hurry_until)
            self.allowances.release(reservation, taken)
        else:
            self.bank.post(holder, Line(taken, charges))
            self.allowances.release(reservation, {})

    def purse(self, budget: int, admitted_at: int) -> Purse:
        return self.allowances.purse(self.bank.table.by_id[budget], admitted_at)

    def _check_exhausted(self, error: Exhausted) -> None:
        row = self.bank.row(error.terms.id)
        if not self.bank.lowered:
            assert error.need > self.bank.limit_of_late(error.terms.id) - row.posted, "refused though there is room"

    # what must hold

    def check(self) -> None:
        """Invariant 3 of docs/money.md, section 11."""
        if self.holder in self.bank.closed:
            return
        for (budget, start), row in self.bank.periods.items():
            held = self.bank.held.get((self.holder, row.id), Held())
            purse = self.allowances._purses.get((budget, start))
            known = self.allowances._remembered.get((budget, start))
            granted = purse.granted if purse else known.granted if known else held.used
            free = purse.free if purse else 0
            reserved = purse.reserved if purse else 0
            unposted: Counter[int] = Counter()
            for line in self.unposted:
                unposted.update(line.taken)
                unposted.update(line.returned)
            assert free >= 0, "free money below zero"
            assert reserved == sum(each.holds.get(purse, 0) for each in self._reservations(purse)), "reserved by nobody"
            assert held.granted - held.used == free + reserved + unposted[row.id] + held.granted - granted, (
                "money is unaccounted for"
            )

    def _reservations(self, purse: Purse | None) -> set[Reservation]:
        waiting = {waiter.reservation for waiter in purse.waiters} if purse else set()
        return self.live | waiting


During = Callable[[list["Process"]], Coroutine[Any, Any, None]]


async def play(
    loop: VirtualLoop, bank: Bank, asks: Sequence[Sequence[Ask]], during: During | None = None
) -> list[Outcome]:
    """Let each process serve its requests; return all outcomes, with the invariants checked throughout."""
    processes = [Process(f"p{number}", bank, loop) for number in range(len(asks))]
    watching = asyncio.ensure_future(watch(bank, processes))
    serving = [process.serve(ask) for process, own in zip(processes, asks, strict=True) for ask in own]
    stories = asyncio.gather(*serving, *([during(processes)] if during else []))
    await asyncio.wait([stories, watching], return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        watching.result()
    await stories
    await rest(processes)
    watching.cancel()
    for process in processes:
        process.check()
        assert not any(purse.reserved or purse.waiters for purse in process.allowances._purses.values()), "leaked"
        await process.close()
    return [ask.outcome for own in asks for ask in own if ask.outcome is not None]


async def rest(processes: Sequence[Process]) -> None:
    """Wait until all that was written is posted."""
    while any(process.unposted for process in processes):  # noqa: ASYNC110 time is only told
        await asyncio.sleep(0.1)


async def watch(bank: Bank, processes: Sequence[Process]) -> None:
    while True:
        await asyncio.sleep(0.05)
        for process in processes:
            process.check()
        for row in bank.periods.values():
            held = sum(each.granted - each.used for (_, id), each in bank.held.items() if id == row.id)
            assert row.lent == held, "lent is what allowances hold"
            assert bank.lowered or row.posted + row.lent <= bank.limit(row.budget) + row.over, "beyond the limit"


def away() -> OperationalError:
    return OperationalError("connection refused")
