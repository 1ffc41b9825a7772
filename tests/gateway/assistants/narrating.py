"""A process that tells runs as a worker would, by what is said to it: so that what follows them is tried by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from tests.live import ROOT, Gateway

PROGRAM = "from tests.gateway.assistants import narration; narration.main()"


class Narrator:
    """Each call returns when it is done there, and committed."""

    def __init__(self, gateway: Gateway) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v0", "-c", PROGRAM], cwd=ROOT, env=gateway.environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Narrator:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)

    def _do(self, verb: str, *arguments: Any) -> Any:
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def make(self, key: str) -> list[str]:
        """Make a run on a thread of its own for the key's owner; return the ids of both."""
        return self._do("make", key)

    def append(self, run: str, events: list[Any], status: str = "in_progress") -> None:
        """Add events in one transaction with a change of the run's status."""
        self._do("append", run, events, status)

    def tell(self, run: str, events: list[Any]) -> None:
        """Add events as the process does that has the run."""
        self._do("tell", run, events)

    def whisper(self, run: str, events: list[Any], status: str = "in_progress") -> None:
        """Add events, and let the bell be lost."""
        self._do("whisper", run, events, status)

    def prattle(self, run: str, count: int) -> None:
        """Add so many events, a row each."""
        self._do("prattle", run, count)

    def delete(self, thread: str) -> None:
        self._do("delete", thread)

    def forget(self, run: str) -> None:
        """Let the run's log be two days old, and what is too old go."""
        self._do("forget", run)
