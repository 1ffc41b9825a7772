"""`tollgate reprice`: a preview, then corrections with a reason, and nothing the second time."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from billing import clock, ids, ledger, lines
from billing.models import Adjustment, Price
from billing.pricing import Usage
from providers.models import Provider
from tests.billing.journals import file_of, request, stored

pytestmark = pytest.mark.django_db

AT = datetime(2026, 11, 20, 22, tzinfo=UTC)
DAY = ("--from", "2026-11-20", "--to", "2026-11-20")
WHY = ("--apply", "--reason", "the price came late", "--actor", "admin@example.com")


@pytest.fixture
def reprice(capsys):
    def run(*words):
        call_command("reprice", *words)
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture(autouse=True)
def _unpriced_record():
    Provider.objects.create(name="main", price_book="openai")
    opened = request(
        id=ids.new(ids.microseconds(AT)), model="chat", provider="main", upstream_model="gpt", price_rows=None
    )
    usage = Usage(input=1_000_000, output=500_000)
    holder = ids.new(clock.now_us())
    line = lines.settled(opened, usage, cost=None, status="completed", finished_at=clock.now_us())
    stored(holder, file_of(holder, 1, line))
    ledger.post(holder)
    for component, amount in (("input", 2), ("output", 8)):
        Price.objects.create(
            provider="openai", upstream_model="gpt", component=component, amount=Decimal(amount),
            valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip


def test_shows_each_model_first(reprice):
    head, model, total, last = reprice(*DAY)
    assert head.split("  ")[0] == "model"
    assert model.split() == ["chat", "(main/gpt)", "1", "unpriced", "$6.00", "$6.00", "1", "0"]
    assert total.startswith("all")
    assert "--apply" in last
    assert not Adjustment.objects.exists()


def test_a_provider_without_a_price_book_is_priced_by_that_of_its_format(reprice):
    Provider.objects.update(adapter="gemini", price_book="")
    Price.objects.update(provider="google")
    assert reprice(*DAY)[1].split()[4] == "$6.00"


def test_corrects_with_a_reason_and_once(reprice):
    assert reprice(*DAY, *WHY)[-1] == "1 of 1 records corrected."
    adjustment = Adjustment.objects.get()
    assert (adjustment.cost, adjustment.actor, adjustment.reason) == (6, "admin@example.com", "the price came late")
    assert reprice(*DAY, *WHY)[-1] == "0 of 1 records corrected."
    entry = LogEntry.objects.get_for_model(Adjustment).earliest("id")
    assert entry.additional_data["event"] == "records repriced"
    assert entry.additional_data["difference"] == "6.0000000000"
    assert entry.additional_data["reason"] == "the price came late"


@pytest.mark.parametrize(
    ("words", "records"),
    [
        (("--from", "2026-11-20T22:00", "--to", "2026-11-20T22:01"), 1),
        (("--from", "2026-11-20T23:00+01:00", "--to", "2026-11-21"), 1),
        (("--from", "2026-11-19", "--to", "2026-11-19"), 0),
        (("--from", "2026-11-21", "--to", "2026-11-30"), 0),
        ((*DAY, "--model", "ch*"), 1),
        ((*DAY, "--model", "gpt"), 1),
        ((*DAY, "--model", "gpt-*"), 0),
        ((*DAY, "--provider", "main"), 1),
        ((*DAY, "--provider", "other"), 0),
    ],
)
def test_takes_whole_days_times_models_and_providers(words, records, reprice):
    assert reprice(*words, *WHY)[-1] == f"{records} of {records} records corrected."


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((*DAY, "--apply"), "wants a --reason"),
        (("--from", "2026-11-20", "--to", "2026-11-19"), "must be after"),
        (("--from", "yesterday", "--to", "2026-11-19"), "is no day"),
        (("--from", "0001-01-01", "--to", "2026-11-19"), "must be from 1970"),
        (("--from", "2026-11-19", "--to", "9999-12-31"), "must be from 1970"),
        (("--from", "2026-13-01", "--to", "2026-11-19"), "is no day"),
    ],
)
def test_says_what_is_wrong_with_the_words(words, problem, reprice):
    with pytest.raises(CommandError, match=problem):
        reprice(*words)
    assert not Adjustment.objects.exists()
