"""Daphne that drains, where stock Daphne cuts running streams at SIGTERM (daphne issue 177), and leaves forms to us.

An answer that ends before it is whole ends its connection: stock Daphne would keep the client waiting for the rest. A
large body, which Twisted has put into a file, is read from there piece by piece: stock Daphne would take it whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from io import BytesIO
from typing import IO, Any

from daphne.http_protocol import WebRequest
from daphne.server import Server
from django.conf import settings
from twisted.internet.defer import Deferred

from gateway import runtime

Receive = Callable[[], Awaitable[dict[str, Any]]]

PIECE = 64 * 1024
BODY = "tollgate.body"


class DrainingServer(Server):
    """Stops listening at shutdown, waits for running requests, then closes the runtime."""

    def __init__(self, application: Any, *args: Any, **options: Any) -> None:
        super().__init__(partial(_with_body, application), *args, **options)
        self.ports: list[Any] = []

    def listen_success(self, port: Any) -> None:
        if not self.ports:
            self.http_factory.buildProtocol = partial(_with_unread_forms, self.http_factory.buildProtocol)
        self.ports.append(port)
        super().listen_success(port)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if isinstance(protocol, WebRequest):
            scope[BODY], protocol.content = protocol.content, BytesIO()
        queue = super().create_application(protocol, scope)
        if queue is not None and isinstance(protocol, WebRequest):
            self.connections[protocol]["application_instance"].add_done_callback(partial(_cut, protocol))
        return queue

    def kill_all_applications(self) -> Deferred[None]:
        return Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def _drain(self) -> None:
        for port in self.ports:
            port.stopListening()
        if running := self._running():
            _, late = await asyncio.wait(running, timeout=settings.DRAIN_SECONDS)
            for task in late:
                task.cancel()
        await runtime.close()

    def _running(self) -> list[asyncio.Future[Any]]:
        tasks = [details.get("application_instance") for details in self.connections.values()]
        return [task for task in tasks if task is not None and not task.done()]


async def _with_body(application: Any, scope: dict[str, Any], receive: Receive, send: Any) -> None:
    """Run ``application`` on the body in the scope; what Daphne itself has to say of a body is that it is empty."""
    if (file := scope.pop(BODY, None)) is None:
        return await application(scope, receive, send)
    with closing(file):
        await receive()
        return await application(scope, _Body(file, receive).receive, send)


class _Body:
    """A body that is read as it is asked for; behind it comes what else there is to receive."""

    def __init__(self, file: IO[bytes], receive: Receive) -> None:
        self._file, self._receive = file, receive
        self._is_read = False

    async def receive(self) -> dict[str, Any]:
        if self._is_read:
            return await self._receive()
        piece = self._file.read(PIECE)
        self._is_read = len(piece) < PIECE
        return {"type": "http.request", "body": piece, "more_body": not self._is_read}


def _cut(protocol: WebRequest, _: asyncio.Future[None]) -> None:
    if protocol._response_started and not protocol.finished and protocol.channel is not None:
        protocol.channel.transport.abortConnection()


def _with_unread_forms(build: Any, address: Any) -> Any:
    """Twisted would read each form whole, and answer what it takes for malformed with an empty 400 of its own."""
    protocol = build(address)
    protocol.requestFactory = partial(WebRequest, parsePOSTFormSubmission=False)
    return protocol
