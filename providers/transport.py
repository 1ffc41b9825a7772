"""How bytes reach an upstream: an httpx transport on sockets of our own, made to cost little for each call."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

from providers import addresses, errors
from providers.connections import Connection
from providers.dialling import Origin, dial
from providers.http import httpx
from providers.names import Names, Resolve, look_up
from providers.pool import Pool
from providers.sending import Sent

PORTS = {"http": 80, "https": 443}

# Looked up by the most specific class that is listed; a test walks the libraries' trees to prove it complete.
FOREIGN: Mapping[type[BaseException], type[errors.UpstreamError]] = {
    addresses.AddressRefused: errors.AddressNotAllowed,
    ConnectionRefusedError: errors.ConnectionRefused,
    ConnectionError: errors.ConnectionLost,
    socket.gaierror: errors.NameNotResolved,
    ValueError: errors.NameNotResolved,
    ssl.SSLError: errors.TlsFailed,
    TimeoutError: errors.ConnectTimeout,
    OSError: errors.ConnectionFailed,
    httpx.ConnectTimeout: errors.ConnectTimeout,
    httpx.TimeoutException: errors.ChunkTimeout,
    httpx.ConnectError: errors.ConnectionFailed,
    httpx.NetworkError: errors.ConnectionLost,
    httpx.TransportError: errors.ConnectionFailed,
    httpx.RequestError: errors.BadAnswer,
    httpx.InvalidURL: errors.AddressNotAllowed,
}


def translated(error: BaseException) -> errors.UpstreamError:
    """Return our name for what another library raised."""
    for kind in type(error).__mro__:
        if kind in FOREIGN:
            return FOREIGN[kind]()
    return errors.UpstreamFailed()


class SocketTransport(httpx.AsyncBaseTransport):
    """Belongs to the event loop that first uses it. Never follows redirects, keeps no cookies, reads no environment."""

    def __init__(self, *, allow_private: bool = False, resolve: Resolve = look_up) -> None:
        self._allow_private = allow_private
        self._names = Names(resolve)
        self._pool = Pool()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response once its headers are there. Raises ``UpstreamError``."""
        origin = _origin(request.url)
        stream = request.stream
        body = stream if isinstance(stream, Sent) else request.read()
        seconds = request.extensions.get("timeout", {}).get("connect")
        message = head(request, body.size if isinstance(body, Sent) else len(body))
        # what was written is never sent again from here: that is another attempt, with a line of its own in the journal
        connection = self._pool.take(origin) or await self._dialled(origin, seconds)
        await connection.send(message, body)
        answer = Body(connection, origin, self._pool)
        return httpx.Response(connection.status, headers=connection.headers, stream=answer)

    async def aclose(self) -> None:
        self._pool.close()

    async def _dialled(self, origin: Origin, seconds: float | None) -> Connection:
        try:
            connection = await dial(origin, seconds, self._names, allow_private=self._allow_private)
        except (OSError, ValueError) as error:
            raise translated(error) from error
        self._pool.add(connection)
        return connection


class Body(httpx.AsyncByteStream):
    """Gives whatever has arrived in one piece. Closed before its end it cuts the connection, so the upstream stops."""

    def __init__(self, connection: Connection, origin: Origin, pool: Pool) -> None:
        self._connection: Connection | None = connection
        self._origin = origin
        self._pool = pool

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise errors.StreamCut()
        data = await self._connection.read()
        if not data:
            raise StopAsyncIteration
        return data

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.give_back(self._origin, connection)


def head(request: httpx.Request, size: int) -> bytes:
    """Return the head of a request. Raises ``httpx.LocalProtocolError`` where a header holds more than its value."""
    lines = [b"%s %s HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%s: %s" % header for header in request.headers.raw]
    if "host" not in request.headers:
        lines.append(b"host: " + request.url.netloc)
    if "content-length" not in request.headers:
        lines.append(b"content-length: %d" % size)
    text = b"\r\n".join(lines)
    if text.count(b"\n") != len(lines) - 1 or text.count(b"\r") != len(lines) - 1 or b"\0" in text:
        raise httpx.LocalProtocolError("a header holds a line break")
    return text + b"\r\n\r\n"


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in PORTS or not url.raw_host:
        raise errors.AddressNotAllowed()
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or PORTS[url.scheme])
