"""A whole answer of the API on its way to the wire; Django's response costs more than the rest of the door."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

import msgspec

Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON = ("content-type", "application/json")


class Reply(NamedTuple):
    """Headers are pairs of a lower-case name and a value in Latin-1."""

    body: bytes
    headers: list[tuple[str, str]]
    status: int = 200

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls(msgspec.json.encode(value), [JSON], status)

    async def send(self, send: Send, request_id: str) -> None:
        headers = wire([*self.headers, ("x-request-id", request_id), ("content-length", str(len(self.body)))])
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class Streamed(NamedTuple):
    """An answer of ``size`` bytes that is never whole in memory. Its first piece is there before its headers go out."""

    pieces: AsyncGenerator[bytes, None]
    size: int
    headers: list[tuple[str, str]]

    async def send(self, send: Send, request_id: str) -> None:
        async with aclosing(self.pieces) as pieces:
            piece = await anext(pieces, b"")
            headers = wire([*self.headers, ("x-request-id", request_id), ("content-length", str(self.size))])
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await anext(pieces, b"")
        await send({"type": "http.response.body", "body": b""})


def wire(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
