"""What the rows of a list spent this month, and when they were last used: two queries for a whole page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Model, OuterRef, Subquery
from django.utils import timezone

from billing import clock, reports
from billing.models import UsageRecord
from billing.reports import Sums


def month_start(now: datetime | None = None) -> datetime:
    moment = timezone.localtime(now or clock.now())
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def add_month(rows: Sequence[Model], dimension: str, name: str = "pk") -> None:
    """Set ``month`` (``Sums``) on each row, by the value of its attribute ``name``."""
    values = [str(getattr(row, name)) for row in rows]
    shares = dict(reports.by_value(dimension, month_start(), clock.now(), values)) if values else {}
    for row, value in zip(rows, values, strict=True):
        row.month = shares.get(value, Sums())


def month_of(dimension: str, value: object) -> Sums:
    return reports.total(month_start(), clock.now(), dimension, str(value))


def add_last_used(rows: Sequence[Model], column: str) -> None:
    """Set ``last_used_at`` on each row: when the newest record whose ``column`` names it was admitted."""
    if not rows:
        return
    newest = UsageRecord.objects.filter(**{column: OuterRef("pk")}).order_by("-id").values("created_at")[:1]
    table = type(rows[0])._default_manager.filter(pk__in=[row.pk for row in rows])
    found = dict(table.annotate(newest=Subquery(newest)).values_list("pk", "newest"))
    for row in rows:
        row.last_used_at = found[row.pk]
