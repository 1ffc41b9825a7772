"""What the output of a batch says of a line, and what its answers used. Pure."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.batches.lines import Line

UNSENT = {
    "batch_expired": "This request could not be executed before the completion window expired.",
    "batch_cancelled": "This request was not executed, as the batch was cancelled.",
    "batch_failed": "This request was not executed, as the batch has failed.",
}


class Outcome(NamedTuple):
    """What became of a line: ``text`` is its line of the output, ``usage`` what its answer says of its tokens."""

    number: int
    text: str
    has_failed: bool
    usage: dict[str, Any]


def answered(line: Line, status: int, request_id: str, body: bytes) -> Outcome:
    """Return the outcome of a line whose answer has this JSON ``body``."""
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)}
    text = _written(line, response, None)
    return Outcome(line.number, text, status >= 400, usage_of(body) if status < 400 else {})


def unsent(line: Line, code: str) -> str:
    """Return what is said of a line that was not run, by one of the codes of ``UNSENT``."""
    return _written(line, None, {"code": code, "message": UNSENT[code]})


def _written(line: Line, response: Mapping[str, Any] | None, error: Mapping[str, str] | None) -> str:
    said = {
        "id": f"batch_req_{random.getrandbits(128):032x}",
        "custom_id": line.custom_id,
        "response": response,
        "error": error,
    }
    # an upstream's own line breaks would end the line
    return msgspec.json.format(msgspec.json.encode(said), indent=-1).decode(errors="replace")


def usage_of(body: bytes) -> dict[str, Any]:
    said = msgspec.json.decode(body)
    usage = said.get("usage") if isinstance(said, dict) else None
    return usage if isinstance(usage, dict) else {}


def added(total: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return a batch's usage with one more answer's, whatever its dialect calls it."""
    if not usage:
        return dict(total)
    input = _number(usage, "prompt_tokens") or _number(usage, "input_tokens")
    output = _number(usage, "completion_tokens") or _number(usage, "output_tokens")
    cached = _number(_inner(usage, "prompt_tokens_details", "input_tokens_details"), "cached_tokens")
    reasoning = _number(_inner(usage, "completion_tokens_details", "output_tokens_details"), "reasoning_tokens")
    return {
        "input_tokens": _number(total, "input_tokens") + input,
        "input_tokens_details": {
            "cached_tokens": _number(_inner(total, "input_tokens_details"), "cached_tokens") + cached
        },
        "output_tokens": _number(total, "output_tokens") + output,
        "output_tokens_details": {
            "reasoning_tokens": _number(_inner(total, "output_tokens_details"), "reasoning_tokens") + reasoning
        },
        "total_tokens": _number(total, "total_tokens") + input + output,
    }


def _inner(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((inner for name in names if isinstance(inner := usage.get(name), dict)), {})


def _number(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
