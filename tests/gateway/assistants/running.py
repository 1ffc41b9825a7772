"""Runs as their callers have them: begun, waited for, looked at. And what a model that is asked for them answers."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import httpx2 as httpx

from tests.live import Gateway
from tests.upstream import USAGE, chunk, streamed

WAIT_SECONDS = 60
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
RESTING = ("requires_action", "completed", "incomplete", "failed", "cancelled", "expired")


class Caller:
    """Who asks, by ``key``; answers are checked for their status."""

    def __init__(self, gateway: Gateway, key: str | None = None) -> None:
        self.gateway, self.key = gateway, key

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        return _checked(self.gateway.post(f"/v1/{path}", body or {}, self.key, **options), status)

    def get(self, path: str, status: int = 200) -> Any:
        return _checked(self.gateway.get(f"/v1/{path}", self.key), status)

    def delete(self, path: str, status: int = 200) -> Any:
        with self.gateway.client(self.key) as client:
            return _checked(client.delete(f"/v1/{path}"), status)

    def assistant(self, **said: Any) -> str:
        return self.post("assistants", {"model": "fake", **said})["id"]

    def thread(self, *messages: str, **said: Any) -> str:
        return self.post("threads", {"messages": [{"role": "user", "content": text} for text in messages], **said})[
            "id"
        ]

    def begin(self, thread: str, assistant: str = "", **said: Any) -> Any:
        """Begin a run and return it, as queued."""
        assistant = assistant or self.assistant()
        return self.post(f"threads/{thread}/runs", {"assistant_id": assistant, **said})

    def begin_with(self, *messages: str, **said: Any) -> Any:
        return self.begin(self.thread(*(messages or ("Hello",))), **said)

    def look(self, run: Mapping[str, Any]) -> Any:
        return self.get(of(run))

    def rests(self, run: Mapping[str, Any]) -> Any:
        """Return a run as it stands once it rests."""
        return self.until(run, *RESTING)

    def until(self, run: Mapping[str, Any], *statuses: str) -> Any:
        until = time.monotonic() + WAIT_SECONDS
        while (now := self.look(run))["status"] not in statuses:
            assert time.monotonic() < until, now
            time.sleep(0.05)
        return now

    def ran(self, *messages: str, **said: Any) -> Any:
        """Return a run on a new thread as it stands once it rests."""
        return self.rests(self.begin_with(*messages, **said))

    def submit(self, run: Mapping[str, Any], *outputs: str, status: int = 200) -> Any:
        """Submit what came of the calls that the run waits for, in their order."""
        given = [
            {"tool_call_id": call["id"], "output": output} for call, output in zip(calls_of(run), outputs, strict=True)
        ]
        return self.post(f"{of(run)}/submit_tool_outputs", {"tool_outputs": given}, status)

    def steps(self, run: Mapping[str, Any]) -> list[Any]:
        return self.get(f"{of(run)}/steps?order=asc")["data"]

    def messages(self, run: Mapping[str, Any]) -> list[Any]:
        """Return the messages that the run has written."""
        return self.get(f"threads/{run['thread_id']}/messages?order=asc&run_id={run['id']}")["data"]

    def events(self, run: Mapping[str, Any]) -> str:
        """Return the stream of a run that rests."""
        with self.gateway.client(self.key) as client:
            return client.get(f"/v1/{of(run)}/events").text


def _checked(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["error"] if status >= 400 else answer.json()


def of(run: Mapping[str, Any]) -> str:
    return f"threads/{run['thread_id']}/runs/{run['id']}"


def calls_of(run: Mapping[str, Any]) -> list[Any]:
    return run["required_action"]["submit_tool_outputs"]["tool_calls"]


def text_of(message: Mapping[str, Any]) -> str:
    return "".join(part["text"]["value"] for part in message["content"])


def records_of(gateway: Gateway, run: Mapping[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the usage records of a run, waiting until there are ``count``."""
    columns = (
        "id",
        "request_id",
        "step_id",
        "fence",
        "retry_of",
        "operation",
        "status",
        "input_tokens",
        "output_tokens",
    )
    until = time.monotonic() + WAIT_SECONDS
    while True:
        rows = gateway.sql(
            f"SELECT {', '.join(columns)} FROM billing_usagerecord WHERE run_id = %s ORDER BY id", run["id"]
        )
        if len(rows) >= count or time.monotonic() > until:
            assert len(rows) == count, rows
            return [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
        time.sleep(0.1)


def _plain(value: Any) -> Any:
    """Ids are texts in one database, and UUIDs in the other."""
    return value if value is None or isinstance(value, int) else str(value).replace("-", "")


# what a model answers -----------------------------------------------------------------------------------------------


def calling(*calls: tuple[str, str, Any], text: str = "", usage: Any = USAGE) -> list[str]:
    """Return the events of an answer that calls functions: ids, names and arguments."""
    chunks = [chunk({"role": "assistant", "content": ""})]
    chunks += [chunk({"content": word}) for word in text.split()]
    for index, (id, name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": ""}
        chunks.append(chunk({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]}))
        said = json.dumps(arguments)
        for part in (said[:3], said[3:]):
            chunks.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
    chunks += [chunk({}, "tool_calls"), chunk(usage=usage)]
    return [f"data: {json.dumps(each)}\n\n" for each in chunks] + ["data: [DONE]\n\n"]


def cut(reason: str, *words: str) -> list[str]:
    """Return the events of an answer that ends for a ``reason``."""
    events = streamed(list(words))
    return [event.replace('"stop"', f'"{reason}"') for event in events]
