"""One HTTP/1.1 connection to an upstream: a request goes out, the pieces of its answer come in."""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterable
from typing import cast

import httptools

from providers import errors

MAX_HEAD_BYTES = 64 * 1024
MAX_UNREAD_BYTES = 1024 * 1024
WRITTEN_AT_ONCE = 256 * 1024
BODILESS = (204, 304)


class Connection(asyncio.Protocol):
    """Answers one request at a time. It belongs to one task; what that task waits for is cut where it is cancelled."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = True
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._error: errors.UpstreamError | None = None
        self._reusable = True
        self._writing_paused = False
        self._reading_paused = False
        self._head_bytes = 0
        self._unread = 0
        self._pieces: list[bytes] = []
        # the parser takes its callbacks from here: a piece of a body goes to its list without a Python call
        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)

    async def send(self, head: bytes, body: bytes | AsyncIterable[bytes]) -> None:
        """Send a request; return once ``status`` and ``headers`` are those of its answer. Raises ``UpstreamError``."""
        self._begin()
        if not isinstance(body, bytes):
            await self._write_pieces(head, body)
        elif len(head) + len(body) <= WRITTEN_AT_ONCE:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            await self._write(memoryview(body))
        while not self.status:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """Return what has arrived of the body, in one piece; nothing at its end. Raises ``UpstreamError``."""
        pieces = self._pieces
        while not pieces:
            if self.complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._unread = 0
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        return data

    def abort(self) -> None:
        """Close at once, whatever is under way."""
        self._reusable = False
        self._transport.abort()

    @property
    def is_reusable(self) -> bool:
        return self.complete and self._reusable and not self._transport.is_closing()

    def is_silent(self) -> bool:
        """Whether nothing waits at the socket, such as a farewell that the event loop has yet to read."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not poll.poll(0)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._refuse()
        if self._unread > MAX_HEAD_BYTES and not self.complete:
            self._limit()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._reusable = False
        if self.status and error is None and not self._is_framed():
            self.complete = True
        if self._error is None:
            self._error = errors.StreamCut() if self.status else errors.ConnectionLost()
        self._wake()

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._wake()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise errors.BadAnswer("Nobody asked for this answer.")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise errors.BadAnswer("The head of the answer is too long.")
        if not self.status:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self.headers = []
            return
        self.status = status
        self._reusable = self._reusable and self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True

    def _begin(self) -> None:
        self.status, self.headers, self.complete = 0, [], False
        self._head_bytes = self._unread = 0
        self._pieces.clear()

    async def _write(self, body: memoryview) -> None:
        """Write as fast as it is taken. An upstream that refuses meanwhile does not get the rest."""
        for start in range(0, len(body), WRITTEN_AT_ONCE):
            while self._writing_paused and self._is_wanted():
                await self._wait()
            if not self._is_wanted():
                self._reusable = False
                return
            self._transport.write(body[start : start + WRITTEN_AT_ONCE])

    async def _write_pieces(self, head: bytes, pieces: AsyncIterable[bytes]) -> None:
        """Write pieces as they come. One that does not come leaves a request behind that can only be cut."""
        self._transport.write(head)
        try:
            async for piece in pieces:
                if not self._is_wanted():
                    self._reusable = False
                    return
                await self._write(memoryview(piece))
        except BaseException:
            self.abort()
            raise

    def _is_wanted(self) -> bool:
        return self._error is None and self.status < 400

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.abort()
            raise

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _limit(self) -> None:
        """Bound what is kept: pieces wait for their reader, and what brings no piece has no business to be long."""
        if not self._pieces:
            self._refuse()
        elif self._unread > MAX_UNREAD_BYTES and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _refuse(self) -> None:
        if self._error is None:
            self._error = errors.BadAnswer()
        self.abort()

    def _is_framed(self) -> bool:
        """Whether the answer itself says where it ends. One that does not ends with the connection."""
        if self.status in BODILESS:
            return True
        named = {name.lower(): value.lower() for name, value in self.headers}
        coding = named.get(b"transfer-encoding")
        return b"content-length" in named if coding is None else b"chunked" in coding
