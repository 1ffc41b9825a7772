"""What Bedrock's refusals mean for the caller. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import failures
from providers.adapters.failures import Said
from providers.adapters.shapes import Response
from providers.errors import UpstreamError

# An exception's name says more than its status: 400, 408, 424 and 429 each stand for several things.
STATUSES: Mapping[str, int] = {
    "ValidationException": 400,
    "SerializationException": 400,
    "ConflictException": 409,
    "ServiceQuotaExceededException": 429,
    "UnrecognizedClientException": 401,
    "InvalidSignatureException": 401,
    "IncompleteSignatureException": 401,
    "MissingAuthenticationTokenException": 401,
    "ExpiredTokenException": 401,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 504,
    "ModelErrorException": 500,
    "ModelStreamErrorException": 500,
    "ThrottlingException": 429,
    "ModelNotReadyException": 503,
    "InternalServerException": 500,
    "InternalFailure": 500,
    "ServiceUnavailableException": 503,
}
TOO_LONG = re.compile(r"input is too long|too many (input )?tokens|exceeds? (the )?(maximum|context)", re.I)
NO_MODEL = re.compile(r"model identifier is invalid", re.I)
EXCEPTION_OF_A_STREAM = 500


def of(response: Response) -> UpstreamError:
    """Return what an answer with an error status means."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    name = response.headers.get("x-amzn-errortype") or _type(body)
    return error(name, body, response.status, response.headers)


def error(name: str, body: Any, status: int, headers: Mapping[str, str]) -> UpstreamError:
    """Return what the exception called ``name`` means, by its ``status`` where nobody knows the name."""
    name = name.partition(":")[0].rpartition("#")[2]
    message = failures.said(body).message or _capitalised(body)
    meant = STATUSES.get(name[:1].upper() + name[1:], status)
    code = "context_length_exceeded" if meant == 400 and TOO_LONG.search(message) else None
    if meant == 400 and NO_MODEL.search(message):
        meant, code = 404, "model_not_found"
    failed = failures.error(meant, Said(message, code=code), headers)
    failed.upstream_status = status
    return failed


def is_exception(body: Mapping[str, Any]) -> bool:
    """Whether ``body`` is an error though it came with a good status."""
    return bool(_type(body))


def _type(body: Any) -> str:
    told = body.get("Output", body) if isinstance(body, dict) else None
    name = told.get("__type") if isinstance(told, dict) else None
    return name if isinstance(name, str) else ""


def _capitalised(body: Any) -> str:
    message = body.get("Message") if isinstance(body, dict) else None
    return message[: failures.MAX_MESSAGE] if isinstance(message, str) else ""
