"""/v1/responses: making responses, and what is stored of them."""

from __future__ import annotations

import msgspec
from rest_framework.request import Request

from gateway import inference
from gateway.asking import in_store
from gateway.replies import JSON, Reply
from gateway.responses import background, counting, queue, store
from gateway.responses import request as requests
from gateway.responses.consumers import ReplayStream, ResponseStream
from gateway.responses.listing import check_include, page, query_of
from gateway.responses.turn import Turn
from gateway.views.api import ApiView, inquiry_of


class Responses(ApiView):
    """Make a response: at once, streamed, or in the background."""

    calls_models = True
    consumer = ResponseStream

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        body = requests.checked(inquiry.body)
        if body.get("background"):
            return Reply.json(await background.queued(inquiry, body))
        async with Turn(inquiry, body) as turn:
            done = await inference.complete(await turn.admit())
            response = turn.finished(done.body)
            await turn.keep(response)
        return Reply(msgspec.json.encode(response), [JSON, *done.headers])


class Response(ApiView):
    """A stored response; the events of one that was streamed in the background, with ``stream=true``."""

    consumer = ReplayStream

    async def get(self, request: Request, response_id: str) -> Reply:
        check_include(dict(request.query_params.lists()))
        row = await in_store(queue.look, inquiry_of(request).caller, response_id)
        return Reply.json(row.body)

    async def delete(self, request: Request, response_id: str) -> Reply:
        await in_store(store.delete, inquiry_of(request).caller, response_id)
        return Reply.json({"id": response_id, "object": "response.deleted", "deleted": True})


class Cancel(ApiView):
    """End a response that is made in the background."""

    body_is_optional = True

    async def post(self, request: Request, response_id: str) -> Reply:
        return Reply.json(await in_store(queue.cancel, inquiry_of(request).caller, response_id))


class InputItems(ApiView):
    """List all items that a response was made of."""

    async def get(self, request: Request, response_id: str) -> Reply:
        given = dict(request.query_params.lists())
        check_include(given)
        query = query_of(given)
        items = await in_store(store.input_items, inquiry_of(request).caller, response_id)
        return Reply.json(page(items, query))


class InputTokens(ApiView):
    """Count what a response would read; ``x-tollgate-estimated`` where nobody knows how the model counts."""

    calls_models = True

    async def post(self, request: Request) -> Reply:
        found = await counting.counted(inquiry_of(request))
        reply = Reply.json({"object": "response.input_tokens", "input_tokens": found.tokens})
        reply.headers.extend(found.headers)
        if found.is_estimated:
            reply.headers.append(("x-tollgate-estimated", "true"))
        return reply
