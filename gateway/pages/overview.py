"""The overview: is anything wrong, and what does it cost?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q
from django.http import HttpRequest

from accounts.models import ApiKey
from billing import clock, reports
from billing.models import Alert, RequestForMore
from gateway import proof
from gateway.admin.pricelist import unpriced_targets
from gateway.admin.spending import month_start
from gateway.pages import chart, journal
from gateway.pages.budgets import Purse, in_force, purses_of
from gateway.pages.names import names_of
from gateway.pages.navigation import link_of

RECENT = 1000
DAY = timedelta(days=1)
SOON = timedelta(days=14)
SPARK_DAYS = 30
TOP = 6
MOST_SHORT = 4
FAILED = {"upstream_error", "timeout", "interrupted"}
TROUBLE_SHARE = 0.05
TROUBLE_LEAST = 3


class Recent(NamedTuple):
    """How the newest requests went: times in milliseconds, None where nothing is known."""

    count: int
    failed: int
    since: datetime | None
    latency: int | None
    slow: int | None
    first_token: int | None
    troubles: list[tuple[str, int, int]]


def context(request: HttpRequest, given: dict[str, Any]) -> dict[str, Any]:
    """Unfold's dashboard callback."""
    now = clock.now()
    start = month_start(now)
    month = reports.total(start, now)
    purses = purses_of(in_force(), now)
    return given | {
        "title": "Overview",
        "month": month,
        "last_month": reports.total(*_month_before(start)),
        "course": forecast(month.cost, start, now),
        "today": reports.total(now - DAY, now),
        "yesterday": reports.total(now - 2 * DAY, now - DAY),
        "spark": _sparkline(now),
        "recent": recent(now),
        "purses": purses[:TOP],
        "budgets": len(purses),
        "whole": whole_of(purses),
        "short": [purse for purse in purses if purse.is_short and purse.stand.is_enforced][:MOST_SHORT],
        "waiting": RequestForMore.objects.filter(state="waiting").count(),
        "more_url": link_of("admin:billing_requestformore_changelist"),
        "expiring": ApiKey.objects.filter(
            Q(expires_at__gt=now, expires_at__lte=now + SOON), revoked_at=None
        ).select_related("user", "team").order_by("expires_at")[:TOP],
        "unpriced": unpriced_targets(now),
        "journal": journal.state(now),
        "proof": proof.last(),
        "undelivered": Alert.objects.exclude(error="").filter(created_at__gte=now - SOON).count(),
        "models": _top("model", start, now),
        "users": _top("user", start, now),
        "keys": ApiKey.objects.filter(revoked_at=None).count(),
        "base_url": request.build_absolute_uri("/v1"),
    }  # fmt: skip


def whole_of(purses: Sequence[Purse]) -> Purse | None:
    """Return the whole gateway's budget of a month in USD, which the month's spend is told against."""
    monthly = [purse for purse in purses if _is_months(purse)]
    return min(monthly, key=lambda purse: purse.standing.left, default=None)


def _is_months(purse: Purse) -> bool:
    budget = purse.budget
    is_everybodys = budget.kind == "gateway" and not budget.model
    return is_everybodys and (budget.unit, budget.period, budget.rolling) == ("usd", "month", False)


def forecast(spent: Decimal, start: datetime, now: datetime) -> Decimal | None:
    """Return what the month comes to at its pace so far; None in its first day, when that says nothing."""
    end = (start + timedelta(days=32)).replace(day=1)
    if now - start < DAY:
        return None
    return spent * Decimal((end - start).total_seconds()) / Decimal((now - start).total_seconds())


def recent(now: datetime) -> Recent:
    """Return how the newest requests of the last day went; reads a thousand rows at most."""
    rows = list(
        reports.admitted_between(now - DAY, now + DAY)
        .order_by("-id")
        .values_list("created_at", "status", "latency_ms", "first_token_ms", "provider", "upstream_model")[:RECENT]
    )
    calls, failures = Counter[str](), Counter[str]()
    for _, status, _, _, provider, upstream_model in rows:
        target = f"{provider}/{upstream_model}" if upstream_model else provider
        calls[target] += 1
        failures[target] += status in FAILED
    troubles = [
        (target, failed, calls[target])
        for target, failed in failures.most_common()
        if failed >= TROUBLE_LEAST and failed >= TROUBLE_SHARE * calls[target]
    ]
    latencies = sorted(row[2] for row in rows if row[1] == "completed" and row[2] is not None)
    first_tokens = sorted(row[3] for row in rows if row[1] == "completed" and row[3] is not None)
    return Recent(
        len(rows),
        sum(failures.values()),
        rows[-1][0] if rows else None,
        quantile(latencies, 0.5),
        quantile(latencies, 0.95),
        quantile(first_tokens, 0.5),
        troubles[:TOP],
    )


def quantile(ordered: Sequence[int], share: float) -> int | None:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None


def _month_before(start: datetime) -> tuple[datetime, datetime]:
    return (start - DAY).replace(day=1), start


def _sparkline(now: datetime) -> str:
    first = (now - SPARK_DAYS * DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    days = reports.over_time(reports.WHOLE, first, now, "day", now.tzinfo)
    return chart.sparkline([
        days[day][""].cost if (day := first + n * DAY) in days else 0 for n in range(SPARK_DAYS)
    ])  # fmt: skip


def _top(dimension: str, start: datetime, now: datetime) -> list[dict[str, Any]]:
    shares = reports.by_value(dimension, start, now)[:TOP]
    names = names_of(dimension, [share.value for share in shares])
    return [{"value": share.value, "name": names[share.value], "sums": share.sums} for share in shares]
