"""Every error the API can answer, in OpenAI's envelope; the one place where an exception becomes HTTP."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404
from rest_framework import exceptions as drf

from accounts import errors as accounts
from billing import allowances, breakdown, grants
from billing.journal import JournalUnavailable
from gateway import asking, forms, logfile, quotas
from gateway.batches import queue as batches
from gateway.fieldchecks import Invalid
from gateway.files import reading, store
from gateway.ratelimits import LimitReached
from gateway.replies import Reply
from gateway.responses import refusals
from gateway.vectors.refusals import Unusable
from providers import errors as upstream

logger = logging.getLogger(__name__)

INVALID = "invalid_request_error"
SERVER = "server_error"


class ApiError(Exception):
    """An answer that is an error: ``status``, the four keys of the envelope and extra ``headers``."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = INVALID,
        code: str | None = None,
        param: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.headers = tuple(headers)

    @property
    def envelope(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    @property
    def reply(self) -> Reply:
        reply = Reply.json(self.envelope, self.status)
        reply.headers.extend(self.headers)
        return reply


class BodyTooLarge(Exception):
    """The request's body is over the limit (bytes)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


class MethodNotServed(Exception):
    """Nothing is served there by this method; by those ``allowed`` something is."""

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        super().__init__(method)
        self.allowed = tuple(allowed)


class ModelNotAllowed(Exception):
    """The caller's key, team or user may not use this model."""


class ModelNotPriced(Exception):
    """Nothing is known of the price of any target, and the route blocks such calls."""


class ModelMissing(Exception):
    """The body names no model and no route is the default of its operation."""


class TokenizerUnknown(Exception):
    """Nobody knows the model's vocabulary, so there are no ids of its tokens."""


class OperationUnsupported(Exception):
    """No target of the route can do this operation."""


class AddressNotAllowed(Exception):
    """The caller's key may not be used from this address."""


class NotAllowed(Exception):
    """The caller may not see or do this; the message says who may."""


class UnknownRecord(Exception):
    """No ended request of the caller's has this id."""


class Starting(Exception):
    """This process has not read its configuration yet."""


def translate(error: BaseException) -> ApiError:
    """Return the answer for ``error``; what nobody foresaw is logged and becomes a 500 that says nothing."""
    if isinstance(error, ApiError):
        return error
    for kind in type(error).__mro__:
        if kind in TABLE:
            return TABLE[kind](error)
    logger.error("unforeseen error in the API", exc_info=error)
    return ApiError(500, "The gateway failed to process the request.", type=SERVER)


def _plain(status: int, message: str, **keys: Any) -> Any:
    return lambda error: ApiError(status, message, **keys)


def _invalid(error: Invalid) -> ApiError:
    return ApiError(400, error.message, code=error.code, param=error.param)


def _named_model(status: int, text: str, code: str) -> Any:
    return lambda error: ApiError(status, text.format(model=error), code=code, param="model")


def _upstream(error: upstream.UpstreamError) -> ApiError:
    headers = [("retry-after", str(math.ceil(error.retry_after)))] if error.retry_after is not None else []
    if error.should_retry is not None:
        headers.append(("x-should-retry", str(error.should_retry).lower()))
    return ApiError(error.status, error.message, type=error.type, code=error.code, param=error.param, headers=headers)


def _exhausted(error: allowances.Exhausted) -> ApiError:
    return ApiError(
        429, quotas.exhausted(error.terms, error.need, error.headroom, error.renews_at), type="insufficient_quota",
        code="insufficient_quota", headers=[("x-should-retry", "false")],
    )  # fmt: skip


def _drf(error: drf.APIException) -> ApiError:
    return ApiError(error.status_code, str(error.detail))


TABLE: dict[type[BaseException], Any] = {
    accounts.KeyRefused: lambda error: ApiError(
        401, str(error), code="invalid_api_key", headers=[("www-authenticate", "Bearer")]
    ),
    accounts.DirectoryUnavailable: lambda error: ApiError(
        503, str(error), type=SERVER, code="overloaded", headers=[("retry-after", "2")]
    ),
    AddressNotAllowed: _plain(403, "This API key may not be used from your address.", code="ip_not_allowed"),
    NotAllowed: lambda error: ApiError(403, str(error), code="not_allowed"),
    ModelNotAllowed: _named_model(
        403, "This API key may not use the model '{model}'. GET /v1/models lists those it may.", "model_not_allowed"
    ),
    upstream.UnknownModel: _named_model(
        404, "The model '{model}' does not exist here. GET /v1/models lists those that do.", "model_not_found"
    ),
    ModelNotPriced: _named_model(
        400,
        "The model '{model}' has no price, and its route blocks unpriced calls. An admin can add a price, "
        "or set `unpriced: allow` on the route.",
        "model_not_priced",
    ),
    ModelMissing: _plain(
        400, "You must provide a model parameter: no model is the default here.", param="model",
        code="missing_required_parameter",
    ),
    TokenizerUnknown: _named_model(
        400,
        "The vocabulary of the model '{model}' is not known here, so there are no ids of its tokens. "
        "POST /extras/tokenize/count estimates how many a text has.",
        "tokenizer_unknown",
    ),
    OperationUnsupported: lambda error: ApiError(400, str(error), param="model", code="unsupported_value"),
    BodyTooLarge: lambda error: ApiError(
        413, f"The request body is larger than {error.limit} bytes.", code="request_too_large"
    ),
    forms.FormTooLarge: lambda error: ApiError(
        413, f"{error.what} is larger than {error.limit} bytes.", code="request_too_large"
    ),
    forms.NotAForm: lambda error: ApiError(
        415, "Unsupported content-type: this endpoint takes multipart/form-data.", code="unsupported_content_type"
    ),
    forms.NotJson: _plain(
        415, "Unsupported content-type: this endpoint takes application/json.", code="unsupported_content_type"
    ),
    store.UnknownFile: lambda error: ApiError(404, f"No such File object: {error!s:.64}", param="id"),
    batches.UnknownBatch: lambda error: ApiError(404, f"No batch found with id '{error!s:.64}'.", param="id"),
    batches.NotCancellable: lambda error: ApiError(
        409, f"Cannot cancel a batch with status '{error}'.", code="conflict"
    ),
    store.StorageFull: lambda error: ApiError(
        413, f"Your files take all the room there is for them, {error.limit} bytes: delete some first.",
        code="storage_limit_exceeded", param="file",
    ),
    reading.TooLarge: lambda error: ApiError(
        413, f"The file is too large to be used here: at most {error.limit} bytes.", code="request_too_large"
    ),
    forms.NoRoom: _plain(
        503, "The gateway has no room for this upload now. Please try again later.",
        type=SERVER, code="overloaded", headers=[("retry-after", "30")],
    ),
    RequestDataTooBig: _plain(413, "The request body is too large.", code="request_too_large"),
    Invalid: _invalid,
    RecursionError: _plain(400, "The request body is nested too deeply.", code="invalid_json"),
    Starting: _plain(
        503, "The gateway is starting and has not read its configuration yet.",
        type=SERVER, code="overloaded", headers=[("retry-after", "1")],
    ),
    LimitReached: lambda error: ApiError(
        429, error.message, type=error.type, code="rate_limit_exceeded", headers=error.headers
    ),
    allowances.Exhausted: _exhausted,
    allowances.Busy: lambda error: ApiError(
        429, quotas.busy(error.terms), type="requests", code="rate_limit_exceeded", headers=[("retry-after", "1")]
    ),
    allowances.Unreachable: _plain(
        503, "The budgets cannot be read now, so nothing more can be spent from them. Please try again.",
        type=SERVER, code="overloaded", headers=[("retry-after", "5")],
    ),
    asking.Busy: _plain(
        429, "This API key is being answered already. Please ask one thing after the other.",
        type="requests", code="rate_limit_exceeded", headers=[("retry-after", "1")],
    ),
    asking.DatabaseAway: _plain(
        503, "The database does not answer. Please try again.",
        type=SERVER, code="overloaded", headers=[("retry-after", "2")],
    ),
    logfile.LogMissing: _plain(404, "There is no log file to be read here.", code="not_found"),
    UnknownRecord: _plain(
        404, "No ended request of yours has this id. It is in the x-request-id of each answer.", code="not_found"
    ),
    grants.UnknownRequest: _plain(404, "There is no such request. GET /v1/requests lists yours.", code="not_found"),
    grants.NotForYou: lambda error: ApiError(403, str(error), code="not_allowed"),
    grants.NotPossible: lambda error: ApiError(409, str(error), code="conflict"),
    breakdown.TooMany: lambda error: ApiError(400, f"{error}.", code="too_many_records", param="start"),
    refusals.Refusal: lambda error: ApiError(error.status, str(error), code=error.code, param=error.param),
    Unusable: _plain(502, "The upstream gave no embeddings that can be used.", type=SERVER, code="upstream_error"),
    JournalUnavailable: _plain(
        503, "The gateway cannot write its journal, so it takes no new requests.",
        type=SERVER, code="overloaded", headers=[("retry-after", "5")],
    ),
    upstream.UpstreamError: _upstream,
    MethodNotServed: lambda error: ApiError(
        405, f'Method "{error}" not allowed.', code="method_not_allowed", headers=[("allow", ", ".join(error.allowed))]
    ),
    drf.APIException: _drf,
    Http404: _plain(404, "Unknown request URL. The API lives under /v1.", code="unknown_url"),
}  # fmt: skip
