"""Bills as an operator meets them: a file goes in, theirs stands beside ours."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO

import pytest
from auditlog.models import LogEntry
from django.core.management import CommandError, call_command

from accounts import roles
from accounts.models import User
from billing import adjustments, bulk, comparing, ids, lines
from billing.bills import reading
from billing.bills.lines import BillUnreadable
from billing.models import Bill, BillLine, UsageRecord
from providers.models import Provider

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
UNCHANGED = 1_000_000


@pytest.fixture
def provider():
    return Provider.objects.create(name="openai", base_url="https://1.1.1.1/v1")


@pytest.fixture
def admin(client, provider):
    client.force_login(User.objects.create_user("admin@example.com", role=roles.ADMIN))
    return client


def record(cost="1.5", model="gpt-4o-2024-08-06", at=NOON, provider="openai", **fields):
    moment = ids.microseconds(at)
    atoms = None if cost is None else int(Decimal(cost) * 10**10)
    given = {"status": "completed", "operation": "chat.completions", "input_tokens": 100, "cached_input_tokens": 20,
             "output_tokens": 50, "reasoning_tokens": 5, "cost": atoms, **fields}  # fmt: skip
    line = lines.Settled(
        id=ids.new(moment), request_id=f"req_{moment}", model="public", provider=provider, upstream_model=model,
        finished_at=moment + 1000, **given,
    )  # fmt: skip
    bulk.insert_records([line])
    return UsageRecord.objects.get(pk=line.id)


def costs(*amounts, start=NOON - timedelta(hours=12)):
    results = [
        {"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"}, "line_item": model}
        for model, value in amounts
    ]
    bucket = {"start_time": int(start.timestamp()), "end_time": int((start + DAY).timestamp()), "results": results}
    return json.dumps({"object": "page", "data": [bucket], "has_more": False}).encode()


def take_in(data, name="costs.json"):
    return comparing.take_in(data, provider="openai", name=name, actor="somebody")[0]


def rows_of(bill):
    return {(row.day.isoformat(), row.model): row for row in comparing.compared(bill).rows}


def test_complaint_that_the_providers_bill_differs_and_nobody_sees_where():
    record("1.5")
    record("0.25", at=NOON + timedelta(hours=11, minutes=59))
    record("9", at=NOON + timedelta(hours=12))
    record("9", at=NOON - timedelta(hours=12, microseconds=1))
    record("9", provider="another")
    record("0.5", model="text-embedding-3-small")
    rows = rows_of(
        take_in(costs(("gpt-4o-2024-08-06, input", 1.25), ("gpt-4o-2024-08-06, output", 0.75), ("dall-e-3", 2)))
    )
    assert {place: (row.their_cost, row.ours and row.ours.cost, row.difference) for place, row in rows.items()} == {
        ("2026-11-01", "gpt-4o-2024-08-06"): (2, Decimal("1.75"), Decimal("-0.25")),
        ("2026-11-01", "dall-e-3"): (2, None, -2),
        ("2026-11-01", "text-embedding-3-small"): (0, Decimal("0.5"), Decimal("0.5")),
    }
    ours = rows["2026-11-01", "gpt-4o-2024-08-06"].ours
    assert (ours.requests, ours.input_tokens, ours.output_tokens) == (2, 240, 110)


def test_ours_is_at_the_providers_prices_without_margins_and_with_corrections():
    marked_up = record("3", markup=2 * UNCHANGED, upstream_cost=15 * 10**9)
    record("4", markup=2 * UNCHANGED, upstream_cost=None)
    unpriced, plain = record(None), record("1")
    for each, cost in ((marked_up, -1), (unpriced, 2), (plain, 1)):
        adjustments.adjust(each, cause="reprice 1", actor="somebody", reason="a test", cost=cost * 10**10, charges={})
    (row,) = comparing.compared(take_in(costs(("gpt-4o", 1)))).rows
    # 1.5 - 1 / 2, nothing known, 0 + 2, 1 + 1
    assert row.ours.cost == Decimal("1.0") + 2 + 2
    assert row.ours.unpriced == 1


def test_the_same_file_again_changes_nothing_and_a_broken_one_stores_nothing():
    first = take_in(costs(("gpt-4o", 1)))
    assert take_in(costs(("gpt-4o", 1)), "renamed.json") == first
    with pytest.raises(BillUnreadable):
        take_in(costs(("gpt-4o", 1)) + b"x")
    with pytest.raises(BillUnreadable):
        take_in(b"usage_date_utc,cost_usd\n2026-11-01,1\n2026-11-02,=1\n")
    assert (Bill.objects.count(), BillLine.objects.count()) == (1, 1)


def test_a_newer_export_of_the_same_days_is_taken_wherever_one_looks():
    older = take_in(costs(("gpt-4o", 1)))
    newer = take_in(costs(("gpt-4o", 2)))
    assert [row.their_cost for bill in (older, newer) for row in comparing.compared(bill).rows] == [2, 2]
    assert comparing.compared(older).others == [newer]
    newer.delete()
    assert [row.their_cost for row in comparing.compared(older).rows] == [1]


def test_days_of_which_records_are_gone_say_so(monkeypatch):
    bill = take_in(costs(("gpt-4o", 1)))
    assert comparing.compared(bill).gone_before is None
    monkeypatch.setattr(comparing.recount, "carried_months", lambda: [date(2026, 11, 1)])
    assert comparing.compared(bill).gone_before == date(2026, 12, 1)


def upload(client, data, name="costs.json", provider="openai"):
    file = BytesIO(data)
    file.name = name
    return client.post("/admin/billing/bill/add/", {"provider": provider, "file": file}, follow=True)


def test_an_upload_is_compared_and_comes_as_csv(admin):
    record("1.5", model="=cmd()")
    page = upload(admin, costs(("=cmd()", 2), ("other", 1)), "export <b>.json").content.decode()
    assert "<b>$3.00</b>" in page.replace('<span class="tg-figure" title="$3.00">$3.00</span>', "$3.00")
    assert "−$1.50" in page
    assert "−50.0 %" in page
    assert "only theirs" in page
    assert "export &lt;b&gt;.json" in page
    bill = Bill.objects.get()
    assert (bill.actor, bill.provider) == ("admin@example.com", "openai")
    text = admin.get(f"/admin/billing/bill/{bill.pk}/change/?format=csv").content.decode()
    wanted = ("model", "their_cost_usd", "difference_usd", "difference_percent")
    assert [tuple(row[name] for name in wanted) for row in csv.DictReader(StringIO(text))] == [
        ("'=cmd()", "2.0000000000", "-0.5000000000", "-25.00"),
        ("other", "1.0000000000", "-1.0000000000", "-100.00"),
    ]
    assert "other" in admin.get(f"/admin/billing/bill/{bill.pk}/change/?show=odd").content.decode()
    assert "export &lt;b&gt;.json" in admin.get("/admin/billing/bill/").content.decode()
    assert LogEntry.objects.filter(content_type__model="bill").count() == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x89PNG\xff", "The file is neither UTF-8 nor UTF-16"),
        (b"<script>alert(1)</script>,x\n1,2\n", "This is none of the exports that are known"),
        (b"usage_date_utc,cost_usd\n2026-11-01,<script>alert(1)</script>\n", "Row 2: cost_usd is"),
        (b"", "empty"),
    ],
)
def test_an_upload_that_cannot_be_read_says_why_and_changes_nothing(admin, data, says):
    page = upload(admin, data).content.decode()
    assert says in page
    assert "<script>alert" not in page
    assert not Bill.objects.exists()


def test_an_upload_that_is_too_large_or_of_nobody_is_refused(admin, monkeypatch):
    assert "Select a valid choice" in upload(admin, costs(("a", 1)), provider="nobody").content.decode()
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    assert "more than 20 MiB" in upload(admin, costs(("a", 1))).content.decode()
    assert not Bill.objects.exists()


def test_a_bill_is_removed_by_admins_only(admin, client):
    bill = take_in(costs(("gpt-4o", 1)))
    path = f"/admin/billing/bill/{bill.pk}/remove/"
    client.force_login(User.objects.create_user("viewer@example.com", role=roles.VIEWER))
    assert client.get(f"/admin/billing/bill/{bill.pk}/change/").status_code == 200
    assert client.post(path).status_code == 403
    assert upload(client, costs(("b", 1))).status_code == 403
    client.force_login(User.objects.get(email="admin@example.com"))
    assert b"Remove the bill" in client.get(path).content
    assert client.post(path).status_code == 302
    assert not BillLine.objects.exists()


def test_the_command_says_what_differs(provider, tmp_path):
    record("1.5")
    file = tmp_path / "costs.json"
    file.write_bytes(costs(("gpt-4o", 2)))
    said = StringIO()
    call_command("bills", "import", str(file), "--provider", "openai", stdout=said)
    assert said.getvalue() == ("OpenAI costs, 2026-11-01 to 2026-11-01: theirs $2.00, ours $1.50, difference -$0.50\n")
    call_command("bills", "import", str(file), "--provider", "openai", stdout=said)
    assert "imported already" in said.getvalue()
    with pytest.raises(CommandError, match="there are openai"):
        call_command("bills", "import", str(file), "--provider", "nobody")
    with pytest.raises(CommandError, match="No such file"):
        call_command("bills", "import", str(file) + "x", "--provider", "openai")
    file.write_text("{")
    with pytest.raises(CommandError, match="no whole JSON"):
        call_command("bills", "import", str(file), "--provider", "openai")
