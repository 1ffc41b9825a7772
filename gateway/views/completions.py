"""POST /v1/completions, OpenAI's older text completions: by an upstream that has them, else by any that chats."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from rest_framework.request import Request

from gateway import completions, inference, runtime
from gateway.completions import CHAT, OPERATION
from gateway.consumers import StreamConsumer
from gateway.errors import ApiError
from gateway.inference import Completed
from gateway.inquiry import Inquiry
from gateway.replies import JSON, Reply
from gateway.streaming import OPENAI, Streaming
from gateway.views.api import inquiry_of
from gateway.views.operation import OperationView
from providers.client import Chunk
from providers.targets import UnknownModel

COST = "x-tollgate-cost"
AT_ONCE = 8


class CompletionWriter:
    """A ``gateway.streaming.Writer`` of a chat's chunks; the first comes after the prompt, where that is asked for."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self._asked = asked
        self._begins = bool(asked.get("echo"))

    def chunk(self, chunk: Chunk) -> bytes:
        if chunk.raw == b"":
            return b""
        before = b""
        if self._begins:
            before, self._begins = Chunk(completions.echo_of(self._asked, chunk.data), None).wire(), False
        return before + Chunk(completions.of_chunk(chunk.data), None).wire()

    async def end(self) -> bytes:
        return await OPENAI.end()

    def error(self, error: ApiError) -> bytes:
        return OPENAI.error(error)


class CompletionStream(StreamConsumer):
    """Streams one completion."""

    operation = OPERATION

    async def open(self) -> Streaming:
        asked = self.inquiry.body
        if not _is_over_chat(asked):
            return await super().open()
        (self.inquiry.body,) = completions.chats(asked)
        call = await inference.admit(CHAT, self.inquiry, door=OPERATION)
        return await inference.stream(call, CompletionWriter(asked))


class Completions(OperationView):
    """Continue a prompt; ``stream: true`` goes to the consumer."""

    operation = OPERATION
    consumer = CompletionStream

    async def post(self, request: Request) -> Reply:
        inquiry = inquiry_of(request)
        if not _is_over_chat(inquiry.body):
            return await super().post(request)
        chats = completions.chats(inquiry.body)
        echoes = completions.echoed(inquiry.body)
        answers = await _answers(inquiry, chats)
        body = completions.of_chats([answer.body for answer in answers], echoes)
        return Reply(Reply.json(body).body, [JSON, *_headers([answer.headers for answer in answers])])


def _is_over_chat(body: Any) -> bool:
    """Whether the model that is asked for only chats; what is wrong with ``body`` is found by whoever answers it."""
    if not isinstance(body, dict):
        return False
    routes, model = runtime.current().configuration.routes, body.get("model")
    if model is None:
        route = routes.default_for(OPERATION) or routes.default_for(CHAT)
        return route is not None and completions.is_over_chat(route)
    try:
        return isinstance(model, str) and completions.is_over_chat(routes.resolve(model))
    except UnknownModel:
        return False


async def _answers(inquiry: Inquiry, chats: Sequence[dict[str, Any]]) -> list[Completed]:
    """Return an answer to each chat, each a call of its own; none is begun after one has failed."""
    asked = [replace(inquiry, body=chat, request_id=_numbered(inquiry, n)) for n, chat in enumerate(chats, 1)]
    done: list[Completed] = []
    for some in _batched(asked, AT_ONCE):
        answers = await asyncio.gather(*map(_answer, some), return_exceptions=True)
        for each, answer in zip(some, answers, strict=True):
            if isinstance(answer, BaseException):
                inquiry.attempts, inquiry.provider = each.attempts, each.provider
                raise answer
            done.append(answer)
    return done


def _numbered(inquiry: Inquiry, number: int) -> str:
    """Return a request id of its own for each call: the ledger takes two records of one id for a call counted twice."""
    return inquiry.request_id if number == 1 else f"{inquiry.request_id}-{number}"


async def _answer(inquiry: Inquiry) -> Completed:
    return await inference.complete(await inference.admit(CHAT, inquiry, door=OPERATION))


def _batched(asked: Sequence[Inquiry], size: int) -> Iterable[Sequence[Inquiry]]:
    return (asked[at : at + size] for at in range(0, len(asked), size))


def _headers(answers: Sequence[Sequence[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Return the headers of answers as those of one: of the last, with what all of them cost."""
    costs = [Decimal(value) for headers in answers for name, value in headers if name == COST]
    last = [header for header in answers[-1] if header[0] != COST]
    return [*last, (COST, f"{sum(costs):f}")] if len(costs) == len(answers) else last
