"""/v1/threads: messages in their order, and the files that belong to them."""

from __future__ import annotations

from rest_framework.request import Request

from gateway.asking import in_store
from gateway.assistants import asked, shown, store
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of


class Threads(ApiView):
    """Begin a thread, with some messages where they are given."""

    body_is_optional = True

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        thread = asked.thread_of(inquiry.body)
        return Reply.json(shown.thread(await in_store(store.make_thread, inquiry.caller, thread)))


class Thread(ApiView):
    """Describe, change or delete a thread; its messages and runs go with it."""

    async def get(self, request: Request, thread_id: str) -> Reply:
        return Reply.json(shown.thread(await in_store(store.one_thread, inquiry_of(request).caller, thread_id)))

    async def post(self, request: Request, thread_id: str) -> Reply:
        inquiry = inquiry_of(request)
        given = asked.thread_changes_of(inquiry.body)
        return Reply.json(shown.thread(await in_store(store.change_thread, inquiry.caller, thread_id, given)))

    async def delete(self, request: Request, thread_id: str) -> Reply:
        await in_store(store.delete_thread, inquiry_of(request).caller, thread_id)
        return Reply.json({"id": thread_id, "object": "thread.deleted", "deleted": True})
