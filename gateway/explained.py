"""One call's explanation as JSON: what its record tells, with the names of what it was counted against."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Q

from billing import ids
from billing.models import Adjustment, BudgetPeriod, UsageRecord
from billing.models import Limit as LimitRow
from billing.pricing import UNCHANGED, UNITS, PriceRow
from billing.standing import in_unit
from gateway import explanation, handles
from gateway.explanation import Bill, Cached, Candidate, Explanation, Limit, Line, Tried
from gateway.written import moment, quantity, usd


def described(record: UsageRecord, *, for_admin: bool, sees: Q | None = None) -> dict[str, Any]:
    """Return the explanation as JSON; a team's margin is for admins, others are told what they are charged.

    ``sees``: which other requests may be named to whom it is told; all where it is None.
    """
    told = explanation.of(record)
    adjustments = [_adjustment(row) for row in Adjustment.objects.filter(record=record.pk).order_by("created_at")]
    return {
        "object": "request_explanation",
        "request_id": record.request_id,
        "record_id": str(record.pk),
        "operation": record.operation,
        "status": record.status,
        "http_status": record.http_status,
        "model": record.model,
        "provider": record.provider or None,
        "upstream_model": record.upstream_model or None,
        "admission": _admission(record, told),
        "route": {"matched_by": told.via[0], "route": told.via[1]},
        "cache": _cache(told.cache, sees),
        "candidates": [_candidate(each) for each in told.candidates],
        "attempts": [_attempt(each) for each in told.attempts],
        "limits": _limits(told.limits),
        "budgets": _budgets(record, told),
        "prices": [_price(row, record.markup, for_admin) for row in _used(told.bill)],
        "cost": _cost(record, told.bill, for_admin),
        "adjustments": adjustments,
        "net_cost": _net(record, adjustments),
        "usage": _usage(told.bill),
        "timings": {
            "admitted_at": moment(record.created_at),
            "admitted_ms": told.times.admitted,
            "upstream_start_ms": told.times.sent,
            "first_token_ms": told.times.first_token,
            "end_ms": told.times.ended,
            "finished_at": moment(record.finished_at),
        },
        "estimated": record.estimated,
        "usage_mismatch": record.usage_mismatch,
        "over_bound": record.over_bound,
        "traced": told.is_traced,
    }


def _admission(record: UsageRecord, told: Explanation) -> dict[str, Any]:
    key = record.api_key
    return {
        "key": key and {"id": key.public_id, "name": key.name},
        "user": record.user and record.user.email,
        "team": record.team and record.team.name,
        "rule": told.rule[0] if told.rule else None,
        "patterns": list(told.rule[1:]),
    }


def _cache(cache: Cached | None, sees: Q | None) -> dict[str, Any] | None:
    if cache is None:
        return None
    found = UsageRecord.objects.filter(sees or Q(), request_id=cache.request_id)
    return {
        "outcome": cache.outcome,
        "stored_at": None if cache.stored_at is None else moment(ids.instant(cache.stored_at)),
        "request_id": cache.request_id if cache.request_id and found.exists() else None,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    provider, _, upstream_model = candidate.target.partition("/")
    return {
        "model": candidate.model or None,
        "role": candidate.role or None,
        "provider": provider or None,
        "upstream_model": upstream_model or None,
        "outcome": candidate.outcome,
        "reason": candidate.reason or None,
    }


def _attempt(tried: Tried) -> dict[str, Any]:
    return {
        "number": tried.number,
        "provider": tried.provider,
        "upstream_model": tried.model,
        "reason": tried.reason or None,
        "outcome": tried.outcome,
        "status": tried.status,
        "start_ms": tried.start,
        "duration_ms": tried.duration,
    }


def _limits(limits: list[Limit]) -> list[dict[str, Any]]:
    rows = LimitRow.objects.in_bulk([limit.of for limit in limits if isinstance(limit.of, int)])
    return [
        {
            "scope": "target" if isinstance(limit.of, str) else getattr(rows.get(limit.of), "kind", None),
            "target": limit.of if isinstance(limit.of, str) else None,
            "model": getattr(rows.get(limit.of), "model", None) or None,
            "kind": limit.kind,
            "taken": limit.taken,
            "limit": limit.limit,
        }
        for limit in limits
    ]


def _budgets(record: UsageRecord, told: Explanation) -> list[dict[str, Any]]:
    charges = {int(period): amount for period, amount in record.charges.items()}
    periods = BudgetPeriod.objects.select_related("budget").in_bulk(sorted(charges.keys() | told.holds.keys()))
    return [
        {
            "id": handles.written("budget", period.budget.pk),
            "scope": period.budget.kind,
            "model": period.budget.model or None,
            "unit": period.budget.unit,
            "period": period.budget.period,
            "started_at": None if period.budget.rolling else moment(period.start),
            "held": _amount(period, told.holds.get(pk, 0)),
            "charged": _amount(period, charges.get(pk, 0)),
        }
        for pk, period in sorted(periods.items())
    ]


def _amount(period: BudgetPeriod, atoms: int) -> str | int:
    return quantity(in_unit(period.budget, atoms))


def _used(bill: Bill) -> list[PriceRow]:
    return list(dict.fromkeys(line.price for line in bill.lines if line.price is not None))


def _price(row: PriceRow, markup: int, for_admin: bool) -> dict[str, Any]:
    return {
        "id": row.id,
        "component": row.component,
        "price": _usd_each(row, markup),
        "per": UNITS[row.unit],
        "above_tokens": row.above_tokens,
        "service_tier": row.service_tier or None,
        "variant": row.variant or None,
        **({"provider_price": _usd_each(row, UNCHANGED)} if for_admin else {}),
    }


def _usd_each(row: PriceRow, markup: int) -> str:
    """Return a price with as many decimals as it has: a margin may need more than ten."""
    return f"{explanation.charged_price(row, markup).normalize():f}"


def _cost(record: UsageRecord, bill: Bill, for_admin: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"lines": [_line(line, bill.markup) for line in bill.lines], "total": _usd(bill.atoms)}
    if for_admin:
        shown["markup"] = f"{Decimal(bill.markup).scaleb(-6).normalize():f}"
        shown["upstream_cost"] = None if record.upstream_cost is None else usd(record.upstream_cost)
    return shown


def _line(line: Line, markup: int) -> dict[str, Any]:
    price = line.price
    return {
        "component": line.component,
        "quantity": line.quantity,
        "price_id": None if price is None else price.id,
        "price": None if price is None else _usd_each(price, markup),
        "per": None if price is None else UNITS[price.unit] * (1000 if line.component == "second" else 1),
        "amount": _usd(line.atoms),
    }


def _usd(atoms: int | None) -> str | None:
    return None if atoms is None else usd(Decimal(atoms).scaleb(-10))


def _usage(bill: Bill) -> dict[str, int]:
    return {line.component: line.quantity for line in bill.lines if line.quantity and " " not in line.component}


def _adjustment(row: Adjustment) -> dict[str, Any]:
    return {"cause": row.cause, "reason": row.reason, "amount": usd(row.cost), "created_at": moment(row.created_at)}


def _net(record: UsageRecord, adjustments: list[dict[str, Any]]) -> str | None:
    if record.cost is None and not adjustments:
        return None
    return usd((record.cost or Decimal(0)) + sum(Decimal(each["amount"]) for each in adjustments))
