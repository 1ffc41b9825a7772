"""Lending by the database itself: what counts, what is never passed, who gets nothing, and nobody waits in a circle."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections

from billing import borrowing, clock, database, ids, ledger, lending
from billing.borrowing import HolderClosed, borrow
from billing.calendars import EPOCH
from billing.lending import Loan, Want
from billing.lines import Return
from billing.models import Allowance, Budget, BudgetHour, BudgetPeriod, Grant, Holder
from billing.poll import poll
from tests.billing.journals import file_of, request, settled, stored
from tests.billing.test_ledger import differences

pytestmark = pytest.mark.django_db(transaction=True)

START = datetime(2026, 11, 1, tzinfo=UTC)


def new_holder() -> str:
    return ids.new(clock.now_us())


@pytest.fixture
def holder() -> str:
    return new_holder()


@pytest.fixture
def budget() -> Budget:
    return Budget.objects.create(amount=100)


def lent(holder: str, budget: Budget, *needs: int, start: datetime = START, **fields: Any) -> Loan:
    (loan,) = borrow(holder, "here", [Want(budget.pk, start, needs, **fields)])
    return loan


def test_the_first_touch_makes_the_period(holder: str, budget: Budget):
    loan = lent(holder, budget, 30, 20)
    period = BudgetPeriod.objects.get()
    assert loan == Loan(budget.pk, START, period.pk, granted=50, headroom=100, used=0)
    assert (period.lent, Allowance.objects.get().granted) == (50, 50)
    assert Holder.objects.get().machine == "here"


def test_a_call_made_again_lends_again_and_says_all_that_was_lent(holder: str, budget: Budget):
    """So a lost reply is neither lost nor lent twice."""
    assert [lent(holder, budget, 30).granted for _ in range(4)] == [30, 60, 90, 90]
    assert BudgetPeriod.objects.get().lent == 90


def test_whole_requests_are_lent_in_their_order(holder: str, budget: Budget):
    lent(new_holder(), budget, 50)
    assert lent(holder, budget, 20, 20, 20, 5).granted == 40


def test_far_from_the_limit_some_seconds_are_lent(holder: str):
    budget = Budget.objects.create(amount=100_000)
    assert lent(holder, budget, 10, rate=50.0).granted == 500
    assert lent(new_holder(), budget, 10, rate=50.0, is_tight=True).granted == 10
    assert lent(new_holder(), budget, 10, rate=10**6).granted == (100_000 - 510) // lending.SHARE


def test_who_is_short_is_seen_by_all_in_the_next_poll_and_nobody_gets_ahead(holder: str):
    budget = Budget.objects.create(amount=10_000)
    lent(new_holder(), budget, 9_990)
    assert poll(holder).wanted == ()
    assert lent(holder, budget, 20).granted == 0
    assert poll(holder).wanted == (BudgetPeriod.objects.get().pk,)
    BudgetPeriod.objects.update(lent=0)
    Allowance.objects.update(granted=0)
    assert lent(holder, budget, 20, rate=30.0).granted == 20


def test_what_there_is_no_room_for_is_not_wanted_from_others(holder: str, budget: Budget):
    lent(new_holder(), budget, 50)
    assert lent(holder, budget, 101, 40)[3:5] == (40, 100)
    assert lent(holder, budget, 101).granted == 40
    assert poll(holder).wanted == ()


def test_what_is_spent_counts(holder: str, budget: Budget):
    BudgetPeriod.objects.create(budget=budget, start=START, posted=80)
    assert lent(holder, budget, 30)[3:5] == (0, 20)
    assert lent(holder, budget, 20)[3:5] == (20, 20)


def test_a_limit_below_what_is_lent_lends_nothing_more(holder: str, budget: Budget):
    lent(holder, budget, 60)
    Budget.objects.update(amount=50)
    assert lent(holder, budget, 1, rate=5)[3:5] == (60, 50)
    assert BudgetPeriod.objects.get().lent == 60


def test_grants_in_force_count_and_others_do_not(holder: str, budget: Budget):
    now = clock.now()
    day = timedelta(days=1)
    for amount, begin, end in (
        (10, now - day, now + day),
        (1000, now - 2 * day, now - day),
        (5000, now + day, now + 2 * day),
    ):
        Grant.objects.create(budget=budget, amount=amount, starts_at=begin, ends_at=end, actor="a")
    assert lent(holder, budget, 111)[3:5] == (0, 110)
    assert lent(holder, budget, 110).granted == 110


@pytest.mark.parametrize(("period", "hours"), [("day", 24), ("week", 7 * 24), ("month", 30 * 24)])
def test_a_rolling_budget_counts_its_window_the_oldest_hour_whole(holder: str, period: str, hours: int):
    budget = Budget.objects.create(amount=1000, period=period, rolling=True)
    this = clock.now().replace(minute=0, second=0, microsecond=0)
    BudgetPeriod.objects.create(budget=budget, start=EPOCH, posted=10**6)
    for age, posted in ((0, 1), (hours - 1, 10), (hours, 100), (hours + 1, 10_000)):
        BudgetHour.objects.create(budget=budget, hour=this - timedelta(hours=age), posted=posted)
    assert lent(holder, budget, 1, start=EPOCH).headroom == 1000 - 111


def test_a_closed_holder_gets_nothing(holder: str, budget: Budget):
    lent(holder, budget, 10)
    Holder.objects.update(closed_at=clock.now())
    with pytest.raises(HolderClosed):
        lent(holder, budget, 10)
    assert BudgetPeriod.objects.get().lent == 10


def test_several_periods_are_lent_in_one_go_each_by_itself(holder: str):
    budgets = [Budget.objects.create(amount=amount) for amount in (100, 5, 100)]
    loans = borrow(holder, "here", [Want(budget.pk, START, (10,)) for budget in reversed(budgets)])
    assert {loan.budget: loan.granted for loan in loans} == dict(zip((b.pk for b in budgets), (10, 0, 10), strict=True))


def test_a_period_is_learned_without_anything_lent(holder: str, budget: Budget):
    assert lent(holder, budget).granted == 0
    assert BudgetPeriod.objects.get().wanted_at is None


def test_a_lender_closes_a_connection_that_failed_but_none_that_was_only_kept_waiting(monkeypatch: pytest.MonkeyPatch):
    closed = []
    monkeypatch.setattr(database, "give_back", lambda: closed.append(True))
    for error, expected in ((OperationalError("database is locked"), 0), (OperationalError("connection lost"), 1)):

        def fail(*args: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(borrowing, "borrow", fail)
        with pytest.raises(OperationalError):
            borrowing.lender("here")(new_holder(), [])
        assert len(closed) == expected


# at the same time


class Crowd:
    """Threads that do something over and over; what the database had no time for is made again."""

    def __init__(self) -> None:
        self.waits = 0
        self.errors: list[BaseException] = []

    def run(self, *works: Callable[[], None]) -> None:
        threads = [threading.Thread(target=self._work, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def patiently(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except OperationalError as error:
                if "deadlock" in str(error) or not database.is_contention(error):
                    raise
                self.waits += 1

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 told by the test
            self.errors.append(error)
        finally:
            connections.close_all()


def held_by_period() -> dict[int, int]:
    held: dict[int, int] = {}
    for row in Allowance.objects.all():
        held[row.period_id] = held.get(row.period_id, 0) + row.granted - row.used
    return held


def test_the_limit_is_not_passed_whoever_borrows_at_the_same_time():
    budgets = [Budget.objects.create(amount=amount) for amount in (300, 500, 10**6)]
    crowd = Crowd()

    def work() -> None:
        holder, chance = new_holder(), random.Random()
        for _ in range(25):
            chosen = chance.sample(budgets, chance.randint(1, 3))
            wants = [Want(budget.pk, START, (7,) * chance.randint(1, 3), chance.choice([0, 40])) for budget in chosen]
            crowd.patiently(lambda wants=wants: borrow(holder, "here", wants))

    crowd.run(*[work] * 4)
    assert crowd.errors == []
    periods = {row.budget_id: row for row in BudgetPeriod.objects.select_related("budget")}
    assert len(periods) == 3
    assert all(0 < row.lent <= row.budget.amount for row in periods.values())
    assert periods[budgets[0].pk].lent > 300 - 7
    assert {row.pk: row.lent for row in periods.values()} == held_by_period()


def test_borrowers_and_posters_of_the_same_periods_do_not_wait_in_a_circle():
    """Holders that borrow while what they spent and gave back is posted, all budgets at once and in any order."""
    budgets = [Budget.objects.create(amount=10**5, rolling=number == 2) for number in range(4)]
    starts = [EPOCH if budget.rolling else START for budget in budgets]
    crowd = Crowd()

    def work() -> None:
        holder, chance = new_holder(), random.Random()
        for seq in range(1, 11):
            wants = [Want(budget.pk, start, (100,)) for budget, start in zip(budgets, starts, strict=True)]
            chance.shuffle(wants)
            loans = crowd.patiently(lambda wants=wants: borrow(holder, "here", wants))
            opened = [request(hold={loan.period: 40 for loan in loans}) for _ in range(2)]
            said = [*(settled(each, 30) for each in opened), Return(amounts={loan.period: 20 for loan in loans})]
            crowd.patiently(lambda seq=seq, said=said: stored(holder, file_of(holder, seq, *said)))
            crowd.patiently(lambda: ledger.post(holder))

    def post() -> None:
        for _ in range(20):
            for waiting in ledger.waiting():
                crowd.patiently(lambda waiting=waiting: ledger.post(waiting))

    crowd.run(work, work, work, post)
    assert crowd.errors == []
    for waiting in ledger.waiting():
        ledger.post(waiting)
    periods = list(BudgetPeriod.objects.all())
    assert [row.posted for row in periods] == [3 * 10 * 2 * 30] * 4
    assert {row.pk: row.lent for row in periods} == held_by_period() == dict.fromkeys((row.pk for row in periods), 600)
    assert differences() == []
