"""Starts the code and stands by it: until it ends, passes a limit, or nobody waits for it any more."""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from . import calls

PROCESSES, DESCRIPTORS = 32, 256
TICK_SECONDS = 0.02
CHUNK = 65536
COMPLETED, FAILED, TIME, MEMORY, OUTPUT, FILES = "completed", "failed", "time", "memory", "output", "files"
WHY = {0: COMPLETED, -signal.SIGXCPU: TIME}


class Limits(NamedTuple):
    """Seconds and bytes; ``processes`` counts those that the kernel counts with the code's."""

    seconds: float
    memory: int
    files: int
    output: int
    processes: int = PROCESSES


class Crowd(Protocol):
    """All processes that the code started, wherever they went."""

    def resident(self) -> int:
        """Return how many bytes of memory they have."""

    def has_filled(self, most: int) -> bool:
        """Whether its folders have more than ``most`` bytes, where nothing else bounds them."""

    def end(self) -> None:
        """End them all, and return when they are gone."""


class Ended(NamedTuple):
    """``code`` is the exit code, negative a signal's number; 0 where a limit ended it."""

    why: str
    output: bytes
    code: int = 0


class NotStarted(Exception):
    """The code could not be started as it has to be."""


class NobodyWaits(Exception):
    """Who asked for the code to be executed is gone."""


def keep(
    command: Sequence[str],
    environment: dict[str, str],
    folder: str,
    limits: Limits,
    lock: Callable[[], None],
    crowd: Crowd,
) -> Ended:
    """Run ``command`` after ``lock`` in its process; return how it ended. Raises ``NotStarted``, ``NobodyWaits``."""
    process, output = _start(command, environment, folder, limits, lock)
    try:
        return _stand_by(process, output, limits, crowd)
    finally:
        crowd.end()
        os.close(output)


def _start(
    command: Sequence[str], environment: dict[str, str], folder: str, limits: Limits, lock: Callable[[], None]
) -> tuple[int, int]:
    output, written = os.pipe()
    trouble, told = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            _become(written, folder, limits)
            lock()
            os.execve(command[0], list(command), environment)  # noqa: S606 no shell
        except BaseException as error:  # noqa: BLE001 whatever it is, the code must not go on from here
            os.write(told, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(127)
    os.close(written)
    os.close(told)
    with os.fdopen(trouble, "rb") as said:
        if words := said.read():
            raise NotStarted(words.decode())
    os.set_blocking(output, False)
    return process, output


def _become(written: int, folder: str, limits: Limits) -> None:
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    os.chdir(folder)
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    seconds = max(1, round(limits.seconds))
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, limits.memory, limits.memory),
        (resource.RLIMIT_FSIZE, limits.files, limits.files),
        (resource.RLIMIT_NPROC, limits.processes, limits.processes),
        (resource.RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        resource.setrlimit(kind, (soft, hard))


def _stand_by(process: int, output: int, limits: Limits, crowd: Crowd) -> Ended:
    said = bytearray()
    deadline = time.monotonic() + limits.seconds
    polled = select.poll()
    polled.register(output, select.POLLIN)
    polled.register(0, 0)  # its end: nobody waits
    while True:
        for descriptor, event in polled.poll(TICK_SECONDS * 1000):
            if descriptor == 0:
                raise NobodyWaits
            if not _read(output, said, limits.output) and event & select.POLLHUP:
                polled.unregister(output)
        if len(said) > limits.output:
            return Ended(OUTPUT, bytes(said[: limits.output]))
        code = _reaped(process)
        why = _passed(limits, deadline, crowd) if code is None else WHY.get(code, FAILED)
        if why is not None:
            crowd.end()  # what is left in the pipe has an end then
            _read(output, said, limits.output)
            return Ended(why, bytes(said[: limits.output]), code or 0)


def _read(output: int, said: bytearray, most: int) -> bool:
    """Add what is there, up to a little more than ``most``; return whether there was anything."""
    found = False
    while len(said) <= most:
        try:
            chunk = os.read(output, CHUNK)
        except BlockingIOError:
            return found
        if not chunk:
            return found
        said += chunk
        found = True
    return True


def _reaped(process: int) -> int | None:
    """Return the exit code of the code's first process, None while it runs; all others that ended are let go."""
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == 0:
            return None
        if ended == process:
            return os.waitstatus_to_exitcode(status)


def _passed(limits: Limits, deadline: float, crowd: Crowd) -> str | None:
    if time.monotonic() > deadline:
        return TIME
    if crowd.resident() > limits.memory:
        return MEMORY
    return FILES if crowd.has_filled(limits.files) else None


def forbid(program: bytes) -> None:
    """Install the filter of calls in this process and its children, for good."""
    text = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: how many steps, where they are
    count = len(program) // 8
    header = ctypes.create_string_buffer(count.to_bytes(8, "little") + ctypes.addressof(text).to_bytes(8, "little"), 16)
    calls.prctl(calls.PR_SET_SECCOMP, 2, ctypes.addressof(header))
