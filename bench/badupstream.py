"""An OpenAI-compatible upstream on a bad day: ``python -m bench.badupstream PORT SHARE SEED``."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

WORDS = 20
USAGE = {"prompt_tokens": 5, "completion_tokens": WORDS, "total_tokens": 5 + WORDS}
Answer = Callable[[web.Request, bool], Awaitable[web.StreamResponse]]


def main() -> None:
    port, share, seed = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)

    async def answer(request: web.Request) -> web.StreamResponse:
        streams = bool((await request.json()).get("stream"))
        fault = chance.choice(FAULTS) if chance.random() < share else well
        return await fault(request, streams)

    application = web.Application()
    application.router.add_post("/v1/chat/completions", answer)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


async def well(request: web.Request, streams: bool) -> web.StreamResponse:
    if streams:
        return await _stream(request, WORDS)
    await asyncio.sleep(0.01)
    message = {"role": "assistant", "content": "word " * WORDS, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return web.json_response(
        {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": USAGE}
    )


async def limited(request: web.Request, streams: bool) -> web.StreamResponse:
    return web.json_response({"error": {"message": "slow down", "type": "requests"}}, status=429)


async def broken(request: web.Request, streams: bool) -> web.StreamResponse:
    return web.json_response({"error": {"message": "oops"}}, status=random.choice([500, 502, 503]))


async def dropped(request: web.Request, streams: bool) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def malformed(request: web.Request, streams: bool) -> web.StreamResponse:
    return web.Response(text='{"choices": [{"message": {"content": "wo', content_type="application/json")


async def cut(request: web.Request, streams: bool) -> web.StreamResponse:
    """A stream is cut in its middle, a plain answer before its end."""
    if streams:
        return await _stream(request, WORDS, WORDS // 2)
    return await dropped(request, streams)


FAULTS: tuple[Answer, ...] = (limited, broken, dropped, malformed, cut)


async def _stream(request: web.Request, words: int, until: int | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await response.prepare(request)
    for number in range(words if until is None else until):
        await response.write(_event({"index": 0, "delta": {"role": "assistant", "content": "word "} if number == 0
                                     else {"content": "word "}, "finish_reason": None}))  # fmt: skip
        await asyncio.sleep(0.001)
    if until is not None:
        assert request.transport is not None
        request.transport.abort()
        return response
    await response.write(_event({"index": 0, "delta": {}, "finish_reason": "stop"}))
    await response.write(_event(None, USAGE) + b"data: [DONE]\n\n")
    return response


def _event(choice: dict[str, object] | None, usage: dict[str, int] | None = None) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": [choice] if choice else [], "usage": usage}  # fmt: skip
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


if __name__ == "__main__":
    main()
