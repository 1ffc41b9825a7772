"""The demo model's pictures and sounds on their way out: made piece by piece, at the wanted speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

from providers.demo.media import Body, Made
from providers.http import httpx
from providers.multipart import Multipart


def body_of(form: Multipart) -> dict[str, Any]:
    """Return a form as a body; a name that comes several times is a list."""
    body: dict[str, Any] = {}
    for name, value in (*form.fields, *form.files):
        if name.endswith("[]"):
            body.setdefault(name[:-2], []).append(value)
        else:
            body[name] = value
    return body


async def response(made: Made, options: Body) -> httpx.Response:
    """Return the answer once its first piece is there."""
    await asyncio.sleep(float(options.get("first_token_ms") or 0) / 1000)
    stream = Pieces(iter(made.pieces), float(options.get("tokens_per_second") or 0))
    return httpx.Response(200, headers={"content-type": made.content_type}, stream=stream)


class Pieces(httpx.AsyncByteStream):
    def __init__(self, made: Iterator[bytes], speed: float) -> None:
        self._pieces = _paced(made, speed)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()


async def _paced(made: Iterator[bytes], speed: float) -> AsyncGenerator[bytes, None]:
    while piece := await asyncio.to_thread(next, made, b""):
        yield piece
        if speed:
            await asyncio.sleep(1 / speed)
