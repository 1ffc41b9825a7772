"""A form's bytes on their way to an upstream: its files are read piece by piece, as often as it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from providers.http import httpx
from providers.multipart import Framed, Multipart


class Sent(httpx.AsyncByteStream):
    """The body of one request; ``form`` is what it says, for whoever reads it without a wire."""

    def __init__(self, form: Multipart, framed: Framed) -> None:
        self.form = form
        self.size = framed.size
        self._parts = framed.parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            # the files were written a moment ago, so the system has them in memory: no thread is worth a piece
            for piece in part.pieces():
                yield piece
                await asyncio.sleep(0)
