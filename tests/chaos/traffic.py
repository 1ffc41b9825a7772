"""Callers of a gateway that is being killed: what they ask, when they leave, and what they saw of each request."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp

from tests.chaos.upstream import PROMPT_TOKENS, Ask

PATH = "/v1/chat/completions"
NOBODY_ANSWERS_SECONDS = 0.1
LONGEST_SECONDS = 60

# of the requests, for each of the callers' keys
SHARES = (3, 1, 1)

# how a request ended for its caller
FULL, PARTLY, LEFT, LOST, REFUSED = "full", "partly", "left", "lost", "refused"


class Manner(NamedTuple):
    """One way to ask: a kind of the upstream, plain or streamed, by a patient caller or one that leaves."""

    kind: str
    streams: bool
    share: float
    leaves: bool = False
    model: str = "steady"
    overshoots: bool = False


MANNERS = [
    Manner("plain", streams=False, share=25),
    Manner("stream", streams=True, share=30),
    Manner("uncounted", streams=False, share=3),
    Manner("uncounted stream", streams=True, share=3),
    Manner("plain", streams=False, share=5, leaves=True),
    Manner("stream", streams=True, share=12, leaves=True),
    Manner("stream", streams=True, share=3, leaves=True, model="read-on"),
    Manner("cut", streams=True, share=4),
    Manner("error", streams=False, share=4),
    Manner("error", streams=True, share=2),
    Manner("reset", streams=False, share=3),
    Manner("busy at first", streams=False, share=4, model="twice"),
    Manner("silent", streams=True, share=0.5),
    Manner("stream", streams=True, share=1, overshoots=True),
]


@dataclass
class Note:
    """What a caller saw of one request. ``web`` is the process it went to; times are seconds since 1970."""

    ask: Ask
    manner: Manner
    web: int = 0
    began_at: float = 0.0
    ended_at: float = 0.0
    ending: str = LOST
    status: int | None = None
    request_id: str = ""
    code: str = ""


@dataclass
class Traffic:
    """So many requests by so many callers at a time, each with up to ``pause`` seconds between two of them."""

    addresses: Sequence[str]
    keys: Sequence[str]
    requests: int
    callers: int
    pause: float
    seed: int
    notes: list[Note] = field(default_factory=list)

    @property
    def done(self) -> int:
        return len(self.notes)

    async def flow(self) -> None:
        """Ask until all requests are made."""
        timeout = aiohttp.ClientTimeout(total=LONGEST_SECONDS, sock_connect=5)
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            await asyncio.gather(*(self._call_on(session) for _ in range(self.callers)))

    async def _call_on(self, session: aiohttp.ClientSession) -> None:
        while self.done < self.requests:
            # a request's own, so that a seed makes the same ones whatever their timing
            chance = random.Random(self.seed * 10**6 + self.done)
            note = self._next(chance)
            self.notes.append(note)
            await self._ask(session, note, chance)
            await asyncio.sleep(chance.uniform(0, self.pause))

    def _next(self, chance: random.Random) -> Note:
        manner = chance.choices(MANNERS, [manner.share for manner in MANNERS])[0]
        words, pause = chance.randint(1, 40), chance.choice((0, 0.005, 0.02, 0.06))
        return Note(Ask(self.done, manner.kind, words, pause), manner)

    async def _ask(self, session: aiohttp.ClientSession, note: Note, chance: random.Random) -> None:
        """Ask a web process, another one where nobody listens; note how it ended."""
        body = _body(note)
        headers = {"authorization": f"Bearer {chance.choices(self.keys, SHARES)[0]}"}
        patience = chance.uniform(0.02, 0.5) if note.manner.leaves else LONGEST_SECONDS
        while True:
            note.web = chance.randrange(len(self.addresses))
            note.began_at = time.time()
            try:
                async with (
                    asyncio.timeout(patience),
                    session.post(self.addresses[note.web] + PATH, json=body, headers=headers) as answer,
                ):
                    await _read(answer, note)
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(NOBODY_ANSWERS_SECONDS)
                continue
            except (aiohttp.ClientError, ConnectionError):
                note.ending = PARTLY if note.status is not None else LOST
            except TimeoutError:
                note.ending = LEFT
            note.ended_at = time.time()
            return


async def _read(answer: aiohttp.ClientResponse, note: Note) -> None:
    note.status = answer.status
    note.request_id = answer.headers.get("x-request-id", "")
    content = await answer.read()
    note.ending = FULL
    if note.status != 200:
        note.code = json.loads(content)["error"]["code"] or ""
    elif note.manner.streams and b'data: {"error":' in content:
        note.code = "in the stream"
    elif note.manner.streams and not content.endswith(b"data: [DONE]\n\n"):
        note.ending = PARTLY


def _body(note: Note) -> dict[str, object]:
    ask, manner = note.ask, note.manner
    # most answers are shorter than they might have been; few upstreams give more than they were asked for
    most = max(1, ask.words // 2) if manner.overshoots else ask.words * 3
    return {
        "model": manner.model,
        "messages": [{"role": "user", "content": ask.text}],
        "max_tokens": most,
        "stream": manner.streams,
        "user": str(ask.number),
    }


def cost_of(ask: Ask) -> int:
    """Return what a complete answer costs, in atoms."""
    return PROMPT_TOKENS * PRICES["input"] + ask.words * PRICES["output"]


# atoms a token: 2.50 and 10 USD a million
PRICES = {"input": 25_000, "output": 100_000}
