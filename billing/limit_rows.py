"""The configured limits, read from the database."""

from __future__ import annotations

from billing import ids
from billing.limits import Limit, LimitTable
from billing.models import Limit as Row


def load() -> LimitTable:
    return LimitTable(map(_limit, Row.objects.order_by("id")))


def _limit(row: Row) -> Limit:
    # several installations may share a Redis: their ids are the same, the microseconds of their making are not
    name = f"{row.pk}.{ids.microseconds(row.created_at)}"
    return Limit(name, row.user_id, row.team_id, row.api_key_id, row.model, row.rpm, row.tpm, row.parallel)
