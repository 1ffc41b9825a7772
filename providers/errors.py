"""What can go wrong with an upstream, as one tree of facts.

::

    ProviderError
    ├── UnknownModel                 no route has this name
    └── UpstreamError                .status for the caller, .type, .code, .param,
        │                         .retry_after, .should_retry, .tried (what was tried in vain)
        ├── NoTarget            503  nothing behind the route can be asked
        ├── RequestRejected     400  the upstream found the request itself wrong
        │   ├── RequestTooLarge 413
        │   └── ModelMissing    404  the upstream does not know its model
        ├── RateLimited         429
        ├── UpstreamBusy        503  overloaded, says to come back
        ├── UpstreamTimeout     504
        │   ├── ConnectTimeout
        │   ├── FirstByteTimeout
        │   ├── ChunkTimeout
        │   ├── TotalTimeout
        │   └── DeadlinePassed       nobody could be asked in the time that was left
        └── UpstreamFailed      502
            ├── ServerError          it answered 5xx, or an error inside a 200
            ├── Conflict             409
            ├── AccountRefused       it refused our account, or what we are allowed
            │   └── KeyRefused  401  it refused our own key; the status is kept, the words say whose key it is
            ├── BadAnswer            not JSON, HTML, a redirect, too large, not what was asked
            ├── StreamCut            ended before it was finished
            └── ConnectionFailed     nothing of an answer came
                ├── ConnectionRefused
                ├── ConnectionLost
                ├── NameNotResolved
                ├── TlsFailed
                └── AddressNotAllowed

Messages are for callers: they name the provider row, never its address, its key or what it said about either.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class Attempt(NamedTuple):
    """One try at one target, and how it ended: ``status`` is what the upstream answered, None where it did not.

    ``started`` is in seconds since the call began, ``duration`` in seconds until the first byte of a stream, the whole
    of a plain answer, or the failure. ``reason`` says why it was made, in a word of ``providers.plan``.
    """

    provider: str
    model: str
    outcome: str
    status: int | None = None
    started: float = 0.0
    duration: float = 0.0
    reason: str = "first"


# How attempts end that are no failures.
ANSWERED = "answered"
OVERTAKEN = "was overtaken by another attempt"

# Why a target was not tried.
COOLING, PAUSED, CAPPED, UNPRICED, BUDGET = "cooling", "paused", "capped", "unpriced", "budget"
UNSUPPORTED, NOT_ALLOWED, UNKNOWN, DEADLINE, OTHER = "unsupported", "not_allowed", "unknown", "deadline", "other"


class Skip(NamedTuple):
    """A candidate that was not tried: ``target`` as provider/model, and the reason in one of the words above."""

    target: str
    reason: str


class ProviderError(Exception):
    """The root: a call could not be answered."""


class UnknownModel(ProviderError):
    """Its only argument is the name."""


class UpstreamError(ProviderError):
    """An attempt failed. ``again``: the same target may be asked once more; ``elsewhere``: the next one may."""

    status: ClassVar[int] = 502
    outcome: ClassVar[str] = "failed"
    default_type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = "upstream_error"
    again: ClassVar[bool] = False
    elsewhere: ClassVar[bool] = True
    should_retry: bool | None = None

    def __init__(
        self,
        message: str | None = None,
        *,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        upstream_status: int | None = None,
    ) -> None:
        self.message = message or f"The upstream {self.outcome}."
        super().__init__()
        self.type = type or self.default_type
        self.code = code or self.default_code
        self.param = param
        self.retry_after = retry_after
        self.upstream_status = upstream_status
        self.tried: tuple[Attempt, ...] = ()
        self.skipped: tuple[Skip, ...] = ()

    def __str__(self) -> str:
        return self.message


class Skipped(Exception):
    """Raised by ``dispatch``: this target may not be tried, for a ``reason`` of the caller's own; another may.

    ``why`` is the reason in a word, as ``Skip`` has it.
    """

    def __init__(self, reason: Exception, why: str = OTHER) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.why = why


class NoTarget(UpstreamError):
    status = 503
    default_code = "no_target"
    outcome = "has no usable target"


class RequestRejected(UpstreamError):
    status = 400
    default_type = "invalid_request_error"
    default_code: ClassVar[str | None] = None
    outcome = "rejected the request"
    elsewhere = False


class RequestTooLarge(RequestRejected):
    status = 413
    outcome = "found the request too large"


class ModelMissing(RequestRejected):
    """The only target's upstream does not know its model. With several targets the next one is tried."""

    status = 404
    default_code = "model_not_found"
    outcome = "does not know the model"
    elsewhere = True


class RateLimited(UpstreamError):
    status = 429
    default_type = "requests"
    default_code = "rate_limit_exceeded"
    outcome = "is rate limited"
    again = True


class UpstreamBusy(UpstreamError):
    status = 503
    default_type = "service_unavailable_error"
    default_code = "overloaded"
    outcome = "is overloaded"
    again = True


class UpstreamTimeout(UpstreamError):
    status = 504
    default_code = "upstream_timeout"
    outcome = "timed out"


class ConnectTimeout(UpstreamTimeout):
    outcome = "could not be connected to in time"
    again = True


class FirstByteTimeout(UpstreamTimeout):
    outcome = "did not begin to answer in time"


class ChunkTimeout(UpstreamTimeout):
    outcome = "fell silent while answering"


class TotalTimeout(UpstreamTimeout):
    outcome = "did not finish in time"


class DeadlinePassed(UpstreamTimeout):
    """Nobody could be asked in the time that was left."""

    outcome = "could not be asked before the deadline"


class UpstreamFailed(UpstreamError):
    """Nothing better is known than that it went wrong over there."""


class ServerError(UpstreamFailed):
    outcome = "answered with an error"
    again = True


class Conflict(UpstreamFailed):
    outcome = "reported a conflict"
    again = True


class AccountRefused(UpstreamFailed):
    outcome = "refused the gateway's account"


class KeyRefused(AccountRefused):
    status = 401
    default_type = "invalid_request_error"
    default_code = "invalid_api_key"
    outcome = "refused the gateway's own key"


class BadAnswer(UpstreamFailed):
    outcome = "gave an answer that cannot be read"


class StreamCut(UpstreamFailed):
    outcome = "ended its answer before it was finished"


class ConnectionFailed(UpstreamFailed):
    outcome = "could not be connected to"
    again = True


class ConnectionRefused(ConnectionFailed):
    outcome = "refused the connection"


class ConnectionLost(ConnectionFailed):
    outcome = "closed the connection"


class NameNotResolved(ConnectionFailed):
    outcome = "has a host name that does not resolve"


class TlsFailed(ConnectionFailed):
    outcome = "failed the TLS handshake"
    again = False


class AddressNotAllowed(ConnectionFailed):
    outcome = "has an address the gateway may not connect to"
    again = False
