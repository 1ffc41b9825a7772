"""The invariants of docs/money.md over every interleaving hypothesis finds; each rule is there for a reason."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.billing.model import World
from tests.billing.state import Borrow, Process, Rules

# Few amounts, near the limits of 60 and 40, so that what goes wrong goes wrong soon.
NEEDS = st.sampled_from([10, 30])
# What a process spends per second: with 1 of 16 of the room lent ahead, little of it shows near the limit.
RATES = st.sampled_from([0, 5])
# A request waits at most 3 s; a poll comes each 0.4 s.
POLLS_OF_A_WAIT = 7


class Protocol(RuleBasedStateMachine):
    """Everything that can happen, in any order, any number of times."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(limits=(60, 40))
        self.world.spawn()

    def pick(self, data: st.DataObject, alive: bool) -> Process | None:
        found = [each for each in self.world.processes.values() if each.is_alive is alive and not each.has_ended]
        return data.draw(st.sampled_from(found)) if found else None

    def living(self, data: st.DataObject) -> Process | None:
        return self.pick(data, alive=True)

    @precondition(lambda self: len(self.world.processes) < 4)
    @rule()
    def a_process_starts(self) -> None:
        self.world.spawn()

    @rule(data=st.data(), need=NEEDS, rate=RATES)
    def asks_to_borrow(self, data: st.DataObject, need: int, rate: int) -> None:
        if process := self.living(data):
            self.world.ask(process, need, rate)

    @precondition(lambda self: self.world.borrows)
    @rule(data=st.data(), again=st.booleans())
    def a_borrow_arrives(self, data: st.DataObject, again: bool) -> None:
        borrow = data.draw(st.sampled_from(self.world.borrows))
        if not again:
            self.world.borrows.remove(borrow)
        self.world.lend(borrow)

    @precondition(lambda self: self.world.replies)
    @rule(data=st.data())
    def a_reply_arrives(self, data: st.DataObject) -> None:
        self.world.learn(data.draw(st.sampled_from(self.world.replies)))

    @rule(data=st.data(), need=NEEDS | st.just(1), rate=RATES)
    def borrows_at_once(self, data: st.DataObject, need: int, rate: int) -> None:
        if process := self.living(data):
            self.world.lend(Borrow(process.holder, need, rate))
            if self.world.replies:
                self.world.learn(self.world.replies[-1])

    @rule(data=st.data(), need=NEEDS, cost=NEEDS)
    def serves_one(self, data: st.DataObject, need: int, cost: int) -> None:
        """The usual path in one step: borrow, dispatch, settle."""
        if process := self.living(data):
            self.world.lend(Borrow(process.holder, need))
            self.world.learn(self.world.replies[-1])
            if opened := self.world.dispatch(process, need):
                self.world.settle(process, opened, cost)

    @rule(data=st.data())
    def is_recovered_and_posted(self, data: st.DataObject) -> None:
        if process := self.pick(data, alive=False):
            self.world.recover(process)
            self.world.post(process.holder)

    @rule(data=st.data())
    def is_sealed_and_posted(self, data: st.DataObject) -> None:
        if process := self.living(data):
            self.world.flush(process)

    @rule(data=st.data(), hold=NEEDS)
    def dispatches(self, data: st.DataObject, hold: int) -> None:
        if process := self.living(data):
            self.world.dispatch(process, hold)

    @rule(data=st.data(), hold=NEEDS)
    def dispatches_again(self, data: st.DataObject, hold: int) -> None:
        if (process := self.living(data)) and process.live:
            self.world.dispatch_again(process, data.draw(st.sampled_from(list(process.live.values()))), hold)

    @rule(data=st.data(), tokens=st.integers(1, 30))
    def delivers(self, data: st.DataObject, tokens: int) -> None:
        if (process := self.living(data)) and process.live:
            self.world.deliver(process, data.draw(st.sampled_from(list(process.live.values()))), tokens)

    @rule(data=st.data(), cost=st.integers(0, 60))
    def settles(self, data: st.DataObject, cost: int) -> None:
        if (process := self.living(data)) and process.live:
            self.world.settle(process, data.draw(st.sampled_from(list(process.live.values()))), cost)

    @rule(data=st.data())
    def gives_back(self, data: st.DataObject) -> None:
        if process := self.living(data):
            self.world.give_back(process)

    @rule(data=st.data())
    def seals(self, data: st.DataObject) -> None:
        if process := self.living(data):
            self.world.seal(process)

    @rule(data=st.data(), cut=st.sampled_from([0, 50, 150, 500, 600, 1000]))
    def dies_while_sealing(self, data: st.DataObject, cut: int) -> None:
        if process := self.living(data):
            self.world.seal(process, cut)

    @rule(data=st.data())
    def ends(self, data: st.DataObject) -> None:
        if process := self.living(data):
            self.world.end(process)

    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        if process := self.living(data):
            self.world.kill(process)

    @rule(data=st.data())
    def a_file_is_stored(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(list(self.world.processes.values())))
        stored = [seq for holder, seq in self.world.database.segments if holder == process.holder]
        self.world.store(process, data.draw(st.integers(1, max(stored, default=0) + 1)))

    @rule(data=st.data(), steps=st.integers(0, 4))
    def a_neighbour_recovers(self, data: st.DataObject, steps: int) -> None:
        if process := self.pick(data, alive=False):
            self.world.recover(process, steps)

    @rule(data=st.data())
    def a_poster_begins(self, data: st.DataObject) -> None:
        self.world.begin_post(data.draw(st.sampled_from(list(self.world.database.holders))))

    @precondition(lambda self: self.world.postings)
    @rule(data=st.data(), again=st.booleans())
    def a_poster_commits(self, data: st.DataObject, again: bool) -> None:
        begun = data.draw(st.sampled_from(self.world.postings))
        if not again:
            self.world.postings.remove(begun)
        self.world.commit_post(begun)

    @rule(data=st.data())
    def a_machine_is_written_off(self, data: st.DataObject) -> None:
        if process := self.pick(data, alive=False):
            self.world.write_off(process)

    @invariant()
    def the_invariants_hold(self) -> None:
        self.world.check()

    @invariant()
    def after_the_death_of_all_everything_is_accounted_for(self) -> None:
        copy.deepcopy(self.world).finish()


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


@given(rests=st.lists(st.integers(0, 30), min_size=1, max_size=4), need=st.integers(1, 60))
def test_a_waiting_request_is_served_when_there_is_room_and_everybody_is_idle(rests: list[int], need: int):
    world = World(limits=(100, 60))
    holders = [lent(world, rest).holder for rest in rests]
    assert len(world.wait({holders[0]: need}, POLLS_OF_A_WAIT)) == 1
    world.check()


def lent(world: World, amount: int) -> Process:
    """Return a new process with so much of each period in hand."""
    process = world.spawn()
    world.lend(Borrow(process.holder, amount))
    world.learn(world.replies[-1])
    return process


def money_is_freed_at_death_with_the_journal_unposted(world: World) -> None:
    process = lent(world, 60)
    world.settle(process, world.dispatch(process, 60), 60)
    world.kill(process)
    other = lent(world, 60)
    world.dispatch(other, 60)


def a_borrow_commits_after_its_holder_was_closed(world: World) -> None:
    process = world.spawn()
    world.ask(process, 10)
    world.kill(process)
    world.recover(process)
    for _ in range(2):
        world.begin_post(process.holder)
        world.commit_post(world.postings[-1])
    world.lend(world.borrows[0])
    world.finish()


def an_open_request_outlives_its_file(world: World) -> None:
    process = lent(world, 10)
    world.dispatch(process, 5)
    for _ in range(2):
        world.seal(process)
    world.finish()


def death_comes_while_a_file_is_begun(world: World) -> None:
    process = lent(world, 20)
    world.dispatch(process, 5)
    world.dispatch(process, 5)
    world.seal(process, cut=600)
    world.finish()


def a_return_is_posted_beside_the_journal(world: World) -> None:
    process = lent(world, 40)
    world.settle(process, world.dispatch(process, 30), 30)
    world.give_back(process)
    for statement in world.statements * 2:
        world.release_by_statement(statement)
    world.check()


def two_posters_hold_the_same_segment(world: World) -> None:
    process = lent(world, 40)
    world.learn(world.replies[-1])
    world.give_back(process)
    world.lend(Borrow(process.holder, 20))
    world.seal(process)
    world.store(process, 1)
    world.begin_post(process.holder)
    world.begin_post(process.holder)
    for begun in world.postings:
        world.commit_post(begun)


def a_settled_request_is_posted(world: World) -> None:
    process = lent(world, 40)
    world.settle(process, world.dispatch(process, 40), 40)
    world.seal(process)
    world.store(process, 1)
    world.begin_post(process.holder)
    world.commit_post(world.postings[-1])


def remainders_smaller_than_a_request_are_left(world: World) -> None:
    needs = {lent(world, 30).holder: 50, lent(world, 30).holder: 50}
    assert len(world.wait(needs, POLLS_OF_A_WAIT)) == 1


STORIES = {
    "frees_by_journal_alone": money_is_freed_at_death_with_the_journal_unposted,
    "borrow_checks_closed": a_borrow_commits_after_its_holder_was_closed,
    "seal_carries_open": an_open_request_outlives_its_file,
    "begin_counts_carried": death_comes_while_a_file_is_begun,
    "returns_in_journal": a_return_is_posted_beside_the_journal,
    "post_checks_seq": two_posters_hold_the_same_segment,
    "post_lowers_lent": a_settled_request_is_posted,
    "refused_gives_back": remainders_smaller_than_a_request_are_left,
}


def told(rules: Rules, rule_name: str) -> None:
    world = World(rules)
    STORIES[rule_name](world)
    world.check()
    copy.deepcopy(world).finish()


@pytest.mark.parametrize("rule_name", Rules._fields)
def test_holds_with_the_rule(rule_name: str):
    told(Rules(), rule_name)


@pytest.mark.parametrize("rule_name", Rules._fields)
def test_fails_without_the_rule(rule_name: str):
    with pytest.raises((AssertionError, KeyError)):
        told(Rules()._replace(**{rule_name: False}), rule_name)
