"""What Anthropic's refusals mean for the caller. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import failures
from providers.adapters.failures import Said
from providers.adapters.shapes import Response
from providers.errors import UpstreamError

# An error inside a stream has no status but what its type means.
STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403,
    "not_found_error": 404, "conflict_error": 409, "request_too_large": 413, "rate_limit_error": 429,
    "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
}  # fmt: skip
# The gateway's account has no money or may spend no more: a 400 or 429 of which only the words tell.
UNPAID = re.compile(r"credit balance is too low|specified (workspace )?API usage limits|spend(ing)? limit", re.I)
TOO_LONG = re.compile(r"prompt is too long|exceeds? (the )?context (limit|window)", re.I)
FILTERED = re.compile(r"content filtering policy", re.I)


def of(response: Response) -> UpstreamError:
    """Return what an answer with an error status means."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    return _error(response.status, failures.said(body), response.headers)


def inside(body: Mapping[str, Any], headers: Mapping[str, str]) -> UpstreamError:
    """Return what an error inside a 200, or in the middle of a stream, means."""
    words = failures.said(body)
    return _error(STATUSES.get(words.type or "", 500), words, headers)


def _error(status: int, words: Said, headers: Mapping[str, str]) -> UpstreamError:
    meant = 402 if status in (400, 403, 429) and UNPAID.search(words.message) else status
    error = failures.error(meant, words._replace(code=_code(words)), headers)
    error.upstream_status = status
    return error


def _code(words: Said) -> str | None:
    if TOO_LONG.search(words.message):
        return "context_length_exceeded"
    return "content_filter" if FILTERED.search(words.message) else words.code
