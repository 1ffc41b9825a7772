"""A program started for a test: a log of its own, ended with its children by their process ids."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
TAIL_LINES = 30


class DidNotStart(Exception):
    """A program ended, or stayed silent, before it was ready."""


class Program:
    """Started any number of times, one at a time."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        environment: Mapping[str, str] | None = None,
        user: pwd.struct_passwd | None = None,
    ) -> None:
        self.name = name
        self.starts = 0
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._orphans: list[psutil.Process] = []

    @property
    def log(self) -> Path:
        return self._folder / f"{self.name}-{self.starts}.log"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    def start(self) -> None:
        self.starts += 1
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, **as_user(self._user),
            )  # fmt: skip

    def wait_until(self, is_ready: Callable[[], bool], seconds: float) -> None:
        """Return once ``is_ready``; raises ``DidNotStart``."""
        until = time.monotonic() + seconds
        while not is_ready():
            if not self.is_running or time.monotonic() > until:
                raise DidNotStart(f"{self.name}:\n{self.tail()}")
            time.sleep(0.05)

    def has_said(self, pattern: str) -> bool:
        return re.search(pattern, self.log.read_text(errors="replace")) is not None

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-TAIL_LINES:])

    def family(self) -> list[psutil.Process]:
        """Return the running program and its children, itself first."""
        if not self.is_running:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def behead(self) -> None:
        """``kill -9`` of itself alone; its children are expected to end by themselves."""
        self._orphans += self.family()[1:]
        self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """``kill -9`` it and its children; the parent first, so that it starts no child again."""
        family = [*self.family(), *self._orphans]
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._reap(family)

    def send(self, signal: int) -> None:
        if self.is_running:
            self._process.send_signal(signal)

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, its children too; who takes longer is killed."""
        family = self.family()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        psutil.wait_procs(family[1:], timeout=seconds)
        self.kill()
        self._reap(family)

    def wait_for_orphans(self, seconds: float) -> int:
        """Return how many children outlive a parent that was killed."""
        _, alive = psutil.wait_procs(self._orphans, timeout=seconds)
        return len(alive)

    def stop(self, seconds: float = 30) -> int | None:
        """SIGTERM, and return the exit code."""
        if self._process is None:
            return None
        if self.is_running:
            self._process.terminate()
            self.wait(seconds)
        return self.exit_code

    def _reap(self, family: list[psutil.Process]) -> None:
        if self._process is not None:
            self._process.wait()
        for process in family[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running():
                    process.kill()
        psutil.wait_procs(family[1:], timeout=10)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def as_user(user: pwd.struct_passwd | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
