"""The end of a log file, piece by piece. Reading is done in a thread: a disk may be slow, or far away."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO

PIECE = 64 * 1024


class LogMissing(Exception):
    """No log file is configured, or it is not there to be read."""


class Tail:
    """The last ``size`` bytes of ``file``, from where it stands; what is written meanwhile is left out."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self._file = file

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes. A file that is cut short meanwhile ends early."""
        with self._file:
            left = self.size
            while left and (piece := await asyncio.to_thread(self._file.read, min(PIECE, left))):
                left -= len(piece)
                yield piece


async def opened(path: str, most: int) -> Tail:
    """Return the last ``most`` bytes of the file at ``path``. Raises ``LogMissing``."""
    if not path:
        raise LogMissing
    try:
        return await asyncio.to_thread(_open, path, most)
    except (OSError, RuntimeError) as error:
        raise LogMissing from error


def _open(path: str, most: int) -> Tail:
    """Open nothing but a file: a pipe would keep us waiting, a device never ends."""
    file = os.fdopen(os.open(Path(path).expanduser(), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise LogMissing
    size = min(most, status.st_size)
    file.seek(status.st_size - size)
    return Tail(file, size)
