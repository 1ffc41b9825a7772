"""Processes die, servers go away, and nothing is lost: real processes, really killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2 as httpx
import pytest

from tests.conftest import ROUTES
from tests.live import Gateway, answers, free_port
from tests.upstream import Upstream, streamed

CHAT = "/v1/chat/completions"
DEMO = {"model": "demo", "messages": [{"role": "user", "content": "Hello"}]}
FAKE = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": "Hello there"}]}

needs_redis = pytest.mark.skipif("REDIS_URL" not in os.environ, reason="REDIS_URL names no Redis")


@pytest.fixture
def alone(fake_upstream: Upstream) -> Iterator[Gateway]:
    """A gateway of this test's own, to be killed."""
    fake_upstream.reset()
    running = Gateway().start()
    try:
        running.apply(ROUTES.format(url=fake_upstream.url))
        yield running
    finally:
        running.destroy()


def test_sigterm_lets_running_streams_finish(alone: Gateway, fake_upstream: Upstream) -> None:
    fake_upstream.will_stream(streamed(["word"] * 20), pause=0.1)
    answer: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answer.append(alone.post(CHAT, FAKE)))
    caller.start()
    time.sleep(0.7)
    assert alone.stop() == 0
    caller.join(10)
    assert answer[0].text.endswith("data: [DONE]\n\n")
    assert answer[0].text.count("word") == 20
    record = alone.record(answer[0].headers["x-request-id"])
    assert record["status"] == "completed"
    assert alone.verify_ledger().returncode == 0


def test_a_second_start_makes_no_second_admin(alone: Gateway) -> None:
    assert alone.stop() == 0
    alone.output.clear()
    alone.start()
    assert not [line for line in alone.output if line.startswith(("Admin:", "API key:"))]
    assert alone.post(CHAT, DEMO).status_code == 200


def test_killing_the_web_process_in_mid_stream_leaves_one_record_each(alone: Gateway, fake_upstream: Upstream) -> None:
    finished = [alone.post(CHAT, DEMO).headers["x-request-id"] for _ in range(5)]
    fake_upstream.will_stream(streamed(["word"] * 100), pause=0.1)
    seen: list[str] = []

    def call() -> None:
        with alone.client() as client, client.stream("POST", CHAT, json=FAKE) as answer:
            seen.append(answer.headers["x-request-id"])
            try:
                for _ in answer.iter_bytes():
                    pass
            except httpx.RemoteProtocolError:
                seen.append("cut")

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(2.5)
    alone.stop_worker()  # it would take the journal over by itself
    os.kill(alone.process.pid, signal.SIGSTOP)  # so that its parent does not start another yet
    alone.kill_web()
    caller.join(10)
    os.kill(alone.process.pid, signal.SIGCONT)
    alone.process.kill()
    alone.process.wait()
    assert seen[1:] == ["cut"]
    assert "is gone, and its journal is not taken over yet" in alone.command("verify_ledger", check=False).stdout
    alone.start()
    record = alone.record(seen[0])
    assert record["status"] == "interrupted"
    assert record["estimated"]
    assert record["cost"] > 0
    assert [alone.record(request_id)["status"] for request_id in finished] == ["completed"] * 5
    alone.records()
    verdict = alone.verify_ledger()
    assert verdict.returncode == 0, verdict.stdout


def test_a_killed_web_process_is_started_again(alone: Gateway) -> None:
    killed = alone.web_process()
    os.kill(killed, signal.SIGKILL)
    until = time.monotonic() + 20
    while time.monotonic() < until and not answers(alone.base + "/healthz"):
        time.sleep(0.1)
    assert alone.post(CHAT, DEMO).status_code == 200
    assert alone.web_process() != killed


def test_a_web_process_ends_with_the_one_that_started_it(alone: Gateway, fake_upstream: Upstream) -> None:
    fake_upstream.will_stream(streamed(["word"] * 20), pause=0.1)
    with ThreadPoolExecutor() as pool:
        caller = pool.submit(alone.post, CHAT, FAKE)
        time.sleep(0.7)
        alone.process.kill()
        alone.process.wait()
        assert caller.result(20).text.endswith("data: [DONE]\n\n")
    until = time.monotonic() + 20
    while answers(alone.base + "/healthz"):
        assert time.monotonic() < until
        time.sleep(0.1)
    alone.start()
    assert alone.post(CHAT, DEMO).status_code == 200
    assert alone.verify_ledger().returncode == 0


@needs_redis
def test_without_a_worker_calls_are_answered_and_with_it_their_records_appear() -> None:
    gateway = Gateway(worker=False).start()
    try:
        with ThreadPoolExecutor(10) as pool:
            answered = list(pool.map(lambda _: gateway.post(CHAT, DEMO), range(100)))
        assert {answer.status_code for answer in answered} == {200}
        gateway.start_worker()
        ids = {answer.headers["x-request-id"] for answer in answered}
        until = time.monotonic() + 30
        while time.monotonic() < until:
            posted = {row[0] for row in gateway.sql("SELECT request_id FROM billing_usagerecord")}
            if ids <= posted:
                break
            time.sleep(0.1)
        assert ids == posted
        assert gateway.verify_ledger().returncode == 0
    finally:
        gateway.destroy()


@needs_redis
def test_with_redis_away_calls_are_answered_and_recorded() -> None:
    port = free_port()
    redis = subprocess.Popen(["redis-server", "--port", str(port), "--save", ""], stdout=subprocess.DEVNULL)
    gateway = Gateway(worker=False, REDIS_URL=f"redis://127.0.0.1:{port}/0")
    try:
        gateway.start()
        assert gateway.post(CHAT, DEMO).status_code == 200
        redis.kill()
        redis.wait()
        answer = gateway.post(CHAT, DEMO)
        assert answer.status_code == 200
        assert gateway.record(answer.headers["x-request-id"])["status"] == "completed"
        ready = gateway.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["checks"]["broker"].startswith("away")
    finally:
        redis.kill()
        gateway.destroy()


@pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="DATABASE_URL names no PostgreSQL")
def test_with_the_database_away_known_keys_go_on_and_unknown_ones_get_503() -> None:
    with Outage() as outage:
        gateway = Gateway()
        gateway.environment["DATABASE_URL"] = outage.through(gateway.database_url)
        try:
            gateway.start()
            assert gateway.post(CHAT, DEMO).status_code == 200
            unknown = gateway.issue_key("later@example.com")
            outage.begin()
            during = [gateway.post(CHAT, DEMO) for _ in range(3)]
            assert {answer.status_code for answer in during} == {200}
            refused = gateway.post(CHAT, DEMO, unknown)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "overloaded"
            outage.end()
            for answer in during:
                assert gateway.record(answer.headers["x-request-id"])["status"] == "completed"
            assert gateway.post(CHAT, DEMO, unknown).status_code == 200
        finally:
            gateway.destroy()


class Outage:
    """A TCP relay in front of PostgreSQL that can be cut and mended."""

    def __enter__(self) -> Outage:
        self.port = free_port()
        return self

    def through(self, url: str) -> str:
        parts = httpx.URL(url)
        self.target = (parts.host, parts.port or 5432)
        self.end()
        return str(parts.copy_with(host="127.0.0.1", port=self.port))

    def begin(self) -> None:
        self.relay.kill()
        self.relay.wait()

    def end(self) -> None:
        target = json.dumps([self.port, *self.target])
        self.relay = subprocess.Popen([sys.executable, "-m", "tests.relay", target])
        time.sleep(0.5)

    def __exit__(self, *_: object) -> None:
        self.begin()
