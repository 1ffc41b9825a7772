"""Files as the rest of the gateway reads them: found by their id for a caller, their bytes in pieces or whole."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, contextmanager
from typing import IO, ParamSpec, TypeVar

from accounts.callers import Caller
from gateway.asking import in_store
from gateway.files import shelf, store
from gateway.files.rows import StoredFile
from gateway.files.store import UnknownFile
from gateway.forms import NoRoom, temporary_file
from providers.uploads import Upload

P = ParamSpec("P")
T = TypeVar("T")

# of their own: a slow storage must not keep the database's callers waiting, nor a slow upload its readers
_readers = ThreadPoolExecutor(8, thread_name_prefix="files")


class TooLarge(Exception):
    """The file is larger than who asks for it can use (bytes)."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


async def file_of(caller: Caller, id: str) -> StoredFile:
    """Return the caller's file. Raises ``UnknownFile``."""
    return await in_store(store.one, caller, id)


async def pieces(stored: StoredFile, size: int = shelf.PIECE) -> AsyncGenerator[bytes, None]:
    """Yield the file's bytes. Close it where you do not read to the end (``aclosing``). Raises ``UnknownFile``."""
    with ExitStack() as stack:
        file = await _in_thread(stack.enter_context, _opened(stored))
        while piece := await _in_thread(file.read, size):
            yield piece


async def content(stored: StoredFile, most: int) -> bytes:
    """Return all bytes of a file. Raises ``UnknownFile``, ``TooLarge`` where they are more than ``most``."""
    if stored.bytes > most:
        raise TooLarge(most)
    async with aclosing(pieces(stored)) as read:
        return b"".join([piece async for piece in read])


def whole(stored: StoredFile) -> bytes:
    """Return all bytes of a file, for threads: it blocks. Raises ``UnknownFile``."""
    with _opened(stored) as file:
        return file.read()


@contextmanager
def _opened(stored: StoredFile) -> Iterator[IO[bytes]]:
    """Open a file. Raises ``UnknownFile`` where it has gone since it was found."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(shelf.opened(stored.name))
        except FileNotFoundError:
            raise UnknownFile(stored.pk) from None
        yield file


async def upload(stored: StoredFile, field: str) -> Upload:
    """Return the file as one that was sent along with a request, to be closed by the caller.

    It is a copy on the disk: a bucket is read once, from its beginning on, an upload by each attempt. Raises
    ``UnknownFile``, ``NoRoom``.
    """
    file = temporary_file()
    try:
        await _in_thread(_copy, stored, file)
    except BaseException:
        file.close()
        raise
    return Upload(field, stored.filename, stored.content_type, stored.bytes, file)


def _copy(stored: StoredFile, file: IO[bytes]) -> None:
    with _opened(stored) as source:
        try:
            shutil.copyfileobj(source, file, shelf.PIECE)
        except OSError as error:
            raise NoRoom from error


async def _in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run ``work`` in a thread. Who is cancelled waits for its end, as the file is closed next."""
    running = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(_readers, lambda: work(*args, **kwargs)))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
