"""How each API that the gateway speaks says an error: the envelope, its words, its status. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gateway.errors import ApiError
from gateway.replies import Reply

OVERLOADED = ("overloaded", "server_is_overloaded", "slow_down")


class Dialect(NamedTuple):
    """``envelope`` gets an error and the request's id. ``statuses`` are by code, where they differ from OpenAI's.

    ``id_header`` names the request too, beside ``x-request-id``.
    """

    envelope: Callable[[ApiError, str], dict[str, Any]]
    statuses: Mapping[tuple[int, str | None], int] = {}
    id_header: str = ""

    def reply(self, error: ApiError, request_id: str) -> Reply:
        status = self.statuses.get((error.status, error.code), error.status)
        reply = Reply.json(self.envelope(error, request_id), status)
        reply.headers.extend([*error.headers, *self.id_headers(request_id)])
        return reply

    def id_headers(self, request_id: str) -> list[tuple[str, str]]:
        return [(self.id_header, request_id)] if self.id_header else []


def _openai(error: ApiError, request_id: str) -> dict[str, Any]:
    return error.envelope


def _anthropic(error: ApiError, request_id: str) -> dict[str, Any]:
    is_placed = error.param is None or error.param in error.message
    said = {
        "type": _anthropic_type(error),
        "message": error.message if is_placed else f"{error.param}: {error.message}",
    }
    return {"type": "error", "error": said, "request_id": request_id}


def _anthropic_type(error: ApiError) -> str:
    """Return the type that the status has there. Money that is used up says so under 429, where every client looks."""
    if error.type == "insufficient_quota":
        return "billing_error"
    if (error.status, error.code) in ANTHROPIC_STATUSES:
        return "overloaded_error"
    return ANTHROPIC_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")


ANTHROPIC_STATUSES: Mapping[tuple[int, str | None], int] = {(503, code): 529 for code in OVERLOADED}
ANTHROPIC_TYPES: Mapping[int, str] = {
    401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
    409: "conflict_error", 413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error",
}  # fmt: skip


def _elevenlabs(error: ApiError, request_id: str) -> dict[str, Any]:
    status = ELEVENLABS_WORDS.get(error.code or "") or error.code or error.type
    return {"detail": {"status": status, "message": error.message}}


ELEVENLABS_WORDS: Mapping[str, str] = {
    "insufficient_quota": "quota_exceeded",
    "rate_limit_exceeded": "too_many_concurrent_requests",
    **dict.fromkeys(OVERLOADED, "system_busy"),
}

OPENAI = Dialect(_openai)
ANTHROPIC = Dialect(_anthropic, ANTHROPIC_STATUSES, "request-id")
ELEVENLABS = Dialect(_elevenlabs)
