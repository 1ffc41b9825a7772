"""The log of a run's events: numbered without a gap, written together, by nobody who has lost the run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction

from billing import database
from gateway.assistants import bell, log
from gateway.assistants.gathering import Gathering
from gateway.assistants.rows import Run, RunEvents, Thread, new_handle
from gateway.assistants.states import CANCELLED, COMPLETED, IN_PROGRESS

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.now(UTC)


def made_run(status: str = IN_PROGRESS, fence: int = 1) -> Run:
    thread = Thread.objects.create(handle=new_handle("thread"), created_at=NOW, body={})
    return Run.objects.create(
        thread=thread, handle=new_handle("run"), assistant="asst_1", status=status, asked={}, created_at=NOW,
        expires_at=NOW + timedelta(minutes=10), fence=fence,
    )  # fmt: skip


def logged(run: Run) -> list[tuple[int, str, Any]]:
    batches = RunEvents.objects.filter(run=run).order_by("last")
    events = [tuple(event) for batch in batches for event in batch.events]
    assert [batch.last for batch in batches] == [batch.events[-1][0] for batch in batches]
    assert Run.objects.get(pk=run.pk).last_event == (events[-1][0] if events else 0)
    return events


async def tell(telling: log.Telling, *names: str) -> None:
    telling.add([(name, {"id": "x"}) for name in names])
    await telling.flush()


@pytest.fixture
def rung() -> Iterator[list[set[int]]]:
    heard: list[set[int]] = []
    listener = lambda runs: heard.append(set(runs))  # noqa: E731
    bell.add_listener(listener)
    yield heard
    bell.remove_listener(listener)


def append(run: Run, events: Sequence[log.Event]) -> None:
    with transaction.atomic():
        log.append(run, events)
        run.save()


def test_events_are_numbered_from_one_and_rung_for_when_they_are_committed(rung: list[set[int]]):
    run = made_run()
    with transaction.atomic():
        log.append(run, [("thread.run.created", {"id": run.handle}), ("thread.run.queued", {"id": run.handle})])
        log.append(run, [("thread.run.in_progress", {"id": run.handle})])
        run.save()
        assert rung == []
    assert [(number, name) for number, name, _ in logged(run)] == [
        (1, "thread.run.created"), (2, "thread.run.queued"), (3, "thread.run.in_progress"),
    ]  # fmt: skip
    assert rung == [{run.pk}, {run.pk}]


def test_nothing_is_logged_or_rung_for_of_what_is_taken_back(rung: list[set[int]]):
    run = made_run()
    with transaction.atomic():
        log.append(run, [("thread.run.created", {})])
        transaction.set_rollback(True)
    assert (logged(run), rung) == ([], [])


async def test_what_is_told_goes_on_behind_what_was_appended(rung: list[set[int]]):
    run = await sync_to_async(made_run)()
    await sync_to_async(append)(run, [("thread.run.created", {})])
    telling = log.Telling(run.pk, run.fence)
    await tell(telling, "a", "b")
    await tell(telling, "c")
    assert [(number, name) for number, name, _ in await sync_to_async(logged)(run)] == [
        (1, "thread.run.created"), (2, "a"), (3, "b"), (4, "c"),
    ]  # fmt: skip
    assert set().union(*rung) == {run.pk}


async def test_events_are_as_they_were_when_they_were_told():
    run = await sync_to_async(made_run)()
    telling, message = log.Telling(run.pk, run.fence), {"content": ["zero \0 and ü"]}
    telling.add([("a", message)])
    message["content"].append("later")
    await telling.flush()
    assert await sync_to_async(logged)(run) == [(1, "a", {"content": ["zero \0 and ü"]})]


@pytest.mark.parametrize("lost", [{"fence": 2}, {"status": COMPLETED}, {"status": CANCELLED}])
async def test_who_has_lost_the_run_writes_nothing_more(lost: dict[str, Any]):
    run = await sync_to_async(made_run)()
    telling = log.Telling(run.pk, run.fence)
    await tell(telling, "a")
    await Run.objects.filter(pk=run.pk).aupdate(**lost)
    for _ in range(2):
        with pytest.raises(log.Overtaken):
            await tell(telling, "b")
    assert telling.is_overtaken
    assert [name for _, name, _ in await sync_to_async(logged)(run)] == ["a"]


async def test_a_run_that_is_deleted_is_lost_and_the_others_go_on():
    run, other = await sync_to_async(made_run)(), await sync_to_async(made_run)()
    telling, others = log.Telling(run.pk, run.fence), log.Telling(other.pk, other.fence)
    await Run.objects.filter(pk=run.pk).adelete()
    telling.add([("a", {})])
    await tell(others, "a", "b")
    with pytest.raises(log.Overtaken):
        await telling.flush()
    assert len(await sync_to_async(logged)(other)) == 2


async def test_many_runs_are_written_in_few_transactions_each_in_its_order():
    runs = [await sync_to_async(made_run)() for _ in range(30)]
    tellings = [log.Telling(run.pk, run.fence) for run in runs]
    for number in range(50):
        for telling in tellings:
            telling.add([("thread.message.delta", {"number": number, "run": telling.run_id})])
        await asyncio.sleep(0.002)
    await asyncio.gather(*(telling.flush() for telling in tellings))
    for run in runs:
        assert [data for _, _, data in await sync_to_async(logged)(run)] == [
            {"number": number, "run": run.pk} for number in range(50)
        ]
    assert await RunEvents.objects.acount() < 30 * 50 / 2


async def test_who_gives_up_waiting_takes_nothing_back():
    run = await sync_to_async(made_run)()
    telling = log.Telling(run.pk, run.fence)
    telling.add([("a", {})])
    waiting = asyncio.ensure_future(telling.flush())
    await asyncio.sleep(0)
    waiting.cancel()
    await tell(telling, "b")
    assert [name for _, name, _ in await sync_to_async(logged)(run)] == ["a", "b"]


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(monkeypatch: pytest.MonkeyPatch):
    run = await sync_to_async(made_run)()
    broken, writing = count(), database.writing

    class Losing:
        """A transaction that commits, and whose first answer is lost on the way."""

        def __init__(self, seconds: int) -> None:
            self._transaction = writing(seconds)

        def __enter__(self) -> None:
            self._transaction.__enter__()

        def __exit__(self, *error: Any) -> None:
            self._transaction.__exit__(*error)
            if error == (None, None, None) and next(broken) == 0:
                raise OperationalError("the connection is lost")

    monkeypatch.setattr(log.database, "writing", Losing)
    await tell(log.Telling(run.pk, run.fence), "a", "b")
    assert [(number, name) for number, name, _ in await sync_to_async(logged)(run)] == [(1, "a"), (2, "b")]
    assert next(broken) == 2


def test_logs_go_a_day_after_their_run_has_ended_and_whole():
    long_ago, ended, going_on, fresh = NOW - timedelta(days=2), made_run(), made_run(), made_run()
    for run in (ended, going_on, fresh):
        append(run, [("a", {})])
        append(run, [("b", {})])
    RunEvents.objects.filter(run__in=[ended, going_on]).update(created_at=long_ago)
    RunEvents.objects.filter(run=fresh, last=1).update(created_at=long_ago)
    Run.objects.filter(pk__in=[ended.pk, fresh.pk]).update(status=COMPLETED)
    log.drop_old()
    assert not RunEvents.objects.filter(run=ended).exists()
    assert len(logged(going_on)) == len(logged(fresh)) == 2


def test_what_comes_within_a_moment_is_worked_off_together():
    batches: list[Sequence[int]] = []
    begun, may_end, is_over = threading.Event(), threading.Event(), threading.Event()

    def work(things: list[int]) -> None:
        batches.append(things)
        begun.set()
        may_end.wait(10)
        if 3 in things:
            is_over.set()

    gathering = Gathering(work, 0, "gathering")
    gathering.put(1)
    assert begun.wait(10)
    gathering.put(2)
    gathering.put(3)
    may_end.set()
    assert is_over.wait(10)
    assert batches == [[1], [2, 3]]
