"""Reprice runs over the ledger: shown first, in every sum once corrected, and never twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import clock, ids, ledger, lines, reprice, verify
from billing.lines import Open
from billing.models import Adjustment, Budget, BudgetHour, BudgetPeriod, Price, Spend, UsageRecord
from billing.pricing import PriceRow, Usage, cost_of
from billing.reprice import Range
from tests.billing.journals import file_of, request, stored

pytestmark = pytest.mark.django_db(transaction=True)

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
SINCE = clock.now() - timedelta(hours=3)
ALL = Range(SINCE - timedelta(days=1), clock.now() + timedelta(days=1))
BOOKS = {"fake": "book"}
WHO = {"actor": "admin@example.com", "reason": "a typo in the price"}


def price(component="input", amount="1", valid_from=JANUARY, model="demo-1", **fields):
    row = Price.objects.create(
        provider="book",
        upstream_model=model,
        component=component,
        amount=Decimal(amount),
        valid_from=valid_from,
        **fields,
    )
    atoms = int(row.amount * 10**10)
    return PriceRow(row.pk, component, row.above_tokens, row.service_tier, row.unit, atoms, row.variant)


def spent(rows=(), usage=None, at=SINCE, holder=None, **fields):
    """Post one record, priced as the gateway would, and return it."""
    usage = usage or Usage(input=1000, output=100)
    opened: Open = request(
        id=ids.new(ids.microseconds(at)), price_rows=tuple(rows), **{"upstream_model": "demo-1", **fields}
    )
    cost = cost_of(usage, rows, opened.service_tier, opened.variant, opened.markup).atoms
    line = lines.settled(opened, usage, cost=cost, status="completed", finished_at=clock.now_us())
    holder = holder or ids.new(clock.now_us())
    stored(holder, file_of(holder, 1, line))
    ledger.post(holder)
    return UsageRecord.objects.get(pk=opened.id)


def applied(of=ALL, **options):
    *_, run = reprice.apply(of, BOOKS, **{**WHO, **options})
    return run


def net(record):
    return (record.cost or 0) + sum(each.cost for each in Adjustment.objects.filter(record=record.pk))


def differences():
    return [each for each in verify.verify().differences if "the process of" not in each and "silent" not in each]


def test_shows_each_model_and_changes_nothing():
    wrong = [price("input", "10"), price("output", "10")]
    spent(wrong)
    spent(wrong, model="other")
    spent()
    price("input", "2", SINCE - timedelta(hours=1))
    run = reprice.preview(ALL, BOOKS)
    assert run.is_whole
    assert {line.model: (line.records, line.priced, line.old, line.new) for line in run.by_model} == {
        "demo": (2, 1, 110_000_000, 60_000_000),
        "other": (1, 0, 110_000_000, 30_000_000),
    }
    assert not Adjustment.objects.exists()


def test_a_correction_is_in_every_sum_and_a_second_run_changes_nothing():
    wrong = [price("input", "10"), price("output", "10")]
    record = spent(wrong, user=7, tags=("a",))
    price("input", "2", SINCE - timedelta(hours=1))
    run = applied()
    assert (run.total.corrected, run.total.old, run.total.new) == (1, 110_000_000, 30_000_000)
    assert net(record) == Decimal("0.003")
    adjustment = Adjustment.objects.get()
    assert (adjustment.actor, adjustment.reason) == ("admin@example.com", "a typo in the price")
    assert adjustment.cause.startswith("reprice:")
    assert set(Spend.objects.values_list("cost", flat=True)) == {Decimal("0.003")}
    assert applied().total.corrected == 0
    assert differences() == []


def test_each_change_of_a_price_is_followed_there_and_back():
    record = spent([price("input", "10"), price("output", "10")])
    for minutes, amount in enumerate(("2", "9", "2", "10", "0"), 1):
        price("input", amount, SINCE - timedelta(hours=1) + timedelta(minutes=minutes))
        applied()
        assert net(record) == Decimal(amount) / 1000 + Decimal("0.001")
    assert Adjustment.objects.count() == 5
    assert differences() == []


def test_calls_before_a_price_began_keep_theirs():
    wrong = [price("input", "10"), price("output", "10")]
    early, late = spent(wrong, at=SINCE - timedelta(hours=1)), spent(wrong)
    price("input", "2", SINCE - timedelta(minutes=1))
    applied()
    assert (net(early), net(late)) == (Decimal("0.011"), Decimal("0.003"))


def test_unpriced_usage_gets_its_price_and_its_budgets_the_cost():
    budget = Budget.objects.create(amount=10**12)
    money = BudgetPeriod.objects.create(budget=budget, start=JANUARY)
    calls = BudgetPeriod.objects.create(budget=Budget.objects.create(amount=10, unit="requests"), start=JANUARY)
    rolling = BudgetPeriod.objects.create(budget=Budget.objects.create(amount=10**12, rolling=True), start=ids.EPOCH)
    record = spent(
        hold={money.pk: 500_000_000, calls.pk: 1}, observed=(rolling.pk,), units={calls.pk: "requests"}
    )  # fmt: skip
    assert record.cost is None
    price("input", "10")
    assert applied().total.unpriced == 1
    price("output", "10")
    run = applied()
    assert (run.total.priced, run.total.unpriced) == (1, 0)
    posted = dict(BudgetPeriod.objects.values_list("pk", "posted"))
    assert posted == {money.pk: 110_000_000, calls.pk: 1, rolling.pk: 110_000_000}
    assert BudgetHour.objects.get().posted == 110_000_000
    assert set(Spend.objects.values_list("unpriced", flat=True)) == {0}
    assert applied().total.corrected == 0
    assert differences() == []


def test_a_records_tier_variant_and_markup_are_in_it():
    images = spent((), Usage(image=2), variant="1024x1024/hd", markup=1_500_000)
    flex = spent((), Usage(input=1_000_000), service_tier="flex")
    price("image", "0.04", unit="one")
    price("image", "0.08", unit="one", variant="1024x1024/hd")
    price("input", "2")
    price("input", "1", service_tier="flex")
    applied()
    assert (net(images), net(flex)) == (Decimal("0.24"), Decimal(1))


def test_only_what_is_meant_is_corrected():
    names = {"gpt-4o": "demo-1", "gpt-5": "demo-1", "claude": "gpt-upstream", "other": "demo-1"}
    records = {name: spent(model=name, upstream_model=upstream) for name, upstream in names.items()}
    elsewhere = spent(model="gpt-4o", provider="elsewhere")
    long_ago = spent(model="gpt-4o", at=SINCE - timedelta(days=40))
    for model in ("demo-1", "gpt-upstream"):
        price("input", "1", model=model)
        price("output", "1", model=model)
    applied(ALL._replace(model="gpt-*", provider="fake"))
    corrected = set(Adjustment.objects.values_list("record", flat=True))
    assert corrected == {records[name].pk for name in ("gpt-4o", "gpt-5", "claude")}
    assert net(elsewhere) == net(long_ago) == 0
    applied(ALL._replace(model="other"))
    assert Adjustment.objects.count() == 4


def test_an_interrupted_run_is_begun_again_and_ends_as_one_that_was_not(monkeypatch):
    monkeypatch.setattr(reprice, "BATCH", 3)
    budget = Budget.objects.create(amount=10**12)
    period = BudgetPeriod.objects.create(budget=budget, start=JANUARY)
    wrong = [price("input", "10"), price("output", "10")]
    records = [spent(wrong, at=SINCE + timedelta(minutes=n), hold={period.pk: 110_000_000}) for n in range(8)]
    price("input", "2", SINCE - timedelta(hours=1))
    running = reprice.apply(ALL, BOOKS, **WHO)
    assert not next(running).is_whole
    running.close()
    assert Adjustment.objects.count() == 3
    assert differences() == []
    assert applied().total.corrected == 5
    assert {net(record) for record in records} == {Decimal("0.003")}
    period.refresh_from_db()
    assert period.posted == 8 * 30_000_000
    assert differences() == []


def test_the_size_of_a_batch_changes_nothing(monkeypatch):
    for n in range(7):
        spent(at=SINCE + timedelta(minutes=n), usage=Usage(input=n + 1, output=n))
    price("input", "1.7")
    price("output", "3.3")
    shown = []
    for size in (1, 2, 7, 100):
        monkeypatch.setattr(reprice, "BATCH", size)
        shown.append(reprice.preview(ALL, BOOKS).by_model)
    assert all(lines == shown[0] for lines in shown)


def test_a_record_that_was_refunded_is_never_below_nothing():
    record = spent([price("input", "10"), price("output", "10")])
    refund = {"cause": "refund", "actor": "admin", "reason": "never arrived", "charges": {}}
    reprice.adjustments.adjust(record, cost=-110_000_000, **refund)
    price("input", "2", SINCE - timedelta(hours=1))
    applied()
    assert net(record) == 0
    assert differences() == []


def test_stops_when_its_time_is_over():
    spent()
    price("input", "1")
    price("output", "1")
    assert not reprice.preview(ALL, BOOKS, seconds=0).is_whole
    assert not applied(seconds=0).is_whole
    assert not Adjustment.objects.exists()
