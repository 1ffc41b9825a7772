"""An upstream that takes forms, links to pictures, and says sounds piece by piece as it is told."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PICTURE = b"\x89PNG\r\n\x1a\nno picture, but it begins like one"
PATIENCE_SECONDS = 60


@dataclass
class Said:
    """One answer: its pieces are written one by one; after the first of them it waits for ``go_on``, if there is one.

    ``cut``: the connection ends there.
    """

    pieces: list[bytes]
    kind: str = "application/json"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    go_on: threading.Event | None = None
    cut: bool = False


class MediaUpstream:
    """Answers are used in the order given. ``requests`` have what a form said as ``fields`` and ``files``."""

    def __init__(self) -> None:
        self.plans: deque[Said] = deque()
        self.requests: list[dict[str, Any]] = []
        self.left: list[float] = []
        self.loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> MediaUpstream:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self.runner.cleanup(), self.loop).result(20)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def reset(self) -> None:
        self.plans.clear()
        self.requests.clear()
        self.left.clear()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.base}/v1"

    def will_say(self, *pieces: bytes, kind: str = "audio/mpeg", **said: Any) -> None:
        self.plans.append(Said(list(pieces), kind, **said))

    def will_answer(self, body: Any, status: int = 200, **headers: str) -> None:
        self.plans.append(Said([json.dumps(body).encode()], status=status, headers=headers))

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.run_forever()

    async def _serve(self) -> None:
        application = web.Application(client_max_size=128 * 2**20)
        application.router.add_get("/picture.png", self._picture)
        application.router.add_post("/{path:.*}", self._answer)
        self.runner = web.AppRunner(application, handler_cancellation=True)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        self._started.set()

    async def _picture(self, request: web.Request) -> web.Response:
        return web.Response(body=PICTURE, content_type="image/png")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append({"path": request.path, "headers": dict(request.headers), **await _asked(request)})
        said = self.plans.popleft()
        try:
            return await _play(request, said)
        except (asyncio.CancelledError, ConnectionError):
            self.left.append(time.monotonic())
            raise


async def _asked(request: web.Request) -> dict[str, Any]:
    if not request.content_type.startswith("multipart/"):
        return {"body": json.loads(await request.read())}
    fields: list[tuple[str, str]] = []
    files: list[tuple[str, str, str, bytes]] = []
    for name, value in (await request.post()).items():
        if isinstance(value, str):
            fields.append((name, value))
        else:
            files.append((name, value.filename, value.content_type, value.file.read()))
    return {"fields": dict(fields), "files": files}


async def _play(request: web.Request, said: Said) -> web.StreamResponse:
    if said.go_on is None and not said.cut and len(said.pieces) == 1:
        return web.Response(
            status=said.status, body=said.pieces[0], headers={"content-type": said.kind, **said.headers}
        )
    response = web.StreamResponse(status=said.status, headers={"content-type": said.kind, **said.headers})
    await response.prepare(request)
    for number, piece in enumerate(said.pieces):
        if number == 1 and said.go_on is not None:
            await asyncio.to_thread(said.go_on.wait, PATIENCE_SECONDS)
        await response.write(piece)
    if said.cut:
        request.transport.abort()
    return response
