"""Files read in a process of their own: what a file does to its reader, it does not do to the gateway."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path, PurePath
from typing import IO

from django.conf import settings

from gateway.files import shelf
from gateway.files.rows import StoredFile
from gateway.vectors import extracting
from gateway.vectors.threads import in_thread

logger = logging.getLogger(__name__)

PROGRAM = Path(__file__).with_name("extracting.py")
# by the clock on the wall: a machine that is busy gives its readers little of the processor
SECONDS = 180.0
# a character has four bytes at most
MOST_WRITTEN = 4 * extracting.MOST_TEXT + 1024
SERVER = "server_error"


class Unreadable(Exception):
    """There is no text to be had of the file; ``code`` as in a file's ``last_error``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


async def text_of(stored: StoredFile) -> str:
    """Return the text of a stored file. Raises ``Unreadable``."""
    if stored.bytes > settings.MAX_READ_BYTES:
        raise Unreadable(extracting.INVALID, f"The file is larger than {settings.MAX_READ_BYTES} bytes.")
    with tempfile.TemporaryFile(dir=settings.UPLOADS) as file:
        try:
            await in_thread(_fetch, stored.name, file)
        except FileNotFoundError:
            raise Unreadable(extracting.INVALID, "The file is gone.") from None
        status, written = await _run(file, _suffix(stored.filename))
    if status == extracting.REFUSED:
        code, _, message = written.decode(errors="replace").partition("\n")
        raise Unreadable(code, message)
    if status < 0 or len(written) > MOST_WRITTEN:
        raise Unreadable(extracting.INVALID, "The file takes too long or too much memory to be read.")
    if status:
        logger.error("the reader of files ended with %d", status)
        raise Unreadable(SERVER, "The file could not be read.")
    return written.decode()


def _fetch(name: str, file: IO[bytes]) -> None:
    with shelf.opened(name) as kept:
        for piece in shelf.pieces(kept):
            file.write(piece)
    file.seek(0)


def _suffix(filename: str) -> str:
    """Return all that the reader is told of the name: the rest of it is nothing to read a file by."""
    suffix = PurePath(filename).suffix
    return f"file{suffix}" if suffix.isascii() and suffix[1:].isalnum() and len(suffix) < 16 else "file"


async def _run(file: IO[bytes], name: str) -> tuple[int, bytes]:
    """Return how the reader ended and what it wrote, cut where it is too much; it has ended whatever happens here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), name,
        stdin=file, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=_environment(),
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            written = await _written(process)
            if len(written) <= MOST_WRITTEN:
                return await process.wait(), written
    except TimeoutError:
        return -signal.SIGKILL, b""
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return -signal.SIGKILL, written


async def _written(process: asyncio.subprocess.Process) -> bytes:
    found, size = [], 0
    while size <= MOST_WRITTEN and (piece := await process.stdout.read(shelf.PIECE)):
        found.append(piece)
        size += len(piece)
    return b"".join(found)


def _environment() -> dict[str, str]:
    """Return what the reader needs to be found: none of the gateway's settings."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
