"""What Mistral's refusals say: texts, or lists of what is wrong and where. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import failures
from providers.adapters.failures import Said
from providers.adapters.shapes import Response
from providers.errors import UpstreamError

# Its types for what OpenAI has a status of its own, wherever they stand.
STATUSES: Mapping[str, int] = {
    "invalid_model": 404,
    "rate_limited": 429,
    "service_tier_capacity_exceeded": 429,
    "invalid_request_error": 400,
    "invalid_request_message_order": 400,
}
OPENAI_TYPE = "invalid_request_error"
MODEL = "invalid_model"


def of(response: Response) -> UpstreamError:
    """Return what an answer with an error status means. That a model is unknown is said with a 400."""
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        body = None
    words = said(body)
    is_model = response.status == 400 and words.type == MODEL
    error = failures.error(404 if is_model else response.status, _openai(words), response.headers)
    error.upstream_status = response.status
    return error


def inside(body: Mapping[str, Any]) -> UpstreamError:
    """Return what an error in the middle of a stream means."""
    words = said(body)
    return failures.error(STATUSES.get(words.type or "", 500), _openai(words), {})


def said(body: Any) -> Said:
    """Return the parts of an error; ``param`` is the place of the first thing that is wrong."""
    words, wrong = failures.said(body), _wrong(body)
    if not wrong:
        return words
    message = "; ".join(f"{_place(each)}: {each.get('msg')}".removeprefix(": ") for each in wrong)
    return words._replace(message=message[: failures.MAX_MESSAGE], param=_place(wrong[0])[:200] or None)


def _wrong(body: Any) -> list[Mapping[str, Any]]:
    """Return what is listed as wrong: under ``detail``, under ``message``, or under a ``detail`` in that."""
    if not isinstance(body, Mapping):
        return []
    message = body.get("message")
    for listed in (body.get("detail"), message, message.get("detail") if isinstance(message, Mapping) else None):
        if isinstance(listed, list):
            return [each for each in listed if isinstance(each, Mapping)]
    return []


def _place(wrong: Mapping[str, Any]) -> str:
    place = wrong.get("loc")
    return ".".join(str(each) for each in place if each != "body") if isinstance(place, list) else ""


def _openai(words: Said) -> Said:
    """Return ``words`` with a type that OpenAI has, and a code for the unknown model that the caller knows."""
    if words.type == MODEL:
        return words._replace(type=None, code="model_not_found")
    return words if words.type == OPENAI_TYPE else words._replace(type=None)
