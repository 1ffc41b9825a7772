"""The only code that talks to providers: one call, its targets in order, the first good answer."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple

from providers import bodies, errors, media, multipart, told
from providers.adapters import ADAPTERS
from providers.adapters.local import ENGINES
from providers.adapters.shapes import Follow, Request, Response
from providers.attempts import Attempts
from providers.chunks import Chunk
from providers.conditions import Conditions
from providers.demo.transport import DemoTransport
from providers.errors import Attempt, Skip, UpstreamError
from providers.exchange import MISSHAPEN, Exchange, is_good
from providers.http import httpx
from providers.local.transport import LocalTransport
from providers.operations import IMAGES
from providers.plan import Dispatch, Plan
from providers.sending import Sent
from providers.stream import Stream
from providers.targets import Target, Upstream
from providers.timeouts import CONNECT, Timeouts
from providers.transport import SocketTransport, translated

# What a caller links to is fetched in this time, however long the upstream itself may take.
LINK_SECONDS = 15.0

logger = logging.getLogger(__name__)

__all__ = ["Answer", "Chunk", "Client", "Stream"]


class Answer(NamedTuple):
    """``raw`` is the answer's bytes where they may be forwarded as they came, None where ``body`` is to be encoded.

    ``content_type`` is that of ``raw``.
    """

    target: Target
    status: int
    body: dict[str, Any]
    raw: bytes | None
    headers: Mapping[str, str]
    attempts: tuple[Attempt, ...] = ()
    dropped: tuple[str, ...] = ()
    skipped: tuple[Skip, ...] = ()
    content_type: str = "application/json"


class Client:
    """One per event loop; ``conditions`` are how its targets fare.

    ``transport`` takes the place of every way out, for tests.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.conditions = Conditions()
        engines = dict.fromkeys(ENGINES, transport or LocalTransport())
        self._inside = {"demo": transport or DemoTransport(), **engines}
        self._public = transport or SocketTransport()
        self._private = transport or SocketTransport(allow_private=True)

    async def answer(self, operation: str, body: Mapping[str, Any], plan: Plan, dispatch: Dispatch) -> Answer:
        """Return the first good answer. Raises ``UpstreamError``, and whatever ``dispatch`` raises.

        ``dispatch(step)`` is called before each attempt's first byte goes out.
        """

        async def ask(target: Target, limit: float | None) -> Answer:
            return await self._answer(Exchange(operation, body, target), limit)

        attempts = Attempts(operation, plan, ask, dispatch, self.conditions)
        answered = await attempts.first()
        return answered.result._replace(attempts=tuple(attempts.tried), skipped=tuple(attempts.skipped))

    async def stream(self, operation: str, body: Mapping[str, Any], plan: Plan, dispatch: Dispatch) -> Stream:
        """Return the first stream that has begun: its first chunk is there. Raises as ``answer`` does."""

        async def ask(target: Target, limit: float | None) -> Stream:
            return await self._stream(Exchange(operation, body, target), limit)

        attempts = Attempts(operation, plan, ask, dispatch, self.conditions, streams=True, discard=Stream.aclose)
        answered = await attempts.first()
        stream = answered.result
        stream.attempts, stream.skipped, stream.trial = tuple(attempts.tried), tuple(attempts.skipped), answered.trial
        return stream

    async def close(self) -> None:
        for transport in (*self._inside.values(), self._public, self._private):
            await transport.aclose()

    async def _answer(self, exchange: Exchange, limit: float | None) -> Answer:
        timeouts = Timeouts.of(exchange.target, streams=False).within(limit)
        began = asyncio.get_running_loop().time()
        late: type[UpstreamError] = errors.FirstByteTimeout
        try:
            async with asyncio.timeout(timeouts.first_byte) as clock, AsyncExitStack() as when_done:
                response = await self._begin(exchange, timeouts, when_done)
                if timeouts.first_byte != timeouts.total:
                    clock.reschedule(began + timeouts.total)
                late = errors.TotalTimeout
                read = await self._read(exchange, response, timeouts, when_done)
                while follow := exchange.follow(read):
                    response = await self._follow(exchange, follow, timeouts, when_done)
                    read = await self._read(exchange, response, timeouts, when_done)
                if is_good(read):
                    when_done.pop_all()
        except TimeoutError:
            raise late() from None
        answer, raw = exchange.answer(read)
        if exchange.wants_data and await media.downloaded(answer, partial(self._fetched, exchange.target.provider)):
            raw = None
        return Answer(
            exchange.target, read.status, answer, raw, read.headers, dropped=exchange.dropped,
            content_type=exchange.content_type,
        )  # fmt: skip

    async def _stream(self, exchange: Exchange, limit: float | None) -> Stream:
        # a picture takes its time, and of one that shows nothing meanwhile the first chunk is the last
        timeouts = Timeouts.of(exchange.target, streams=exchange.operation not in IMAGES).within(limit)
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(timeouts.first_byte), AsyncExitStack() as unless_begun:
                response = await self._begin(exchange, timeouts, unless_begun)
                while not await _streams(exchange, response):
                    read = await self._read(exchange, response, timeouts, unless_begun)
                    follow = exchange.follow(read)
                    if follow is None:
                        response = _as_stream(exchange, read)
                        break
                    response = await self._follow(exchange, follow, timeouts, unless_begun)
                reader = exchange.reader(response.headers.get("content-type", ""))
                stream = Stream(exchange.target, response, reader, timeouts.chunk, began + timeouts.total)
                stream.dropped = exchange.dropped
                stream.also_close(unless_begun.pop_all())
                unless_begun.push_async_callback(stream.aclose)
                await stream.begin()
                unless_begun.pop_all()
                return stream
        except TimeoutError:
            raise errors.FirstByteTimeout() from None

    async def _begin(self, exchange: Exchange, timeouts: Timeouts, when_done: AsyncExitStack) -> httpx.Response:
        """Send the exchange's request; the response is closed by ``when_done``."""
        if exchange.adapter.inlines_media:
            exchange.body = await media.inlined(exchange.body, partial(self._fetched, None))
        response = await self._send(exchange.request(datetime.now(UTC)), exchange, timeouts)
        when_done.push_async_callback(response.aclose)
        return response

    async def _follow(
        self, exchange: Exchange, follow: Follow, timeouts: Timeouts, when_done: AsyncExitStack
    ) -> httpx.Response:
        """Send what comes next, after its time; the response is closed by ``when_done``."""
        await asyncio.sleep(follow.wait)
        response = await self._send(exchange.signed(follow.request, datetime.now(UTC)), exchange, timeouts)
        when_done.push_async_callback(response.aclose)
        return response

    async def _read(
        self, exchange: Exchange, response: httpx.Response, timeouts: Timeouts, when_done: AsyncExitStack
    ) -> Response:
        """Return the whole of a response; what it says goes on over there is ended by ``when_done``."""
        read = await _whole(response)
        if cancel := exchange.cancel(read):
            when_done.push_async_callback(self._cancel, exchange, cancel, timeouts)
        return read

    async def _cancel(self, exchange: Exchange, request: Request, timeouts: Timeouts) -> None:
        """Ask the upstream to stop; that it cannot be told is no error of the call."""
        try:
            async with asyncio.timeout(timeouts.connect):
                response = await self._send(exchange.signed(request, datetime.now(UTC)), exchange, timeouts)
                await response.aclose()
        except (UpstreamError, TimeoutError) as error:
            logger.warning("%s could not be told to stop: %s", exchange.target, error or "no answer in time")

    async def _fetched(self, giver: Upstream | None, url: str) -> Response:
        """Return what a link leads to, which may not be a private address unless its ``giver`` may have one.

        Raises ``UpstreamError``.
        """
        try:
            message = httpx.Request(
                "GET",
                url,
                headers=[("user-agent", "tollgate"), ("accept-encoding", "identity")],
                extensions={"timeout": {"connect": CONNECT}},
            )
            async with asyncio.timeout(LINK_SECONDS):
                return await _whole(await self._way_to(giver).handle_async_request(message))
        except TimeoutError:
            raise errors.TotalTimeout() from None
        except (httpx.RequestError, httpx.InvalidURL) as error:
            raise translated(error) from error

    async def probe(self, provider: Upstream, request: Request, seconds: float) -> int:
        """Return the status that a provider answers ``request`` with. Raises ``UpstreamError``."""
        try:
            async with asyncio.timeout(seconds):
                response = await self._send_to(provider, request, min(CONNECT, seconds))
                await response.aclose()
        except TimeoutError:
            raise errors.FirstByteTimeout() from None
        return response.status_code

    async def _send(self, request: Request, exchange: Exchange, timeouts: Timeouts) -> httpx.Response:
        return await self._send_to(exchange.target.provider, request, timeouts.connect)

    async def _send_to(self, provider: Upstream, request: Request, connect: float) -> httpx.Response:
        transport = self._inside.get(provider.adapter) or self._way_to(provider)
        headers, stream = _wired(request)
        message = httpx.Request(
            request.method,
            _url(provider.base_url or ADAPTERS[provider.adapter].base_url, request.path),
            headers=headers,
            stream=stream,
            extensions={"timeout": {"connect": connect}},
        )
        try:
            return await transport.handle_async_request(message)
        except httpx.RequestError as error:
            raise translated(error) from error

    def _way_to(self, provider: Upstream | None) -> httpx.AsyncBaseTransport:
        is_private = provider is not None and provider.options.get("allow_private") is True
        return self._private if is_private else self._public


def _wired(request: Request) -> tuple[tuple[tuple[str, str], ...], httpx.ByteStream | Sent]:
    """Return a request's headers, and its body as it goes over the wire."""
    if request.form is None:
        return request.headers, httpx.ByteStream(request.body)
    framed = multipart.framed(request.form, secrets.token_hex(16))
    return (*request.headers, ("content-type", framed.content_type)), Sent(request.form, framed)


async def _whole(response: httpx.Response) -> Response:
    """Return the whole of a response, which is closed by then."""
    try:
        return Response(response.status_code, response.headers, await bodies.whole(response))
    finally:
        await response.aclose()


def _as_stream(exchange: Exchange, read: Response) -> httpx.Response:
    """Return an answer that came whole as a stream of events. Raises ``UpstreamError`` where it has none."""
    answer, _ = exchange.answer(read)
    try:
        data = told.events(exchange.operation, answer, exchange.body)
    except MISSHAPEN as error:
        raise errors.BadAnswer() from error
    if not data:
        raise errors.BadAnswer()
    return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=httpx.ByteStream(data))


async def _streams(exchange: Exchange, response: httpx.Response) -> bool:
    if response.status_code != 200:
        return False
    if not exchange.has_events:
        return "application/json" not in response.headers.get("content-type", "")
    return await bodies.has_events(response)


@lru_cache(maxsize=512)
def _url(base: str, path: str) -> httpx.URL:
    return httpx.URL(path if path.startswith(("https://", "http://")) else base.rstrip("/") + path)
