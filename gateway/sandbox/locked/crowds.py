"""All processes of the code, as the kernel tells them: in a namespace of their own, or as children of this process."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import time
from collections.abc import Iterator, Sequence

from . import calls

PAGE = os.sysconf("SC_PAGE_SIZE")
MOST_ENTRIES = 4096
END_SECONDS = 10.0
DISK_SECONDS = 0.2


class InNamespace:
    """This process is the first of the namespace, and ``processes`` a descriptor of its `/proc`."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    def resident(self) -> int:
        names = [name for name in os.listdir(self._processes) if name.isdigit() and name != "1"]
        return sum(_resident(f"{name}/statm", self._processes) for name in names)

    def has_filled(self, most: int) -> bool:
        return False  # its file system has that size

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()


class Descendants:
    """Children, theirs, and what they left behind: this process takes that over."""

    def __init__(self, folders: Sequence[str]) -> None:
        calls.prctl(calls.PR_SET_CHILD_SUBREAPER, 1)
        self._folders = folders
        self._looked_at = 0.0

    def resident(self) -> int:
        return sum(_resident(f"/proc/{process}/statm") for process in _below(os.getpid()))

    def has_filled(self, most: int) -> bool:
        if time.monotonic() - self._looked_at < DISK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        unnamed = sum(_unnamed(process) for process in _below(os.getpid()))
        return unnamed > most or _is_filled(self._folders, most - unnamed)

    def end(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            for process in _below(os.getpid()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.001)
        raise OSError("processes of the code could not be ended")


def tasks_of(user: int) -> int:
    """Return how many tasks a user of the machine has; the kernel counts the code's among them."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{name}").st_uid == user:
                count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _resident(path: str, directory: int | None = None) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return 0  # it has ended
    with os.fdopen(descriptor, "rb") as file, contextlib.suppress(ProcessLookupError):
        return int(file.read().split()[1]) * PAGE
    return 0


def _below(process: int) -> Iterator[int]:
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            with open(f"/proc/{process}/task/{thread}/children") as file:
                children = [int(word) for word in file.read().split()]
            for child in children:
                yield child
                yield from _below(child)


def _unnamed(process: int) -> int:
    """Return how many bytes on the disk a process holds that no name leads to any more."""
    held: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{process}/fd"):
            with contextlib.suppress(OSError):
                found = os.stat(f"/proc/{process}/fd/{name}")
                if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                    held[found.st_ino] = found.st_blocks * 512
    return sum(held.values())


def _is_filled(folders: Sequence[str], most: int) -> bool:
    used = entries = 0
    for folder in folders:
        for root, directories, files in os.walk(folder):
            entries += len(directories) + len(files)
            for name in files:
                with contextlib.suppress(OSError):
                    used += os.lstat(os.path.join(root, name)).st_blocks * 512
            if used > most or entries > MOST_ENTRIES:
                return True
    return False
