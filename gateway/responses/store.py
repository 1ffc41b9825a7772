"""Responses in the database: kept, found again, continued, let go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q

from accounts.callers import Caller
from billing import clock, database
from gateway.owned import OwnedQuerySet, owner_of
from gateway.responses import dialogue
from gateway.responses.refusals import NoItem, NoPrevious, NoResponse, PreviousUnfinished, is_id, sought
from gateway.responses.rows import CANCELLED, COMPLETED, INCOMPLETE, ResponseItem, StoredResponse

# a row with the pictures of its input is megabytes
SECONDS = 5
CONTINUABLE = (COMPLETED, INCOMPLETE, CANCELLED)
# a chain is moved on at most this often, not with each of its responses
CHAIN_STEP = timedelta(days=1)
EXPIRED_AT_ONCE = 200


class Before(NamedTuple):
    """What a response continues: the items, the first response of its chain, where its conversation stood."""

    items: list[dict[str, Any]]
    chain: str = ""
    context_end: int = 0


NOTHING = Before([])


class Kept(NamedTuple):
    """A response to keep: ``body`` as its callers see it, ``items`` its own input. Where not ``is_stored``, only its
    conversation gets something of it.
    """

    body: dict[str, Any]
    items: list[dict[str, Any]]
    before: Before
    conversation: str = ""
    is_stored: bool = True

    @property
    def id(self) -> str:
        id: str = self.body["id"]
        return id

    @property
    def goes_on(self) -> bool:
        """Whether its conversation goes on with what it has read and said."""
        return self.body["status"] in (COMPLETED, INCOMPLETE)


def visible(caller: Caller) -> OwnedQuerySet:
    """Return the caller's responses that have not expired."""
    return StoredResponse.objects.visible_to(caller).filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()))


def one(caller: Caller, id: str) -> StoredResponse:
    """Return the caller's response. Raises ``NoResponse``."""
    with database.reading(SECONDS):
        found = visible(caller).filter(pk=sought(id, NoResponse)).first()
    if found is None:
        raise NoResponse(id)
    return found


def before(caller: Caller, previous: str) -> Before:
    """Return all items up to and with the response ``previous``. Raises ``NoPrevious``, ``PreviousUnfinished``."""
    with database.reading(SECONDS):
        last = visible(caller).filter(pk=sought(previous, NoPrevious)).only("chain", "status").first()
        if last is None:
            raise NoPrevious(previous)
        if last.status not in CONTINUABLE:
            raise PreviousUnfinished(previous)
        path = _path(dict(visible(caller).filter(chain=last.chain).values_list("pk", "previous")), previous)
        rows = StoredResponse.objects.in_bulk(path)
        conversed = _conversed(caller, rows[path[0]])
    return Before([*conversed, *_all_items(rows[id] for id in path)], last.chain)


def _path(links: dict[str, str], last: str) -> list[str]:
    """Return the chain up to ``last``, the first one first. Raises ``NoPrevious`` of one that was deleted."""
    path = [last]
    while before := links[path[-1]]:
        if before not in links:
            raise NoPrevious(before)
        path.append(before)
    return path[::-1]


def _conversed(caller: Caller, first: StoredResponse) -> list[dict[str, Any]]:
    """Return what the first response of a chain read of a conversation."""
    return dialogue.read(caller, first.conversation, first.context_end) if first.conversation else []


def _all_items(rows: Iterable[StoredResponse]) -> list[dict[str, Any]]:
    return [item for row in rows for item in (*row.items, *row.body["output"])]


def input_items(caller: Caller, id: str) -> list[dict[str, Any]]:
    """Return all that the response was made of, in order. Raises ``NoResponse``."""
    row = one(caller, id)
    if row.previous:
        return [*before(caller, row.previous).items, *row.items]
    with database.reading(SECONDS):
        return [*_conversed(caller, row), *row.items]


def references(caller: Caller, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Return the items of these ids, from the caller's responses and conversations. Raises ``NoItem``."""
    wanted = {sought(id, NoItem) for id in ids}
    with database.reading(SECONDS):
        holders = ResponseItem.objects.filter(item_id__in=wanted, response__in=visible(caller))
        rows = StoredResponse.objects.filter(pk__in=holders.values("response"))
        known = {item["id"]: item for item in _all_items(rows) if item.get("id") in wanted}
        known |= dialogue.items_with(caller, wanted - known.keys())
    for id in ids:
        if id not in known:
            raise NoItem(id)
    return known


def keep(caller: Caller, kept: Kept) -> None:
    """Store a response that has ended, and let its conversation go on. Raises ``ConversationBusy``."""
    now = clock.now()
    with database.writing(SECONDS):
        if kept.is_stored:
            insert(caller, kept, now)
        if kept.conversation:
            settle_conversation(kept)


def settle_conversation(kept: Kept) -> None:
    """Append a response's items, where it was made, to the conversation it was made in; others may go on there."""
    if kept.goes_on:
        dialogue.append_turn(kept.conversation, kept.id, [*kept.items, *kept.body["output"]])
    else:
        dialogue.release(kept.conversation, kept.id)


def insert(caller: Caller, kept: Kept, now: datetime, **columns: Any) -> None:
    """Make the row of a response; within a transaction."""
    row = StoredResponse(
        id=kept.id,
        status=kept.body["status"],
        created_at=now,
        expires_at=expiry(now),
        previous=kept.body.get("previous_response_id") or "",
        chain=kept.before.chain or kept.id,
        conversation=kept.conversation,
        context_end=kept.before.context_end,
        body=kept.body,
        items=kept.items,
        **owner_of(caller),
        **columns,
    )
    row.save(force_insert=True)
    index(row)
    if kept.before.chain and row.expires_at is not None:
        chain = StoredResponse.objects.filter(chain=kept.before.chain, expires_at__lt=row.expires_at - CHAIN_STEP)
        chain.update(expires_at=row.expires_at)


def index(row: StoredResponse) -> None:
    """Let the items of a response be found by their ids."""
    ids = {item["id"] for item in _all_items([row]) if is_id(item.get("id") or "")}
    ids -= set(ResponseItem.objects.filter(response=row).values_list("item_id", flat=True))
    ResponseItem.objects.bulk_create([ResponseItem(response=row, item_id=id) for id in sorted(ids)])


def expiry(now: datetime) -> datetime | None:
    """Return until when what is stored ``now`` is kept, None for ever."""
    return now + timedelta(days=settings.RESPONSE_DAYS) if settings.RESPONSE_DAYS else None


def delete(caller: Caller, id: str) -> None:
    """Let a response go with all that is kept of it. Raises ``NoResponse``."""
    with database.writing(SECONDS):
        # who makes it writes items and events under its lock: none may come while the others go
        found = visible(caller).select_for_update().filter(pk=sought(id, NoResponse))
        row = found.only("pk", "conversation").first()
        if row is None:
            raise NoResponse(id)
        row.delete()
        if row.conversation:
            dialogue.release(row.conversation, id)


def drop_expired() -> int:
    """Let go of what has expired, some at a time; return how many responses went."""
    gone = 0
    expired = StoredResponse.objects.filter(expires_at__lte=database.now()).values_list("pk", flat=True)
    while due := list(expired[:EXPIRED_AT_ONCE]):
        with database.writing(database.POSTING_SECONDS):
            StoredResponse.objects.filter(pk__in=due).delete()
        gone += len(due)
    return gone
