"""From a process's files to the database: by its own flusher, by neighbours, after outages, or as a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connections

from billing import clock, disk, hints, ledger, lost, recovery, store, tasks, verify
from billing import flusher as flushers
from billing.flusher import Flusher
from billing.holder import Holder
from billing.journal import JournalUnavailable, segments
from billing.lines import End
from billing.models import Adjustment, Budget, BudgetPeriod, RejectedLine, Segment, Spend, UsageRecord
from billing.models import Holder as HolderRow
from billing.poll import Poll, Poller
from tests.billing.journals import file_of, recover_all, request, settled, seven, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def root(tmp_path: Path, settings) -> Path:
    settings.JOURNAL = tmp_path / "journal"
    return settings.JOURNAL


@pytest.fixture
def holder(root: Path) -> Holder:
    return Holder.open(root, "here")


@pytest.fixture
def flusher(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flusher]:
    monkeypatch.setattr(flushers, "TURN_SECONDS", 0.02)
    monkeypatch.setattr(hints, "record_usage", SimpleNamespace(apply_async=lambda *args, **options: None))
    flusher = Flusher(holder)
    yield flusher
    if flusher._thread.is_alive():
        flusher.stop(5)


def eventually(is_so: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def serve(holder: Holder, count: int = 1) -> None:
    for _ in range(count):
        opened = request()
        holder.dispatch(opened, int)
        holder.settle(settled(opened))


def die(holder: Holder) -> None:
    """Leave files and lock as death leaves them."""
    for journal in holder.journals:
        journal.release()


def test_sealed_files_become_rows_and_step_aside(holder: Holder, flusher: Flusher):
    serve(holder)
    holder.seal()
    flusher.start()
    eventually(lambda: holder.journal.stored_seq == 1)
    assert Segment.objects.get().lines == 3
    eventually(lambda: not (holder.journal.folder / "000000000001.journal").exists())
    assert set(segments(holder.journal.folder)) == {1, 2}


def test_a_closed_holder_is_stored_and_posted(holder: Holder, flusher: Flusher):
    flusher.start()
    serve(holder, 3)
    holder.dispatch(request(), seven)
    asyncio.run(holder.close())
    flusher.stop()
    assert UsageRecord.objects.filter(status="completed").count() == 3
    assert UsageRecord.objects.get(status="interrupted").cost == Decimal("0.0000000055")
    assert HolderRow.objects.get().closed_at is not None
    assert verify.verify().differences == []


def test_files_wait_while_the_database_is_away(holder: Holder, flusher: Flusher, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as outage:
        outage.setattr(store, "insert", away)
        outage.setattr(lost, "beat", away)
        flusher.start()
        serve(holder)
        holder.seal()
        time.sleep(0.2)
        serve(holder)
        holder.seal()
        assert not Segment.objects.exists()
    eventually(lambda: Segment.objects.count() == 2)


def test_a_database_that_went_back_gets_its_files_again(holder: Holder, flusher: Flusher):
    poller = Poller(holder, lambda poll: None)
    flusher.start()
    for _ in range(3):
        serve(holder)
        holder.seal()
    eventually(lambda: holder.journal.stored_seq == 3)
    Segment.objects.filter(seq__gt=1).delete()
    poller.start()
    eventually(lambda: Segment.objects.count() == 3)
    poller.stop()
    ledger.post(holder.id)
    assert UsageRecord.objects.count() == 3


def test_a_file_that_is_gone_is_named_and_holds_up_nothing(holder: Holder, flusher: Flusher):
    for _ in range(2):
        serve(holder)
        holder.seal()
    segments(holder.journal.folder)[1].unlink()
    flusher.start()
    eventually(lambda: holder.journal.stored_seq == 2)
    ledger.post(holder.id)
    assert UsageRecord.objects.count() == 1
    assert "is gone" in RejectedLine.objects.get().error


def test_a_broker_that_is_away_stops_nothing(holder: Holder, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, caplog):
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(hints, "record_usage", SimpleNamespace(apply_async=refuse))
    flusher.start()
    for _ in range(3):
        serve(holder)
        holder.seal()
        eventually(lambda: holder.journal.stored_seq == holder.journal.sealed_seq)
    eventually(lambda: [line for line in caplog.messages if "workers cannot be told" in line])
    assert len([line for line in caplog.messages if "workers cannot be told" in line]) == 1


def test_without_a_worker_the_flusher_posts(holder: Holder, flusher: Flusher, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flushers, "POSTS_ITSELF_AFTER", timedelta(0))
    for step in flusher._steps:
        step._seconds = min(step._seconds, 0.05)
    flusher.start()
    serve(holder)
    holder.seal()
    eventually(UsageRecord.objects.exists)


def test_too_much_that_waits_refuses_new_requests(holder: Holder, flusher: Flusher, monkeypatch: pytest.MonkeyPatch):
    serve(holder)
    monkeypatch.setattr(disk, "JOURNAL_BYTES", 100)
    flusher.start()
    eventually(lambda: holder.is_full)
    with pytest.raises(JournalUnavailable):
        holder.dispatch(request(), int)
    assert holder.trouble


def test_a_dead_neighbour_is_taken_over(root: Path, holder: Holder, flusher: Flusher):
    dead = Holder.open(root, "here")
    serve(dead, 2)
    dead.dispatch(request(), seven)
    dead.seal()
    dead.dispatch(request(), seven)
    die(dead)
    flusher.start()
    eventually(lambda: Segment.objects.filter(holder=dead.id).count() == 3)
    ledger.post(dead.id)
    costs = (
        UsageRecord.objects.filter(status="interrupted", estimated=True).order_by("pk").values_list("cost", flat=True)
    )
    assert list(costs) == [Decimal("0.0000000055"), Decimal("0.000000002")]
    assert UsageRecord.objects.count() == 4
    assert HolderRow.objects.get(pk=dead.id).closed_at is not None


def test_a_living_neighbour_is_left_alone(root: Path, holder: Holder):
    serve(holder)
    recover_all(root)
    assert not Segment.objects.exists()


def test_recovery_may_be_repeated(root: Path, holder: Holder):
    holder.dispatch(request(), seven)
    die(holder)
    for _ in range(3):
        recover_all(root)
    ledger.post(holder.id)
    Segment.objects.all().delete()
    HolderRow.objects.update(posted_seq=0, closed_at=None)
    recover_all(root)
    ledger.post(holder.id)
    assert UsageRecord.objects.count() == 1
    assert Spend.objects.get(dimension="total").requests == 1


def test_a_bound_is_charged_where_the_route_says_so(root: Path, holder: Holder):
    holder.dispatch(request(bound=5000), seven)
    die(holder)
    recover_all(root)
    ledger.post(holder.id)
    assert UsageRecord.objects.get().cost == Decimal("0.0000005")


def test_the_folder_of_a_dead_process_goes_when_its_files_are_old(root: Path, holder: Holder, monkeypatch):
    serve(holder)
    die(holder)
    recover_all(root)
    assert recovery.drop(holder.journal.folder) is False
    monkeypatch.setattr(store, "KEPT_SECONDS", -1.0)
    assert recovery.drop(holder.journal.folder) is True
    assert not holder.journal.folder.exists()


def lose(holder: str, minutes: int) -> None:
    now = clock.now()
    HolderRow.objects.filter(pk=holder).update(seen_at=now - timedelta(minutes=minutes + 1))
    lost.mark()
    HolderRow.objects.filter(pk=holder).update(lost_at=now - timedelta(minutes=minutes))


def test_a_silent_machine_is_lost_and_a_heartbeat_finds_it(holder: Holder):
    stored(holder.id)
    lost.mark()
    assert HolderRow.objects.get().lost_at is None
    lose(holder.id, 2)
    assert HolderRow.objects.get().lost_at is not None
    lost.beat([holder.id])
    assert HolderRow.objects.get().lost_at is None


def test_a_lost_machine_is_written_off_and_corrected_when_it_comes_back():
    budget = Budget.objects.create(amount=10**6)
    period = BudgetPeriod.objects.create(budget=budget, start=clock.now(), lent=0)
    first, second = (request(hold={period.pk: 100}, prompt_tokens=1) for _ in range(2))
    holder = first.id
    stored(holder, file_of(holder, 1, first, second))
    lose(holder, 31)
    tasks.write_off_lost_machines()
    assert not UsageRecord.objects.exists()
    ledger.post(holder)
    tasks.write_off_lost_machines()
    assert UsageRecord.objects.filter(status="interrupted").count() == 2
    assert HolderRow.objects.get().closed_at is not None

    stored(holder, file_of(holder, 2, settled(first, 60), settled(request(), 10), End()))
    ledger.post(holder)
    ledger.post(holder)
    assert UsageRecord.objects.count() == 3
    adjustment = Adjustment.objects.get()
    assert (str(adjustment.record), adjustment.cost) == (first.id, Decimal("0.0000000058"))
    assert adjustment.charges == {str(period.pk): 58}
    assert verify.verify().differences == []


def test_half_an_hour_is_waited_before_a_write_off(holder: Holder):
    stored(holder.id, file_of(holder.id, 1, request()))
    ledger.post(holder.id)
    lose(holder.id, 29)
    tasks.write_off_lost_machines()
    assert not UsageRecord.objects.exists()


def test_a_poll_tells_time_and_what_became_of_the_holder(holder: Holder):
    stored(holder.id, file_of(holder.id, 1, settled(request()), End()))
    ledger.post(holder.id)
    polls: list[Poll] = []
    poller = Poller(holder, polls.append)
    poller.start()
    eventually(lambda: polls)
    poller.stop()
    assert abs((polls[0].now - clock.now()).total_seconds()) < 60
    assert polls[0].closed_at is not None
    assert polls[0].highest_seq == 1


def test_a_poller_survives_an_outage_and_says_so_once(holder: Holder, monkeypatch: pytest.MonkeyPatch, caplog):
    monkeypatch.setattr("billing.poll.POLL_SECONDS", 0.01)
    polls: list[Poll] = []
    answer = Poll(clock.now(), 1, None, 0)
    answers = iter([OperationalError("gone"), OperationalError("gone"), answer])

    def poll(_: str) -> Poll:
        given = next(answers, answer)
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr("billing.poll.poll", poll)
    poller = Poller(holder, polls.append)
    poller.start()
    eventually(lambda: polls)
    poller.stop()
    assert [line for line in caplog.messages if line.startswith("poll")] == [
        "poll: the database is away: gone", "poll: the database is back",
    ]  # fmt: skip


def test_the_tasks_post_everything():
    for _ in range(2):
        holder = request().id
        stored(holder, file_of(holder, 1, settled(request())))
    tasks.post_all()
    tasks.make_partitions()
    assert UsageRecord.objects.count() == 2
    connections.close_all()
