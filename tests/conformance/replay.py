"""The recordings served again as upstreams, and called once each through a live gateway."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2 as httpx
import yaml

from tests.conformance.recordings import Recording
from tests.conformance.shared import CONFORMANCE

PRICES = {"input": 1, "cached_input": 1, "cache_write": 1, "output": 2}


class Replay:
    """Each recording behind a model of its own, so that the answer to a call is known; calls are made once and kept."""

    def __init__(self, gateway: Any, recordings: list[Recording], port: int, split: int) -> None:
        self.gateway = gateway
        self.recordings = recordings
        self.split = split
        self._port = port
        self._answers: dict[str, httpx.Response] = {}

    def configuration(self) -> str:
        rows = [(self._name(one), one) for one in self.recordings]
        base = f"http://127.0.0.1:{self._port}/c"
        options = {"allow_private": True}
        return yaml.safe_dump(
            {
                "providers": [
                    {"name": name, "adapter": one.adapter, "base_url": f"{base}/{one.place}{one.base}",
                     "secret": "x", "options": options, "price_book": name}
                    for name, one in rows
                ],
                "routes": [
                    {"model": name, "retries": 0, "targets": [{"provider": name, "upstream_model": name}]}
                    for name, _ in rows
                ],
                "prices": [
                    {"provider": name, "upstream_model": name, "from": "2026-01-01", **PRICES} for name, _ in rows
                ],
            }
        )  # fmt: skip

    def answer(self, recording: Recording, request: dict[str, Any] | None = None) -> httpx.Response:
        """Return the gateway's whole answer to the recorded request, only its model and `stream` set by us.

        ``request`` takes its place where that is in another format.
        """
        name = self._name(recording)
        if name not in self._answers:
            body = {**(request or recording.request), "model": name}
            if recording.streamed:
                body["stream"] = True
            self._answers[name] = self.gateway.post(f"/v1/{recording.operation}", body)
        return self._answers[name]

    def _name(self, recording: Recording) -> str:
        return f"recording-{recording.adapter}-{self.recordings.index(recording)}-split-{self.split}"


@contextmanager
def upstream(split: int) -> Iterator[int]:
    """Run the replaying upstream; ``split`` is the size of its writes in bytes, 0 one write for each event."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-B", str(CONFORMANCE / "replay_upstream.py"), "--port", str(port)]
    process = subprocess.Popen([*command, "--split", str(split)])
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the replaying upstream does not listen")
