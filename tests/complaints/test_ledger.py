"""What people complain of in today's gateways' accounts: totals, days, deadlocks, connections, deploys, memory."""

from __future__ import annotations

import csv
import io
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2 as httpx
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import roles
from accounts.models import User
from billing import clock, exports, ids, ledger, recount
from billing.log import Query
from billing.models import Budget, BudgetPeriod, UsageRecord
from gateway.pages import tables
from tests.billing.journals import file_of, request, settled, stored
from tests.billing.test_log import write
from tests.live import Gateway

ON_POSTGRESQL = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
needs_postgresql = pytest.mark.skipif(not ON_POSTGRESQL, reason="SQLite has one writer and no server to connect to")
HELLO = {"model": "demo", "messages": [{"role": "user", "content": "Say something short."}]}
NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def own_gateway() -> Iterator[Gateway]:
    """One that these tests may stop."""
    running = Gateway()
    try:
        yield running.start()
    finally:
        running.destroy()


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("admin@example.com", "a long password", role=roles.ADMIN))
    return client


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_complaint_12_totals_agree(own_gateway: Gateway):
    """The page of keys, the page of users and the log show three different sums."""
    own_gateway.issue_key("second@example.com", name="second")
    bodies = [
        HELLO, {**HELLO, "stream": True}, {**HELLO, "max_tokens": 3, "user": "eve"}, {**HELLO, "model": "nobody's"},
        {**HELLO, "metadata": {"tags": "a,b"}},
    ]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: own_gateway.post("/v1/chat/completions", body), bodies * 6))
    served = sum(answer.status_code == 200 for answer in answers)
    assert served == 24
    own_gateway.records()
    today = (clock.now() - timedelta(minutes=5)).date().isoformat()
    records = rows_of(own_gateway.command("export", "records", "--from", today).stdout)
    assert sum(row["operation"] == "chat.completions" for row in records) == served
    of_records = sum(Decimal(row["cost"]) + Decimal(row["corrections"]) for row in records)
    assert of_records > 0
    for dimension in ("model", "user", "api_key", "provider", "operation"):
        spent = rows_of(own_gateway.command("export", "spend", "--from", today, "--by", dimension).stdout)
        assert (sum(Decimal(row["cost"]) for row in spent), sum(int(row["requests"]) for row in spent)) == (
            of_records,
            len(records),
        )
    found = own_gateway.verify_ledger()
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("zone", "hours"),
    [("UTC", [24, 24, 24]), ("Europe/Berlin", [24, 25, 24]), ("Asia/Kathmandu", [24, 24, 24])],
)
def test_complaint_13_days_are_right_in_every_zone(admin: Client, zone: str, hours: list[int]):
    """Days are those of the server, and the day on which clocks change has 24 hours."""
    address = f"/admin/spend/?range=custom&from=2026-10-24&to=2026-10-26&zone={zone}&by=model"
    start = datetime(2026, 10, 22, tzinfo=UTC)
    write(*({"at": start + timedelta(minutes=15 * quarter)} for quarter in range(6 * 96)))
    days = rows_of(admin.get(f"{address}&format=csv&each=day").getvalue().decode())
    assert [int(row["requests"]) for row in days] == [4 * count for count in hours]
    page = admin.get(address).context
    assert page["total"].requests == 4 * sum(hours)
    assert page["rows"][0].sums == page["total"]


@needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_complaint_14_concurrent_posters_do_not_deadlock():
    """Workers that update the same sums wait for each other in a circle."""
    periods = [BudgetPeriod.objects.create(budget=Budget.objects.create(amount=10**12), start=NOON) for _ in range(3)]
    hold = {period.pk: 1000 for period in periods}
    holders = [ids.new(clock.now_us()) for _ in range(6)]
    for number, holder in enumerate(holders):
        for seq in range(1, 9):
            said = [
                settled(request(model=f"m{(number + place) % 5}", user=place % 7, tags=("x", "y"), hold=hold))
                for place in range(40)
            ]
            stored(holder, file_of(holder, seq, *said[:: 1 if number % 2 else -1]))
    before = _deadlocks()

    def post(holder: str) -> None:
        ledger.post(holder)
        connections.close_all()

    posters = [threading.Thread(target=post, args=[holder]) for holder in holders]
    for poster in posters:
        poster.start()
    for poster in posters:
        poster.join()
    assert _deadlocks() == before
    assert UsageRecord.objects.count() == 6 * 8 * 40
    assert list(recount.differences()) == []


def _deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return cursor.fetchone()[0]


@needs_postgresql
def test_complaint_15_connections_stay_few(own_gateway: Gateway):
    """Each request in flight holds a connection, until PostgreSQL has none left."""
    counted: list[int] = []
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with ThreadPoolExecutor(60) as pool:
        answers = [pool.submit(own_gateway.post, "/v1/chat/completions", HELLO) for _ in range(240)]
        while not all(answer.done() for answer in answers):
            counted.append(own_gateway.sql(query)[0][0])
            time.sleep(0.05)
    assert all(answer.result().status_code == 200 for answer in answers)
    assert max(counted) <= 12


def test_complaint_16_nothing_is_lost_on_deploy(own_gateway: Gateway):
    """A new version is rolled out, and what was in flight is on no bill."""
    stopping = threading.Event()
    answered: list[str] = []

    def call() -> None:
        with own_gateway.client() as client:
            while not stopping.is_set():
                try:
                    answer = client.post("/v1/chat/completions", json={**HELLO, "stream": len(answered) % 2 == 0})
                except httpx.HTTPError:
                    time.sleep(0.05)  # nobody listens any more
                    continue
                if answer.status_code == 200:
                    answered.append(answer.headers["x-request-id"])

    callers = [threading.Thread(target=call, daemon=True) for _ in range(6)]
    for caller in callers:
        caller.start()
    time.sleep(1.5)
    code = own_gateway.stop()
    stopping.set()
    for caller in callers:
        caller.join()
    assert code == 0
    own_gateway.start()
    recorded = {record["request_id"] for record in own_gateway.records()}
    assert len(answered) > 10
    assert set(answered) <= recorded
    found = own_gateway.verify_ledger()
    assert found.returncode == 0, found.stdout


def test_complaint_17_the_log_pages_by_key_not_by_offset(admin: Client, monkeypatch: pytest.MonkeyPatch):
    """Page 1,000 of the log takes a minute, as the database counts what it skips."""
    monkeypatch.setattr("gateway.admin.records.SIZE", 5)
    made = write(*({"at": NOON + timedelta(seconds=second), "tags": ("t",)} for second in range(32)))
    for filters in ("", "&user=1", "&tag=t"):
        address = f"/admin/billing/usagerecord/?range=custom&from=2026-10-20&to=2026-10-20{filters}"
        seen, page = [], admin.get(address).context
        while page["older"]:
            seen += [str(record.pk) for record in page["records"]]
            with CaptureQueriesContext(connection) as queries:
                page = admin.get(f"{address}&before={page['older']}").context
            assert not any("OFFSET" in query["sql"] for query in queries)
            assert sum("billing_usagerecord" in query["sql"] for query in queries) == 1
        assert [*seen, *(str(record.pk) for record in page["records"])] == made[::-1]


@pytest.mark.django_db
def test_complaint_18_memory_stays_flat(monkeypatch: pytest.MonkeyPatch):
    """An export of a month takes all of the server's memory. (The large figure is in docs/ledger.md.)"""
    monkeypatch.setattr(exports, "BATCH", 50)
    write(*({"at": NOON + timedelta(seconds=second)} for second in range(2000)))
    query = Query(NOON, NOON + timedelta(hours=1), {})
    tracemalloc.start()
    try:
        early, lines = 0, 0
        for piece in tables.written("csv", exports.RECORD_COLUMNS, exports.records(query)):
            lines += piece.count("\n")
            if 400 <= lines < 460:
                early = tracemalloc.get_traced_memory()[1]
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lines == 2001
    assert most < early * 2  # all of it at once would be ten times as much
