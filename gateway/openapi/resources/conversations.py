"""Conversations: items that responses go on from."""

from __future__ import annotations

from gateway.openapi.operation import Operation
from gateway.openapi.resources.responses import INCLUDE, PAIRS
from gateway.openapi.schemas import (
    METADATA,
    SECONDS,
    TEXT,
    Schema,
    always,
    array,
    deleted,
    or_null,
    paging,
    record,
    ref,
    said,
)
from gateway.responses.listing import DEFAULT, MOST

TAGS = {"Conversations": "Items that responses go on from, and that grow with each of them."}

MOST_ITEMS = 20
NEW_ITEMS = {**array(ref("InputItem")), "maxItems": MOST_ITEMS}

SCHEMAS: dict[str, Schema] = {
    "ConversationRequest": record({}, {"items": or_null(NEW_ITEMS), "metadata": or_null(PAIRS)}),
    "ConversationMetadata": record({"metadata": or_null(PAIRS)}),
    "NewItems": record({"items": NEW_ITEMS}),
    "Conversation": record(
        {"id": said(TEXT, "`conv_…`."), "object": always("conversation"), "created_at": SECONDS, "metadata": METADATA}
    ),
}

ID: dict[str, Schema] = {
    "conversation_id": {"type": "string", "pattern": "^[^/]+$", "description": "`conv_…`."},
    "item_id": {"type": "string", "pattern": "^[^/]+$"},
}
TAG = "Conversations"
OPERATIONS = {
    "POST /v1/conversations": Operation(
        TAG, "Begin a conversation", body=ref("ConversationRequest"), answer=ref("Conversation"), also=[404]
    ),
    "GET /v1/conversations/{conversation_id}": Operation(
        TAG, "Describe a conversation", path=ID, answer=ref("Conversation"), also=[404]
    ),
    "POST /v1/conversations/{conversation_id}": Operation(
        TAG,
        "Change a conversation's metadata",
        path=ID,
        body=ref("ConversationMetadata"),
        answer=ref("Conversation"),
        also=[404],
    ),
    "DELETE /v1/conversations/{conversation_id}": Operation(
        TAG,
        "Delete a conversation",
        "What was said in it stays in the responses that are stored.",
        path=ID,
        answer=deleted("conversation.deleted"),
        also=[404],
    ),
    "GET /v1/conversations/{conversation_id}/items": Operation(
        TAG,
        "List the items of a conversation",
        path=ID,
        query={**paging(DEFAULT, MOST), **INCLUDE},
        answer=ref("ItemList"),
        also=[400, 404],
    ),
    "POST /v1/conversations/{conversation_id}/items": Operation(
        TAG,
        "Add items to a conversation",
        path=ID,
        query=INCLUDE,
        body=ref("NewItems"),
        answer=ref("ItemList"),
        also=[404, 409],
    ),
    "GET /v1/conversations/{conversation_id}/items/{item_id}": Operation(
        TAG, "Describe an item", path=ID, query=INCLUDE, answer=ref("OutputItem"), also=[400, 404]
    ),
    "DELETE /v1/conversations/{conversation_id}/items/{item_id}": Operation(
        TAG, "Take an item out of a conversation", path=ID, answer=ref("Conversation"), also=[404]
    ),
}
