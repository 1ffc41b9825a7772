"""A ledger of millions of records, as months of a company's traffic leave it, made inside PostgreSQL.

``python -m bench.millions RECORDS DAYS`` fills the database that the environment names; every sum agrees.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from django.db import connection, connections  # noqa: E402 the apps must be ready first

from accounts import roles  # noqa: E402
from accounts.models import ApiKey, Team, User  # noqa: E402
from billing import clock, ids, partitions, sums  # noqa: E402
from billing.models import Budget, BudgetPeriod, Spend, SpendDay, UsageRecord  # noqa: E402
from billing.partitions import Month  # noqa: E402

USERS, TEAMS, KEYS, MODELS, END_USERS = 500, 40, 1_000, 60, 5_000
# both cores make rows; each has a day of the ledger at a time, in order, as it would have come
MAKERS = 2
PIECE = timedelta(days=1)

# Squares of chance: few callers and models have most of the traffic, as everywhere.
RECORDS = f"""
INSERT INTO billing_usagerecord (
    id, request_id, created_at, finished_at, status, operation, model, provider, upstream_model, user_id, team_id,
    api_key_id, run_id, step_id, end_user, tags, input_tokens, cached_input_tokens, cache_write_tokens,
    cache_write_1h_tokens, output_tokens, reasoning_tokens, audio_in_tokens, audio_out_tokens, images, milliseconds,
    characters, service_tier, variant, cost, upstream_cost, markup, charges, price_rows, estimated, usage_mismatch,
    over_bound, attempts, attempt_log, http_status, latency_ms, first_token_ms
)
SELECT
    (lpad(to_hex(us / 1000), 12, '0') || '7' || lpad(to_hex((us %% 1000) * 4), 3, '0') || '8'
        || substr(md5(random()::text || n), 1, 15))::uuid,
    'req_' || substr(md5('r' || random()::text || n), 1, 24), at, at + latency * interval '1 millisecond',
    CASE WHEN luck < 0.955 THEN 'completed' WHEN luck < 0.975 THEN 'upstream_error' WHEN luck < 0.99 THEN 'client_gone'
        WHEN luck < 0.998 THEN 'timeout' ELSE 'interrupted' END,
    CASE WHEN model < 55 THEN 'chat.completions' ELSE 'embeddings' END,
    'model-' || model, 'provider-' || model %% 6, 'upstream-' || model, %(first_user)s + key %% {USERS},
    %(first_team)s + key %% {TEAMS}, %(first_key)s + key, '', '',
    CASE WHEN who < 0.3 THEN 'customer-' || floor({END_USERS} * (who / 0.3) ^ 2) ELSE '' END,
    CASE WHEN luck2 < 0.3 THEN jsonb_build_array('tag-' || floor(luck2 * 40))
        WHEN luck2 < 0.4 THEN jsonb_build_array('tag-' || floor(luck2 * 10), 'batch') ELSE '[]' END,
    prompt, prompt / 2, 0, 0, answer, answer / 4, 0, 0, 0, 0, 0, '', '', cost, cost, 1000000,
    CASE WHEN cost IS NULL THEN '{{}}' ELSE jsonb_build_object(whole.id::text, cost, own.id::text, cost) END,
    '[[1, "input", 0, "", "one", 25], [2, "output", 0, "", "one", 100]]',
    luck > 0.985, luck2 > 0.999, false, 1, '[]', CASE WHEN luck < 0.955 THEN 200 ELSE 502 END, latency, latency / 5
FROM (
    SELECT n, at, (extract(epoch FROM at) * 1000000)::bigint AS us, floor({KEYS} * a * a)::int AS key,
        floor({MODELS} * b * b)::int AS model, c AS luck, d AS luck2, e AS who, (200 + 20000 * f * f)::int AS prompt,
        (20 + 3000 * f * b)::int AS answer, (150 + 9000 * f)::int AS latency,
        CASE WHEN c > 0.999 THEN NULL ELSE (25 * (200 + 20000 * f * f) + 100 * (20 + 3000 * f * b))::bigint END AS cost
    FROM (
        SELECT n, %(start)s::timestamptz + (n + random()) * %(gap)s * interval '1 microsecond' AS at,
            random() a, random() b, random() c, random() d, random() e, random() f
        FROM generate_series(0, %(count)s - 1) n
    ) drawn
) made
JOIN billing_budgetperiod whole ON whole.budget_id = %(whole)s AND whole.start = date_trunc('month', at, 'UTC')
JOIN billing_budgetperiod own
    ON own.budget_id = %(whole)s + 1 + key %% {TEAMS} AND own.start = date_trunc('month', at, 'UTC')
"""
VALUES = {name: value for name, (value, _) in sums.DIMENSIONS.items() if name != "tag"}
# from the records of one day at a time: quarter hours, then the day's own sums
SPENT = """
WITH record AS MATERIALIZED (
    SELECT {at} AS at, user_id, team_id, api_key_id, model, provider, upstream_model, operation, end_user, tags,
        {tokens} AS tokens, cost
    FROM billing_usagerecord record WHERE id >= %(from_id)s AND id < %(to_id)s
)
INSERT INTO {table} ({column}, dimension, value, requests, tokens, cost, unpriced)
SELECT * FROM (
    {each}
    UNION ALL SELECT at, 'tag', tag.value, count(*), sum(tokens), coalesce(sum(cost), 0), count(*) - count(cost)
    FROM record CROSS JOIN LATERAL jsonb_array_elements_text(tags) tag GROUP BY 1, 3
) counted ORDER BY at, dimension, value
"""
EACH = " UNION ALL ".join(
    f"SELECT at, '{name}' AS dimension, {value} AS value, count(*), sum(tokens), coalesce(sum(cost), 0), "
    f"count(*) - count(cost) FROM record WHERE {sums.DIMENSIONS[name][1]} GROUP BY 1, 3"
    for name, value in VALUES.items()
)
QUARTERS = SPENT.format(
    at=sums.quarter("created_at"), tokens=sums.TOKENS, table="billing_spend", column="bucket", each=EACH
)
DAYS = SPENT.format(at=sums.day("created_at"), tokens=sums.TOKENS, table="billing_spendday", column="day", each=EACH)
POSTED = """
UPDATE billing_budgetperiod period SET posted = charged.amount FROM (
    SELECT date_trunc('month', created_at, 'UTC') AS start, team_id, sum(cost) AS amount FROM billing_usagerecord
    WHERE cost IS NOT NULL GROUP BY GROUPING SETS ((1), (1, team_id))
) charged
WHERE period.start = charged.start AND period.budget_id = %s + coalesce(1 + charged.team_id - %s, 0)
"""


def fill(records: int, days: int) -> None:
    end = clock.now().replace(minute=0, second=0, microsecond=0)
    start = (end - timedelta(days=days)).replace(hour=0)
    first = _people()
    first["whole"] = _budgets(start, end)
    for month in _months(start, end):
        partitions.attach(month)
    _each("remove")
    gap = (end - start) / records
    pieces = list(_pieces(start, end))
    _told("records", lambda: _shared(pieces, lambda piece: _records(piece, gap, first)))
    _told("spend", lambda: _shared(pieces, _spend))
    _told("indexes", lambda: _each("add"))
    _told("budget periods", lambda: _run(POSTED, [first["whole"], first["first_team"]]))
    _told("vacuum", lambda: _run("VACUUM (ANALYZE)", None))


def _people() -> dict[str, int]:
    teams = Team.objects.bulk_create(Team(name=f"team {number}") for number in range(TEAMS))
    users = User.objects.bulk_create(
        User(email=f"user{number}@example.com", password="!", role=roles.MEMBER) for number in range(USERS)
    )
    keys = ApiKey.objects.bulk_create(
        ApiKey(public_id=f"bench{number}", digest=f"{number:064x}", name=f"key {number}", user=users[number % USERS])
        for number in range(KEYS)
    )
    return {"first_user": users[0].pk, "first_team": teams[0].pk, "first_key": keys[0].pk}


def _budgets(start: datetime, end: datetime) -> int:
    """Make a budget of the whole gateway and one of each team, in this order of ids; return the first's."""
    budgets = [Budget.objects.create(amount=10**17) for _ in range(TEAMS + 1)]
    months = list(_months(start, end))
    BudgetPeriod.objects.bulk_create(
        BudgetPeriod(budget=budget, start=month.start) for budget in budgets for month in months
    )
    return budgets[0].pk


def _months(start: datetime, end: datetime) -> Iterator[Month]:
    month = Month.of(start)
    while month.start < end:
        yield month
        month = month.next


def _pieces(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        yield start, min(start + PIECE, end)
        start += PIECE


def _records(piece: tuple[datetime, datetime], gap: timedelta, first: dict[str, int]) -> None:
    count = round((piece[1] - piece[0]) / gap)
    microseconds = (piece[1] - piece[0]) / timedelta(microseconds=1) / count
    _run(RECORDS, {**first, "start": piece[0], "gap": microseconds, "count": count})


def _spend(piece: tuple[datetime, datetime]) -> None:
    bounds = {"from_id": ids.lowest(piece[0]), "to_id": ids.lowest(piece[1])}
    _run(QUARTERS, bounds)
    _run(DAYS, bounds)


def _each(change: str) -> None:
    """Remove the indexes, or add them: rows come faster without."""
    _run("SELECT 1", None)
    with connection.schema_editor() as editor:
        for model in (UsageRecord, Spend, SpendDay):
            for index in model._meta.indexes:
                getattr(editor, f"{change}_index")(model, index)
            for constraint in model._meta.constraints:
                getattr(editor, f"{change}_constraint")(model, constraint)


def _shared(pieces: list[tuple[datetime, datetime]], work: Callable[[tuple[datetime, datetime]], None]) -> None:
    """Give the pieces, oldest first, to several makers with a connection each."""
    left = iter(pieces)
    lock = threading.Lock()
    failed: list[Exception] = []

    def make() -> None:
        try:
            while not failed:
                with lock:
                    piece = next(left, None)
                if piece is None:
                    break
                work(piece)
        except Exception as error:  # noqa: BLE001 told by the thread that waits
            failed.append(error)
        finally:
            connections.close_all()

    makers = [threading.Thread(target=make) for _ in range(MAKERS)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    if failed:
        raise failed[0]


def _run(query: str, parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET work_mem = '256MB'")
        cursor.execute("SET maintenance_work_mem = '1GB'")
        cursor.execute(query, parameters)


def _told(what: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    print(f"{what}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    fill(int(sys.argv[1]), int(sys.argv[2]))
