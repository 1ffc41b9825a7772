"""What was spent, and what is left."""

from __future__ import annotations

from gateway import usage_query
from gateway.openapi.operation import Operation
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
    either,
    listed,
    or_null,
    record,
    ref,
    said,
    words,
)

TAGS = {"Spend": "What one's own calls have cost, what is left, and why a call cost what it did."}

QUANTITY = either(USD, {"type": "integer"}, text="Dollars as text, tokens and requests as a number.")
SCOPES = words("gateway", "team", "user", "key")
UNITS = words("usd", "tokens", "requests")
PERIODS = words("day", "week", "month", "total")
SUMS: dict[str, Schema] = {
    "requests": COUNT,
    "tokens": COUNT,
    "cost": said(or_null(USD), "Without what has no price; null where nothing has one."),
    "unpriced_requests": COUNT,
}

SCHEMAS: dict[str, Schema] = {
    "UsageGroup": record(
        {"object": always("usage"), **SUMS},
        {"start": said(TEXT, "When the hour, day or month began.")} | dict.fromkeys(usage_query.DIMENSIONS, TEXT),
        "One group; it has what it is grouped by.",
    ),
    "UsageReport": record(
        {
            "object": always("list"),
            "scope": words(*usage_query.SCOPES),
            "start": MOMENT,
            "end": MOMENT,
            "timezone": TEXT,
            "group_by": array(TEXT),
            "currency": always("usd"),
            "data": array(ref("UsageGroup")),
            "total": record(SUMS),
        }
    ),
    "Budget": record(
        {
            "id": said(TEXT, "For POST /v1/requests."),
            "object": always("budget"),
            "scope": SCOPES,
            "owner": or_null(TEXT),
            "model": said(or_null(TEXT), "Of which models; null: of all."),
            "unit": UNITS,
            "period": PERIODS,
            "rolling": FLAG,
            "timezone": TEXT,
            "mode": said(words("enforce", "observe"), "`observe` refuses nobody."),
            "amount": or_null(QUANTITY),
            "granted": or_null(QUANTITY),
            "spent": or_null(QUANTITY),
            "reserved": or_null(QUANTITY),
            "left": or_null(QUANTITY),
            "used": said(NUMBER, "The share that is spent or reserved."),
            "grants": array(record({"amount": QUANTITY, "ends_at": MOMENT})),
            "alert_at": array(NUMBER, "At which shares people are told."),
            "started_at": or_null(MOMENT),
            "renews_at": or_null(MOMENT),
        },
        text="A budget that calls with this key count against. Of the whole gateway's most are told the share alone.",
    ),
}

MOMENT_GIVEN: Schema = {"type": "string", "examples": ["2026-11-01", "2026-11-01T09:00:00Z"]}
OPERATIONS = {
    "GET /v1/usage": Operation(
        "Spend",
        "What was spent, in groups",
        "By default this month by model and day. Unknown parameters are refused.",
        query={
            "start": said(MOMENT_GIVEN, "A date or a moment; widened to a whole quarter of an hour."),
            "end": said(MOMENT_GIVEN, "A date or a moment, not part of the range; by default now."),
            "timezone": {**TEXT, "description": "An IANA name.", "default": "UTC"},
            "group_by": {
                **TEXT,
                "description": "One of "
                + ", ".join(usage_query.DIMENSIONS)
                + "; one of "
                + ", ".join(usage_query.STEPS)
                + "; or both, with a comma between. Empty: the total alone.",
                "default": ",".join(usage_query.DEFAULT_GROUPS),
            },
            "scope": words(
                *usage_query.SCOPES, text="Whose: by default the user's, or of a service account the key's."
            ),
            "team": said(TEXT, "The team's name; by default the key's own."),
        },
        answer=ref("UsageReport"),
        also=[400],
    ),
    "GET /v1/budgets": Operation("Spend", "What is left", answer=listed(ref("Budget"))),
}
