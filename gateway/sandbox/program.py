"""The sandbox's process, seen from the gateway: started with nothing of ours, heard out, and never left behind."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, cast

from gateway.sandbox.locked import frames
from gateway.sandbox.values import SandboxFailed

START = "import sys; sys.path.insert(0, sys.argv[1]); from locked.launcher import main; main()"
COMMAND = [sys.executable, "-I", "-S", "-B", "-c", START, str(Path(__file__).parent)]
END_SECONDS = 15.0


class Program:
    """One execution. ``run`` blocks; ``stop`` may be called from anywhere, before it and after it too."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds, self._most = seconds, most
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopped = False
        self._lock = threading.Lock()

    def run(self, request: bytes) -> tuple[dict[str, Any], list[frames.Named]]:
        """Return what the process answers. Raises ``SandboxFailed``."""
        with self._lock:
            if self._is_stopped:
                raise SandboxFailed("stopped before it began")
            process = self._process = subprocess.Popen(  # noqa: S603 the words are ours
                COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={}, cwd="/", start_new_session=True, bufsize=0,
            )  # fmt: skip
        try:
            return self._asked(process, request)
        except (OSError, ValueError, LookupError) as error:
            raise SandboxFailed(f"the sandbox ended without an answer: {error} {self._complaint(process)}") from None
        finally:
            self._end(process)

    def stop(self) -> None:
        """End it as soon as it can be; does not wait for that."""
        with self._lock:
            self._is_stopped = True
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()  # it listens for that

    def _asked(self, process: subprocess.Popen[bytes], request: bytes) -> tuple[dict[str, Any], list[frames.Named]]:
        given, answer = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        deadline = time.monotonic() + self._seconds
        polled = select.poll()
        polled.register(answer, select.POLLIN)
        view = memoryview(request)
        while view:
            view = view[given.write(view) or 0 :]

        def exactly(count: int) -> bytes:
            parts = []
            while count:
                if not polled.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise OSError("it took too long")
                part = answer.read(min(count, 1 << 20))
                if not part:
                    raise OSError("its answer broke off")
                parts.append(part)
                count -= len(part)
            return b"".join(parts)

        return frames.read(exactly, self._most)

    def _complaint(self, process: subprocess.Popen[bytes]) -> str:
        self._end(process)
        return cast("IO[bytes]", process.stderr).read(4096).decode("utf-8", "replace").strip()

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """It ends by itself with its input; where it does not, it is killed, and in a namespace all others with it."""
        self.stop()
        cast("IO[bytes]", process.stdout).close()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
