"""Money in the hands of processes, in told time: never too much, nobody waits in vain, nothing leaks."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import given, settings
from hypothesis import strategies as st

from billing import clock
from billing.lending import Loan, Want
from billing.purses import Busy, Exhausted, Reservation, Unreachable
from tests.billing.bank import Ask, Bank, Held, Process, away, play, terms
from tests.billing.virtual import STARTED_US, VirtualLoop, run

DAY_US = 86_400 * 10**6


def kinds(bank: Bank, *asks: list[Ask], seed: int = 1, during: Any = None) -> Counter[str]:
    """Return how the requests of each process end."""
    random.seed(seed)

    async def story(loop: VirtualLoop) -> Counter[str]:
        return Counter(outcome.kind for outcome in await play(loop, bank, asks, during=during))

    return run(story)


def alone(bank: Bank, story: Callable[[Process], Coroutine[Any, Any, Any]], seed: int = 1) -> Any:
    """Run a story of one process."""
    random.seed(seed)

    async def whole(loop: VirtualLoop) -> Any:
        process = Process("p", bank, loop)
        try:
            return await story(process)
        finally:
            process.check()
            await process.close()

    return run(whole)


async def reserved(process: Process, *needs: int, reservation: Reservation | None = None) -> Reservation:
    """Return a reservation that holds ``needs`` of the budgets 1, 2, …"""
    reservation = reservation or Reservation()
    purses = {process.purse(budget, clock.now_us()): need for budget, need in enumerate(needs, 1)}
    await process.allowances.reserve(reservation, purses)
    process.live.add(reservation)
    return reservation


def let_go(process: Process, reservation: Reservation) -> None:
    process.live.discard(reservation)
    process.allowances.release(reservation, {})


# a burst


def burst(hold: int, lasts: tuple[float, float], seed: int) -> Counter[str]:
    """200 requests at once on 4 processes, where a budget for 50 is left."""
    random.seed(seed)
    bank = Bank([terms(1, 50 * 1000)])
    asks = [
        [Ask([{1: hold}], 1000 / hold, random.uniform(*lasts), random.uniform(0, 0.2)) for _ in range(50)]
        for _ in range(4)
    ]
    return kinds(bank, *asks, seed=seed)


@pytest.mark.parametrize(
    ("hold", "lasts", "least"),
    [
        (1000, (0.05, 0.1), 48),
        (1000, (0.3, 1.5), 48),
        (2000, (0.05, 0.1), 48),
        (4000, (0.05, 0.1), 46),
        (4000, (0.3, 1.5), 28),
    ],
)
def test_a_burst_uses_what_is_left(hold: int, lasts: tuple[float, float], least: int):
    for seed in range(3):
        assert least <= burst(hold, lasts, seed)["served"] <= 50


# who is served, who is refused


def test_an_empty_budget_refuses_at_once_and_is_asked_about_once_a_second():
    bank = Bank([terms(1, 10)])
    asks = [Ask([{1: 20}], arrives=number / 100) for number in range(50)]
    assert kinds(bank, asks) == {"exhausted": 50}
    assert bank.borrows == 1


def test_a_hopeless_request_calls_back_nobodys_money():
    bank = Bank([terms(1, 1000)])
    assert kinds(bank, [Ask([{1: 1}])], [Ask([{1: 2000}], arrives=2)]) == {"served": 1, "exhausted": 1}
    assert bank.row(1).wanted_at < 0


def test_a_hopeless_request_is_no_obstacle_to_those_behind():
    bank = Bank([terms(1, 100)])
    assert kinds(bank, [Ask([{1: 200}]), Ask([{1: 50}]), Ask([{1: 50}])]) == {"exhausted": 1, "served": 2}


@given(
    rests=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=3),
    needs=st.tuples(st.integers(1, 100), st.integers(1, 60)),
)
@settings(max_examples=40)
def test_who_waits_alone_is_served_where_there_is_room(rests: list[tuple[int, int]], needs: tuple[int, int]):
    """Others hold what they do not need, here too."""
    bank = Bank([terms(1, 100), terms(2, 60)])
    idle = [[Ask([{1: first, 2: second}], cost=0)] for first, second in rests]
    assert kinds(bank, [Ask([{1: needs[0], 2: needs[1]}], arrives=5)], *idle)["served"] >= 1 + (len(rests) <= 2) * len(
        rests
    )


@pytest.mark.parametrize("seed", range(5))
def test_two_processes_that_each_hold_what_the_other_lacks_do_not_wait_for_each_other(seed: int):
    """One has all of the first budget in hand, one all of the second; requests of both need both."""
    bank = Bank([terms(1, 100), terms(2, 100)])
    first = [Ask([{1: 60}], cost=0, lasts=0), Ask([{1: 60, 2: 60}], cost=0, arrives=1)]
    second = [Ask([{2: 60}], cost=0, lasts=0), Ask([{1: 60, 2: 60}], cost=0, arrives=1)]
    assert kinds(bank, first, second, seed=seed) == {"served": 4}


def test_who_is_still_short_gives_back_its_rest_at_once():
    async def story(process: Process) -> int:
        process._tasks[0].cancel()  # no poll tells it to
        held = await reserved(process, 40)
        let_go(process, await reserved(process, 60))
        waiting = asyncio.ensure_future(reserved(process, 80))
        await asyncio.sleep(0.05)
        free = process.purse(1, clock.now_us()).free
        let_go(process, held)
        let_go(process, await waiting)
        return free

    assert alone(Bank([terms(1, 100)]), story) == 0


def test_who_waits_for_more_is_not_overtaken():
    async def story(process: Process) -> list[str]:
        held = await reserved(process, 80)
        order: list[str] = []

        async def one(name: str, need: int) -> None:
            mine = await reserved(process, need)
            order.append(name)
            let_go(process, mine)

        waiting = [asyncio.ensure_future(one(name, need)) for name, need in (("large", 50), ("small", 10))]
        await asyncio.sleep(1)
        let_go(process, held)
        await asyncio.gather(*waiting)
        return order

    assert alone(Bank([terms(1, 100)]), story) == ["large", "small"]


def test_a_request_waits_three_seconds_in_all_however_many_targets_it_has():
    async def story(process: Process) -> float:
        held = await reserved(process, 80)
        began, waiting = clock.elapsed(), Reservation()
        for _ in range(3):
            with pytest.raises(Busy):
                await reserved(process, 50, reservation=waiting)
        let_go(process, held)
        return clock.elapsed() - began

    assert alone(Bank([terms(1, 100)]), story) <= 4


def test_more_than_a_hundred_do_not_wait_for_one_budget():
    many = [Ask([{1: 50}], arrives=0.5) for _ in range(150)]
    assert kinds(Bank([terms(1, 100)]), [Ask([{1: 80}], lasts=10, cost=0), *many]) == {"served": 1, "busy": 150}
    assert sum(ask.outcome.waited == 0 for ask in many if ask.outcome) == 50


# retries


def test_a_further_attempt_holds_the_more_until_it_is_dispatched():
    async def story(process: Process) -> list[int]:
        reservation = await reserved(process, 80)
        (purse,) = reservation.purses
        await reserved(process, 30, reservation=reservation)
        seen = [purse.reserved]
        process.allowances.keep(reservation, {purse.period: 30})
        seen.append(purse.reserved)
        let_go(process, reservation)
        return [*seen, purse.reserved, purse.free]

    assert alone(Bank([terms(1, 100)]), story) == [80, 30, 0, 80]


def test_an_attempt_that_was_not_dispatched_leaves_enough_for_the_one_that_was():
    """Its cost is up to what stands in the journal, though the next one, which was cheaper, had reserved already."""

    async def story(process: Process) -> int:
        reservation = await reserved(process, 80)
        (purse,) = reservation.purses
        await reserved(process, 30, reservation=reservation)
        process.live.discard(reservation)
        process._settle(reservation, {purse.period: 80}, (), 1, process.holder)
        return purse.free

    assert alone(Bank([terms(1, 100)]), story) == 0


def test_what_waits_for_a_dearer_attempt_keeps_what_it_has():
    async def story(process: Process) -> int:
        other = await reserved(process, 50)
        reservation = await reserved(process, 40)
        with pytest.raises(Busy):
            await reserved(process, 80, reservation=reservation)
        held = sum(reservation.holds.values())
        let_go(process, other)
        let_go(process, reservation)
        return held

    assert alone(Bank([terms(1, 100)]), story) == 40


# the client leaves


@pytest.mark.parametrize("after", [0.0, 0.001, 0.002, 0.0021, 0.1, 1.0, 2.9999, 3.0])
def test_who_leaves_while_it_waits_takes_nothing_along(after: float):
    bank = Bank([terms(1, 100)])
    asks = [Ask([{1: 80}], lasts=0.5, cost=0), Ask([{1: 90}], leaves=after), Ask([{1: 40}], arrives=4)]
    assert kinds(bank, asks)["served"] >= 2


def test_who_is_cancelled_in_the_moment_it_is_served_takes_nothing_along():
    async def story(process: Process) -> int:
        held, leaving = await reserved(process, 80), Reservation()
        waiting = asyncio.ensure_future(reserved(process, 50, reservation=leaving))
        await asyncio.sleep(0.5)
        (purse,) = held.purses
        let_go(process, held)
        assert leaving.holds
        waiting.cancel()
        await asyncio.wait([waiting])
        process.allowances.release(leaving, {})
        return purse.reserved

    assert alone(Bank([terms(1, 100)]), story) == 0


# what is remembered


def test_a_purse_that_was_idle_and_put_away_is_not_lent_its_past_again():
    """An answer names all that was ever granted; what of it was given back long ago may not be spent again."""

    async def story(process: Process) -> int:
        let_go(process, await reserved(process, 60))
        await asyncio.sleep(400)
        assert not process.allowances._purses
        let_go(process, await reserved(process, 10))
        return process.purse(1, clock.now_us()).free

    assert alone(Bank([terms(1, 100)]), story) == 10


def test_nothing_is_kept_of_a_period_long_ended():
    bank = Bank([terms(1, 100, period="day")])

    async def story(process: Process) -> None:
        for _ in range(3):
            let_go(process, await reserved(process, 60))
            process.loop.jump(86_400 - 3700)
            await asyncio.sleep(3700)
        assert len(process.allowances._remembered) <= 1
        assert len(process.allowances._purses) + len(process.allowances._periods) == 0

    alone(bank, story)
    assert len(bank.periods) == 3
    assert {row.lent for row in bank.periods.values()} == {0}


def test_a_period_that_ends_in_mid_wait_is_still_the_one_of_the_request():
    until_midnight = (DAY_US - STARTED_US % DAY_US) / 1e6
    bank = Bank([terms(1, 100, period="day")])
    asks = [Ask([{1: 80}], cost=0, arrives=until_midnight - 1, lasts=2), Ask([{1: 50}], arrives=until_midnight - 0.5)]
    assert kinds(bank, asks) == {"served": 2}
    assert [row.posted for row in bank.periods.values()] == [50]


def test_a_slow_trickle_asks_for_several_requests_at_a_time_and_idleness_for_nothing():
    bank = Bank([terms(1, 1000, unit="requests")])
    kinds(bank, [Ask([{1: 1}], arrives=number * 2) for number in range(30)])
    assert bank.borrows < 20
    bank = Bank([terms(1, 1000)])
    assert kinds(bank, [Ask([{1: 5}]), Ask([{1: 5}], arrives=200)])["served"] == 2
    assert bank.borrows < 8


# the database is away, or has closed the holder


def during(bank: Bank, *steps: tuple[float, Callable[[], Any]]) -> Callable[[list[Process]], Coroutine[Any, Any, None]]:
    async def story(processes: list[Process]) -> None:
        for seconds, step in steps:
            await asyncio.sleep(seconds)
            step()

    return story


def trouble(bank: Bank, error: Exception | None) -> Callable[[], None]:
    return lambda: setattr(bank, "trouble", error)


class Contended(Exception):
    sqlstate = "55P03"


def contention() -> OperationalError:
    error = OperationalError("canceling statement due to lock timeout")
    error.__cause__ = Contended()
    return error


def test_without_the_database_what_was_lent_is_spent_and_then_it_is_said():
    bank = Bank([terms(1, 100)])
    asks = [Ask([{1: 50}], cost=0), *(Ask([{1: need}], arrives=2, cost=0) for need in (30, 40, 50))]
    found = kinds(bank, asks, during=during(bank, (1, trouble(bank, away())), (9, trouble(bank, None))))
    assert found == {"served": 3, "unreachable": 1} or found == {"served": 4}


def test_what_is_in_hand_is_not_given_back_while_nobody_answers():
    bank = Bank([terms(1, 100)])
    asks = [Ask([{1: 50}], cost=0), Ask([{1: 80}], arrives=2), Ask([{1: 50}], arrives=6)]
    found = kinds(bank, asks, during=during(bank, (1, trouble(bank, away())), (9, trouble(bank, None))))
    assert found == {"served": 2, "unreachable": 1}


@pytest.mark.parametrize("error", [away(), contention(), ValueError("nobody foresaw this")])
def test_a_borrow_that_fails_is_made_again(error: Exception):
    bank = Bank([terms(1, 100)])
    bank.trouble = error
    assert kinds(bank, [Ask([{1: 50}])], during=during(bank, (1, trouble(bank, None)))) == {"served": 1}


def test_lock_timeouts_are_no_outage():
    bank = Bank([terms(1, 100)])
    bank.trouble = contention()
    assert kinds(bank, [Ask([{1: 50}])], during=during(bank, (5, trouble(bank, None)))) == {"busy": 1}


def test_a_database_that_does_not_answer_at_all_is_away():
    async def story(process: Process) -> None:
        process.loop.latency = lambda: 60.0
        with pytest.raises(Unreachable):
            await reserved(process, 10)

    alone(Bank([terms(1, 100)]), story)


def test_a_budget_that_only_observes_keeps_nobody_waiting_while_the_database_is_away():
    async def story(process: Process) -> float:
        process.bank.trouble = away()
        began = clock.elapsed()
        for _ in range(3):
            watched = [process.purse(1, clock.now_us())]
            await process.allowances.reserve(Reservation(), {}, watched)
        waited = clock.elapsed() - began
        process.bank.trouble = None
        await process.allowances.reserve(Reservation(), {}, watched)
        await asyncio.sleep(0.1)
        counted = Reservation()
        await process.allowances.reserve(counted, {}, watched)
        assert [purse.period for purse in counted.observed] == [1]
        return waited

    assert alone(Bank([terms(1, 100, mode="observe")]), story) < 4


def test_a_closed_holder_goes_on_as_a_new_one_without_its_money():
    bank = Bank([terms(1, 100)])
    asks = [Ask([{1: 50}], cost=0), Ask([{1: 100}], arrives=5)]
    assert kinds(bank, asks, during=during(bank, (2, lambda: bank.close("p0")))) == {"served": 2}


def test_a_request_that_waits_while_its_holder_is_closed_is_refused_with_its_money():
    """It was served from the old holder's money in the same moment: it must not be dispatched with it."""

    async def story(process: Process) -> None:
        held = await reserved(process, 80)
        waiting = asyncio.ensure_future(reserved(process, 50))
        await asyncio.sleep(0.5)
        let_go(process, held)
        process.bank.close(process.holder)
        process.renew(process.holder)
        with pytest.raises(Unreachable):
            await waiting
        let_go(process, await reserved(process, 100))

    alone(Bank([terms(1, 100)]), story)


def test_what_was_lent_to_a_holder_that_is_closed_meanwhile_is_not_the_new_ones():
    async def story(process: Process) -> None:
        process.loop.latency = lambda: 1.0
        waiting = asyncio.ensure_future(reserved(process, 50))
        await asyncio.sleep(0.6)
        process.bank.close(process.holder)
        process.renew(process.holder)
        with pytest.raises(Unreachable):
            await waiting
        again = asyncio.ensure_future(reserved(process, 50))
        await asyncio.sleep(0.5)
        assert not again.done()
        let_go(process, await again)

    alone(Bank([terms(1, 100)]), story)


def test_a_holder_that_cannot_be_renewed_does_not_ask_all_the_time():
    async def story(process: Process) -> int:
        process.bank.closed.add(process.holder)
        process.allowances.when_closed(lambda holder: None)
        with pytest.raises((Busy, Unreachable)):
            await reserved(process, 50)
        return process.bank.borrows

    assert alone(Bank([terms(1, 100)]), story) < 30


def test_closing_ends_all_waiting():
    async def story(process: Process) -> None:
        held = await reserved(process, 80)
        waiting = asyncio.ensure_future(reserved(process, 50))
        await asyncio.sleep(0.5)
        await process.close()
        with pytest.raises(Unreachable):
            await waiting
        with pytest.raises(Unreachable):
            await reserved(process, 50)
        let_go(process, held)

    alone(Bank([terms(1, 100)]), story)


def test_the_borrower_outlives_what_nobody_foresaw():
    async def story(process: Process) -> None:
        def burst(holder: str) -> None:
            process.allowances.when_closed(process.renew)
            raise ValueError("nobody foresaw this")

        process.bank.closed.add(process.holder)
        process.allowances.when_closed(burst)
        with pytest.raises(Unreachable):
            await reserved(process, 50)
        let_go(process, await reserved(process, 50))

    alone(Bank([terms(1, 100)]), story)


def test_a_database_that_went_back_lends_on_from_there():
    """It has forgotten that it lent 900 and got them back: nobody waits until it has lent as much again."""

    async def story(process: Process) -> int:
        let_go(process, await reserved(process, 900))
        process.allowances.recall([1])
        await asyncio.sleep(1)
        process.bank.held[process.holder, 1] = Held()
        let_go(process, await reserved(process, 50))
        process.bank.closed.add(process.holder)  # the first answer only told how far it went back: that much is lost
        return process.bank.row(1).lent

    assert alone(Bank([terms(1, 1000)]), story) == 100


def test_hundreds_of_budgets_are_borrowed_from_a_hundred_at_a_time():
    seen: list[int] = []

    class Seeing(Bank):
        def lend(self, holder: str, wants: Sequence[Want]) -> list[Loan]:
            seen.append(len(wants))
            return super().lend(holder, wants)

    bank = Seeing([terms(number, 100) for number in range(1, 301)])
    assert kinds(bank, [Ask([{number: 50}]) for number in range(1, 301)]) == {"served": 300}
    assert max(seen) == 100


# limits change


def test_a_raise_acts_at_once():
    async def story(process: Process) -> None:
        with pytest.raises(Exhausted):
            await reserved(process, 200)
        process.bank.changes([terms(1, 300)], [process])
        let_go(process, await reserved(process, 200))

    alone(Bank([terms(1, 100)]), story)


def test_a_cut_calls_back_what_is_free():
    async def story(process: Process) -> int:
        let_go(process, await reserved(process, 60))
        process.bank.changes([terms(1, 50)], [process])
        await asyncio.sleep(2)
        with pytest.raises(Exhausted):
            await reserved(process, 60)
        let_go(process, await reserved(process, 50))
        return process.bank.row(1).lent

    assert alone(Bank([terms(1, 100)]), story) == 50


def test_a_budget_of_another_calendar_has_other_periods():
    async def story(process: Process) -> list[Any]:
        starts = [process.purse(1, clock.now_us()).start]
        process.bank.changes([terms(1, 100, period="day")], [process])
        return [*starts, process.purse(1, clock.now_us()).start]

    month, day = alone(Bank([terms(1, 100, period="month")]), story)
    assert month != day


# many


def test_thousands_that_wait_for_budgets_of_their_own_do_not_hold_up_the_loop():
    """Nothing is looked at that a coming or going does not concern: a second of this machine is plenty."""
    bank = Bank([terms(number, 100) for number in range(1, 401)])
    bank.trouble = away()
    asks = [Ask([{number: 50}], arrives=random.uniform(0, 1)) for number in range(1, 401) for _ in range(10)]
    before = time.process_time()
    assert kinds(bank, asks) == {"unreachable": 4000}
    assert time.process_time() - before < 5


# anything at all

NEEDS = st.dictionaries(st.integers(1, 3), st.sampled_from([0, 1, 10, 30, 60, 150]), min_size=1, max_size=3)
ASK = st.builds(
    Ask,
    st.lists(NEEDS, min_size=1, max_size=1)
    | st.lists(st.fixed_dictionaries({1: st.sampled_from([10, 60]), 2: st.just(20)}), min_size=2, max_size=3),
    st.sampled_from([0, 0.1, 0.5, 1, 1.5]),
    st.sampled_from([0, 0.05, 0.5, 2]),
    st.sampled_from([0, 0, 0.1, 1, 3, 5]),
    st.none() | st.sampled_from([0, 0.002, 0.1, 1, 3]),
)  # fmt: skip
EVENT = st.tuples(
    st.sampled_from([0.001, 0.3, 1.0, 2.5]),
    st.sampled_from(["away", "back", "contended", "close", "raise", "cut", "deaf", "slow", "fast"]),
)


@given(
    st.lists(st.lists(ASK, max_size=8), min_size=1, max_size=4),
    st.lists(EVENT, max_size=5),
    st.tuples(st.sampled_from([60, 100, 1000]), st.sampled_from([40, 300])),
    st.integers(0, 3),
)
@settings(max_examples=200)
def test_whatever_happens(asks: list[list[Ask]], events: list[tuple[float, str]], limits: tuple[int, int], seed: int):
    """The bank and the processes check the invariants of docs/money.md all along."""
    bank = Bank([terms(1, limits[0]), terms(2, limits[1]), terms(3, 10**6)])

    async def happen(processes: list[Process]) -> None:
        for seconds, name in events:
            await asyncio.sleep(seconds)
            EVENTS[name](bank, processes)
        for name in ("back", "fast", "hears"):
            EVENTS[name](bank, processes)

    kinds(bank, *asks, seed=seed, during=happen)


def change_all(bank: Bank, processes: list[Process], factor: float) -> None:
    budgets = [each._replace(amount=int(each.amount * factor)) for each in bank.table.by_id.values()]
    bank.changes(budgets, processes)


EVENTS: dict[str, Callable[[Bank, list[Process]], Any]] = {
    "away": lambda bank, processes: setattr(bank, "trouble", away()),
    "contended": lambda bank, processes: setattr(bank, "trouble", contention()),
    "back": lambda bank, processes: setattr(bank, "trouble", None),
    "close": lambda bank, processes: bank.close(processes[0].holder),
    "raise": lambda bank, processes: change_all(bank, processes, 1.5),
    "cut": lambda bank, processes: change_all(bank, processes, 0.5),
    "deaf": lambda bank, processes: setattr(processes[-1], "can_write", False),
    "hears": lambda bank, processes: setattr(processes[-1], "can_write", True),
    "slow": lambda bank, processes: [setattr(each, "posting_seconds", 1.5) for each in processes],
    "fast": lambda bank, processes: [setattr(each, "posting_seconds", 0.02) for each in processes],
}  # fmt: skip


def test_who_waits_asks_again_also_where_its_timer_comes_a_little_early():
    """The loop's timers come up to a millisecond early, and time passes between two looks at the clock."""

    async def story(loop: VirtualLoop) -> float:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clock, "elapsed", lambda: 1 + loop.time() - random.uniform(0, 0.001))
            asks = [[Ask([{1: 100}], cost=0, arrives=2 * hop + process) for hop in range(50)] for process in (0, 1)]
            return max(outcome.waited for outcome in await play(loop, Bank([terms(1, 100)]), asks))

    random.seed(1)
    assert run(story) < 1
