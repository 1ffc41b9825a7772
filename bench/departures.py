"""How soon an upstream is let go when its client leaves, plain and streamed, under each server."""

import asyncio
import json
import random
import time
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench import tollgate
from bench.figures import Row, departures
from bench.processes import free_port
from bench.tollgate import Tollgate

TIMES = 20
MODEL = "slow"
EVENT = b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"slow","choices":[{"index":0,"delta":'
WORD = EVENT + b'{"role":"assistant","content":"word"},"logprobs":null,"finish_reason":null}]}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


class Slow:
    """An upstream that never finishes: a stream has one word, a plain answer nothing. Notes when it is let go."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[float] = asyncio.Queue()
        self.left: asyncio.Queue[float] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        streamed = json.loads(await reader.readexactly(length)).get("stream")
        if streamed:
            writer.write(HEAD + WORD)
        await self.asked.put(time.monotonic())
        await reader.read()  # the end of the connection
        await self.left.put(time.monotonic())
        writer.close()


def rows(folder: Path) -> list[Row]:
    """Return one row per server: the median and the worst of all departures, in ms."""
    return [departures(server, *_measured(folder / server, server)) for server in ("granian", "daphne")]


def _measured(folder: Path, server: str) -> tuple[float, float]:
    port = free_port()
    with tollgate.embedded(folder, server=server) as gateway:
        gateway.apply(tollgate.route_to("slow", f"http://127.0.0.1:{port}/v1", [MODEL]))
        waits = asyncio.run(_leave_often(gateway, port))
    return 1000 * median(waits), 1000 * max(waits)


async def _leave_often(gateway: Tollgate, port: int) -> list[float]:
    slow = Slow()
    async with await asyncio.start_server(slow.serve, "127.0.0.1", port):
        return [await _leave(gateway, slow, stream) for _ in range(TIMES) for stream in (False, True)]


async def _leave(gateway: Tollgate, slow: Slow, stream: bool) -> float:
    """Return the seconds from a client's hanging up to the upstream's connection being closed."""
    address = urlsplit(gateway.url)
    body = json.dumps({"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-length: %d\r\n\r\n%b"
        % (gateway.key.encode(), len(body), body)
    )
    await slow.asked.get()
    if stream:
        await reader.readuntil(b"word")
    await asyncio.sleep(random.uniform(0, 0.2))
    writer.close()
    hung_up = time.monotonic()
    return await asyncio.wait_for(slow.left.get(), 10) - hung_up
