"""Multipart bodies as good and as bad clients write them, and a receive() that gives them piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.departure import Receive

BOUNDARY = b"----the-boundary"
HEADERS = {b"content-type": b"multipart/form-data; boundary=" + BOUNDARY}


def part(name: str, value: bytes, **options: str) -> bytes:
    """Return one part; ``filename`` and ``type`` make it a file."""
    disposition = f'form-data; name="{name}"'
    if "filename" in options:
        disposition += f'; filename="{options["filename"]}"'
    kind = f"Content-Type: {options['type']}\r\n" if "type" in options else ""
    head = f"Content-Disposition: {disposition}\r\n{kind}\r\n".encode()
    return b"--" + BOUNDARY + b"\r\n" + head + value + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[place : place + size] for place in range(0, len(whole), size)] or [b""]


def receiving(pieces: Iterable[bytes], *, leaves: bool = False) -> Receive:
    """Return a receive() that gives ``pieces``; at their end the client leaves, or the body has ended."""
    waiting = list(pieces)

    async def receive() -> dict[str, Any]:
        if waiting:
            more = len(waiting) > 1 or leaves
            return {"type": "http.request", "body": waiting.pop(0), "more_body": more}
        return {"type": "http.disconnect"}

    return receive
