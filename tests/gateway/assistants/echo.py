"""An upstream that says each question again, word by word: so each answer tells whose it is."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from aiohttp import web

from tests.upstream import Upstream, streamed

WORDS = 12


def answer_to(question: str) -> str:
    """Return what is answered: its words cannot be told apart from where they come from."""
    return " ".join(f"{question}:{number}" for number in range(WORDS))


class Echo(Upstream):
    """Answers a chat by its last question, ``pause`` seconds between two words."""

    def __init__(self, pause: float = 0.05) -> None:
        super().__init__()
        self.pause = pause

    def asked(self) -> Counter[str]:
        """Return how often each question was asked."""
        return Counter(_question(request["body"]) for request in self.requests)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.requests.append({"path": request.path, "body": body})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        words = answer_to(_question(body)).split(" ")
        for event in streamed([words[0], *(f" {word}" for word in words[1:])]):
            await response.write(event.encode())
            await asyncio.sleep(self.pause)
        return response


def _question(body: Any) -> str:
    question: str = next(each["content"] for each in reversed(body["messages"]) if each["role"] == "user")
    return question
