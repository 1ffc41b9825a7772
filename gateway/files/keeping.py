"""Files that come and go: rows in the database, bytes in the storage, neither on the event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from accounts.callers import Caller
from gateway.asking import connected, in_store
from gateway.files import store
from gateway.files.asked import Asked
from gateway.files.rows import StoredFile
from gateway.forms import NoRoom

_writers = ThreadPoolExecutor(4, thread_name_prefix="keeping")


async def keep(caller: Caller, asked: Asked) -> StoredFile:
    """Return the file when it is whole in the storage. Raises ``StorageFull`` or ``NoRoom``.

    Where the caller leaves meanwhile, what is uploaded is closed, and so the thread ends and leaves nothing.
    """
    row = await in_store(store.reserve, caller, asked)
    filling = asyncio.get_running_loop().run_in_executor(_writers, connected, store.fill, row, asked.upload.file)
    try:
        return await asyncio.shield(filling)
    except OSError as error:
        raise NoRoom from error


async def delete(caller: Caller, id: str) -> None:
    """Let the caller's file go. Raises ``UnknownFile``."""
    row = await in_store(store.delete, caller, id)
    _writers.submit(connected, store.discard, row)
