"""/v1/batches: a file of calls, worked off in the background."""

from __future__ import annotations

from rest_framework.request import Request

from gateway import cursors
from gateway.asking import in_store
from gateway.batches import queue
from gateway.batches.asked import batch_of, described
from gateway.batches.tasks import begin
from gateway.door import resolve
from gateway.fieldchecks import Invalid
from gateway.hinting import hint
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of

DEFAULT, MOST = 20, 100


class Batches(ApiView):
    """Make a batch; list the caller's."""

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        asked = batch_of(inquiry.body)
        if resolve(asked.endpoint) is None:
            raise Invalid(f"The endpoint {asked.endpoint} is not served here.", "endpoint")
        batch = await in_store(queue.enqueue, inquiry.caller, asked)
        hint(begin, batch.pk)
        return Reply.json(described(batch))

    async def get(self, request: Request) -> Reply:
        cursor = cursors.cursor_of(dict(request.query_params.lists()), DEFAULT, MOST)
        rows = await in_store(queue.listed, inquiry_of(request).caller, cursor)
        return Reply.json(cursors.page([described(row) for row in rows], cursor.limit))


class Batch(ApiView):
    """Describe a batch and how far it has come."""

    async def get(self, request: Request, batch_id: str) -> Reply:
        return Reply.json(described(await in_store(queue.one, inquiry_of(request).caller, batch_id)))


class CancelBatch(ApiView):
    """Send no further line of a batch; what was sent is finished."""

    body_is_optional = True

    async def post(self, request: Request, batch_id: str) -> Reply:
        batch = await in_store(queue.cancel, inquiry_of(request).caller, batch_id)
        hint(begin, batch.pk)
        return Reply.json(described(batch))
