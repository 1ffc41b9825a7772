"""What an upstream's refusal means for the caller. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec

from providers.adapters.shapes import Response
from providers.errors import (
    AccountRefused,
    BadAnswer,
    Conflict,
    KeyRefused,
    ModelMissing,
    RateLimited,
    RequestRejected,
    RequestTooLarge,
    ServerError,
    UpstreamBusy,
    UpstreamError,
    UpstreamTimeout,
)

STATUSES: Mapping[int, type[UpstreamError]] = {
    400: RequestRejected,
    401: KeyRefused,
    402: AccountRefused,
    403: AccountRefused,
    404: ModelMissing,
    408: UpstreamTimeout,
    409: Conflict,
    413: RequestTooLarge,
    422: RequestRejected,
    429: RateLimited,
    498: UpstreamBusy,
    503: UpstreamBusy,
    504: UpstreamTimeout,
    524: UpstreamTimeout,
    529: UpstreamBusy,
}
# An error inside a 200 says what it is in its code or type, where that is no number.
WORDS: Mapping[str, int] = {
    "invalid_request_error": 400,
    "bad_request_error": 400,
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "insufficient_quota": 429,
    "model_not_found": 404,
    "notfounderror": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "requests": 429,
    "tokens": 429,
    "slow_down": 429,
    "timeout": 504,
    "overloaded_error": 503,
    "api_error": 500,
    "billing_error": 402,
    "not_found_error": 404,
    "permission_error": 403,
    "request_too_large": 413,
    "timeout_error": 504,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "client specified an invalid argument": 400,
    "some requested entity was not found": 404,
    "some resource has been exhausted": 429,
    "the service is currently unavailable": 503,
}
TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum context|exceed_context|prompt is too long|max_new_tokens` must be <=", re.I
)
# Some say 400 to a key that is wrong, with a piece of it: nothing that a caller could have done, or should read.
WRONG_KEY = re.compile(r"(incorrect|invalid) api.?key", re.I)
NUMBER = re.compile(r"\d{1,9}(\.\d+)?")
MAX_MESSAGE = 2000


class Said(NamedTuple):
    """The parts of an error body, wherever this upstream puts them."""

    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None


def of(response: Response) -> UpstreamError:
    """Return what an answer with an error status means."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    return error(response.status, said(body), response.headers)


def inside(body: Mapping[str, Any], headers: Mapping[str, str]) -> UpstreamError:
    """Return what an error inside a 200, or in the middle of a stream, means."""
    words = said(body)
    return error(_status_of(words), words, headers)


def said(body: Any) -> Said:
    """Return the parts of the error in ``body``: an envelope, a bare object, a text, or FastAPI's ``detail``."""
    if not isinstance(body, dict):
        return Said()
    told = body.get("error")
    if isinstance(told, dict):
        return Said(
            _text(told.get("message")), _word(told.get("type")), _word(told.get("code")), _word(told.get("param"))
        )
    message = told if isinstance(told, str) else body.get("message") or body.get("detail")
    return Said(_text(message), _word(body.get("type")), _word(body.get("code")), _word(body.get("param")))


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds an upstream asks to wait: ``retry-after-ms``, seconds, or an HTTP date."""
    milliseconds, value = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    if NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    if NUMBER.fullmatch(value):
        return float(value)
    try:
        wait = parsedate_to_datetime(value) - (now or datetime.now(UTC))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def error(status: int, words: Said, headers: Mapping[str, str]) -> UpstreamError:
    """Return what an upstream means that said ``words`` under ``status``."""
    kind = _kind(status, words)
    wait = retry_after(headers)
    if kind is KeyRefused:
        return KeyRefused(code=words.code, upstream_status=status)
    if not issubclass(kind, RequestRejected | RateLimited):
        return kind(retry_after=wait, upstream_status=status)
    is_model = kind is ModelMissing
    refused = kind(
        words.message or None,
        type=None if is_model else words.type,
        code="context_length_exceeded" if _is_too_long(words) else _no_number(words.code),
        param="model" if is_model else words.param,
        retry_after=wait,
        upstream_status=status,
    )
    if "insufficient_quota" in (words.type, words.code):
        refused.should_retry = False
    return refused


def _kind(status: int, words: Said) -> type[UpstreamError]:
    if status in (400, 403, 422) and _is_too_long(words):
        return RequestRejected
    if status == 400 and WRONG_KEY.search(words.message):
        return KeyRefused
    if status == 404 and words.code != "model_not_found" and "model" not in words.message.lower():
        return BadAnswer
    if status in STATUSES:
        return STATUSES[status]
    return ServerError if status >= 500 else BadAnswer


def _status_of(words: Said) -> int:
    for word in (words.code, words.type):
        if word is None:
            continue
        if word.isdigit() and 400 <= int(word) <= 599:
            return int(word)
        if word.lower() in WORDS:
            return WORDS[word.lower()]
    return 500


def _is_too_long(words: Said) -> bool:
    return words.code == "context_length_exceeded" or bool(
        TOO_LONG.search(words.message) or TOO_LONG.search(words.type or "")
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:MAX_MESSAGE]
    return "" if value is None else msgspec.json.encode(value).decode()[:MAX_MESSAGE]


def _word(value: Any) -> str | None:
    if isinstance(value, bool) or value is None:
        return None
    return str(value)[:200] if isinstance(value, str | int) else None


def _no_number(code: str | None) -> str | None:
    """Return OpenAI's kind of code; several hosts put the HTTP status there."""
    return None if code is None or code.isdigit() else code
