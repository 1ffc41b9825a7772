"""The ledger as tables to take away: read in batches by key, so that a million rows take the memory of a thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Sum

from accounts.models import ApiKey, Team, User
from billing import reports, spans
from billing.log import Query
from billing.models import Adjustment
from billing.reports import Share

BATCH = 1000
RECORD_COLUMNS = (
    "id", "request_id", "created_at", "finished_at", "status", "operation", "model", "provider", "upstream_model",
    "user_id", "user", "team_id", "team", "api_key_id", "api_key", "run_id", "end_user", "tags", "input_tokens",
    "cached_input_tokens", "cache_write_tokens", "cache_write_1h_tokens", "output_tokens", "reasoning_tokens",
    "audio_in_tokens", "audio_out_tokens", "image_in_tokens", "image_out_tokens", "images", "milliseconds",
    "characters", "service_tier", "cost", "corrections", "upstream_cost", "estimated", "usage_mismatch", "over_bound",
    "attempts", "http_status", "latency_ms", "first_token_ms", "retry_of",
)  # fmt: skip
# what stands in other tables: cost and corrections together are what a request costs
_NAMES = {"user": (User, "email"), "team": (Team, "name"), "api_key": (ApiKey, "name")}
_STORED = [column for column in RECORD_COLUMNS if column not in (*_NAMES, "corrections")]
SPEND_COLUMNS = ("from", "to", "dimension", "value", "name", "requests", "tokens", "cost", "unpriced_requests")

Batch = list[tuple[Any, ...]]


class Part(NamedTuple):
    """What was spent from ``start`` to ``end``, by each value."""

    start: datetime
    end: datetime
    shares: list[Share]


def records(query: Query) -> Iterator[Batch]:
    """Yield what the log shows for ``query``, oldest first, as rows of ``RECORD_COLUMNS``."""
    found = query.records.order_by("id").values(*_STORED)
    batch = list(found[:BATCH])
    while batch:
        _add_what_stands_elsewhere(batch)
        yield [tuple(row[column] for column in RECORD_COLUMNS) for row in batch]
        if len(batch) < BATCH:
            return
        batch = list(found.filter(id__gt=batch[-1]["id"])[:BATCH])


def spend(dimension: str, start: datetime, end: datetime, zone: tzinfo, step: str = "") -> Iterator[Part]:
    """Yield what was spent by a dimension: for the whole range, or for each ``step`` of ``zone``'s calendar."""
    parts: Iterable[tuple[datetime, datetime]] = spans.steps(start, end, step, zone) if step else [(start, end)]
    for since, until in parts:
        yield Part(since.astimezone(zone), until.astimezone(zone), reports.by_value(dimension, since, until))


def _add_what_stands_elsewhere(batch: list[dict[str, Any]]) -> None:
    """Add names and corrections; no join, which would leave out a record whose user's row is gone."""
    found = Adjustment.objects.filter(record__in=[row["id"] for row in batch]).values("record")
    corrections = dict(found.annotate(sum=Sum("cost")).values_list("record", "sum"))
    for column, (model, name) in _NAMES.items():
        ids = {row[f"{column}_id"] for row in batch}
        called = dict(model._default_manager.filter(pk__in=ids).values_list("pk", name))
        for row in batch:
            row[column] = called.get(row[f"{column}_id"])
    for row in batch:
        row["corrections"] = corrections.get(row["id"], Decimal(0))
