"""The errors of the API as OpenAPI says them: one envelope per dialect, one response per status. Pure."""

from __future__ import annotations

from typing import Any

from gateway.openapi import headers
from gateway.openapi.schemas import TEXT, Schema, always, or_null, record, ref, said

ENVELOPES: dict[str, Schema] = {
    "Error": record(
        {
            "error": record(
                {
                    "message": said(TEXT, "What is wrong and what to do about it, for people."),
                    "type": said(TEXT, "The kind, such as invalid_request_error, insufficient_quota or server_error."),
                    "param": said(or_null(TEXT), "The JSON path of what is wrong in the body."),
                    "code": said(or_null(TEXT), "For programs, such as model_not_found or rate_limit_exceeded."),
                }
            )
        },
        text="An error, as OpenAI's clients know it.",
    ),
    "AnthropicError": record(
        {
            "type": always("error"),
            "error": record({"type": said(TEXT, "The kind, such as rate_limit_error."), "message": TEXT}),
            "request_id": TEXT,
        },
        text="An error, as Anthropic's clients know it.",
    ),
    "ElevenLabsError": record(
        {"detail": record({"status": said(TEXT, "For programs, such as quota_exceeded."), "message": TEXT})},
        text="An error, as ElevenLabs' clients know it.",
    ),
}
OF_DIALECT = {"openai": "Error", "anthropic": "AnthropicError", "elevenlabs": "ElevenLabsError"}
# statuses that a dialect writes otherwise
OTHERWISE = {("anthropic", 503): 529}
ID_HEADERS = {"anthropic": ("request-id",)}

TEXTS = {
    400: "The request is not valid: `param` names what.",
    401: "No valid API key was sent.",
    403: "The API key may not do this, or not from this address.",
    404: "There is no such thing, or it is not yours.",
    408: "The body took too long to arrive.",
    409: "The state of the thing does not allow this now.",
    413: "The body is too large.",
    415: "The body or the file in it is of a type that is not taken.",
    422: "The upstream could not process the request.",
    429: "A rate limit has no room, or a budget is spent: the message says which, and when it renews.",
    500: "The gateway failed.",
    501: "The upstream of this model cannot do this.",
    502: "No upstream gave a usable answer: the message names what was tried.",
    503: "The gateway or every upstream is overloaded or not ready.",
    504: "The upstream took too long.",
}  # fmt: skip
KEYED = (401, 403, 429, 503)
READING = (400, 413)
CALLING = (400, 404, 500, 502, 504)
WITH_HEADERS = {401: ("www-authenticate",), 429: (*headers.RETRY, *headers.LIMITS), 503: ("retry-after",)}


def components() -> dict[str, dict[str, Any]]:
    """Return each error once per dialect."""
    statuses: list[int | str] = [*TEXTS, "default"]
    return {_name(dialect, status): _response(dialect, status) for dialect in OF_DIALECT for status in statuses}


def errors(dialect: str, statuses: set[int], *, of_upstream: bool) -> dict[str, dict[str, str]]:
    """Return a reference for each status; an upstream may answer with others, which are passed on."""
    known = {str(OTHERWISE.get((dialect, status), status)): _name(dialect, status) for status in sorted(statuses)}
    if of_upstream:
        known["default"] = _name(dialect, "default")
    return {status: {"$ref": f"#/components/responses/{name}"} for status, name in known.items()}


def _name(dialect: str, status: int | str) -> str:
    return f"{OF_DIALECT[dialect]}{status}"


def _response(dialect: str, status: int | str) -> dict[str, Any]:
    names = [*headers.IDS, *ID_HEADERS.get(dialect, ()), *headers.ATTEMPTS]
    return {
        "description": TEXTS[status]
        if isinstance(status, int)
        else "Any other error, of the upstream or of the gateway.",
        "headers": headers.refs([*names, *WITH_HEADERS.get(status, ())] if isinstance(status, int) else names),
        "content": {"application/json": {"schema": ref(OF_DIALECT[dialect])}},
    }
