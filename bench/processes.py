"""Programs started for a measurement: pinned to a core, watched through their log, ended by process id."""

import contextlib
import fcntl
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType

import psutil

WEB_CORE, LOAD_CORE = 0, 1


class DidNotStart(Exception):
    """A program ended, or stayed silent, before it was ready."""


@cache
def can_pin() -> bool:
    """Return whether both cores are ours; asked once, since the harness then pins itself."""
    return shutil.which("taskset") is not None and {WEB_CORE, LOAD_CORE} <= os.sched_getaffinity(0)


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other run of the figures is under way on this machine: two would measure each other."""
    with open(Path(tempfile.gettempdir()) / "tollgate-bench.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another run to end …", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pinned(command: list[str], core: int | None) -> list[str]:
    """Return ``command`` run on one core, or as it is where this machine cannot pin."""
    if core is None or not can_pin():
        return command
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A child process writing to a log file; leaving the ``with`` block ends it."""

    def __init__(
        self,
        command: list[str],
        log: Path,
        *,
        core: int | None = None,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.name = Path(command[0]).name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self.started = time.monotonic()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                pinned(command, core),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, **(environment or {})},
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self.process.pid

    def tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.pid)
        return [root, *root.children(recursive=True)]

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern: str, seconds: float) -> re.Match[str]:
        """Return the first match of ``pattern`` in what the program has written."""
        for _ in self._while_alive(seconds, pattern):
            if found := re.search(pattern, self.output(), re.MULTILINE):
                return found
        raise self._silent(pattern)

    def wait_for_port(self, port: int, seconds: float) -> None:
        for _ in self._while_alive(seconds, f"port {port}"):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return
        raise self._silent(f"port {port}")

    def stop(self, seconds: float = 30) -> int:
        """End the program as its supervisor would; return its exit code."""
        if self.process.poll() is None:
            family = self.tree()
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                for member in reversed(family):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        member.kill()
        return self.process.wait()

    def _while_alive(self, seconds: float, awaited: str) -> Iterator[None]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            yield
            if self.process.poll() is not None:
                raise DidNotStart(f"{self.name} ended with {self.process.returncode} before {awaited}:\n{self._tail()}")
            time.sleep(0.02)

    def _silent(self, awaited: str) -> DidNotStart:
        return DidNotStart(f"{self.name} did not reach {awaited} in time:\n{self._tail()}")

    def _tail(self) -> str:
        return self.output()[-3000:]
