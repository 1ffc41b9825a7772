"""How fast a run's stream is: ``make bench-runs``. Production's shape; figures into docs/runs.md.

Upstream and callers are this process, on the core beside the web's: each chunk says when it was written, by the clock
that its reader looks at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiohttp import web

from bench import neighbours, tollgate
from bench.processes import LOAD_CORE, alone, can_pin
from bench.report import machine
from bench.scratch import CHECKOUT

PAGE = CHECKOUT / "docs/runs.md"
BEGIN, END = "<!-- make bench-runs writes from here -->", "<!-- to here -->"
MODEL = "paced"
FIRST_MS_AIMED, CHUNK_MS_AIMED = 150, 50
QUESTION = {"messages": [{"role": "user", "content": "What is the time?"}]}
USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
HEAD = ("runs at once", "chunks/s", "first event", "first chunk", "a chunk", "its 99th percentile")


class Load(NamedTuple):
    """``at_once`` runs go on at a time, ``total`` in all; each answer has ``chunks``, written ``pause`` s apart."""

    at_once: int
    total: int
    chunks: int
    pause: float


class Seen(NamedTuple):
    """What a caller saw, in ms: its first event and first chunk after its request, each chunk after its writing."""

    first: float
    first_chunk: float
    chunks: list[float]


def main() -> int:
    options = _options()
    if can_pin():
        os.sched_setaffinity(0, {LOAD_CORE})
    loads = [Load(each, max(each, options.runs), options.chunks, options.pause) for each in options.at_once]
    with (
        alone(),
        tempfile.TemporaryDirectory(prefix="tollgate-runs-") as folder,
        tollgate.production(Path(folder)) as gateway,
    ):
        watch = neighbours.Watch()
        found = asyncio.run(_measured(gateway, loads))
        others = watch.share()
        is_clean = gateway.command("verify_ledger").returncode == 0
    where = [*machine(), f"other work on the machine meanwhile: {others:.0%} of it"]
    lines = [*_table(loads, found), "", _said(loads, is_clean=is_clean), "", *(f"- {line}" for line in where)]
    print("\n".join(lines))
    _write(lines)
    return int(not (is_clean and _is_met(found[0])))


async def _measured(gateway: tollgate.Tollgate, loads: Sequence[Load]) -> list[list[Seen]]:
    upstream = _Upstream(loads[0])
    try:
        await asyncio.to_thread(gateway.apply, tollgate.route_to("paced", await upstream.start(), [MODEL]))
        headers = {"authorization": f"Bearer {gateway.key}"}
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0)) as session:
            callers = _Callers(session, gateway.url)
            await callers.prepare()
            return [await callers.work(load) for load in loads]
    finally:
        await upstream.stop()


class _Upstream:
    """A model that says what the time is, again and again."""

    def __init__(self, load: Load) -> None:
        self._load = load
        application = web.Application()
        application.router.add_post("/v1/chat/completions", self._answer)
        self._runner = web.AppRunner(application)

    async def start(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        await request.read()
        answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await answer.prepare(request)
        for _ in range(self._load.chunks):
            await asyncio.sleep(self._load.pause)
            await answer.write(_chunk({"content": f"{time.monotonic()} "}))
        await answer.write(_chunk({}, "stop") + _event({"choices": [], "usage": USAGE}) + b"data: [DONE]\n\n")
        return answer


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})


def _event(said: dict[str, Any]) -> bytes:
    whole = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": MODEL, **said}
    return b"data: %b\n\n" % json.dumps(whole).encode()


class _Callers:
    """Who begins runs, and reads what is told of them."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def prepare(self) -> None:
        self._assistant = (await self._made("assistants", {"model": MODEL}))["id"]
        await self._seen()  # what the first one loads is not the others'

    async def work(self, load: Load) -> list[Seen]:
        waiting, found = iter(range(load.total)), list[Seen]()

        async def caller() -> None:
            for _ in waiting:
                found.append(await self._seen())

        await asyncio.gather(*(caller() for _ in range(load.at_once)))
        return found

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self._session.post(f"{self._url}/{path}", json=body) as answer:
            made: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"POST {path} was answered {answer.status}: {made}")
            return made

    async def _seen(self) -> Seen:
        thread = (await self._made("threads", QUESTION))["id"]
        begun, first, first_chunk = time.monotonic(), 0.0, 0.0
        names, chunks = [""], list[float]()
        body = {"assistant_id": self._assistant, "stream": True}
        async with self._session.post(f"{self._url}/threads/{thread}/runs", json=body) as answer:
            async for name, data in _told(answer):
                now = time.monotonic()
                first = first or now - begun
                names.append(name)
                if name == "thread.message.delta" and (written := _texts(data).strip()):
                    chunks.append((now - float(written)) * 1000)
                    first_chunk = first_chunk if len(chunks) > 1 else now - begun
        if names[-2:] != ["thread.run.completed", "done"]:
            raise RuntimeError(f"a run's stream ended with {names[-2:]}")
        return Seen(first * 1000, first_chunk * 1000, chunks)


async def _told(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """Yield the names and the data of the events as they come."""
    name = ""
    async for line in answer.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, value


def _texts(data: str) -> str:
    return "".join(part["text"].get("value", "") for part in json.loads(data)["delta"]["content"])


def _table(loads: Sequence[Load], found: Sequence[Sequence[Seen]]) -> list[str]:
    rows = [_row(load, seen) for load, seen in zip(loads, found, strict=True)]
    aims = ["aim", "", f"{FIRST_MS_AIMED}", "", f"{CHUNK_MS_AIMED}", ""]
    return [f"| {' | '.join(line)} |" for line in (HEAD, ["---"] * len(HEAD), *rows, aims)]


def _row(load: Load, seen: Sequence[Seen]) -> list[str]:
    chunks = [chunk for one in seen for chunk in one.chunks]
    return [
        f"{load.at_once}",
        f"{load.at_once / load.pause:.0f}",
        f"{statistics.median(one.first for one in seen):.0f} (at most {max(one.first for one in seen):.0f})",
        f"{statistics.median(one.first_chunk for one in seen) - load.pause * 1000:.0f}",
        f"{statistics.median(chunks):.0f}",
        f"{statistics.quantiles(chunks, n=100)[98]:.0f}",
    ]


def _is_met(seen: Sequence[Seen]) -> bool:
    chunks = [chunk for one in seen for chunk in one.chunks]
    middle = statistics.median(one.first for one in seen)
    return middle <= FIRST_MS_AIMED and statistics.median(chunks) <= CHUNK_MS_AIMED


def _said(loads: Sequence[Load], *, is_clean: bool) -> str:
    one = loads[0]
    return (
        f"Milliseconds, medians unless said otherwise, of at least {one.total} runs each; an answer is {one.chunks} "
        f"chunks, one every {one.pause * 1000:.0f} ms. The web process has one core; worker, beat, upstream and "
        f"callers share the other. `verify_ledger` afterwards: {'clean' if is_clean else 'differences'}. On "
        f"{datetime.now(UTC):%Y-%m-%d}, by `make bench-runs`."
    )


def _write(lines: Sequence[str]) -> None:
    """Replace what the page says of the last run."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text("\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--chunks", type=int, default=40)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two chunks of an answer")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
