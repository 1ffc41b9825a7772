"""Every API's clients read errors as that API says them."""

from __future__ import annotations

import json

import pytest

from gateway.dialects import ANTHROPIC, ELEVENLABS, OPENAI
from gateway.errors import AddressNotAllowed, ApiError, BodyTooLarge, translate
from gateway.fieldchecks import Invalid
from gateway.inquiry import Inquiry
from providers import errors as upstream

QUOTA = ApiError(
    429, "spent", type="insufficient_quota", code="insufficient_quota", headers=[("x-should-retry", "false")]
)
LIMIT = ApiError(429, "slower", type="requests", code="rate_limit_exceeded", headers=[("retry-after", "3")])
OURS = ApiError(503, "later", type="server_error", code="overloaded", headers=[("retry-after", "2")])

each = pytest.mark.parametrize


@each(
    ("error", "status", "kind"),
    [
        (Invalid("no messages", "messages"), 400, "invalid_request_error"),
        (upstream.KeyRefused(), 401, "authentication_error"),
        (AddressNotAllowed(), 403, "permission_error"),
        (upstream.UnknownModel("gpt"), 404, "not_found_error"),
        (ApiError(405, "not here", code="method_not_allowed"), 405, "invalid_request_error"),
        (ApiError(409, "changed"), 409, "conflict_error"),
        (BodyTooLarge(1), 413, "request_too_large"),
        (ApiError(422, "no"), 422, "invalid_request_error"),
        (LIMIT, 429, "rate_limit_error"),
        (ApiError(429, "slower", code="slow_down"), 429, "rate_limit_error"),
        (QUOTA, 429, "billing_error"),
        (ZeroDivisionError(), 500, "api_error"),
        (upstream.ServerError(), 502, "api_error"),
        (upstream.NoTarget(), 503, "api_error"),
        (upstream.UpstreamBusy(), 529, "overloaded_error"),
        (OURS, 529, "overloaded_error"),
        (upstream.ChunkTimeout(), 504, "timeout_error"),
    ],
    ids=repr,
)
def test_an_error_as_anthropic_says_it(error: Exception, status: int, kind: str) -> None:
    answer = translate(error)
    reply = ANTHROPIC.reply(answer, "req_1")
    said = {"type": kind, "message": answer.message}
    assert (reply.status, json.loads(reply.body)) == (status, {"type": "error", "error": said, "request_id": "req_1"})
    assert ("request-id", "req_1") in reply.headers


def test_an_error_as_anthropic_says_it_has_its_place_in_the_message() -> None:
    said = ANTHROPIC.envelope(ApiError(400, "That is no role.", param="messages[0].role"), "req_1")
    assert said["error"]["message"] == "messages[0].role: That is no role."


@each(
    ("error", "status", "word"),
    [
        (Invalid("no", "text", "missing_required_parameter"), 400, "missing_required_parameter"),
        (ApiError(401, "who?", code="invalid_api_key"), 401, "invalid_api_key"),
        (upstream.UnknownModel("gpt"), 404, "model_not_found"),
        (ApiError(500, "failed", type="server_error"), 500, "server_error"),
        (LIMIT, 429, "too_many_concurrent_requests"),
        (QUOTA, 429, "quota_exceeded"),
        (OURS, 503, "system_busy"),
    ],
    ids=repr,
)
def test_an_error_as_elevenlabs_says_it(error: Exception, status: int, word: str) -> None:
    answer = translate(error)
    reply = ELEVENLABS.reply(answer, "req_1")
    assert (reply.status, json.loads(reply.body)) == (status, {"detail": {"status": word, "message": answer.message}})


@each("dialect", [OPENAI, ANTHROPIC, ELEVENLABS])
@each("error", [QUOTA, LIMIT, OURS])
def test_no_dialect_loses_what_the_headers_of_an_error_say(dialect, error: ApiError) -> None:
    assert set(error.headers) <= set(dialect.reply(error, "req_1").headers)


@each(
    ("headers", "secret"),
    [
        ({}, ""),
        ({"authorization": "Bearer a"}, "a"),
        ({"authorization": "bearer  a ", "x-api-key": "b"}, "a"),
        ({"authorization": "Bearer ", "x-api-key": "b"}, "b"),
        ({"authorization": "Basic a", "x-api-key": " b "}, "b"),
        ({"x-api-key": "", "api-key": "c"}, "c"),
        ({"xi-api-key": "d"}, ""),
    ],
)
def test_the_key_is_the_bearers_or_in_a_header_that_the_dialect_has_for_it(headers: dict, secret: str) -> None:
    inquiry = Inquiry({name.encode(): value.encode() for name, value in headers.items()})
    assert inquiry.secret((b"x-api-key", b"api-key")) == secret
    assert inquiry.secret() == ("a" if secret == "a" else "")
