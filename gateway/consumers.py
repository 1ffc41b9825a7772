"""Channels consumers: server-sent streams of completions."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer

from gateway import inference, metrics
from gateway.departure import Receive, until_client_leaves
from gateway.inquiry import Inquiry
from gateway.replies import wire
from gateway.streaming import Streaming

EVENT_STREAM = [
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
    ("x-accel-buffering", "no"),
]


class StreamConsumer(AsyncHttpConsumer):
    """Streams one answer. The stream is a task that the client's departure cancels: left alone, a consumer's
    ``handle()`` never sees it (channels issue 1249). Errors before the first chunk rise to the door."""

    operation: ClassVar[str]
    channel_layer_alias = ""  # a stream listens to its own upstream and nobody else

    @classmethod
    def of(cls, operation: str) -> type[StreamConsumer]:
        return type(f"{operation.title()}Stream", (cls,), {"operation": operation, "__doc__": cls.__doc__})

    def __init__(self, inquiry: Inquiry) -> None:
        super().__init__()
        self.inquiry = inquiry

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Any) -> None:
        self.departure = receive
        await super().__call__(scope, self._whole_request, send)

    async def _whole_request(self) -> dict[str, Any]:
        return {"type": "http.request"}  # the door has read its body

    async def dispatch(self, message: dict[str, Any]) -> None:
        await self.http_request(message)  # Channels would hop into a thread first, to close database connections

    async def http_request(self, message: dict[str, Any]) -> None:
        await until_client_leaves(self.handle(b""), self.departure)
        raise StopConsumer

    async def open(self) -> Streaming:
        """Return the stream to send. A dialect of its own admits what its body asks for, with a writer of its own."""
        return await inference.stream(await inference.admit(self.operation, self.inquiry))

    def head(self, stream: Streaming) -> list[tuple[str, str]]:
        """Return the headers that say what is streamed."""
        return EVENT_STREAM

    async def handle(self, body: bytes) -> None:
        async with aclosing(await self.open()) as stream:
            ids = [("x-request-id", self.inquiry.request_id), *self.inquiry.dialect.id_headers(self.inquiry.request_id)]
            headers = wire([*self.head(stream), *ids, *stream.headers])
            self.inquiry.is_answering = True
            with metrics.streams.track_inprogress():
                await self.send_headers(headers=headers)
                async for piece in stream.pieces():
                    await self.send_body(piece, more_body=True)
        await self.send_body(b"")
