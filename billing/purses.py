"""What a process has in hand of one period of one budget, and who waits for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count
from operator import attrgetter

from billing import clock, ids
from billing.budgets import Terms
from billing.lending import SECONDS, Loan, Want

WAIT_SECONDS = 3.0
AHEAD_SECONDS = 5
AVERAGED_OVER_SECONDS = 10


class Refused(Exception):
    """The budget of ``terms`` keeps a request from being sent."""

    def __init__(self, terms: Terms, need: int, headroom: int, renews_at: datetime | None) -> None:
        super().__init__(terms.id)
        self.terms = terms
        self.need = need
        self.headroom = headroom
        self.renews_at = renews_at


class Exhausted(Refused):
    """There is no room in the budget, whatever others give back: ``headroom`` is the limit less what is spent."""


class Busy(Refused):
    """What is left is in the hands of others and did not come back in time; it may soon."""


class Unreachable(Exception):
    """The database is away, so nothing more can be borrowed."""


class Purse:
    """What this process has of one period of one budget; ``free`` may be spent. Amounts are in the budget's atoms."""

    def __init__(self, terms: Terms, start: datetime, granted: int = 0, spent: int = 0) -> None:
        self.start = start
        self.period: int | None = None
        self.granted = granted
        self.free = 0
        self.reserved = 0
        self.waiters: dict[Waiter, None] = {}
        self.headroom: int | None = None
        self.spent = spent
        self.used = 0
        self.rate = 0.0
        self.taken = 0
        self.ask_at = self.tight_until = self.refused_until = 0.0
        self.used_at = clock.elapsed()
        self.obey(terms)

    def obey(self, terms: Terms) -> None:
        self.terms = terms
        self.renews_at = terms.end_of(self.start)
        self.ends_at = ids.microseconds(self.renews_at) if self.renews_at else 2**63

    @property
    def is_tight(self) -> bool:
        return clock.elapsed() < self.tight_until

    @property
    def runs_low(self) -> bool:
        is_used = self.terms.is_enforced and SECONDS * self.rate >= 1
        return is_used and self.free < AHEAD_SECONDS * self.rate and (self.headroom or 0) > 0

    @property
    def is_in_use(self) -> bool:
        return bool(self.reserved or self.waiters or self.free)

    @property
    def is_shown(self) -> bool:
        """Whether callers are told of its amounts: of money that is not the whole gateway's."""
        terms = self.terms
        return terms.unit == "usd" and (terms.user_id, terms.team_id, terms.api_key_id) != (None, None, None)

    @property
    def remaining(self) -> int | None:
        """What the budget has left as far as this process knows: others have spent since it last asked."""
        return None if self.headroom is None else max(0, self.headroom - max(0, self.spent - self.used))

    @property
    def is_blocked(self) -> bool:
        """Whether who has waited longest here waits for this purse, so that nobody behind is served either."""
        first = next(self._waiting(), None)
        return first is None or first.is_short_of(self)

    @property
    def is_short(self) -> bool:
        """Whether those who wait need more than is here, or to know of it at all."""
        return bool(self.lacks()) or (self.period is None and next(self._waiting(), None) is not None)

    def lacks(self) -> list[int]:
        """Return what those who wait lack here, in their order, each after those before it have taken theirs."""
        left, found = self.free, []
        for waiter in self._waiting():
            more = waiter.more(self)
            if more > left:
                found.append(more - left)
            left = max(0, left - more)
        return found

    def refusal(self, kind: type[Refused], need: int) -> Refused:
        return kind(self.terms, need, max(0, self.headroom or 0), self.renews_at)

    def learn(self, loan: Loan) -> None:
        """Take in all that was ever granted; less than was known is a database that went back, which counts anew."""
        self.period = loan.period
        self.headroom = loan.headroom
        self.used = loan.used
        self.free += max(0, loan.granted - self.granted)
        self.granted = loan.granted

    def pass_second(self) -> None:
        self.rate += (self.taken - self.rate) / AVERAGED_OVER_SECONDS
        self.taken = 0

    def want(self, needs: Iterable[int] = ()) -> Want:
        return Want(self.terms.id, self.start, tuple(needs), max(self.rate, self.taken), self.is_tight)

    def _waiting(self) -> Iterator[Waiter]:
        return (waiter for waiter in self.waiters if not waiter.taken.done())


Needs = Mapping[Purse, int]


class Reservation:
    """What one request holds: grown for each further attempt, lowered once that is dispatched, let go of once.

    ``patience`` is how many seconds it may still wait for money.
    """

    __slots__ = ("holds", "observed", "patience", "purses")

    def __init__(self) -> None:
        self.holds: dict[Purse, int] = {}
        self.purses: Collection[Purse] = ()
        self.observed: Sequence[Purse] = ()
        self.patience = WAIT_SECONDS

    def take(self, needs: Needs, observed: Sequence[Purse]) -> None:
        """Hold at least ``needs``. What more was held for the last attempt stays until the next is dispatched."""
        now = clock.elapsed()
        for purse, need in needs.items():
            more = max(0, need - self.holds.get(purse, 0))
            purse.free -= more
            purse.reserved += more
            purse.taken += more
            purse.used_at = now
            self.holds[purse] = self.holds.get(purse, 0) + more
        for purse in observed:
            purse.used_at = now
        self.purses, self.observed = needs.keys(), observed

    def keep(self, hold: Mapping[int, int]) -> None:
        """Hold no more than ``hold`` ({period: amount}), which is what stands in the journal."""
        for purse, held in self.holds.items():
            less = held - min(held, hold.get(purse.period or 0, 0))
            purse.reserved -= less
            purse.free += less
            self.holds[purse] = held - less

    def let_go(self, spent: Mapping[int, int]) -> Iterable[Purse]:
        """Give all back to the purses but what was ``spent`` ({period: amount}); return them."""
        holds, self.holds = self.holds, {}
        for purse, hold in holds.items():
            gone = spent.get(purse.period or 0, 0)
            purse.reserved -= hold
            purse.free += hold - gone
            purse.spent += gone
        return holds


class Waiter:
    """A request that waits in its turn. ``is_void``: what it took belongs to a holder that is closed."""

    numbers = count()

    def __init__(self, needs: Needs, observed: Sequence[Purse], reservation: Reservation) -> None:
        self.number = next(self.numbers)
        self.needs = needs
        self.observed = observed
        self.reservation = reservation
        self.is_void = False
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def purses(self) -> tuple[Purse, ...]:
        return (*self.needs, *self.observed)

    def more(self, purse: Purse) -> int:
        """Return how much it needs beyond what it holds."""
        return max(0, self.needs.get(purse, 0) - self.reservation.holds.get(purse, 0))

    def is_short_of(self, purse: Purse, is_blocked: bool = False) -> bool:
        more = self.more(purse)
        return purse.period is None or more > purse.free or (is_blocked and more > 0)

    def take(self) -> None:
        self.reservation.take(self.needs, self.observed)
        self.taken.set_result(None)

    def end(self, error: Exception) -> None:
        if not self.taken.done():
            self.taken.set_exception(error)


def serve(purses: Iterable[Purse]) -> None:
    """Let those who wait take what has come to ``purses``, in their order: who waits for more is not overtaken."""
    if all(purse.is_blocked for purse in purses):
        return
    waiters, concerned = _together(purses)
    blocked: set[Purse] = set()
    for waiter in waiters:
        short = {purse for purse in waiter.purses if waiter.is_short_of(purse, purse in blocked)}
        if not short:
            waiter.take()
        blocked |= short
        if len(blocked) == concerned:
            break


def _together(purses: Iterable[Purse]) -> tuple[list[Waiter], int]:
    """Return all that wait in ``purses``, or beside those who do, as they came; and in how many purses that is."""
    found: set[Waiter] = set()
    seen: set[Purse] = set()
    reached = list(purses)
    while reached:
        purse = reached.pop()
        if purse in seen:
            continue
        seen.add(purse)
        new = [waiter for waiter in purse.waiters if waiter not in found and not waiter.taken.done()]
        found.update(new)
        reached.extend(other for waiter in new for other in waiter.purses)
    return sorted(found, key=attrgetter("number")), len(seen)
