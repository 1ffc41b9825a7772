"""/v1/threads/{id}/messages: what is said in a thread."""

from __future__ import annotations

from rest_framework.request import Request

from gateway.asking import in_store
from gateway.assistants import asked, shown, store
from gateway.replies import Reply
from gateway.responses.listing import paged, query_of
from gateway.views.api import ApiView, inquiry_of


class Messages(ApiView):
    """Add a message; list those of a thread, or of one run."""

    async def post(self, request: Request, thread_id: str) -> Reply:
        inquiry = inquiry_of(request)
        message = asked.message_of(inquiry.body)
        row = await in_store(store.add_message, inquiry.caller, thread_id, message)
        return Reply.json(shown.message(row, thread_id))

    async def get(self, request: Request, thread_id: str) -> Reply:
        given = dict(request.query_params.lists())
        query = query_of(given)
        run = given.get("run_id", [""])[-1]
        return Reply.json(
            paged(await in_store(store.messages, inquiry_of(request).caller, thread_id, query, run), query)
        )


class Message(ApiView):
    """Describe a message, change its metadata, or delete it."""

    async def get(self, request: Request, thread_id: str, message_id: str) -> Reply:
        row = await in_store(store.message, inquiry_of(request).caller, thread_id, message_id)
        return Reply.json(shown.message(row, thread_id))

    async def post(self, request: Request, thread_id: str, message_id: str) -> Reply:
        inquiry = inquiry_of(request)
        metadata = asked.metadata_of(inquiry.body)
        row = await in_store(store.describe_message, inquiry.caller, thread_id, message_id, metadata)
        return Reply.json(shown.message(row, thread_id))

    async def delete(self, request: Request, thread_id: str, message_id: str) -> Reply:
        await in_store(store.delete_message, inquiry_of(request).caller, thread_id, message_id)
        return Reply.json({"id": message_id, "object": "thread.message.deleted", "deleted": True})
