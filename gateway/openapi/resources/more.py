"""Asking for more of a budget or for a model, and deciding."""

from __future__ import annotations

from gateway import more_body, more_query
from gateway.openapi.operation import Operation
from gateway.openapi.resources.spend import QUANTITY, UNITS
from gateway.openapi.schemas import (
    MOMENT,
    NUMBER,
    TEXT,
    Schema,
    always,
    either,
    or_null,
    page,
    record,
    ref,
    said,
    whole,
    words,
)

TAGS = {"Requests for more": "A raise or a model for some days, asked for and decided."}

AMOUNT = either(TEXT, NUMBER, text="In the budget's unit, on top of what it has; dollars as text or number.")
# the most is a rule of the ledger's, which says it where it is broken
DAYS = whole(1, text="For how many days.")
REASON: Schema = {"type": "string", "minLength": 1, "maxLength": more_body.LONGEST_TEXT}
TEAM = said(TEXT, "Whose managers may decide; by default that of the budget or of the key.")
CLOSED = {"additionalProperties": False}

SCHEMAS: dict[str, Schema] = {
    "RaiseAsked": record(
        {"kind": always("raise"), "budget": TEXT, "amount": AMOUNT, "days": DAYS, "reason": REASON},
        {"team": or_null(TEAM)},
    )
    | CLOSED,
    "ModelAsked": record(
        {"kind": always("model"), "model": TEXT, "days": DAYS, "reason": REASON}, {"team": or_null(TEAM)}
    )
    | CLOSED,
    "Decision": record({}, {"answer": or_null(TEXT), "amount": or_null(AMOUNT), "days": or_null(DAYS)}) | CLOSED,
    "Answer": record({}, {"answer": or_null(TEXT)}) | CLOSED,
    "RequestForMore": record(
        {
            "id": TEXT,
            "object": always("request_for_more"),
            "kind": words(*more_body.KINDS),
            "state": words(*more_query.STATES),
            "user": TEXT,
            "team": or_null(TEXT),
            "days": DAYS,
            "reason": TEXT,
            "answer": or_null(TEXT),
            "decided_by": or_null(TEXT),
            "decided_at": or_null(MOMENT),
            "granted_until": or_null(MOMENT),
            "created_at": MOMENT,
        },
        {
            "model": said(TEXT, "What is asked for, of the kind `model`."),
            "budget": said(TEXT, "Of which more is asked for, of the kind `raise`."),
            "unit": UNITS,
            "amount": QUANTITY,
        },
    ),
}

HANDLE = {"handle": said(TEXT, "The request's id: `more_…`.")}
ONE = ref("RequestForMore")
TAG = "Requests for more"
DECIDING = [400, 404, 409]
OPERATIONS = {
    "POST /v1/requests": Operation(
        TAG,
        "Ask for more of a budget, or for a model",
        body=either(ref("RaiseAsked"), ref("ModelAsked")),
        example={"kind": "model", "model": "gpt-5", "days": 14, "reason": "to compare"},
        answer=ONE,
        also=[404, 409],
    ),
    "GET /v1/requests": Operation(
        TAG,
        "List what was asked for",
        query={
            "scope": words(*more_query.SCOPES, text="Mine, those that I decide, or everybody's."),
            "state": words(*more_query.STATES),
            "limit": {"type": "integer", "minimum": 1, "maximum": more_query.MOST, "default": more_query.LIMIT},
            "after": said(TEXT, "The `last_id` of the page before."),
        },
        answer=page(ONE),
        also=[400],
    ),
    "GET /v1/requests/{handle}": Operation(TAG, "Describe a request", path=HANDLE, answer=ONE, also=[404]),
    "POST /v1/requests/{handle}/approve": Operation(
        TAG,
        "Grant it",
        "What is granted may differ from what was asked for.",
        path=HANDLE,
        body=ref("Decision"),
        answer=ONE,
        also=DECIDING,
    ),
    "POST /v1/requests/{handle}/decline": Operation(
        TAG, "Decline it", path=HANDLE, body=ref("Answer"), answer=ONE, also=DECIDING
    ),
    "POST /v1/requests/{handle}/withdraw": Operation(
        TAG, "Take back one's own", path=HANDLE, body=ref("Answer"), answer=ONE, also=DECIDING
    ),
}
