"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's Messages API, over any chat model."""

from __future__ import annotations

from rest_framework.request import Request

from gateway import inference
from gateway.dialects import ANTHROPIC
from gateway.messages import answer, counting
from gateway.messages.admitting import admitted
from gateway.messages.consumers import MessageStream
from gateway.messages.models import KEY_HEADERS
from gateway.replies import Reply
from gateway.views.api import ApiView, inquiry_of


class Messages(ApiView):
    """Answer a conversation; ``stream: true`` goes to the consumer."""

    dialect = ANTHROPIC
    key_headers = KEY_HEADERS
    calls_models = True
    consumer = MessageStream

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        call = await admitted(inquiry)
        done = await inference.complete(call)
        reply = Reply.json(answer.message(done.body, call.body.get("stop") or (), call.prompt_tokens))
        reply.headers.extend([*done.headers, *ANTHROPIC.id_headers(inquiry.request_id)])
        return reply


class CountTokens(ApiView):
    """Count the tokens of a prompt; ``x-tollgate-estimated`` where nobody knows how the model counts."""

    dialect = ANTHROPIC
    key_headers = KEY_HEADERS
    calls_models = True

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        counted = await counting.count(inquiry)
        reply = Reply.json({"input_tokens": counted.tokens})
        reply.headers.extend([*counted.headers, *ANTHROPIC.id_headers(inquiry.request_id)])
        if counted.is_estimated:
            reply.headers.append(("x-tollgate-estimated", "true"))
        return reply
