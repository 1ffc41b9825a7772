"""The body of a response: its pieces as they arrive, or the whole of it."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from providers.errors import BadAnswer
from providers.http import httpx
from providers.transport import translated

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024
MAX_INFLATED_BYTES = 16 * 1024 * 1024
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the pieces of the body. Identity is asked for, but an upstream may compress nevertheless."""
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise BadAnswer()
    encoding = response.headers.get("content-encoding", "identity")
    if encoding == "identity":
        return aiter(stream)
    if encoding not in ("gzip", "deflate"):
        raise BadAnswer()
    return Inflated(aiter(stream))


async def whole(response: httpx.Response) -> bytes:
    """Return the body, of an error its beginning. Raises ``UpstreamError``."""
    limit = MAX_ANSWER_BYTES if response.is_success else MAX_ERROR_BYTES
    read, size = [], 0
    try:
        async for piece in pieces(response):
            read.append(piece)
            size += len(piece)
            if size > limit:
                break
    except httpx.RequestError as error:
        raise translated(error) from error
    if size > limit and response.is_success:
        raise BadAnswer()
    return read[0] if len(read) == 1 else b"".join(read)


async def has_events(response: httpx.Response) -> bool:
    """Return whether the body is a stream of events. Some upstreams call theirs JSON, so its beginning decides."""
    stream = response.stream
    if "json" not in response.headers.get("content-type", "") or not isinstance(stream, httpx.AsyncByteStream):
        return True
    peeked = Peeked(stream)
    response.stream = peeked
    try:
        return (await peeked.begin()).lstrip().startswith((b"data:", b"event:", b":"))
    except httpx.RequestError as error:
        raise translated(error) from error


class Peeked(httpx.AsyncByteStream):
    """A body whose first piece was looked at before it is read."""

    def __init__(self, body: httpx.AsyncByteStream) -> None:
        self._body = body
        self._rest = aiter(body)
        self._first: list[bytes] = []

    async def begin(self) -> bytes:
        self._first = [await anext(self._rest, b"")]
        return self._first[0]

    def __aiter__(self) -> Peeked:
        return self

    async def __anext__(self) -> bytes:
        return self._first.pop() if self._first else await anext(self._rest)

    async def aclose(self) -> None:
        await self._body.aclose()


class Inflated:
    """Compressed pieces, unpacked. A piece that unpacks to absurd lengths is refused."""

    def __init__(self, packed: AsyncIterator[bytes]) -> None:
        self._packed = packed
        self._inflate = zlib.decompressobj(GZIP_OR_ZLIB)

    def __aiter__(self) -> Inflated:
        return self

    async def __anext__(self) -> bytes:
        while True:
            packed = await anext(self._packed)
            try:
                piece = self._inflate.decompress(packed, MAX_INFLATED_BYTES)
            except zlib.error:
                raise BadAnswer() from None
            if self._inflate.unconsumed_tail:
                raise BadAnswer()
            if piece:
                return piece
