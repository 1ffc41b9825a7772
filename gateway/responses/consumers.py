"""Channels consumers: responses streamed as they are made, and the events of those in the background."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import parse_qs

from gateway import inference
from gateway.asking import in_store
from gateway.consumers import StreamConsumer
from gateway.errors import ApiError
from gateway.responses import background, queue, request
from gateway.responses.events import encoded
from gateway.responses.following import Following
from gateway.responses.listing import starting_after
from gateway.responses.refusals import NotStreamed
from gateway.responses.turn import Turn
from gateway.streaming import Streaming
from providers.client import Chunk


class ResponseStream(StreamConsumer):
    """Streams one response."""

    operation = "chat.completions"

    async def open(self) -> Told | Following:
        body = request.checked(self.inquiry.body)
        if body.get("background"):
            response = await background.queued(self.inquiry, body)
            return Following(self.inquiry.caller, response["id"])
        async with AsyncExitStack() as unless_begun:
            turn = await unless_begun.enter_async_context(Turn(self.inquiry, body))
            call = await turn.admit()
            writer = ResponseWriter(turn)
            stream = await inference.stream(call, writer)
            unless_begun.pop_all()
        return Told(turn, stream, writer)


class ReplayStream(StreamConsumer):
    """Streams the events of a background response again, and goes on with those to come."""

    operation = "responses"

    async def open(self) -> Following:
        id = self.scope["url_route"]["kwargs"]["response_id"]
        after = starting_after(parse_qs(self.scope.get("query_string", b"").decode("latin-1")))
        row = await in_store(queue.look, self.inquiry.caller, id)
        if not row.is_streamed:
            raise NotStreamed(id)
        return Following(self.inquiry.caller, id, after)


class ResponseWriter:
    """Says a chat answer's chunks as events. ``failed`` is the response that is to be kept where it broke off."""

    def __init__(self, turn: Turn) -> None:
        self.failed: dict[str, Any] | None = None
        self.events = turn.events()
        self._turn = turn

    def begin(self) -> bytes:
        return _wire(self.events.begin())

    def chunk(self, chunk: Chunk) -> bytes:
        return _wire(self.events.feed(chunk.data))

    async def end(self) -> bytes:
        events = self.events.end()
        await self._turn.keep(self.events.response)
        return _wire(events)

    def error(self, error: ApiError) -> bytes:
        events = self.events.fail(error.code, error.message)
        self.failed = self.events.response
        return _wire(events)


class Told:
    """A stream in Responses' words: kept before its last byte, however it ends."""

    def __init__(self, turn: Turn, stream: Streaming, writer: ResponseWriter) -> None:
        self._turn, self._stream, self._writer = turn, stream, writer

    @property
    def headers(self) -> list[tuple[str, str]]:
        return self._stream.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self._writer.begin()
        async for piece in self._stream.pieces():
            if self._writer.failed is not None:
                await self._turn.keep_failed(self._writer.failed)
            yield piece

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._turn.leave(self._writer.events.items())
            await self._turn.end()


def _wire(events: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(map(encoded, events))
