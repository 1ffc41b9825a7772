"""``tollgate export``, ``tollgate retention`` and what the metrics say of the ledger."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import UTC, datetime, timedelta

import httpx2 as httpx
import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from billing import carrying, recount
from billing.models import UsageRecord
from billing.partitions import Month
from gateway import retaining
from gateway.models import Setting
from tests.billing.test_log import write
from tests.live import Gateway

NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 5, tzinfo=UTC)


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def exported(capsys: pytest.CaptureFixture[str]):
    def exported(*arguments: str) -> str:
        call_command("export", *arguments)
        return capsys.readouterr().out

    return exported


@pytest.mark.django_db
def test_records_are_exported_by_day_and_by_whom(exported):
    user = User.objects.create_user("eve@example.com", "a long password")
    midnight = datetime(2026, 10, 20, 18, 15, tzinfo=UTC)  # of the 21st in Kathmandu
    write({"at": midnight, "user": user.pk, "model": "=a"}, {"at": midnight - timedelta(seconds=1), "user": user.pk})
    days = ("--from", "2026-10-21", "--to", "2026-10-21", "--zone", "Asia/Kathmandu")
    (row,) = csv.DictReader(io.StringIO(exported("records", *days, "--user", "eve@example.com")))
    assert (row["user"], row["model"], row["cost"]) == ("eve@example.com", "'=a", "0.0000000010")
    (line,) = exported("records", *days, "--format", "jsonl", "--model", "=a").splitlines()
    assert (json.loads(line)["model"], json.loads(line)["user_id"]) == ("=a", user.pk)
    assert exported("records", *days, "--status", "timeout").count("\n") == 1


@pytest.mark.django_db
def test_spend_is_exported_by_anything_for_each_step(exported, tmp_path):
    write({"at": NOON}, {"at": NOON + timedelta(days=1), "model": "other"})
    days = ("--from", "2026-10-20", "--to", "2026-10-22")
    rows = list(csv.DictReader(io.StringIO(exported("spend", *days, "--each", "day"))))
    assert [(row["from"], row["value"], row["requests"]) for row in rows] == [
        ("2026-10-20T00:00:00+00:00", "m", "1"),
        ("2026-10-21T00:00:00+00:00", "other", "1"),
    ]
    file = tmp_path / "spend.jsonl"
    assert exported("spend", *days, "--by", "user", "--format", "jsonl", "-o", str(file)) == ""
    assert json.loads(file.read_text())["requests"] == 2


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("records", "--from", "yesterday"), "no day"),
        (("records", "--from", "2026-10-20", "--zone", "Mars"), "no time zone"),
        (("records", "--from", "2026-10-20", "--user", "nobody@example.com"), "there is no user"),
        (("spend", "--from", "2026-10-20", "--user", "1"), "--user is for records"),
    ],
)
def test_an_export_says_what_it_does_not_understand(arguments, said):
    with pytest.raises(CommandError, match=said):
        call_command("export", *arguments)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("months_as_they_were")
def test_retention_shows_first_and_does_what_the_settings_say(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("billing.clock.now", lambda: NOW)
    write({"at": NOON}, {"at": datetime(2026, 8, 2, tzinfo=UTC)})
    assert "kept for ever" in run("retention")
    assert retaining.due() == []
    assert "2026-08: 1 records and 0 corrections, $0.000000001 would go" in run("retention", "--months", "2")
    assert "No record is older" in run("retention", "--months", "3")
    with pytest.raises(CommandError, match="at least 2"):
        call_command("retention", "--months", "1", "--apply")
    Setting.objects.create(name="retention_months", value=2)
    assert retaining.due() == [Month.of(datetime(2026, 8, 2, tzinfo=UTC))]
    retaining.carry_due()
    assert UsageRecord.objects.count() == 1
    assert "No record is older" in run("retention", "--apply")
    assert list(recount.differences()) == []


@pytest.mark.django_db(transaction=True)
def test_what_cannot_go_is_told_and_stays(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setattr("billing.clock.now", lambda: NOW)
    monkeypatch.setattr(carrying, "carry", _busy)
    write({"at": datetime(2026, 8, 2, tzinfo=UTC)})
    Setting.objects.create(name="retention_months", value=2)
    retaining.carry_due()
    assert "retention: in use" in caplog.text
    with pytest.raises(CommandError, match="in use"):
        call_command("retention", "--apply")


def _busy(month: Month, *, keep_table: bool = False) -> None:
    raise carrying.Busy("in use")


def test_metrics_tell_of_what_is_not_in_the_ledger_yet(gateway: Gateway):
    assert gateway.post("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]})
    until = time.monotonic() + 40
    while time.monotonic() < until:
        text = httpx.get(gateway.base + "/metrics").text
        if "tollgate_usage_open 0.0" in text and 'tollgate_usage_unrecorded_total{reason="rejected"} 0.0' in text:
            break
        time.sleep(0.5)
    figures = dict(line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tollgate_"))
    assert figures["tollgate_usage_open"] == "0.0"
    assert figures['tollgate_usage_unrecorded_total{reason="rejected"}'] == "0.0"
    assert figures['tollgate_usage_unrecorded_total{reason="machine_lost"}'] == "0.0"
    for name in ("journal_bytes", "journal_age_seconds", "segments_unposted", "segments_age_seconds"):
        assert float(figures[f"tollgate_{name}"]) >= 0
