"""One streamed answer on its way to the client: accounted for chunk by chunk, settled before its last byte."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, Protocol

from gateway import runtime
from gateway.caching import lookups
from gateway.caching.hits import Replay
from gateway.calls import Call
from gateway.errors import ApiError, translate
from gateway.settling import settle
from providers.client import Chunk, Stream
from providers.errors import UpstreamError, UpstreamTimeout

logger = logging.getLogger(__name__)

DONE = b"data: [DONE]\n\n"


class Writer(Protocol):
    """Says a stream's chunks in the words of the client's dialect.

    ``end`` comes once, after the last chunk of a whole answer and when it is settled; ``error`` instead, where the
    answer broke off.
    """

    def chunk(self, chunk: Chunk) -> bytes: ...

    async def end(self) -> bytes: ...

    def error(self, error: ApiError) -> bytes: ...


class OpenAIWriter:
    """Chunks are OpenAI's already."""

    def chunk(self, chunk: Chunk) -> bytes:
        return chunk.wire()

    async def end(self) -> bytes:
        return DONE

    def error(self, error: ApiError) -> bytes:
        return b"data: %b\n\n" % error.reply.body


OPENAI = OpenAIWriter()


class Streaming:
    """One answer on its way. Whatever ends it, it is settled before its last byte, and the upstream is closed."""

    def __init__(self, call: Call, upstream: Stream | Replay, writer: Writer = OPENAI) -> None:
        self.call = call
        self.writer = writer
        self.upstream = upstream
        self.usage: dict[str, Any] | None = None
        self.service_tier: str | None = None
        self._assembly = lookups.assembly_of(call)
        self._batches = upstream.batches()
        self._reading: asyncio.Future[list[Chunk] | None] | None = None

    @property
    def headers(self) -> list[tuple[str, str]]:
        return self.call.headers(len(self.upstream.attempts))

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the events' bytes, those that arrived together as one piece."""
        try:
            while (batch := await self._next()) is not None:
                piece = b"".join([self._account(chunk) for chunk in batch])
                if self.upstream.is_complete:
                    self._complete()
                    piece += await self.writer.end()
                if piece:
                    yield piece
            if not self.call.settled:
                self._complete()
                yield await self.writer.end()
        except UpstreamError as error:
            self._settle(failure(error))
            yield self.writer.error(translate(error))
        except (asyncio.CancelledError, GeneratorExit):
            self._leave()
            raise
        except Exception as error:  # noqa: BLE001 the stream's outermost edge: translate() logs what nobody foresaw
            self._settle("upstream_error")
            yield self.writer.error(translate(error))

    def _account(self, chunk: Chunk) -> bytes:
        if isinstance(chunk.usage, dict) and any(chunk.usage.values()):
            self.usage = chunk.usage
            self.service_tier = chunk.data.get("service_tier")
        if text := chunk.text:
            self.call.delivered.append(text)
        if self._assembly is not None:
            self._assembly.add(chunk)
        return self.writer.chunk(chunk)

    def _complete(self) -> None:
        self._settle("completed")
        if self._assembly is not None and (answer := self._assembly.answer(self.usage)) is not None:
            lookups.keep(self.call, answer)

    def _settle(self, status: str) -> None:
        settle(
            self.call,
            status,
            http_status=200,
            usage=self.usage,
            tried=self.upstream.attempts,
            skipped=self.upstream.skipped,
            service_tier=self.service_tier,
        )

    async def aclose(self) -> None:
        """End the stream where it stands; a stream that was not finished is settled as left."""
        self._leave()
        if not self.call.is_read_on:
            await self._batches.aclose()
            await self.upstream.aclose()

    async def _next(self) -> list[Chunk] | None:
        """Return the chunks that arrived together; where it may have to be read on, a task of its own reads them."""
        if not self.call.reads_on:
            return await anext(self._batches, None)
        self._reading = asyncio.ensure_future(anext(self._batches, None))
        batch = await asyncio.shield(self._reading)
        self._reading = None
        return batch

    def _leave(self) -> None:
        """The client has left: settle what was delivered, or read on for the true usage where the route says so."""
        if self.call.settled or self.call.is_read_on:
            return
        if self.call.reads_on:
            self.call.is_read_on = True
            runtime.current().read_on(self.read_on())
        else:
            self._settle(self.call.inquiry.left_as)

    async def read_on(self) -> None:
        """Read to the end for nobody but the ledger."""
        try:
            async with aclosing(self._batches):
                batch = await self._reading if self._reading is not None else []
                while batch is not None:
                    for chunk in batch:
                        self._account(chunk)
                    batch = await anext(self._batches, None)
        except UpstreamError as error:
            logger.info("%s was read on, and %s", self.call.inquiry.request_id, error.outcome)
        finally:
            self._settle(self.call.inquiry.left_as)
            await self.upstream.aclose()


def failure(error: UpstreamError) -> str:
    return "timeout" if isinstance(error, UpstreamTimeout) else "upstream_error"
