"""Posters that are held up, stand still or meet each other: no good line is rejected, none is posted twice."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection, connections, transaction

from billing import clock, database, ids, ledger
from billing.lines import Return
from billing.models import Allowance, Budget, BudgetPeriod, Holder, RejectedLine, Segment, UsageRecord
from tests.billing.journals import file_of, request, settled, stored

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")


@pytest.fixture
def holder() -> str:
    return ids.new(clock.now_us())


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "POSTING_SECONDS", 1)


@on_postgresql
def test_a_try_that_waited_for_a_lock_in_vain_does_not_count(holder: str, short_waits: None):
    stored(holder, file_of(holder, 1, settled(request())))
    for tries in (0, ledger.MOST_TRIES):
        Segment.objects.update(tries=tries)
        with TableLocked(), pytest.raises(OperationalError):
            ledger.post(holder)
        assert Segment.objects.get().tries <= tries
    assert ledger.post(holder) == 1
    assert not RejectedLine.objects.exists()


@on_postgresql
@pytest.mark.parametrize("tries", [0, ledger.MOST_TRIES])
def test_a_poster_that_stood_still_rejects_nothing_and_its_try_does_not_count(
    holder: str, tries: int, monkeypatch: pytest.MonkeyPatch
):
    stored(holder, file_of(holder, 1, settled(request())))
    Segment.objects.update(tries=tries)
    with monkeypatch.context() as patch:
        patch.setattr(ledger.posting, "spend_of", stand_still)
        with pytest.raises(OperationalError):
            ledger.post(holder)
    assert Segment.objects.get().tries == tries
    assert ledger.post(holder) == 1
    assert UsageRecord.objects.count() == 1
    assert not RejectedLine.objects.exists()


def test_who_is_overtaken_between_two_lines_goes_on_line_by_line(holder: str, monkeypatch: pytest.MonkeyPatch):
    """Another poster does the second line between this one's first and second."""
    period = lent(holder, 100)
    said = (settled(request()), Return(amounts={period.pk: 10}), settled(request()))
    stored(holder, file_of(holder, 1, *said))
    Segment.objects.update(tries=ledger.MOST_TRIES)
    real, seen = ledger._post_line, []

    def post_line(*arguments):
        seen.append(arguments)
        if len(seen) == 3:
            real(*arguments)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_post_line", post_line)
        assert ledger.post(holder) == 0
    assert Segment.objects.get().done == 3
    assert ledger.post(holder) == 1
    period.refresh_from_db()
    assert (period.lent, UsageRecord.objects.count()) == (90, 2)


def test_a_segment_of_which_lines_are_done_is_never_posted_whole(holder: str):
    period = lent(holder, 100)
    stored(holder, file_of(holder, 1, Return(amounts={period.pk: 10}), settled(request())))
    Segment.objects.update(done=2)
    assert ledger.post(holder) == 1
    period.refresh_from_db()
    assert (period.lent, UsageRecord.objects.count()) == (100, 1)


def test_who_meets_another_that_has_begun_line_by_line_leaves_it_alone(holder: str, monkeypatch: pytest.MonkeyPatch):
    stored(holder, file_of(holder, 1, settled(request())))
    real = ledger._post_segments

    def post_segments(*arguments):
        Segment.objects.update(done=1, tries=ledger.MOST_TRIES)
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_post_segments", post_segments)
        assert ledger.post(holder) == 0
    assert ledger.post(holder) == 1


def lent(holder: str, amount: int) -> BudgetPeriod:
    stored(holder)
    budget = Budget.objects.create(amount=10**6)
    period = BudgetPeriod.objects.create(budget=budget, start=datetime(2026, 11, 1, tzinfo=UTC), lent=amount)
    Allowance.objects.create(holder=Holder.objects.get(pk=holder), period=period, granted=amount)
    return period


def stand_still(lines: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
    time.sleep(0.3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return {}


class TableLocked:
    """Somebody else has the table of records for himself, as while it is altered."""

    def __enter__(self) -> None:
        self._locked, self._done = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._hold)
        self._thread.start()
        self._locked.wait(10)

    def _hold(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("LOCK TABLE billing_usagerecord IN ACCESS EXCLUSIVE MODE")
            self._locked.set()
            self._done.wait(20)
        connections.close_all()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
