"""Conversations in the database: their items in order, and who works on one now."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db.models import Q

from accounts.callers import Caller
from billing import clock, database
from gateway import cursors
from gateway.fieldchecks import Invalid
from gateway.owned import owner_of
from gateway.responses import references
from gateway.responses.listing import Query, paged
from gateway.responses.refusals import ConversationBusy, ItemThere, NoConversation, NoItem, is_id, sought
from gateway.responses.rows import Conversation, ConversationItem

SECONDS = 5
# how long a process that works on a conversation need not be heard of
LEASE = timedelta(seconds=60)


class Claimed(NamedTuple):
    """The items of a conversation as a response found them, and the place where they end."""

    items: list[dict[str, Any]]
    end: int


def make(caller: Caller, id: str, metadata: dict[str, str], items: list[dict[str, Any]]) -> Conversation:
    with database.writing(SECONDS):
        row = Conversation(id=id, created_at=clock.now(), metadata=metadata, **owner_of(caller))
        row.save(force_insert=True)
        _add(row, items)
    return row


def one(caller: Caller, id: str) -> Conversation:
    """Return the caller's conversation. Raises ``NoConversation``."""
    row: Conversation | None = Conversation.objects.visible_to(caller).filter(pk=sought(id, NoConversation)).first()
    if row is None:
        raise NoConversation(id)
    return row


def describe(caller: Caller, id: str, metadata: dict[str, str]) -> Conversation:
    """Put other metadata in the place of a conversation's. Raises ``NoConversation``."""
    with database.writing(SECONDS):
        row = _locked(one(caller, id).pk)
        row.metadata = metadata
        row.save(update_fields=["metadata"])
    return row


def delete(caller: Caller, id: str) -> None:
    """Let a conversation go with its items. Raises ``NoConversation``."""
    with database.writing(SECONDS):
        _locked(one(caller, id).pk).delete()  # a response that ends appends to it under this lock


def add(caller: Caller, id: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Append items and return them as a list. Raises ``NoConversation``, ``ConversationBusy``, ``ItemThere``."""
    with database.writing(SECONDS):
        row = _locked(one(caller, id).pk)
        if _is_busy(row):
            raise ConversationBusy(id)
        added = _add(row, items)
    return cursors.page(added, len(added))


def item(caller: Caller, id: str, item_id: str) -> dict[str, Any]:
    """Return one item. Raises ``NoConversation``, ``NoItem``."""
    found = one(caller, id).items.filter(item_id=sought(item_id, NoItem)).first()
    if found is None:
        raise NoItem(item_id)
    body: dict[str, Any] = found.body
    return body


def page(caller: Caller, id: str, query: Query) -> dict[str, Any]:
    """Return a page of a conversation's items. Raises ``NoConversation``, ``Invalid``."""
    with database.reading(SECONDS):
        found = one(caller, id).items
        is_rising = (query.order == "asc") != bool(query.before)
        beyond = _beyond(found, query, is_rising=is_rising)
        rows = list(found.filter(beyond).order_by("place" if is_rising else "-place")[: query.limit + 1])
    return paged([row.body for row in rows], query)


def _beyond(found: Any, query: Query, *, is_rising: bool) -> Q:
    """Return which items stand beyond the query's cursor, seen in the direction that they are read in."""
    cursor, param = (query.before, "before") if query.before else (query.after, "after")
    if not cursor:
        return Q()
    place = found.filter(item_id=cursor).values_list("place", flat=True).first() if is_id(cursor) else None
    if place is None:
        raise Invalid(f"Invalid value for '{param}': no item of this list has the id '{cursor}'.", param)
    return Q(place__gt=place) if is_rising else Q(place__lt=place)


def take_out(caller: Caller, id: str, item_id: str) -> Conversation:
    """Let one item go; return its conversation. Raises ``NoConversation``, ``NoItem``."""
    with database.writing(SECONDS):
        row = one(caller, id)
        gone, _ = row.items.filter(item_id=sought(item_id, NoItem)).delete()
    if not gone:
        raise NoItem(item_id)
    return row


def read(caller: Caller, id: str, end: int | None = None) -> list[dict[str, Any]]:
    """Return a conversation's items, those before the place ``end``; none where it is not there any more."""
    found = ConversationItem.objects.filter(conversation__in=Conversation.objects.visible_to(caller).filter(pk=id))
    if end is not None:
        found = found.filter(place__lt=end)
    return list(found.order_by("place").values_list("body", flat=True))


def items_with(caller: Caller, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return those of the items that stand in a conversation of the caller's."""
    own = Conversation.objects.visible_to(caller)
    found = ConversationItem.objects.filter(item_id__in=list(ids), conversation__in=own)
    return dict(found.values_list("item_id", "body"))


def claim(caller: Caller, id: str, response: str) -> Claimed:
    """Let ``response`` alone work on a conversation; return its items.

    Raises ``NoConversation``, and ``ConversationBusy`` while another one does.
    """
    with database.writing(SECONDS):
        row = _locked(one(caller, id).pk)
        if _is_busy(row) and row.busy_with != response:
            raise ConversationBusy(id)
        _save_claim(row, response)
        return Claimed(read(caller, id), row.length)


def renew(caller: Caller, id: str, response: str) -> bool:
    """Go on working on it; False where that is not this response's any more."""
    own = Conversation.objects.filter(pk=id, busy_with=response)
    return bool(own.update(busy_until=clock.now() + LEASE))


def release(id: str, response: str) -> None:
    """Let others work on it; nothing happens where ``response`` does not."""
    Conversation.objects.filter(pk=id, busy_with=response).update(busy_with="", busy_until=None)


def append_turn(id: str, response: str, items: list[dict[str, Any]]) -> None:
    """Append what a response has read and said, once, and release; within a transaction.

    A conversation that was deleted meanwhile gets nothing. Raises ``ConversationBusy`` where the response took so long
    that another one has begun.
    """
    row = Conversation.objects.select_for_update().filter(pk=id).first()
    if row is None:
        return
    if row.busy_with != response:
        raise ConversationBusy(id)
    _append(row, references.distinct(items, ()))
    release(id, response)


def _locked(id: str) -> Conversation:
    row = Conversation.objects.select_for_update().filter(pk=id).first()
    if row is None:
        raise NoConversation(id)
    return row


def _is_busy(row: Conversation) -> bool:
    return bool(row.busy_with) and row.busy_until is not None and row.busy_until > clock.now()


def _save_claim(row: Conversation, response: str) -> None:
    row.busy_with, row.busy_until = response, clock.now() + LEASE
    row.save(update_fields=["busy_with", "busy_until"])


def _add(row: Conversation, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Append a caller's items and return them. Raises ``ItemThere``."""
    items = references.identified(given)
    ids = [item["id"] for item in items]
    there = set(row.items.filter(item_id__in=ids).values_list("item_id", flat=True))
    for place, id in enumerate(ids):
        if not is_id(id) or id in there or id in ids[:place]:
            raise ItemThere(id)
    _append(row, items)
    return items


def _append(row: Conversation, items: list[dict[str, Any]]) -> None:
    ConversationItem.objects.bulk_create(
        ConversationItem(conversation=row, item_id=item["id"], place=place, body=item)
        for place, item in enumerate(items, row.length)
    )
    row.length += len(items)
    row.save(update_fields=["length"])
