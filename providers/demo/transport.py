"""The demo model as an upstream in the process: HTTP in, HTTP out, at the speed its provider's options ask for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from providers import sse, tokens
from providers.adapters.demo import OPTIONS_HEADER
from providers.demo import judgements, media, sent, wire
from providers.errors import RequestRejected
from providers.http import httpx
from providers.sending import Sent

Body = Mapping[str, Any]
JSON, EVENTS = {"content-type": "application/json"}, {"content-type": "text/event-stream; charset=utf-8"}

Make = Callable[[Body, Body, int], dict[str, Any] | Iterable[dict[str, Any]]]
# What falls out of a request whose parts are of the wrong kind; the gateway has checked those that it knows.
MISSHAPEN = (AttributeError, KeyError, TypeError, ValueError)


class Operation(NamedTuple):
    whole: Make
    chunks: Make | None = None


OPERATIONS = {
    "/chat/completions": Operation(wire.chat, wire.chat_chunks),
    "/completions": Operation(wire.completion, wire.completion_chunks),
    "/embeddings": Operation(wire.embeddings),
    "/moderations": Operation(judgements.moderation),
    "/rerank": Operation(judgements.ranking),
}


class DemoTransport(httpx.AsyncBaseTransport):
    """Options: ``first_token_ms``, ``tokens_per_second``, ``failure_rate`` (0 to 1, spread evenly), ``tokens``."""

    def __init__(self) -> None:
        self._owed_failures = 0.0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        form = request.stream.form if isinstance(request.stream, Sent) else None
        content = request.read() if form is None else b""
        body = msgspec.json.decode(content) if form is None else sent.body_of(form)
        options = msgspec.json.decode(request.headers.get(OPTIONS_HEADER, "{}"))
        if not tokens.is_loaded():
            await asyncio.to_thread(tokens.load)
        if request.url.path in media.MAKERS:
            return await self._media(media.MAKERS[request.url.path], body, options)
        operation = OPERATIONS[request.url.path]
        if self._fails(float(options.get("failure_rate") or 0)):
            return _error(503, "The demo model fails as often as its options ask for.", "service_unavailable_error")
        make = operation.chunks if body.get("stream") and operation.chunks else operation.whole
        try:
            made = await _made(make, content, body, options)
        except RequestRejected as error:
            return _error(400, error.message, "invalid_request_error", error.param)
        except MISSHAPEN:
            return _error(400, "The demo model cannot read a part of this request.", "invalid_request_error")
        if isinstance(made, list):
            return httpx.Response(200, headers=EVENTS, stream=Stream(made, options))
        await asyncio.sleep(_whole_seconds(made, options))
        return httpx.Response(200, headers=JSON, content=msgspec.json.encode(made))

    async def _media(self, make: Callable[[Body, int], media.Made], body: Body, options: Body) -> httpx.Response:
        if self._fails(float(options.get("failure_rate") or 0)):
            return _error(503, "The demo model fails as often as its options ask for.", "service_unavailable_error")
        try:
            made = await asyncio.to_thread(make, body, int(time.time()))
        except RequestRejected as error:
            return _error(400, error.message, "invalid_request_error", error.param)
        except MISSHAPEN:
            return _error(400, "The demo model cannot read a part of this request.", "invalid_request_error")
        return await sent.response(made, options)

    def _fails(self, rate: float) -> bool:
        self._owed_failures += rate
        if self._owed_failures < 1:
            return False
        self._owed_failures -= 1
        return True


class Stream(httpx.AsyncByteStream):
    """Events at the wanted speed; all at once where no speed is asked for."""

    def __init__(self, chunks: list[dict[str, Any]], options: Body) -> None:
        self._pieces = _spoken(chunks, options)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()


async def _spoken(chunks: list[dict[str, Any]], options: Body) -> AsyncGenerator[bytes, None]:
    await asyncio.sleep(float(options.get("first_token_ms") or 0) / 1000)
    speed = float(options.get("tokens_per_second") or 0)
    events = (sse.encode(msgspec.json.encode(chunk)) for chunk in chunks)
    if not speed:
        yield b"".join(events)
    else:
        for event in events:
            yield event
            await asyncio.sleep(1 / speed)
    yield sse.encode(b"[DONE]")


async def _made(make: Make, content: bytes, body: Body, options: Body) -> dict[str, Any] | list[dict[str, Any]]:
    """Return the answer, or its chunks; what takes long is made in a thread."""

    def made() -> dict[str, Any] | list[dict[str, Any]]:
        answer = make(body, options, int(time.time()))
        return answer if isinstance(answer, dict) else list(answer)

    return made() if len(content) <= tokens.LONG_TEXT else await asyncio.to_thread(made)


def _whole_seconds(answer: Mapping[str, Any], options: Body) -> float:
    speed = float(options.get("tokens_per_second") or 0)
    written = answer["usage"].get("completion_tokens", 0)
    return float(options.get("first_token_ms") or 0) / 1000 + (written / speed if speed else 0)


def _error(status: int, message: str, type: str, param: str | None = None) -> httpx.Response:
    error = {"message": message, "type": type, "param": param, "code": None}
    return httpx.Response(status, headers=JSON, content=msgspec.json.encode({"error": error}))
