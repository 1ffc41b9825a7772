"""Background responses in the database: queued, taken once, followed, ended in one way only."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q

from accounts.callers import Caller
from billing import clock, database
from gateway.responses import dialogue, store
from gateway.responses.refusals import NotInBackground
from gateway.responses.rows import CANCELLED, FAILED, IN_PROGRESS, OPEN, QUEUED, ResponseEvents, StoredResponse
from gateway.responses.store import SECONDS, Kept

logger = logging.getLogger(__name__)

# how long a process that makes a response need not be heard of
LEASE = timedelta(seconds=30)
# after how long workers are told again of what none has taken, and when nobody hopes for one any more
TOLD_AGAIN_AFTER, GIVEN_UP_AFTER = timedelta(seconds=30), timedelta(days=1)
LOST = "The process that made this response has ended before it was done."
NOBODY = "No worker has taken this response within a day."
SWEPT_AT_ONCE = 100

Events = Sequence[Mapping[str, Any]]


class Taken(NamedTuple):
    """A response that this process alone makes now, for the key ``api_key``. ``items`` are its own input."""

    id: str
    api_key: int | None
    created_at: int
    items: list[dict[str, Any]]
    request: dict[str, Any]


def enqueue(caller: Caller, kept: Kept, request: dict[str, Any], events: Events) -> None:
    """Store a response that workers are to make. ``events`` are those of a streamed one that are told already."""
    now = clock.now()
    with database.writing(SECONDS):
        store.insert(
            caller, kept, now, is_background=True, is_streamed=bool(events), request=request, hinted_at=now
        )  # fmt: skip
        _tell(kept.id, events)


def owner_of(id: str) -> tuple[int | None, int | None] | None:
    """Return whose response it is, by user, else by key; None where nobody needs to make it."""
    rows = StoredResponse.objects.filter(pk=id, status=QUEUED)
    found = rows.values_list("user_id", "api_key_id").first()
    return None if found is None else (found[0], None if found[0] is not None else found[1])


def take(id: str) -> Taken | None:
    """Let this process make the response; None where another one does, or where nobody needs to any more."""
    with database.writing(SECONDS):
        queued = StoredResponse.objects.filter(pk=id, status=QUEUED)
        if not queued.update(status=IN_PROGRESS, lease_until=database.now() + LEASE):
            return None
        row = StoredResponse.objects.get(pk=id)
    return Taken(id, row.api_key_id, row.body["created_at"], row.items, row.request)


def put_back(id: str) -> None:
    """Let another process take what this one has not begun."""
    StoredResponse.objects.filter(pk=id, status=IN_PROGRESS).update(status=QUEUED, lease_until=None)


def renew(caller: Caller, id: str, until: datetime | None) -> datetime | None:
    """Be heard of, where ``until`` comes near; return until when, None where the response is not wanted any more."""
    own = StoredResponse.objects.filter(pk=id, status=IN_PROGRESS)
    now = database.now()
    if until is not None and until - now > LEASE / 2:
        return until if own.exists() else None
    return now + LEASE if own.update(lease_until=now + LEASE) else None


def show(caller: Caller, id: str, body: dict[str, Any]) -> None:
    """Let callers see that the response is being made."""
    StoredResponse.objects.filter(pk=id, status=IN_PROGRESS).update(body=body)


def tell(caller: Caller, id: str, events: Events) -> None:
    """Store events of a response that is being made."""
    with database.writing(SECONDS):
        if StoredResponse.objects.select_for_update().filter(pk=id, status=IN_PROGRESS).exists():
            _tell(id, events)


def _tell(id: str, events: Events) -> None:
    """Add events; those that a lost answer made come twice are there already."""
    if events:
        batch = ResponseEvents(response_id=id, last=events[-1]["sequence_number"], events=list(events))
        ResponseEvents.objects.bulk_create([batch], ignore_conflicts=True)


def finish(caller: Caller, kept: Kept, events: Events = ()) -> bool:
    """End a response that is being made; False, and nothing changed, where it has ended otherwise.

    Raises ``ConversationBusy`` where its conversation went on without it.
    """
    with database.writing(SECONDS):
        if not _end(StoredResponse.objects.filter(pk=kept.id), kept.body, items=kept.items):
            return False
        store.index(StoredResponse.objects.get(pk=kept.id))
        _tell(kept.id, events)
        if kept.conversation:
            store.settle_conversation(kept)
    return True


def _end(rows: Any, body: dict[str, Any], **columns: Any) -> bool:
    """Put the end of a response into its row, unless it has one."""
    end = {"status": body["status"], "body": body, "request": None, "lease_until": None, **columns}
    return bool(rows.filter(status__in=OPEN).update(**end))


def cancel(caller: Caller, id: str) -> dict[str, Any]:
    """Cancel a response and return it; one that has ended is returned as it is.

    Raises ``NoResponse``, ``NotInBackground``.
    """
    row = look(caller, id)
    if not row.is_background:
        raise NotInBackground(id)
    _end(StoredResponse.objects.filter(pk=id), {**row.body, "status": CANCELLED})
    return store.one(caller, id).body


def look(caller: Caller, id: str) -> StoredResponse:
    """Return a response as it stands: one that nobody makes any more has failed. Raises ``NoResponse``."""
    row = store.one(caller, id)
    if row.status == IN_PROGRESS and row.lease_until is not None and row.lease_until < database.now():
        fail(row, LOST)
        row = store.one(caller, id)
    return row


def fail(row: StoredResponse, message: str) -> None:
    """End a response for which nobody else can say that it has failed."""
    error = {"code": "server_error", "message": message}
    with database.writing(SECONDS):
        same = StoredResponse.objects.filter(pk=row.pk, lease_until=row.lease_until)
        if _end(same, {**row.body, "status": FAILED, "error": error}) and row.conversation:
            dialogue.release(row.conversation, row.pk)


def fail_taken(id: str, body: dict[str, Any]) -> None:
    """End a response that was taken, and cannot be begun."""
    with database.writing(SECONDS):
        _end(StoredResponse.objects.filter(pk=id), body)


class Progress(NamedTuple):
    """What there is of a response beyond the events that are known: more of them, and how it stands."""

    events: list[dict[str, Any]]
    body: dict[str, Any]
    has_ended: bool


def progress(caller: Caller, id: str, after: int) -> Progress:
    """Return what came after the event of the number ``after``. Raises ``NoResponse``."""
    row = look(caller, id)  # first: what is told before the end is there when the end is seen
    batches = ResponseEvents.objects.filter(response=id, last__gt=after).order_by("last")
    events: list[dict[str, Any]] = []
    for event in (event for batch in batches for event in batch.events):
        if event["sequence_number"] > after:
            events.append(event)
            after = event["sequence_number"]
    return Progress(events, row.body, row.status not in OPEN)


def sweep() -> list[str]:
    """End what nobody makes any more; return the ids of which workers are to be told again."""
    now = database.now()
    background = StoredResponse.objects.filter(is_background=True, status__in=OPEN)
    _fail_all(background.filter(status=IN_PROGRESS, lease_until__lt=now), LOST)
    _fail_all(background.filter(status=QUEUED, created_at__lt=now - GIVEN_UP_AFTER), NOBODY)
    waiting = background.filter(Q(hinted_at__lt=now - TOLD_AGAIN_AFTER), status=QUEUED)
    ids = list(waiting.order_by("hinted_at", "created_at").values_list("pk", flat=True)[:SWEPT_AT_ONCE])
    StoredResponse.objects.filter(pk__in=ids).update(hinted_at=now)
    return ids


def _fail_all(rows: Iterable[StoredResponse], message: str) -> None:
    for row in rows:
        logger.warning("%s: %s", row.pk, message)
        fail(row, message)
