"""GET /v1/usage: what the caller has spent, in groups."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from accounts.callers import Caller
from billing import clock, database, usage
from billing.reports import Sums
from billing.usage import Grouping, Payer, Spent
from gateway.asking import in_database
from gateway.callers import payer_of
from gateway.fieldchecks import Invalid
from gateway.pages.names import names_of
from gateway.replies import Reply
from gateway.usage_query import UsageQuery, usage_query
from gateway.views.api import ApiView, inquiry_of
from gateway.written import moment, usd

SECONDS = 5
MOST_ROWS = 20_000
COLUMNS = {"key": "api_key"}


class Usage(ApiView):
    """List what was spent by model and day, or by what ``group_by`` says; what has no price is counted apart."""

    async def get(self, request: Request) -> Reply:
        query = usage_query(request.query_params.lists(), clock.now())
        return Reply.json(await in_database(_answer, inquiry_of(request).caller, query))


def _answer(caller: Caller, query: UsageQuery) -> dict[str, Any]:
    payer = payer_of(caller, query.scope, query.team)
    grouping = Grouping(COLUMNS.get(query.by, query.by), query.step, query.zone)
    with database.reading(SECONDS):
        rows = usage.spent(payer, query.start, query.end, grouping)
        whole = usage.total(payer, query.start, query.end)
    if len(rows) > MOST_ROWS:
        raise Invalid(f"The answer would have {len(rows):,} rows: choose a shorter range or fewer groups.", "group_by")
    return {
        "object": "list",
        "scope": _scope(payer),
        "start": moment(query.start),
        "end": moment(query.end),
        "timezone": query.zone.key,
        "group_by": query.groups,
        "currency": "usd",
        "data": _rows(rows, grouping.by, query),
        "total": _sums(whole),
    }


def _scope(payer: Payer) -> str:
    return "key" if payer.dimension == "api_key" else payer.dimension


def _rows(rows: list[Spent], dimension: str, query: UsageQuery) -> list[dict[str, Any]]:
    names = names_of(dimension, {row.value for row in rows if row.value is not None})
    return [_row(row, names, query) for row in rows]


def _row(row: Spent, names: dict[str, str], query: UsageQuery) -> dict[str, Any]:
    groups: dict[str, Any] = {"object": "usage"}
    if row.at is not None:
        groups["start"] = row.at.astimezone(query.zone).isoformat()
    if row.value is not None:
        groups[query.by] = names[row.value]
    return {**groups, **_sums(row.sums)}


def _sums(sums: Sums) -> dict[str, Any]:
    """``cost`` leaves out what has no price; where nothing has one it is null, and never 0."""
    is_known = sums.unpriced < sums.requests or not sums.requests
    return {
        "requests": sums.requests,
        "tokens": sums.tokens,
        "cost": usd(sums.cost) if is_known else None,
        "unpriced_requests": sums.unpriced,
    }
