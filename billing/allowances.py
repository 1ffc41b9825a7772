"""The money in this process's hands: reserved without a lock, borrowed when short, waited for near the limit.

One event loop owns it; between looking and taking there is no ``await`` (docs/money.md).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from billing import clock, ids
from billing.borrower import Borrower, Lend, before_asking_again
from billing.budgets import BudgetTable, Terms
from billing.lending import Loan, Want
from billing.purses import Busy, Exhausted, Needs, Purse, Reservation, Unreachable, Waiter, serve

logger = logging.getLogger(__name__)

MOST_WAITING = 100
# periods in one transaction: it has a second, and SQLite's statements have a depth
MOST_AT_ONCE = 100
TIGHT_SECONDS = 10.0
IDLE_SECONDS = 300.0
REMEMBERED_SECONDS = 1.0
# what was granted of an ended period is remembered while a request admitted in it may still come
LATE_MICROSECONDS = 3600 * 10**6


class _Remembered(NamedTuple):
    """Of a purse that was put away: answers name all that was ever granted, so that has to be known for ever."""

    granted: int
    spent: int
    ends_at: int


class Allowances:
    """All purses of one process.

    ``lend`` asks the database, in a thread of its own; ``give_back`` writes a return line for {period: amount},
    False: it could not.
    """

    def __init__(self, holder: Callable[[], str], lend: Lend, give_back: Callable[[dict[int, int]], bool]) -> None:
        self.hurry_until = 0.0
        self._holder = holder
        self._give_back = give_back
        self._purses: dict[tuple[int, datetime], Purse] = {}
        self._current: dict[int, Purse] = {}
        self._periods: dict[int, Purse] = {}
        self._remembered: dict[tuple[int, datetime], _Remembered] = {}
        self._waited: dict[Purse, None] = {}
        self._low: set[Purse] = set()
        self._borrower = Borrower(holder, lend, self._wants, self._pause, self._answered)

    def when_closed(self, tell: Callable[[str], None]) -> None:
        """Let ``tell`` know of a holder that the database has closed."""
        self._borrower.closed = tell

    def purse(self, terms: Terms, admitted_at: int) -> Purse:
        """Return the purse of the period that ``admitted_at`` (microseconds) is in; good until the next ``await``."""
        purse = self._current.get(terms.id)
        if purse is None or not ids.microseconds(purse.start) <= admitted_at < purse.ends_at:
            purse = self._purse_at(terms, admitted_at)
        return purse

    async def reserve(self, reservation: Reservation, needs: Needs, observed: Sequence[Purse] = ()) -> None:
        """Make ``reservation`` hold at least ``needs``, all of it or nothing more than it held before.

        Borrows what is missing and waits for it at most three seconds. Raises ``Exhausted``, ``Busy``,
        ``Unreachable``.
        """
        if self._is_covered(reservation, needs):
            unknown = [purse for purse in observed if purse.period is None]
            if not unknown:
                reservation.take(needs, observed)
                return
            if self._borrower.is_away or any(len(purse.waiters) >= MOST_WAITING for purse in unknown):
                self._go_uncounted(reservation, needs, observed)
                return
        self._refuse_what_is_known(needs)
        await self._wait(Waiter(needs, observed, reservation))

    def keep(self, reservation: Reservation, hold: Mapping[int, int]) -> None:
        """Lower what a request holds to what its newest line in the journal says: {period: amount}."""
        reservation.keep(hold)
        serve(reservation.holds)

    def release(self, reservation: Reservation, taken: Mapping[int, int]) -> None:
        """Let go of what a request held; ``taken`` is {period: what of it was spent}. A second call does nothing."""
        serve(reservation.let_go(taken))

    def recall(self, periods: Collection[int]) -> None:
        """Give back what is free of periods that others want, and be in a hurry for a while.

        Requests that wait for something else beside it get no part of it: two processes that each keep what the
        other one lacks would wait for each other.
        """
        until = clock.elapsed() + TIGHT_SECONDS
        for period in self._periods.keys() & periods:
            purse = self._periods[period]
            self.hurry_until = purse.tight_until = until
            self._return(purse)

    def change(self, table: BudgetTable) -> None:
        """Take in changed budgets: what is free of those that got smaller or ended goes back."""
        for purse in self._purses.values():
            terms = table.by_id.get(purse.terms.id)
            if terms is None or not terms.is_enforced or terms.amount < purse.terms.amount:
                self._return(purse)
            purse.obey(terms or purse.terms)
            purse.refused_until = 0.0
        self._current.clear()

    def tick(self) -> None:
        """Once a second: learn the rates, borrow ahead, give back what is idle or over."""
        now, moment = clock.elapsed(), clock.now_us()
        for key, purse in list(self._purses.items()):
            purse.pass_second()
            if moment >= purse.ends_at or now - purse.used_at > IDLE_SECONDS:
                self._return(purse)
                if not purse.is_in_use:
                    self._put_away(key, purse)
            elif purse.runs_low and not purse.is_tight:
                self._low.add(purse)
        late = [key for key, known in self._remembered.items() if known.ends_at + LATE_MICROSECONDS < moment]
        for key in late:
            del self._remembered[key]
        if self._low:
            self._borrower.wake()

    def begin_anew(self) -> None:
        """The holder was closed and a new one has begun: whatever was lent to the old one is gone with it."""
        self._purses.clear()
        self._current.clear()
        self._periods.clear()
        self._remembered.clear()
        self._low.clear()
        self._end_waiting()

    async def close(self) -> None:
        await self._borrower.close()
        self._end_waiting()

    # purses

    def _purse_at(self, terms: Terms, admitted_at: int) -> Purse:
        start = terms.start_of(ids.instant(admitted_at))
        purse = self._purses.get((terms.id, start))
        if purse is None:
            known = self._remembered.pop((terms.id, start), _Remembered(0, 0, 0))
            purse = self._purses[terms.id, start] = Purse(terms, start, known.granted, known.spent)
        current = self._current.get(terms.id)
        if current is None or current.start < start:
            self._current[terms.id] = purse
        return purse

    def _put_away(self, key: tuple[int, datetime], purse: Purse) -> None:
        del self._purses[key]
        self._remembered[key] = _Remembered(purse.granted, purse.spent, purse.ends_at)
        self._low.discard(purse)
        self._periods.pop(purse.period or 0, None)
        if self._current.get(purse.terms.id) is purse:
            del self._current[purse.terms.id]

    def _return(self, purse: Purse) -> None:
        if purse.free > 0 and purse.period is not None and self._give_back({purse.period: purse.free}):
            purse.spent += purse.free
            purse.free = 0
            if purse.waiters:
                self._borrower.wake()

    # waiting

    def _is_covered(self, reservation: Reservation, needs: Needs) -> bool:
        for purse, need in needs.items():
            more = need - reservation.holds.get(purse, 0)
            if purse.period is None or (more > 0 and (purse.waiters or purse.free < more)):
                return False
        return True

    def _go_uncounted(self, reservation: Reservation, needs: Needs, observed: Sequence[Purse]) -> None:
        """Budgets that only observe refuse nobody, and nobody waits long for them."""
        unknown = [purse for purse in observed if purse.period is None]
        if unknown and not self._borrower.is_away:
            logger.warning("a request is not counted in the budgets that observe it: their periods cannot be read")
        self._low.update(unknown)
        self._borrower.wake()
        reservation.take(needs, [purse for purse in observed if purse.period is not None])

    def _refuse_what_is_known(self, needs: Needs) -> None:
        if self._borrower.is_closed:
            raise Unreachable
        now = clock.elapsed()
        for purse, need in needs.items():
            if now < purse.refused_until and need > (purse.headroom or 0):
                raise purse.refusal(Exhausted, need)
            if len(purse.waiters) >= MOST_WAITING:
                raise purse.refusal(Busy, need)

    async def _wait(self, waiter: Waiter) -> None:
        began, reservation = clock.elapsed(), waiter.reservation
        self._enter(waiter)
        try:
            async with asyncio.timeout(max(0.0, reservation.patience)):
                await waiter.taken
        except TimeoutError:
            if waiter.taken.cancelled():
                self._give_up(waiter)
            else:
                waiter.taken.result()
        finally:
            reservation.patience -= clock.elapsed() - began
            self._leave(waiter)
        if waiter.is_void:
            self.release(reservation, {})
            raise Unreachable

    def _enter(self, waiter: Waiter) -> None:
        for purse in waiter.purses:
            purse.waiters[waiter] = None
            self._waited[purse] = None
        self._borrower.wake()

    def _leave(self, waiter: Waiter) -> None:
        if waiter.taken.done() and not waiter.taken.cancelled():
            waiter.taken.exception()  # taken note of, should nobody wait for it any more
        for purse in waiter.purses:
            del purse.waiters[waiter]
            if not purse.waiters:
                self._waited.pop(purse, None)
        serve(waiter.purses)
        if self._waited:
            self._borrower.wake()

    def _give_up(self, waiter: Waiter) -> None:
        """Say why a request has waited in vain; one that only observed budgets keep waiting goes on without them."""
        short = next((purse for purse in waiter.needs if waiter.is_short_of(purse)), None)
        if short is None:
            self._go_uncounted(waiter.reservation, waiter.needs, waiter.observed)
        elif self._borrower.hears_nothing:
            raise Unreachable
        else:
            raise short.refusal(Busy, waiter.needs[short])

    def _end_waiting(self) -> None:
        for waiter in [waiter for purse in self._waited for waiter in purse.waiters]:
            waiter.is_void = True
            waiter.end(Unreachable())

    # borrowing

    def _wants(self) -> list[Want]:
        """Return what to ask for now: for those who wait, and for what runs low."""
        now = clock.elapsed()
        short = (purse for purse in self._waited if purse.ask_at <= now and purse.is_short)
        wants = [purse.want(purse.lacks()) for purse in islice(short, MOST_AT_ONCE)]
        while self._low and len(wants) < MOST_AT_ONCE:
            purse = self._low.pop()
            if not purse.waiters:
                wants.append(purse.want())
        return wants

    def _pause(self) -> float | None:
        """Return when the next of those who wait may ask again; the others lack nothing, or have been asked for.

        One whose moment has come since ``_wants`` looked may ask at once: who is left out here is asked for by nobody.
        """
        now = clock.elapsed()
        soon = (purse for purse in self._waited if purse.ask_at > now or purse.is_short)
        return min((max(0.0, purse.ask_at - now) for purse in soon), default=None)

    def _answered(self, holder: str, wants: list[Want], loans: list[Loan] | None) -> None:
        if loans is not None and holder == self._holder():
            self._learn(loans)
        self._ask_again_later(wants, gives_back=loans is not None)

    def _learn(self, loans: Iterable[Loan]) -> None:
        learned = []
        for loan in loans:
            purse = self._purses.get((loan.budget, loan.start))
            if purse is not None:
                purse.learn(loan)
                self._periods[loan.period] = purse
                learned.append(purse)
        serve(learned)
        for purse in learned:
            self._refuse_the_hopeless(purse)

    def _refuse_the_hopeless(self, purse: Purse) -> None:
        for waiter in purse.waiters:
            need = waiter.needs.get(purse, 0)
            if need > (purse.headroom or 0) and waiter.more(purse) and not waiter.taken.done():
                purse.refused_until = clock.elapsed() + REMEMBERED_SECONDS
                waiter.end(purse.refusal(Exhausted, need))

    def _ask_again_later(self, wants: Iterable[Want], gives_back: bool) -> None:
        """Who is still short gives back its own rest, else remainders smaller than a request block each other."""
        now = clock.elapsed()
        for want in wants:
            purse = self._purses.get((want.budget, want.start))
            if purse is None or not purse.is_short:
                continue
            purse.ask_at = now + before_asking_again()
            if gives_back:
                self.hurry_until = max(self.hurry_until, now + REMEMBERED_SECONDS)
                self._return(purse)
