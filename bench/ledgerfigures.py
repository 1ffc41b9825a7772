"""How fast a ledger of millions answers: ``python -m bench.ledgerfigures`` measures in the database that is named.

It prints a JSON list for each row of the table: what, p50, p95, CPU, aim. The last measures change the ledger, and are
left out with ``--read-only``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import quantiles
from uuid import UUID
from zoneinfo import ZoneInfo

import django
import psutil

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from django.db import connection  # noqa: E402 the apps must be ready first
from django.test import Client, override_settings  # noqa: E402

from accounts import roles  # noqa: E402
from accounts.models import ApiKey, Team, User  # noqa: E402
from billing import breakdown, carrying, ids, ledger, lines, log, partitions, reports, store, usage, verify  # noqa: E402
from billing.log import Query  # noqa: E402
from billing.models import Spend, UsageRecord  # noqa: E402
from billing.pricing import PriceRow, Usage  # noqa: E402
from gateway.pages.names import DIMENSIONS  # noqa: E402

RUNS = 11
MONTH = timedelta(days=30)
SPEND_MS, LOG_MS = 300, 100
ZONE = ZoneInfo("Asia/Kathmandu")
SEGMENTS, SEGMENT_LINES = 40, 500
FILTERS = {
    "nothing": {}, "a user": {"user": ""}, "a key": {"api_key": ""}, "a team": {"team": ""},
    "a model": {"model": "model-7"}, "a rare model": {"model": "model-59"},
    "a user and a model": {"user": "", "model": "model-7"},
    "a tag": {"tag": "tag-3"}, "an end user": {"end_user": "customer-77"}, "a provider": {"provider": "provider-2"},
}  # fmt: skip


def measure(*, changes: bool) -> None:
    newest = UsageRecord.objects.order_by("-id").values_list("created_at", flat=True)[0]
    oldest = UsageRecord.objects.order_by("id").values_list("created_at", flat=True)[0]
    end = newest.replace(minute=0, second=0, microsecond=0)
    _sizes()
    _spend(end)
    _log(oldest, end)
    _pages()
    if not changes:
        return
    _once("`verify_ledger` (s)", _verified, "")
    _export(end)
    _posting(newest)
    _retention(oldest)
    _once("`verify_ledger` after that (s)", _verified, "")


def _sizes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        (size,) = cursor.fetchone()
    _row(
        f"records, rows of spend, size: {UsageRecord.objects.count():,}, {Spend.objects.count():,}, {size}", "", "", ""
    )


def _spend(end: datetime) -> None:
    start = end - MONTH
    for dimension in DIMENSIONS:
        _timed(
            f"spend of 30 days by {dimension}",
            lambda dimension=dimension: reports.by_value(dimension, start, end),
            SPEND_MS,
        )
    local = (end.astimezone(ZONE) - MONTH).replace(hour=0, minute=0)
    values = [share.value for share in reports.by_value("api_key", start, end)[:8]]
    _timed(
        "eight keys by day of Kathmandu (a chart)",
        lambda: reports.over_time("api_key", local, local + MONTH, "day", ZONE, values),
        SPEND_MS,
    )
    user = User.objects.order_by("pk")[3].pk
    models = usage.Grouping(usage.MODEL, "day", ZONE)
    _timed(
        "models of one user, by day of Kathmandu",
        lambda: usage.spent(usage.Payer("user", user), local, end, models),
        SPEND_MS,
    )
    _timed(
        "tags of one user, counted from the records",
        lambda: breakdown.by("tag", start, end, {"user": str(user)}).by_value(),
        None,
    )


def _log(oldest: datetime, end: datetime) -> None:
    chance = random.Random(1)
    some = {"user": User.objects.order_by("pk")[3].pk, "api_key": ApiKey.objects.order_by("pk")[250].pk,
            "team": Team.objects.order_by("pk")[5].pk}  # fmt: skip
    queries = {
        f"log by {what}": Query(oldest, end, {name: value or str(some[name]) for name, value in filters.items()})
        for what, filters in FILTERS.items()
    }
    for status in ("timeout", "completed"):
        queries[f"log by status {status}"] = Query(oldest, end, {}, status)
    queries["log by status timeout and a model"] = Query(oldest, end, {"model": "model-7"}, "timeout")
    queries["log of estimated ones only"] = Query(oldest, end, {}, "", "estimated")
    queries["log of unpriced ones only"] = Query(oldest, end, {}, "", "unpriced")
    for what, query in queries.items():
        _timed(
            f"{what}: first page with its sums", lambda query=query: (log.page(query, 50), log.totals(query)), LOG_MS
        )
        _timed(
            f"{what}: a page deep inside",
            lambda query=query: log.page(query, 50, before=_inside(chance, oldest, end)),
            LOG_MS,
        )


def _inside(chance: random.Random, oldest: datetime, end: datetime) -> UUID:
    return UUID(ids.lowest(oldest + chance.random() * (end - oldest)))


def _pages() -> None:
    """Whole pages, as an admin gets them."""
    admin, _ = User.objects.get_or_create(email="bench@example.com", defaults={"role": roles.ADMIN, "password": "!"})
    client = Client()
    client.force_login(admin)
    with override_settings(ALLOWED_HOSTS=["*"]):
        for by in ("api_key", "end_user", "tag"):
            _timed(
                f"the page of spend, 30 days by {by}",
                lambda by=by: _got(client, f"/admin/spend/?by={by}&range=30d"),
                None,
            )
        _timed("the page of requests, 30 days", lambda: _got(client, "/admin/billing/usagerecord/?range=30d"), None)
        _timed(
            "the page of requests, 30 days, status timeout",
            lambda: _got(client, "/admin/billing/usagerecord/?range=30d&status=timeout"),
            None,
        )


def _got(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 200, (address, response.status_code)


def _verified() -> None:
    found = verify.verify().differences
    assert not found, found[:5]


def _export(end: datetime) -> None:
    """What a million rows add to the memory of the process that writes them."""
    first = (end - timedelta(days=10)).date().isoformat()
    command = [sys.executable, "manage.py", "export", "records", "--from", first, "--format", "csv"]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    seen, early, most = 0, 0.0, 0.0
    while piece := process.stdout.read(1 << 18):
        seen += piece.count(b"\n")
        most = max(most, psutil.Process(process.pid).memory_info().rss / 1e6)
        early = early or (most if seen > 20_000 else 0.0)
    process.wait()
    seconds = time.monotonic() - began
    _row(
        f"export of {seen:,} records as CSV (s)",
        f"{seconds:.0f}",
        "",
        f"memory {early:.0f} MB after 20,000 rows, {most:.0f} MB at most",
    )


def _posting(newest: datetime) -> None:
    """One poster alone, on the table as large as it is."""
    keys = list(ApiKey.objects.order_by("pk").values_list("pk", "user_id"))
    chance, at, holder = random.Random(2), ids.microseconds(newest) + 10**6, ids.new(ids.microseconds(newest))
    store.register(holder, "bench", newest)
    for seq in range(1, SEGMENTS + 1):
        said = [_settled(chance, at + (seq * SEGMENT_LINES + place) * 1000, keys) for place in range(SEGMENT_LINES)]
        store.insert(holder, seq, lines.head(holder, seq) + b"".join(map(lines.encode, said)))
    store.insert(holder, SEGMENTS + 1, lines.head(holder, SEGMENTS + 1) + lines.encode(lines.End()))
    began = time.monotonic()
    ledger.post(holder)
    rate = SEGMENTS * SEGMENT_LINES / (time.monotonic() - began)
    _row("posting into it, one poster (records/s)", f"{rate:,.0f}", "", "", "")


def _settled(chance: random.Random, at: int, keys: list[tuple[int, int]]) -> lines.Settled:
    key, user = keys[int(len(keys) * chance.random() ** 2)]
    model = int(60 * chance.random() ** 2)
    rows = (PriceRow(1, "input", 0, "", "one", 25), PriceRow(2, "output", 0, "", "one", 100))
    opened = lines.Open(
        id=ids.new(at), request_id=f"req_{chance.getrandbits(96):024x}", operation="chat.completions",
        model=f"model-{model}", provider=f"provider-{model % 6}", upstream_model=f"upstream-{model}", user=user,
        api_key=key, price_rows=rows, prompt_tokens=900, end_user=f"customer-{int(5000 * chance.random() ** 2)}",
        tags=("tag-1",),
    )  # fmt: skip
    return lines.settled(opened, Usage(input=900, output=200), cost=42_500, status="completed", finished_at=at)


def _retention(oldest: datetime) -> None:
    month = next(month for month in partitions.attached() if month.start > oldest)
    count = carrying.described(month).spent.requests
    _once(f"retention of a month of {count:,} records (s)", lambda: carrying.carry(month), "")


def _timed(what: str, work: Callable[[], object], aim: int | None) -> None:
    work()
    took, before = [], _processor_seconds()
    for _ in range(RUNS):
        began = time.perf_counter()
        work()
        took.append(1000 * (time.perf_counter() - began))
    busy = 1000 * (_processor_seconds() - before) / RUNS
    cuts = quantiles(took, n=20, method="inclusive")
    judged = "" if aim is None else f"{aim}{'' if cuts[-1] <= aim else ', missed'}"
    _row(what, f"{cuts[9]:.1f}", f"{cuts[-1]:.1f}", f"{busy:.0f}", judged)


def _processor_seconds() -> float:
    """Return the CPU time of this process and of its backend: what the figures would be on an idle machine."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in (backend, os.getpid()) if psutil.pid_exists(pid))


def _once(what: str, work: Callable[[], object], aim: str) -> None:
    began = time.monotonic()
    work()
    _row(what, f"{time.monotonic() - began:.1f}", "", "", aim)


def _row(*cells: str) -> None:
    print(json.dumps(cells), flush=True)
    print(*cells, sep=" | ", file=sys.stderr, flush=True)


if __name__ == "__main__":
    measure(changes="--read-only" not in sys.argv)
