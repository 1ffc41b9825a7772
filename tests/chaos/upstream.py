"""An upstream for many at once that answers as each request asks it to, and remembers whom it served."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp import web

from tests.upstream import chat, streamed

PROMPT_TOKENS = 10
# breaking connections is its business, not an error
SILENT = logging.getLogger(__name__)
SILENT.setLevel(logging.CRITICAL)


class Ask(NamedTuple):
    """What a request asks of the upstream; travels as the prompt. ``number`` is the request's own."""

    number: int
    kind: str
    words: int = 1
    pause: float = 0.0

    @property
    def text(self) -> str:
        return json.dumps(self)

    @property
    def usage(self) -> dict[str, int]:
        return {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": self.words,
            "total_tokens": PROMPT_TOKENS + self.words,
        }


class Upstream:
    """``calls`` counts how often each request has come here. Lives on the running loop."""

    def __init__(self) -> None:
        self.calls: Counter[int] = Counter()
        self._runner: web.AppRunner | None = None

    async def start(self) -> Upstream:
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, logger=SILENT)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ask = Ask(*json.loads(body["messages"][0]["content"]))
        self.calls[ask.number] += 1
        return await KINDS[ask.kind](request, ask, self.calls[ask.number])


Kind = Callable[[web.Request, Ask, int], Awaitable[web.StreamResponse]]


async def _plain(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    await asyncio.sleep(ask.pause * ask.words)
    return web.json_response(chat("word " * ask.words, usage=ask.usage))


async def _uncounted(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    """An answer that says nothing of its usage."""
    await asyncio.sleep(ask.pause * ask.words)
    answer = chat("word " * ask.words)
    del answer["usage"]
    return web.json_response(answer)


async def _stream(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    return await _play(request, ask, streamed(["word "] * ask.words, usage=ask.usage))


async def _uncounted_stream(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    return await _play(request, ask, streamed(["word "] * ask.words, usage=None))


async def _cut(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    """A stream that breaks off in the middle."""
    events = streamed(["word "] * ask.words, usage=ask.usage)
    response = await _play(request, ask, events[: len(events) // 2])
    _break(request)
    return response


async def _error(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    await asyncio.sleep(ask.pause)
    return web.json_response({"error": {"message": "No.", "type": "server_error"}}, status=500)


async def _reset(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    await asyncio.sleep(ask.pause)
    _break(request)
    return web.Response()


async def _busy_at_first(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    if turn == 1:
        return web.json_response({"error": {"message": "Later."}}, status=503)
    return await _plain(request, ask, turn)


async def _silent(request: web.Request, ask: Ask, turn: int) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def _play(request: web.Request, ask: Ask, events: list[str]) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for event in events:
        await response.write(event.encode())
        await asyncio.sleep(ask.pause)
    return response


def _break(request: web.Request) -> Any:
    if request.transport is not None:
        request.transport.abort()


KINDS: dict[str, Kind] = {
    "plain": _plain,
    "uncounted": _uncounted,
    "stream": _stream,
    "uncounted stream": _uncounted_stream,
    "cut": _cut,
    "error": _error,
    "reset": _reset,
    "busy at first": _busy_at_first,
    "silent": _silent,
}
