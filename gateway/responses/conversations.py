"""/v1/conversations: items that responses go on from."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request

from accounts.callers import Caller
from gateway.asking import in_store
from gateway.fieldchecks import Invalid
from gateway.replies import Reply
from gateway.responses import dialogue, references, rows, store
from gateway.responses.fields import FIELDS
from gateway.responses.inputs import checked_items
from gateway.responses.items import items_of
from gateway.responses.listing import check_include, query_of
from gateway.responses.turn import new_id
from gateway.views.api import ApiView, inquiry_of

MOST_ITEMS = 20


class Conversations(ApiView):
    """Begin a conversation, with some items where they are given."""

    body_is_optional = True

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        body = {} if inquiry.body is None else _object(inquiry.body)
        metadata, items = _metadata(body), await _items(inquiry.caller, body.get("items"))
        row = await in_store(dialogue.make, inquiry.caller, new_id("conv"), metadata, items)
        return Reply.json(described(row))


class Conversation(ApiView):
    """One conversation; its items stand at their own address."""

    async def get(self, request: Request, conversation_id: str) -> Reply:
        return Reply.json(described(await in_store(dialogue.one, inquiry_of(request).caller, conversation_id)))

    async def post(self, request: Request, conversation_id: str) -> Reply:
        inquiry = inquiry_of(request)
        body = _object(inquiry.body)
        if "metadata" not in body:
            raise Invalid("Missing required parameter: 'metadata'.", "metadata", "missing_required_parameter")
        row = await in_store(dialogue.describe, inquiry.caller, conversation_id, _metadata(body))
        return Reply.json(described(row))

    async def delete(self, request: Request, conversation_id: str) -> Reply:
        await in_store(dialogue.delete, inquiry_of(request).caller, conversation_id)
        return Reply.json({"id": conversation_id, "object": "conversation.deleted", "deleted": True})


class Items(ApiView):
    """The items of a conversation."""

    async def get(self, request: Request, conversation_id: str) -> Reply:
        given = dict(request.query_params.lists())
        check_include(given)
        query = query_of(given)
        return Reply.json(await in_store(dialogue.page, inquiry_of(request).caller, conversation_id, query))

    async def post(self, request: Request, conversation_id: str) -> Reply:
        inquiry = inquiry_of(request)
        check_include(dict(request.query_params.lists()))
        body = _object(inquiry.body)
        if body.get("items") is None:
            raise Invalid("Missing required parameter: 'items'.", "items", "missing_required_parameter")
        items = await _items(inquiry.caller, body["items"])
        added = await in_store(dialogue.add, inquiry.caller, conversation_id, items)
        return Reply.json(added)


class Item(ApiView):
    """One item of a conversation."""

    async def get(self, request: Request, conversation_id: str, item_id: str) -> Reply:
        check_include(dict(request.query_params.lists()))
        return Reply.json(await in_store(dialogue.item, inquiry_of(request).caller, conversation_id, item_id))

    async def delete(self, request: Request, conversation_id: str, item_id: str) -> Reply:
        row = await in_store(dialogue.take_out, inquiry_of(request).caller, conversation_id, item_id)
        return Reply.json(described(row))


def described(row: rows.Conversation) -> dict[str, Any]:
    return {
        "id": row.pk,
        "object": "conversation",
        "created_at": int(row.created_at.timestamp()),
        "metadata": row.metadata,
    }


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise Invalid("The request body must be a JSON object.", code="invalid_type")
    return body


def _metadata(body: dict[str, Any]) -> dict[str, str]:
    said = body.get("metadata")
    if said is None:
        return {}
    FIELDS["metadata"](said, "metadata")
    return said


async def _items(caller: Caller, given: Any) -> list[dict[str, Any]]:
    """Return the items to add, references resolved. Raises ``Invalid``, ``NoItem``."""
    if given is None:
        return []
    checked_items(given, "items")
    if len(given) > MOST_ITEMS:
        raise Invalid(f"Invalid length of 'items': {len(given)} items, at most {MOST_ITEMS}.", "items")
    items = items_of(given)
    if wanted := references.wanted(items):
        items = references.resolved(items, await in_store(store.references, caller, wanted))
    return items
