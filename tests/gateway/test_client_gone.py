"""A client that leaves cancels its upstream at once, and what it had is still paid for."""

from __future__ import annotations

import json
import socket
import time

import pytest

from tests.live import Gateway
from tests.upstream import Upstream, streamed

# The promise is 100 ms on a quiet machine (measured by `make bench`); here only that it is not left to run.
SOON = 2.0


def leave(gateway: Gateway, body: dict, wait_for: bytes) -> float:
    """Send a request, read until ``wait_for`` is seen (or a little while, where it is empty), hang up."""
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), 10) as connection:
        connection.sendall(head.encode() + content)
        seen = b""
        while wait_for and wait_for not in seen:
            seen += connection.recv(65536)
        if not wait_for:
            time.sleep(0.5)
    return time.time()


def left_after(upstream: Upstream, hung_up: float) -> float:
    until = time.time() + 10
    while not upstream.left and time.time() < until:
        time.sleep(0.01)
    assert upstream.left, "the upstream was never cancelled"
    return upstream.left[0] - hung_up


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_leaving_cancels_the_upstream_and_leaves_one_record(gateway: Gateway, upstream: Upstream, stream: bool) -> None:
    upstream.will_stream(streamed(["word"] * 100), pause=0.1) if stream else upstream.will_answer(delay=8)
    before = len(gateway.records())
    body = {"model": "fake", "stream": stream, "messages": [{"role": "user", "content": "Hello there"}]}
    hung_up = leave(gateway, body, b"word" if stream else b"")
    assert left_after(upstream, hung_up) < SOON
    records = gateway.records()
    assert len(records) == before + 1
    assert (records[-1]["status"], records[-1]["http_status"]) == ("client_gone", 200 if stream else 499)
    assert records[-1]["estimated"]
    assert records[-1]["cost"] > 0
