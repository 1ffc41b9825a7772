"""An upstream at the socket: it does what it was told to, in order, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "up-2026",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


class Asked(NamedTuple):
    """``body`` is None where there was none."""

    path: str
    headers: dict[str, str]
    body: Any
    method: str = "POST"


Writer = asyncio.StreamWriter
Reader = asyncio.StreamReader
Script = Callable[[Reader, Writer], Awaitable[None]]


def chunk(delta: dict[str, Any] | None, reason: str | None = None, **extra: Any) -> dict[str, Any]:
    """Return a chat chunk; without a delta one that has no choices."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up-2026",
            "choices": choices, **extra}  # fmt: skip


def events(*chunks: dict[str, Any] | bytes, done: bool = True) -> bytes:
    """Return the bytes of a stream."""
    parts = [each if isinstance(each, bytes) else b"data: " + compact(each) + b"\n\n" for each in chunks]
    return b"".join(parts) + (b"data: [DONE]\n\n" if done else b"")


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


HELLO = (
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, "stop"),
)


class FakeUpstream:
    """Answers each request with the next script, and with a good answer once there is none left."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.scripts: list[Script] = []
        self.hanging = asyncio.Event()
        self.left = asyncio.Event()
        self.connections = 0
        self.certificate = ""

    async def start(self, tls: ssl.SSLContext | None = None) -> FakeUpstream:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def stop(self) -> None:
        self.server.close()

    def will_answer(self, status: int = 200, body: Any = None, kind: str = "application/json", **headers: str) -> None:
        content = body if isinstance(body, bytes) else compact(ANSWER if body is None else body)
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join(
            [f"HTTP/1.1 {status} Said", f"content-type: {kind}", f"content-length: {len(content)}", *lines, "", ""]
        )

        async def script(_: Reader, writer: Writer) -> None:
            writer.write(head.encode() + content)

        self.scripts.append(script)

    def will_stream(
        self, *pieces: bytes, cut: bool = False, hang: bool = False, kind: str = "text/event-stream"
    ) -> None:
        """Send the pieces one after the other; then end, cut the connection, or go silent."""

        async def script(reader: Reader, writer: Writer) -> None:
            writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n".encode())
            for piece in pieces:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(0.001)
            if hang:
                await self._hang(reader)
            elif cut:
                writer.close()
            else:
                writer.write(b"0\r\n\r\n")

        self.scripts.append(script)

    def will_hang(self) -> None:
        async def script(reader: Reader, _: Writer) -> None:
            await self._hang(reader)

        self.scripts.append(script)

    def will_reset(self) -> None:
        async def script(_: Reader, writer: Writer) -> None:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.close()

        self.scripts.append(script)

    async def _serve(self, reader: Reader, writer: Writer) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                self.asked.append(await _asked(reader))
                if not self.scripts:
                    self.will_answer()
                await self.scripts.pop(0)(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _hang(self, reader: Reader) -> None:
        self.hanging.set()
        await reader.read(1)
        self.left.set()


async def _asked(reader: Reader) -> Asked:
    line, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest if each)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    method, path, _ = line.split()
    return Asked(path, headers, json.loads(body) if body else None, method)
