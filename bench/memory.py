"""What a running process holds: its resident memory, and which Python packages it has loaded."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

import psutil

PIECE = 1 << 22


class Resident(NamedTuple):
    """Megabytes (10^6 bytes): of the process that serves, and of the whole tree."""

    web: float
    tree: float


def resident(tree: list[psutil.Process]) -> Resident:
    sizes = [member.memory_info().rss / 1e6 for member in tree]
    return Resident(max(sizes), sum(sizes))


def processor_seconds(tree: list[psutil.Process]) -> float:
    """Return the CPU time that the processes have had so far, the system's part included."""
    return sum(sum(process.cpu_times()[:2]) for process in tree)


def loaded(tree: list[psutil.Process], marks: dict[str, str]) -> set[str]:
    """Return which packages any process of the tree has imported; ``marks`` names one module file of each.

    Code objects carry their file's path, so `celery/worker/worker.py` is in the memory of whoever imported it;
    this sees what was loaded late as well, without putting anything into the process.
    """
    found: set[str] = set()
    for member in tree:
        for piece in _private_memory(member.pid):
            found |= {package for package, mark in marks.items() if f"/site-packages/{mark}".encode() in piece}
    return found


def _private_memory(pid: int) -> Iterator[bytes]:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            if region := re.match(r"([0-9a-f]+)-([0-9a-f]+) rw-p .{8} 00:00 0\s+(\[heap\])?$", line):
                yield from _pieces(memory.fileno(), int(region[1], 16), int(region[2], 16))


def _pieces(file: int, start: int, end: int) -> Iterator[bytes]:
    """Yield the region in overlapping pieces, so that no mark is cut in two."""
    for at in range(start, end, PIECE):
        try:
            yield os.pread(file, min(PIECE + 256, end - at), at)
        except OSError:
            return
