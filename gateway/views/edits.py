"""POST /v1/edits, LocalAI's."""

from __future__ import annotations

from rest_framework.request import Request

from gateway import edits, inference
from gateway.replies import JSON, Reply
from gateway.views.api import ApiView, inquiry_of

OPERATION = "edits"


class Edits(ApiView):
    """Edit a text as an instruction says, by any chat model."""

    calls_models = True

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        inquiry.body = edits.to_chat(inquiry.body)
        call = await inference.admit("chat.completions", inquiry, door=OPERATION)
        done = await inference.complete(call)
        return Reply(Reply.json(edits.of_chat(done.body)).body, [JSON, *done.headers])
