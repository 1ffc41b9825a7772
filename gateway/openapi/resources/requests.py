"""Why a call went where it went, and how its cost came about."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.resources.spend import PERIODS, QUANTITY, SCOPES, UNITS
from gateway.openapi.schemas import (
    COUNT,
    FLAG,
    MOMENT,
    NUMBER,
    TEXT,
    USD,
    Schema,
    always,
    array,
    mapping,
    or_null,
    record,
    ref,
    said,
    words,
)

TAGS: dict[str, str] = {}

MS = said(or_null(NUMBER), "Milliseconds since the request came in.")
PRICE = said(TEXT, "US dollars, with as many decimals as it has.")
STATUSES = words("completed", "client_gone", "upstream_error", "timeout", "cancelled", "interrupted")

ADMISSION = record(
    {
        "key": or_null(record({"id": TEXT, "name": TEXT})),
        "user": or_null(TEXT),
        "team": or_null(TEXT),
        "rule": said(or_null(TEXT), "unrestricted, listed or granted."),
        "patterns": array(TEXT),
    }
)
CANDIDATE = record(
    {
        "model": or_null(TEXT),
        "role": or_null(TEXT),
        "provider": or_null(TEXT),
        "upstream_model": or_null(TEXT),
        "outcome": said(TEXT, "answered, failed, skipped, not needed or was left."),
        "reason": or_null(TEXT),
    }
)
ATTEMPT = record(
    {
        "number": COUNT,
        "provider": TEXT,
        "upstream_model": TEXT,
        "reason": or_null(TEXT),
        "outcome": TEXT,
        "status": or_null(COUNT),
        "start_ms": MS,
        "duration_ms": or_null(NUMBER),
    }
)
CACHE = record(
    {
        "outcome": words("hit", "miss"),
        "stored_at": or_null(MOMENT),
        "request_id": said(or_null(TEXT), "Whose answer it was, where the caller may see that request."),
    }
)
LIMIT = record(
    {
        "scope": or_null(TEXT),
        "target": or_null(TEXT),
        "model": or_null(TEXT),
        "kind": TEXT,
        "taken": COUNT,
        "limit": COUNT,
    }
)
BUDGET = record(
    {
        "id": TEXT,
        "scope": SCOPES,
        "model": or_null(TEXT),
        "unit": UNITS,
        "period": PERIODS,
        "started_at": or_null(MOMENT),
        "held": QUANTITY,
        "charged": QUANTITY,
    }
)
PRICE_ROW = record(
    {
        "id": {"type": "integer"},
        "component": TEXT,
        "price": PRICE,
        "per": COUNT,
        "above_tokens": COUNT,
        "service_tier": or_null(TEXT),
        "variant": or_null(TEXT),
    },
    {"provider_price": said(PRICE, "For admins.")},
)
LINE = record(
    {
        "component": TEXT,
        "quantity": or_null(COUNT),
        "price_id": or_null({"type": "integer"}),
        "price": or_null(PRICE),
        "per": or_null(COUNT),
        "amount": or_null(USD),
    },
    text="quantity × price / per = amount.",
)
COST = record(
    {"lines": array(LINE), "total": said(or_null(USD), "Null where a price is missing.")},
    {"markup": said(TEXT, "For admins."), "upstream_cost": said(or_null(USD), "For admins.")},
)
TIMINGS = record(
    {
        "admitted_at": MOMENT,
        "admitted_ms": MS,
        "upstream_start_ms": MS,
        "first_token_ms": MS,
        "end_ms": MS,
        "finished_at": or_null(MOMENT),
    }
)

SCHEMAS: dict[str, Schema] = {
    "RequestExplanation": record(
        {
            "object": always("request_explanation"),
            "request_id": TEXT,
            "record_id": TEXT,
            "operation": TEXT,
            "status": STATUSES,
            "http_status": or_null(COUNT),
            "model": TEXT,
            "provider": or_null(TEXT),
            "upstream_model": or_null(TEXT),
            "admission": ADMISSION,
            "route": record({"matched_by": TEXT, "route": TEXT}),
            "cache": said(or_null(CACHE), "Null where nothing was looked up."),
            "candidates": array(CANDIDATE, "In the order configured."),
            "attempts": array(ATTEMPT, "In the order tried."),
            "limits": array(LIMIT),
            "budgets": array(BUDGET),
            "prices": array(PRICE_ROW),
            "cost": COST,
            "adjustments": array(record({"cause": TEXT, "reason": TEXT, "amount": USD, "created_at": MOMENT})),
            "net_cost": or_null(USD),
            "usage": mapping({"type": "integer"}, "By component: input, output and so on."),
            "timings": TIMINGS,
            "estimated": FLAG,
            "usage_mismatch": FLAG,
            "over_bound": FLAG,
            "traced": FLAG,
        }
    ),
}

OPERATIONS = {
    "GET /v1/requests/{request_id}/explain": Operation(
        "Spend",
        "Why a call went where it went, and how its cost came about",
        "Of one's own calls; an admin sees everybody's. It is there about a second after the answer.",
        path={"request_id": said(TEXT, "The `x-request-id` of the answer: `req_…`.")},
        answer=ref("RequestExplanation"),
        also=[404],
    ),
}
