"""An upstream at the socket that does as it is told: answers, refuses, stalls, cuts, and notices who leaves."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def chat(text: str = "Hello!", **changes: Any) -> dict[str, Any]:
    """Return a chat completion as OpenAI writes one."""
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "upstream-1",
        "choices": [choice], "usage": USAGE, **changes,
    }  # fmt: skip


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **changes: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "upstream-1",
        "choices": choices, **changes,
    }  # fmt: skip


def streamed(words: list[str], *, usage: dict[str, Any] | None = USAGE, done: bool = True) -> list[str]:
    """Return the events of a streamed chat completion."""
    chunks = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": word}) for word in words)]
    chunks.append(chunk({}, "stop"))
    if usage is not None:
        chunks.append(chunk(usage=usage))
    return [f"data: {json.dumps(item)}\n\n" for item in chunks] + (["data: [DONE]\n\n"] if done else [])


@dataclass
class Plan:
    """One answer: ``events`` are written one by one, ``pause`` seconds apart; ``cut`` ends the connection there."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    events: list[str] | None = None
    delay: float = 0
    pause: float = 0
    cut: bool = False


class Upstream:
    """Plans are used in the order given; without one it answers a chat completion."""

    def __init__(self) -> None:
        self.plans: deque[Plan] = deque()
        self.requests: list[dict[str, Any]] = []
        self.left: list[float] = []
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> Upstream:
        self._thread.start()
        self._started.wait(10)
        return self

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.run_forever()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._answer)
        # a handler is cancelled when its client leaves: that is what `left` notes
        self.runner = web.AppRunner(application, handler_cancellation=True)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._started.set()

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def reset(self) -> None:
        self.plans.clear()
        self.requests.clear()
        self.left.clear()

    def will_answer(self, status: int = 200, body: Any = None, **plan: Any) -> None:
        self.plans.append(Plan(status, body, **plan))

    def will_stream(self, events: list[str], **plan: Any) -> None:
        self.plans.append(Plan(events=events, **plan))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = json.loads(raw) if raw else None
        self.requests.append({"path": request.path, "headers": dict(request.headers), "body": body})
        plan = self.plans.popleft() if self.plans else Plan()
        try:
            await asyncio.sleep(plan.delay)
            return await self._play(request, plan)
        except (asyncio.CancelledError, ConnectionError):
            self.left.append(time.time())
            raise

    async def _play(self, request: web.Request, plan: Plan) -> web.StreamResponse:
        if plan.events is None:
            if plan.cut:
                request.transport.abort()
                return web.Response()
            body = chat() if plan.body is None else plan.body
            text = body if isinstance(body, str) else json.dumps(body)
            headers = {"content-type": "application/json", **plan.headers}
            return web.Response(status=plan.status, text=text, headers=headers)
        response = web.StreamResponse(headers={"content-type": "text/event-stream", **plan.headers})
        await response.prepare(request)
        for event in plan.events:
            await response.write(event.encode())
            await asyncio.sleep(plan.pause)
        if plan.cut:
            request.transport.abort()
        return response
