"""The files of the folder that code works in: put there before, taken from there after. Nothing in it is believed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from hashlib import sha256

MOST_FILES, MOST_TOLD, MOST_DEPTH, LONGEST_NAME = 100, 10, 8, 1000

Named = tuple[str, bytes]


def put(folder: str, files: Sequence[Named], owner: int | None) -> dict[str, bytes]:
    """Write ``files`` into an empty folder of ours; return what tells whether they have changed."""
    for name, data in files:
        path = os.path.join(folder, name)
        for parent in _parents(folder, name):
            os.makedirs(parent, exist_ok=True)
            _give(parent, owner)
        with open(path, "wb") as file:
            file.write(data)
        _give(path, owner)
    return {name: sha256(data).digest() for name, data in files}


def take(folder: str, known: dict[str, bytes], most: int) -> tuple[list[Named], list[str]]:
    """Return files that are new or changed, and the names of those left out as together they are too many or too large.

    Links, pipes and hidden files are none.
    """
    taken: list[Named] = []
    left_out: list[str] = []
    whole = most
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    for name, descriptor in _files(root, "", MOST_DEPTH):
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(whole + 1)
        if known.get(name) == sha256(data).digest():
            continue
        if len(data) > most or len(taken) == MOST_FILES:
            left_out.append(name)
            continue
        most -= len(data)
        taken.append((name, data))
    return taken, left_out[:MOST_TOLD]


def _parents(folder: str, name: str) -> Iterator[str]:
    parts = name.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        yield os.path.join(folder, *parts[:count])


def _give(path: str, owner: int | None) -> None:
    if owner is not None:
        os.chown(path, owner, owner)


def _files(directory: int, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    """Yield names and open descriptors, by descriptors all the way: a link put in the way leads nowhere."""
    try:
        for entry in sorted(os.listdir(directory)):
            name = f"{prefix}{entry}"
            if entry.startswith(".") or not name.isprintable() or len(name) > LONGEST_NAME:
                continue
            descriptor = _opened(directory, entry)
            if descriptor is None:
                continue
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISREG(mode):
                yield name, descriptor
            elif stat.S_ISDIR(mode) and depth > 1:
                yield from _files(descriptor, f"{name}/", depth - 1)
            else:
                os.close(descriptor)
    finally:
        os.close(directory)


def _opened(directory: int, entry: str) -> int | None:
    try:
        return os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return None  # a link, or the code took its own right to read it
