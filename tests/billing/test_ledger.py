"""Stored segments become records, spend and periods: once, in order, whatever is in them."""

from __future__ import annotations

import threading
from binascii import crc32
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection, connections

from billing import adjustments, bulk, clock, ids, ledger, lines, partitions, retention, verify
from billing.lines import End, Return
from billing.models import (
    Adjustment,
    Allowance,
    Budget,
    BudgetHour,
    BudgetPeriod,
    Holder,
    RejectedLine,
    Segment,
    Spend,
    UsageRecord,
)  # fmt: skip
from tests.billing.journals import file_of, request, settled, stored
from tests.guarded import unguarded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def holder() -> str:
    return ids.new(clock.now_us())


@pytest.fixture
def period() -> BudgetPeriod:
    budget = Budget.objects.create(amount=10**6)
    return BudgetPeriod.objects.create(budget=budget, start=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def lend(holder: str) -> Callable[[BudgetPeriod, int], Allowance]:
    """Lend money of a period to the holder, as a borrow does."""

    def lend(period: BudgetPeriod, amount: int) -> Allowance:
        stored(holder)
        BudgetPeriod.objects.filter(pk=period.pk).update(lent=amount)
        return Allowance.objects.create(holder_id=holder, period=period, granted=amount)

    return lend


def differences() -> list[str]:
    """Return what is wrong, but for this test's holders having no process."""
    return [each for each in verify.verify().differences if "the process of" not in each]


def test_a_settled_line_becomes_a_record_and_spend(holder: str):
    opened = request(
        model="gpt", user=7, team=8, api_key=9, tags=("a", "b", "a"), end_user="eve", run_id="run_1", fence=3
    )
    stored(holder, file_of(holder, 1, opened, settled(opened, 12_345, http_status=200, latency_ms=5)))
    assert ledger.post(holder) == 1
    record = UsageRecord.objects.get()
    assert str(record.pk) == opened.id
    assert record.created_at == ids.instant(opened.admitted_at)
    assert (record.user_id, record.team_id, record.api_key_id, record.tags) == (7, 8, 9, ["a", "b"])
    assert (record.input_tokens, record.output_tokens, record.http_status) == (10, 20, 200)
    assert record.cost == Decimal("0.0000012345")
    assert record.price_rows == [list(row) for row in opened.price_rows or ()]
    spent = {(row.dimension, row.value): (row.requests, row.tokens, row.cost) for row in Spend.objects.all()}
    assert spent.keys() == {
        ("total", ""), ("user", "7"), ("team", "8"), ("api_key", "9"), ("model", "gpt"), ("provider", "fake"),
        ("user_model", "7 gpt"), ("team_model", "8 gpt"), ("api_key_model", "9 gpt"), ("upstream_model", "demo-1"),
        ("operation", "chat.completions"), ("tag", "a"), ("tag", "b"), ("end_user", "eve"),
    }  # fmt: skip
    assert set(spent.values()) == {(1, 30, record.cost)}
    assert differences() == []


def test_posting_again_changes_nothing(holder: str):
    opened = request()
    stored(holder, file_of(holder, 1, settled(opened)), file_of(holder, 2, settled(opened, 999)))
    assert ledger.post(holder) == 2
    assert ledger.post(holder) == 0
    assert UsageRecord.objects.get().cost == Decimal("0.00000001")
    assert differences() == []


def test_a_gap_is_waited_for(holder: str):
    stored(holder, file_of(holder, 1, settled(request())))
    Segment.objects.update(seq=2)
    assert ledger.post(holder) == 0
    assert not UsageRecord.objects.exists()


def test_posts_from_several_workers_at_once_count_once(holder: str):
    others = [ids.new(clock.now_us()) for _ in range(3)]
    for each in (holder, *others):
        stored(each, *(file_of(each, seq, *(settled(request()) for _ in range(20))) for seq in range(1, 6)))

    def work() -> None:
        for each in (*others, holder):
            ledger.post(each)
        connections.close_all()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    work()
    assert UsageRecord.objects.count() == 400
    assert Spend.objects.get(dimension="total").requests == 400 or Spend.objects.filter(dimension="total").count() > 1
    assert differences() == []


def test_an_unpriced_record_is_counted_as_such(holder: str):
    stored(holder, file_of(holder, 1, settled(request(), None)))
    ledger.post(holder)
    assert UsageRecord.objects.get().cost is None
    assert Spend.objects.get(dimension="total").unpriced == 1
    assert differences() == []


def test_what_a_client_sent_fits_the_table(holder: str):
    opened = request(model="m" * 500, end_user="e\0ve" * 500, tags=("t\0" * 300,), request_id="r")
    log = [{"error": "nul\0"}]
    stored(holder, file_of(holder, 1, settled(opened, attempt_log=log)))
    ledger.post(holder)
    assert len(UsageRecord.objects.get().model) == 200
    assert not RejectedLine.objects.exists()
    assert differences() == []


def test_a_line_that_cannot_be_read_is_kept_and_the_others_post(holder: str):
    whole = file_of(holder, 1, settled(request())) + b"spoilt\n" + lines.encode(settled(request()))
    stored(holder, whole)
    ledger.post(holder)
    assert UsageRecord.objects.count() == 2
    rejected = RejectedLine.objects.get()
    assert (rejected.seq, rejected.line, bytes(rejected.raw)) == (1, 3, b"spoilt")
    assert len(differences()) == 1


def test_a_poison_line_is_rejected_after_five_tries_and_the_rest_posts(holder: str, monkeypatch: pytest.MonkeyPatch):
    poison = request()
    said = (settled(request()), settled(poison), settled(request()), settled(request()))
    stored(holder, file_of(holder, 1, *said), file_of(holder, 2, End()))
    refuse(monkeypatch, poison.id)
    for _ in range(8):
        try:
            ledger.post(holder)
        except ValueError:
            continue
    assert UsageRecord.objects.count() == 3
    assert RejectedLine.objects.get().error == "ValueError: poison"
    assert Holder.objects.get().closed_at is not None

    monkeypatch.undo()
    ledger.replay(RejectedLine.objects.get())
    assert UsageRecord.objects.count() == 4
    assert differences() == []


def refuse(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = bulk.insert_records

    def insert_records(settled):
        taken = list(settled)
        if any(line.id == poison for line in taken):
            raise ValueError("poison")
        return real(taken)

    monkeypatch.setattr(bulk, "insert_records", insert_records)


def test_a_line_that_kills_its_poster_is_rejected_in_the_end(holder: str):
    stored(holder, file_of(holder, 1, settled(request()), settled(request())))
    Segment.objects.update(tries=ledger.MOST_TRIES + ledger.MOST_TRIES_OF_A_LINE, done=1)
    ledger.post(holder)
    assert UsageRecord.objects.count() == 1
    assert RejectedLine.objects.get().line == 2


def test_a_newer_format_waits_for_a_newer_worker(holder: str):
    body = b'{"format":2,"line":"settled"}'
    stored(holder, file_of(holder, 1, settled(request())) + b"%08x %b\n" % (crc32(body), body))
    for _ in range(10):
        assert ledger.post(holder) == 0
    assert not UsageRecord.objects.exists()
    assert not RejectedLine.objects.exists()
    assert Segment.objects.get().tries == 0


def test_charges_move_money_from_lent_to_posted(holder: str, period: BudgetPeriod, lend):
    allowance = lend(period, 1000)
    within, over = request(hold={period.pk: 300}), request(hold={period.pk: 100})
    said = (settled(within, 200), settled(over, 150), Return(amounts={period.pk: 50}))
    stored(holder, file_of(holder, 1, *said))
    ledger.post(holder)
    period.refresh_from_db()
    allowance.refresh_from_db()
    assert (period.posted, period.lent) == (350, 1000 - 200 - 100 - 50)
    assert (allowance.granted, allowance.used) == (1000, 350)
    assert UsageRecord.objects.filter(over_bound=True).count() == 1
    assert differences() == []


def test_the_end_gives_back_all_that_is_held(holder: str, period: BudgetPeriod, lend):
    allowance = lend(period, 1000)
    stored(holder, file_of(holder, 1, settled(request(hold={period.pk: 300}), 200), End()))
    ledger.post(holder)
    period.refresh_from_db()
    allowance.refresh_from_db()
    assert (period.posted, period.lent, allowance.used) == (200, 0, 1000)
    assert Holder.objects.get().closed_at is not None
    assert differences() == []


def test_a_closed_holder_gives_back_nothing_twice(holder: str, period: BudgetPeriod, lend):
    lend(period, 100)
    stored(holder, file_of(holder, 1, End()), file_of(holder, 2, settled(request(hold={period.pk: 80}), 80)))
    ledger.post(holder)
    period.refresh_from_db()
    assert (period.posted, period.lent) == (80, 0)
    assert differences() == []


def test_a_rolling_budget_is_charged_by_the_hour(holder: str, lend):
    budget = Budget.objects.create(amount=10**6, rolling=True)
    rolling = BudgetPeriod.objects.create(budget=budget, start=ids.EPOCH)
    lend(rolling, 1000)
    noon = ids.microseconds(datetime(2026, 11, 21, 12, 30, tzinfo=UTC))
    said = [settled(request(id=ids.new(noon + hour * 3600 * 10**6), hold={rolling.pk: 50}), 40) for hour in (0, 0, 1)]
    stored(holder, file_of(holder, 1, *said))
    ledger.post(holder)
    hours = {row.hour.hour: row.posted for row in BudgetHour.objects.all()}
    assert hours == {12: 80, 13: 40}
    assert differences() == []


def test_a_correction_is_in_every_sum(holder: str, period: BudgetPeriod):
    stored(holder, file_of(holder, 1, settled(request(hold={period.pk: 80}), None), settled(request(), 70)))
    ledger.post(holder)
    unpriced = UsageRecord.objects.get(cost=None)
    change = {"actor": "admin@example.com", "reason": "priced", "charges": {period.pk: -30}}
    assert adjustments.adjust(unpriced, cause="reprice", cost=50, **change) is True
    assert adjustments.adjust(unpriced, cause="reprice", cost=50, **change) is False
    period.refresh_from_db()
    assert period.posted == 50
    total = Spend.objects.get(dimension="total")
    assert (total.requests, total.cost, total.unpriced) == (2, Decimal("0.000000012"), 0)
    with pytest.raises(adjustments.BelowZero):
        adjustments.adjust(unpriced, cause="goodwill", cost=-51, **change)
    assert Adjustment.objects.count() == 1
    assert differences() == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: Spend.objects.filter(dimension="user").update(requests=5), "spend of user '1'"),
        (lambda: Spend.objects.filter(dimension="tag").delete(), "spend of tag 'a'"),
        (lambda: UsageRecord.objects.all().delete(), "spend of total"),
        (lambda: UsageRecord.objects.update(request_id="same"), "request same has 2 records"),
        (lambda: BudgetPeriod.objects.update(posted=1), "posted differs from its charges by"),
        (lambda: BudgetPeriod.objects.update(lent=1), "1 atoms are lent, 0 are held"),
        (lambda: Holder.objects.update(lost_at=clock.now()), "is lost since"),
        (lambda: Segment.objects.update(posted_at=None, stored_at=ids.EPOCH), "2 segments of holder"),
    ],
)
def test_verify_finds_what_is_wrong(holder: str, period: BudgetPeriod, spoil: Callable[[], object], said: str):
    first, second = (settled(request(tags=("a",), hold={period.pk: 10})) for _ in range(2))
    stored(holder, file_of(holder, 1, first, second), file_of(holder, 2, End()))
    ledger.post(holder)
    assert verify.verify().differences == []
    if said == "is lost since":
        Holder.objects.update(closed_at=None, machine="elsewhere")
    with unguarded():
        spoil()
    found = verify.verify().differences
    assert any(said in each for each in found), found


def test_verify_runs_while_segments_wait(holder: str):
    stored(holder, file_of(holder, 1, settled(request())))
    Holder.objects.update(machine="elsewhere")
    report = verify.verify()
    assert report.differences == []
    assert "1 segments wait to be posted" in report.notes


def test_old_segments_are_dropped_but_not_a_living_holders_last(holder: str):
    stored(holder, *(file_of(holder, seq, settled(request())) for seq in range(1, 12)))
    ledger.post(holder)
    Segment.objects.update(posted_at=ids.EPOCH)
    assert retention.drop_segments() == 3
    assert ledger.post(holder) == 0


def test_months_begin_where_their_ids_do():
    months = list(partitions.months(datetime(2026, 11, 21, 5, tzinfo=UTC)))
    assert [month.name[-7:] for month in months] == ["2026_11", "2026_12", "2027_01", "2027_02"]
    last = ids.new(ids.microseconds(datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)))
    assert months[0].from_id < last < months[0].to_id == months[1].from_id


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has partitions")
def test_a_record_outside_all_months_is_kept_and_moves_to_its_month(holder: str, monkeypatch: pytest.MonkeyPatch):
    later = datetime(2031, 5, 5, tzinfo=UTC)
    stored(holder, file_of(holder, 1, settled(request(id=ids.new(ids.microseconds(later))))))
    ledger.post(holder)
    assert count("billing_usagerecord_default") == 1
    monkeypatch.setattr(clock, "now", lambda: later)
    partitions.ensure()
    assert (count("billing_usagerecord_default"), count("billing_usagerecord_2031_05")) == (0, 1)
    with connection.cursor() as cursor:
        for month in partitions.months(later):
            cursor.execute(f"DROP TABLE {month.name}")


def count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]
