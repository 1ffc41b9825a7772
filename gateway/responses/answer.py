"""The Response object, from its beginning to whatever end it takes: every documented field is there. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.responses import format, tools, usage
from gateway.responses.output import Output


class Draft:
    """A Response in the making: ``body`` is the request's, ``created_at`` in seconds, ``now`` tells the time.

    Whatever is asked for comes as a new dict, without a word of what it is made of.
    """

    def __init__(
        self,
        body: Mapping[str, Any],
        id: str,
        created_at: float,
        model: str,
        previous_response_id: str | None = None,
        conversation: str | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.body, self.id, self.created_at, self.model = body, id, int(created_at), model
        self.previous_response_id, self.conversation = previous_response_id, conversation
        self._now = now

    def started(self, status: str = "in_progress") -> dict[str, Any]:
        """Return the Response that is ``queued`` or ``in_progress``."""
        return self._response(status)

    def finished(self, chat_answer: Mapping[str, Any]) -> dict[str, Any]:
        """Return the Response that a whole chat answer makes: completed, or incomplete and why."""
        output = self.output()
        for _ in (*output.answer(chat_answer), *output.end()):
            pass
        return self.composed(output)

    def output(self) -> Output:
        """Return what the output is made in."""
        reasoning = self.body.get("reasoning") or {}
        return Output(
            self.id,
            shows_summary=bool(reasoning.get("summary") or reasoning.get("generate_summary")),
            carries_thoughts="reasoning.encrypted_content" in (self.body.get("include") or ()),
        )

    def composed(self, output: Output) -> dict[str, Any]:
        """Return the Response of an output that has ended."""
        reason, told = output.incomplete_reason, output.told
        return self._response(
            "incomplete" if reason else "completed",
            completed_at=None if reason else int(self._now()),
            incomplete_details={"reason": reason} if reason else None,
            model=told.get("model") or self.model,
            moderation=told.get("moderation"),
            output=output.items(),
            service_tier=told.get("service_tier") or "default",
            usage=usage.of_chat(told.get("usage")),
        )

    def failed(self, code: str | None, message: str, output: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
        """Return the Response that failed; of codes that it has no word for the nearest is said."""
        error = {"code": error_code(code), "message": message}
        return self._response("failed", error=error, output=list(output))

    def cancelled(self) -> dict[str, Any]:
        return self._response("cancelled")

    def _response(self, status: str, **said: Any) -> dict[str, Any]:
        body = self.body
        given = {name: default if body.get(name) is None else body[name] for name, default in ECHOED.items()}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "completed_at": None,
            "conversation": {"id": self.conversation} if self.conversation else None,
            "error": None,
            "incomplete_details": None,
            "model": self.model,
            "moderation": None,
            "output": [],
            "previous_response_id": self.previous_response_id,
            "prompt": None,
            "prompt_cache_options": format.cache_options(body),
            "reasoning": format.reasoning(body),
            "text": format.text(body),
            "tools": tools.shown(body),
            "usage": None,
            **given,
            **said,
        }


ECHOED: Mapping[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "service_tier": "auto",
    "store": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}


def error_code(code: str | None) -> str:
    """Return what a failed Response calls an error of ``code``."""
    return code if code in ERROR_CODES else NEAREST.get(code or "", "server_error")


ERROR_CODES = frozenset(
    {
        "server_error", "rate_limit_exceeded", "invalid_prompt", "data_residency_mismatch", "bio_policy",
        "vector_store_timeout", "invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url",
        "image_too_large", "image_too_small", "image_parse_error", "image_content_policy_violation",
        "invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file",
        "failed_to_download_image", "image_file_not_found",
    }
)  # fmt: skip
NEAREST: Mapping[str, str] = {
    **dict.fromkeys(
        ("context_length_exceeded", "content_filter", "content_policy_violation", "invalid_value", "invalid_type",
         "missing_required_parameter", "unsupported_parameter", "unsupported_value", "unknown_parameter",
         "invalid_request_error", "string_above_max_length"), "invalid_prompt",
    ),
    **dict.fromkeys(("insufficient_quota", "slow_down", "rate_limit_error"), "rate_limit_exceeded"),
}  # fmt: skip
