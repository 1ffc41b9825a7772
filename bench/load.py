"""A bounded number of requests over kept-alive connections, each answer counted: `python -m bench.load URL …`."""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from bench.processes import LOAD_CORE, pinned

EVENT = b"data: {"
DONE = b"data: [DONE]"
STUCK_SECONDS = 60


@dataclass(frozen=True)
class Contender:
    """Something that answers chat completions for the stub's model, as a client needs to know it."""

    name: str
    version: str
    url: str
    key: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What to send, and when to stop: after ``seconds``, or after ``requests`` answers."""

    url: str
    key: str = ""
    connections: int = 1
    seconds: float = 0
    requests: int = 0
    stream: bool = False
    model: str = "stub"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """``answered`` counts every complete answer, ``*_per_second`` only what arrived inside the window."""

    answered: int
    errors: dict[str, int]
    events: int
    seconds: float
    requests_per_second: float
    events_per_second: float
    p50_ms: float
    p99_ms: float


def against(contender: Contender, connections: int, **bounds: Any) -> Outcome:
    return run(Plan(contender.url, contender.key, connections, headers=contender.headers, **bounds))


def run(plan: Plan) -> Outcome:
    """Carry the plan out in a process of its own, on the load's core."""
    command = [sys.executable, "-m", "bench.load", json.dumps(asdict(plan))]
    bound = plan.seconds + plan.requests / 20 + 2 * STUCK_SECONDS
    done = subprocess.run(pinned(command, LOAD_CORE), capture_output=True, text=True, timeout=bound, check=True)
    return Outcome(**json.loads(done.stdout))


def request_bytes(plan: Plan) -> bytes:
    body: dict[str, Any] = {"model": plan.model, "messages": [{"role": "user", "content": "Say hello."}]}
    if plan.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    payload = json.dumps(body).encode()
    address = urlsplit(plan.url)
    lines = [f"POST {address.path}/chat/completions HTTP/1.1", f"host: {address.netloc}"]
    lines += [f"authorization: Bearer {plan.key}", "content-type: application/json", f"content-length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in plan.headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


class BadAnswer(Exception):
    """What came back is not HTTP/1.1 as this client reads it."""


class Answer:
    """One HTTP answer as it arrives: its status, its server-sent events, and whether it is whole."""

    def __init__(self) -> None:
        self.status = 0
        self.events = 0
        self.saw_done = False
        self.chunked = False
        self.remaining = 0
        self.buffer = b""
        self.tail = b""

    def feed(self, data: bytes) -> bool:
        """Take what arrived; return whether the answer is complete."""
        data = self.buffer + data
        self.buffer = b""
        if not self.status:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.buffer = data
                return False
            self._read_head(data[:end].lower())
            data = data[end + 4 :]
        return self._feed_chunked(data) if self.chunked else self._feed_sized(data)

    def _read_head(self, head: bytes) -> None:
        self.status = int(head[9:12])
        at = head.find(b"\r\ncontent-length:")
        if at >= 0:
            self.remaining = int(head[at + 17 :].split(b"\r\n", 1)[0])
        elif b"\r\ntransfer-encoding: chunked" in head:
            self.chunked = True
        else:
            raise BadAnswer("neither a length nor chunks")

    def _feed_sized(self, data: bytes) -> bool:
        self.remaining -= len(data)
        self._count(data)
        return self.remaining <= 0

    def _feed_chunked(self, data: bytes) -> bool:
        body: list[bytes] = []
        position = 0
        while True:
            line_end = data.find(b"\r\n", position)
            if line_end < 0:
                break
            size = int(data[position:line_end].split(b";", 1)[0], 16)
            end = line_end + 2 + size
            if len(data) < end + 2:
                break
            if size == 0:
                self._count(b"".join(body))
                return True
            body.append(data[line_end + 2 : end])
            position = end + 2
        self.buffer = data[position:]
        self._count(b"".join(body))
        return False

    def _count(self, body: bytes) -> None:
        """Count the events in this piece; the tail kept is too short to hold a whole mark, so none counts twice."""
        self.events += (self.tail[1 - len(EVENT) :] + body).count(EVENT)
        self.saw_done = self.saw_done or DONE in self.tail + body
        self.tail = (self.tail + body)[1 - len(DONE) :]


class Load:
    """The state all connections share: what to send, until when, and what came back."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.request = request_bytes(plan)
        self.begun = time.perf_counter()
        self.deadline = self.begun + plan.seconds if plan.seconds else float("inf")
        self.left = plan.requests if plan.requests else sys.maxsize
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.events = self.events_in_window = self.answered_in_window = self.answered = 0
        self.open_connections = plan.connections
        self.finished = asyncio.get_running_loop().create_future()

    def take(self) -> bool:
        """Return whether one more request is to be sent, and count it as sent."""
        if self.left <= 0 or time.perf_counter() >= self.deadline:
            return False
        self.left -= 1
        return True

    def record(self, answer: Answer, sent_at: float) -> None:
        now = time.perf_counter()
        if answer.status != 200:
            self.errors[f"status {answer.status}"] += 1
        elif self.plan.stream and not answer.saw_done:
            self.errors["stream without its end"] += 1
        else:
            self.answered += 1
            self.answered_in_window += now <= self.deadline
            self.latencies.append(now - sent_at)

    def count_events(self, number: int) -> None:
        self.events += number
        if time.perf_counter() <= self.deadline:
            self.events_in_window += number

    def leave(self) -> None:
        self.open_connections -= 1
        if self.open_connections == 0 and not self.finished.done():
            self.finished.set_result(None)

    def outcome(self) -> Outcome:
        elapsed = time.perf_counter() - self.begun
        window = self.plan.seconds or elapsed
        ordered = sorted(self.latencies) or [0.0]
        return Outcome(
            answered=self.answered,
            errors=dict(self.errors),
            events=self.events,
            seconds=elapsed,
            requests_per_second=self.answered_in_window / window,
            events_per_second=self.events_in_window / window,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[int(len(ordered) * 0.99)] * 1000,
        )


class Connection(asyncio.Protocol):
    """One kept-alive connection that sends the next request when the last one is answered."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.answer: Answer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        if self.answer is None:
            return self.transport.abort()
        before = self.answer.events
        try:
            complete = self.answer.feed(data)
        except (BadAnswer, ValueError):
            return self.transport.abort()
        self.load.count_events(self.answer.events - before)
        if complete:
            self.load.record(self.answer, self.sent_at)
            self._send_next()
        return None

    def connection_lost(self, error: Exception | None) -> None:
        if self.answer is not None:
            self.load.errors["connection lost"] += 1
        if self.answer is None and self.load.left > 0 and time.perf_counter() < self.load.deadline:
            self.load.errors["connection closed between requests"] += 1
        self.load.leave()

    def _send_next(self) -> None:
        if not self.load.take():
            self.answer = None
            return self.transport.close()
        self.answer = Answer()
        self.sent_at = time.perf_counter()
        return self.transport.write(self.load.request)


async def carry_out(plan: Plan) -> Outcome:
    load = Load(plan)
    address = urlsplit(plan.url)
    loop = asyncio.get_running_loop()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: Connection(load), str(address.hostname), address.port or 80)
    bound = plan.seconds + plan.requests / 20 + STUCK_SECONDS
    try:
        await asyncio.wait_for(load.finished, bound)
    except TimeoutError:
        load.errors["no answer in time"] += load.open_connections
    return load.outcome()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", help='JSON, such as {"url": "http://127.0.0.1:8000/v1", "seconds": 3}')
    plan = Plan(**json.loads(parser.parse_args().plan))
    print(json.dumps(asdict(uvloop.run(carry_out(plan)))))


if __name__ == "__main__":
    main()
