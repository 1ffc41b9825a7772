"""A streamed answer on its way from an upstream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack

from providers import bodies, errors
from providers.chunks import Chunk
from providers.conditions import Trial
from providers.errors import Attempt, Skip, UpstreamError
from providers.http import httpx
from providers.streamed import Reader
from providers.targets import Target
from providers.transport import translated

# How long a finished stream may take to close, for its connection to be used again.
ENDING_SECONDS = 0.02


class Stream:
    """A stream that has begun. Close it, whatever happens: an open one is paid for."""

    def __init__(
        self, target: Target, response: httpx.Response, reader: Reader, chunk_seconds: float, deadline: float
    ) -> None:
        self.target = target
        self.headers: Mapping[str, str] = response.headers
        self.attempts: tuple[Attempt, ...] = ()
        self.skipped: tuple[Skip, ...] = ()
        self.trial: Trial | None = None
        self.dropped: tuple[str, ...] = ()
        self._response = response
        self._others = AsyncExitStack()
        self._reader = reader
        self._chunk_seconds = chunk_seconds
        self._deadline = deadline
        self._bytes = bodies.pieces(response)
        self._first: list[Chunk] = []
        self._ended = False

    @property
    def is_complete(self) -> bool:
        """Whether the batch at hand is the last one, and nothing went wrong."""
        return self._ended and self._reader.error is None

    async def begin(self) -> None:
        """Wait for the first chunk that the caller will see. Raises ``UpstreamError`` where none comes."""
        while not any(chunk.raw != b"" for chunk in self._first):
            if self._ended:
                raise self._reader.error or errors.StreamCut()
            self._first += await self._next()

    async def batches(self) -> AsyncGenerator[list[Chunk], None]:
        """Yield the chunks that arrived together. Raises ``UpstreamError`` after the last chunk of a broken stream."""
        try:
            yield self._first
            while not self._ended:
                batch = await self._timed()
                if batch:
                    yield batch
            if self._reader.error is not None:
                raise self._blamed(self._reader.error)
            await self._finish()
        finally:
            await self.aclose()

    def also_close(self, others: AsyncExitStack) -> None:
        """Take over what was begun for this stream beside its response; it is ended when the stream is cut."""
        self._others = others

    async def aclose(self) -> None:
        """Cut the connection, or give it back where the answer is complete."""
        others, self._others = self._others, AsyncExitStack()
        if self._reader.finished:
            others.pop_all()
        self._tell()
        await self._response.aclose()
        await others.aclose()

    def _tell(self, error: UpstreamError | None = None) -> None:
        """Say how the attempt ended: what its target is like hangs on it."""
        trial, self.trial = self.trial, None
        if trial is None:
            return
        now = asyncio.get_running_loop().time()
        if error is not None:
            trial.failed(now, error)
        elif self._reader.finished and self._reader.error is None:
            trial.succeeded(now)
        else:
            trial.left()

    async def _timed(self) -> list[Chunk]:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(now + self._chunk_seconds, self._deadline)):
                return await self._next()
        except TimeoutError:
            late = errors.TotalTimeout if now + self._chunk_seconds > self._deadline else errors.ChunkTimeout
            raise self._blamed(late()) from None

    async def _next(self) -> list[Chunk]:
        try:
            data = await anext(self._bytes, b"")
        except UpstreamError as error:
            return self._lost(error)
        except httpx.RequestError as error:
            return self._lost(translated(error))
        if not data:
            self._ended = True
            return self._reader.close()
        chunks = self._reader.feed(data)
        self._ended = self._reader.done
        return chunks

    def _lost(self, error: UpstreamError) -> list[Chunk]:
        """End here. An answer of which only the farewell is missing is whole."""
        self._ended = True
        if not self._reader.finished:
            self._reader.error = error
        return []

    async def _finish(self) -> None:
        """Read to the end of the body, which comes with the last event or just after it."""
        try:
            async with asyncio.timeout(ENDING_SECONDS):
                while await anext(self._bytes, b""):
                    pass
        except (TimeoutError, UpstreamError, httpx.RequestError):
            return

    def _blamed(self, error: UpstreamError) -> UpstreamError:
        *before, last = self.attempts
        broken = last._replace(outcome=error.outcome, status=error.upstream_status)
        self.attempts = error.tried = (*before, broken)
        error.skipped = self.skipped
        self._tell(error)
        error.message = f"The answer broke off: {self.target} {error.outcome}."
        return error
