"""What Gemini's refusals mean for the caller. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers.adapters import failures
from providers.adapters.failures import Said
from providers.adapters.shapes import Response
from providers.errors import UpstreamError

# google.rpc.Code, for an error inside a stream that gives no number
STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429, "INTERNAL": 500,
    "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504,
}  # fmt: skip
# A bad key is an INVALID_ARGUMENT here, of which the reason or only the words tell.
KEY_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED"})
BAD_KEY = re.compile(r"api key (not valid|expired|not found)", re.I)
TOO_LONG = re.compile(r"token count.{0,80}exceeds the maximum", re.I | re.S)
DELAY = re.compile(r"(\d{1,9}(?:\.\d+)?)s")


def of(response: Response) -> UpstreamError:
    """Return what an answer with an error status means."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    return _error(response.status, unwrapped(body), response.headers)


def inside(body: Mapping[str, Any], headers: Mapping[str, str]) -> UpstreamError:
    """Return what an error inside a 200, or in the middle of a stream, means."""
    told = _told(body)
    code = told.get("code")
    status = code if type(code) is int and 400 <= code <= 599 else STATUSES.get(str(told.get("status")), 500)
    return _error(status, body, headers)


def unwrapped(body: Any) -> Any:
    """Return what stands in the list of one that streams and some errors are wrapped in."""
    return body[0] if isinstance(body, list) and len(body) == 1 else body


def _error(status: int, body: Any, headers: Mapping[str, str]) -> UpstreamError:
    told = _told(body)
    message = failures.said(body).message
    meant = 401 if status == 400 and _is_about_the_key(told, message) else status
    words = Said(message, code="context_length_exceeded" if TOO_LONG.search(message) else None)
    error = failures.error(meant, words, {**_delay(told), **headers})
    error.upstream_status = status
    return error


def _told(body: Any) -> Mapping[str, Any]:
    told = body.get("error") if isinstance(body, Mapping) else None
    return told if isinstance(told, Mapping) else {}


def _is_about_the_key(told: Mapping[str, Any], message: str) -> bool:
    reasons = (detail.get("reason") for detail in _details(told))
    return any(isinstance(reason, str) and reason in KEY_REASONS for reason in reasons) or bool(BAD_KEY.search(message))


def _delay(told: Mapping[str, Any]) -> dict[str, str]:
    """Return RetryInfo's delay as the header that it would be."""
    for detail in _details(told):
        found = DELAY.fullmatch(str(detail.get("retryDelay")))
        if found:
            return {"retry-after": found[1]}
    return {}


def _details(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = told.get("details")
    return (detail for detail in (details if isinstance(details, list) else ()) if isinstance(detail, Mapping))
