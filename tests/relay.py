"""A TCP relay, to be killed: `python -m tests.relay '[port, "host", target_port]'`."""

from __future__ import annotations

import asyncio
import json
import sys


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def main(port: int, host: str, target: int) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, target)
        await asyncio.gather(_pipe(reader, back), _pipe(there, writer), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main(*json.loads(sys.argv[1])))
