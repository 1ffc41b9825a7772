"""One line of a batch as the call that it is: through the same view as a request, without the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from accounts.callers import Caller
from accounts.errors import DirectoryUnavailable
from billing import allowances, clock
from billing.journal import JournalUnavailable
from gateway import asking
from gateway.batches import pace
from gateway.door import resolve
from gateway.errors import ApiError, Starting, translate
from gateway.inquiry import Inquiry
from gateway.ratelimits import LimitReached
from gateway.replies import Reply
from gateway.requests import ApiRequest

# what the gateway itself has no room for now: the line waits
OURS = (
    LimitReached, allowances.Busy, allowances.Unreachable, asking.Busy, asking.DatabaseAway, DirectoryUnavailable,
    JournalUnavailable, Starting,
)  # fmt: skip


class Later(Exception):
    """Nothing was sent: it can be tried again in so many ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Sending(NamedTuple):
    """What the record of a line says: its own id, the former one's where it is sent again, its tags."""

    record_id: str
    retry_of: str | None
    tags: tuple[str, ...]


class Answer(NamedTuple):
    """``body`` is JSON; ``breather`` is how many seconds to hold back for others."""

    status: int
    request_id: str
    body: bytes
    breather: float = 0.0


async def call(caller: Caller, endpoint: str, body: dict[str, Any], sending: Sending, until: datetime) -> Answer:
    """Return the answer of a line, an error's too. Raises ``Later``; ``until`` is when the batch expires."""
    headers = {b"x-tollgate-tags": ",".join(sending.tags).encode()}
    inquiry = Inquiry(headers, caller, body, record_id=sending.record_id, retry_of=sending.retry_of)
    match = resolve(endpoint)
    if match is None:
        raise LookupError(endpoint)
    inquiry.dialect = match.func.view_class.dialect
    request = ApiRequest(_scope(endpoint), match, inquiry)
    try:
        reply: Reply = await match.func(request, *match.args, **match.kwargs)
    except Exception as error:  # noqa: BLE001 as at the door: translate() logs what nobody foresaw
        answer = translate(error)
        _check_later(error, answer, until)
        reply = inquiry.dialect.reply(answer, inquiry.request_id)
    return Answer(reply.status, inquiry.request_id, reply.body, pace.breather(reply.headers))


def _check_later(error: Exception, answer: ApiError, until: datetime) -> None:
    """Raise ``Later`` where the gateway refuses now what it may take in time."""
    seconds = None
    if isinstance(error, allowances.Exhausted):
        seconds = pace.budget_seconds(error.renews_at, clock.now(), until)
    elif isinstance(error, OURS):
        seconds = pace.retry_seconds(answer.headers)
    if seconds is not None:
        raise Later(seconds) from error


def _scope(endpoint: str) -> dict[str, Any]:
    return {"type": "http", "method": "POST", "path": endpoint, "query_string": b"", "headers": [], "client": None}
