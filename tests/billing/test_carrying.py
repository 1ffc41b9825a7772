"""Months that are gone: nothing is lost from any sum, and the proof still finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, connections, transaction

from billing import adjustments, carrying, clock, ids, ledger, partitions, recount, reports
from billing.models import (
    Adjustment,
    Budget,
    BudgetHour,
    BudgetPeriod,
    CarriedCharge,
    CarriedSpend,
    Spend,
    SpendDay,
    UsageRecord,
)
from billing.partitions import Month
from tests.billing.journals import file_of, request, settled, stored
from tests.guarded import unguarded

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("months_as_they_were")]
NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)
OLD, KEPT = datetime(2026, 8, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC)
AUGUST = Month.of(OLD)


@pytest.fixture
def period() -> BudgetPeriod:
    return BudgetPeriod.objects.create(budget=Budget.objects.create(amount=10**6), start=KEPT)


def posted(at: datetime, *, cost: int | None = 100, charge: BudgetPeriod | None = None, **fields: object) -> str:
    """Post one request admitted ``at``, charged in full to a period; return its id."""
    opened = request(id=ids.new(ids.microseconds(at)), hold={charge.pk: 1000} if charge else {}, **fields)
    holder = ids.new(clock.now_us())
    stored(holder, file_of(holder, 1, settled(opened, cost)))
    ledger.post(holder)
    return opened.id


def differences() -> list[str]:
    return list(recount.differences())


def test_a_month_goes_and_every_sum_stays(period: BudgetPeriod):
    gone = posted(OLD, charge=period, tags=("a", "b"), end_user="eve")
    unpriced = posted(OLD, cost=None)
    posted(KEPT, charge=period)
    adjustments.adjust(
        UsageRecord.objects.get(pk=gone), cause="x", actor="a", reason="r", cost=-40, charges={period.pk: -20}
    )
    adjustments.adjust(UsageRecord.objects.get(pk=unpriced), cause="x", actor="a", reason="r", cost=7, charges={})
    before = reports.total(OLD.replace(day=1), NOW)
    assert carrying.due(2, NOW) == [AUGUST]
    assert carrying.described(AUGUST).spent.cost == Decimal("0.0000000067")
    carrying.carry(AUGUST)
    assert [record.created_at for record in UsageRecord.objects.all()] == [KEPT]
    assert not Adjustment.objects.exists()
    assert CarriedCharge.objects.get().amount == 80
    total = CarriedSpend.objects.get(dimension="total")
    assert (total.month, total.requests, total.cost, total.unpriced) == (
        AUGUST.start.date(),
        2,
        Decimal("0.0000000067"),
        0,
    )
    assert {row.value for row in CarriedSpend.objects.filter(dimension="tag")} == {"a", "b"}
    assert reports.total(OLD.replace(day=1), NOW) == before
    assert differences() == []
    assert carrying.due(2, NOW) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda: CarriedSpend.objects.filter(dimension="user").delete(), "spend of user '1' at 2026-08-01"),
        (lambda: CarriedSpend.objects.filter(dimension="model").update(cost=1), "spend of model 'demo' at 2026-08-01"),
        (lambda: CarriedCharge.objects.all().delete(), "posted differs from its charges by -100 atoms"),
        (lambda: CarriedCharge.objects.update(amount=101), "posted differs from its charges by +1 atoms"),
        (lambda: Spend.objects.filter(dimension="team").update(requests=3), "spend of team '4' at 2026-08-01"),
        (lambda: Spend.objects.filter(bucket__gte=KEPT).delete(), "spend of total '' at 2026-09-01"),
        (lambda: SpendDay.objects.filter(dimension="user").update(tokens=3), "spend of user '1' on 2026-08-31"),
    ],
)
def test_the_proof_covers_what_is_carried(period: BudgetPeriod, spoil: Callable[[], object], said: str):
    posted(OLD, charge=period, team=4)
    posted(KEPT)
    carrying.carry(AUGUST)
    with unguarded():
        spoil()
    found = differences()
    assert any(said in each for each in found), found


def test_rolling_hours_are_proved_from_the_oldest_kept_month_on():
    budget = Budget.objects.create(amount=10**6, rolling=True)
    rolling = BudgetPeriod.objects.create(budget=budget, start=ids.EPOCH)
    posted(OLD, charge=rolling)
    posted(KEPT, charge=rolling)
    carrying.carry(AUGUST)
    assert differences() == []
    BudgetHour.objects.update(posted=0)
    assert [each for each in differences() if "in the hour" in each] == [
        f"budget {budget.pk} in the hour {recorded('2026-09-01 00:00:00')}: "
        "posted differs from its charges by +100 atoms"
    ]


def recorded(moment: str) -> str:
    return f"{moment}+00:00" if connection.vendor == "postgresql" else moment


def test_a_month_that_differs_from_its_spend_is_evidence_and_stays():
    posted(OLD)
    Spend.objects.filter(dimension="operation").update(cost=5)
    with pytest.raises(carrying.DiffersFromSpend):
        carrying.carry(AUGUST)
    assert UsageRecord.objects.count() == 1
    assert not CarriedSpend.objects.exists()
    assert carrying.due(2, NOW) == [AUGUST]


def test_what_comes_too_late_for_its_month_stays_and_adds_up(period: BudgetPeriod):
    posted(OLD, charge=period)
    carrying.carry(AUGUST)
    posted(OLD, charge=period)
    assert UsageRecord.objects.count() == 1
    assert differences() == []
    assert carrying.due(2, NOW) == []


def test_two_months_are_kept_at_least():
    with pytest.raises(ValueError, match="at least 2"):
        carrying.due(1, NOW)


def test_a_month_is_kept_whole():
    posted(OLD)
    assert carrying.due(2, datetime(2026, 10, 31, 23, 59, tzinfo=UTC)) == []
    assert carrying.due(2, datetime(2026, 11, 1, tzinfo=UTC)) == [AUGUST]
    assert carrying.due(3, NOW) == []


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has one writer")
def test_a_month_in_use_is_left_alone_and_nobody_waits_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(carrying, "TRIES", 1)
    monkeypatch.setattr(carrying, "DETACH_TRIES", 2)
    posted(OLD)
    partitions.attach(AUGUST)
    reader = connections.create_connection("default")
    with reader.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT count(*) FROM billing_usagerecord")
        with pytest.raises(carrying.Busy):
            carrying.carry(AUGUST)
        cursor.execute("COMMIT")
    reader.close()
    assert not CarriedSpend.objects.exists()
    carrying.carry(AUGUST, keep_table=True)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {AUGUST.name}_carried")
        assert cursor.fetchone() == (1,)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has partitions")
def test_strays_move_to_their_month_though_records_cannot_be_deleted():
    posted(OLD)
    assert partitions.strayed() == [AUGUST]
    partitions.attach(AUGUST)
    assert partitions.strayed() == []
    assert differences() == []


TAMPERING = [
    "UPDATE {table} SET id = id",
    "DELETE FROM {table}",
    "TRUNCATE {table} CASCADE",
    "REPLACE INTO {table} SELECT * FROM {table}",
]


@pytest.mark.parametrize("statement", TAMPERING)
@pytest.mark.parametrize(
    "table",
    ["billing_usagerecord", "billing_adjustment", "billing_grant", "billing_carriedspend", "billing_carriedcharge"],
)
def test_raw_sql_changes_nothing_of_the_ledger(period: BudgetPeriod, table: str, statement: str):
    if statement.startswith({"sqlite": "TRUNCATE", "postgresql": "REPLACE"}[connection.vendor]):
        pytest.skip(f"{connection.vendor} has no such statement")
    posted(OLD, charge=period)
    carrying.carry(AUGUST)
    kept = UsageRecord.objects.get(pk=posted(KEPT, cost=None))
    adjustments.adjust(kept, cause="x", actor="a", reason="r", cost=1, charges={})
    period.budget.grants.create(amount=1, starts_at=NOW, ends_at=NOW, actor="a")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table=table))


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only PostgreSQL has partitions")
def test_a_partition_cannot_be_changed_by_its_own_name_either():
    posted(OLD)
    partitions.attach(AUGUST)
    for statement in ("TRUNCATE {}", "DELETE FROM {}", "UPDATE {} SET model = ''"):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(AUGUST.name))
