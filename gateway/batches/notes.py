"""What becomes of a batch's lines, written down together: all that waits goes into one transaction."""

from __future__ import annotations

import asyncio
import logging

from gateway.asking import DatabaseAway
from gateway.batches import queue, threads
from gateway.batches.queue import Note

logger = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0


class Notes:
    """Of one batch, while this process works on it. ``status`` is the batch's as the database last said."""

    def __init__(self, id: str, fence: int, status: str) -> None:
        self.status = status
        self._id, self._fence = id, fence
        self._waiting: list[tuple[Note, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, note: Note) -> None:
        """Return when ``note`` is in the database. Raises ``Lost``. An answer waits for a database that is away."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((note, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        try:
            while self._waiting:
                notes, self._waiting = self._waiting, []
                await self._write_down(notes)
        finally:
            self._writing = None

    async def _write_down(self, notes: list[tuple[Note, asyncio.Future[None]]]) -> None:
        try:
            self.status = await self._noted([note for note, _ in notes])
        except Exception as error:  # noqa: BLE001 who waits raises it
            for _, written in notes:
                if not written.done():
                    written.set_exception(error)
            return
        for _, written in notes:
            if not written.done():
                written.set_result(None)

    async def _noted(self, notes: list[Note]) -> str:
        while True:
            try:
                return await threads.in_thread(queue.note, self._id, self._fence, notes)
            except DatabaseAway:
                logger.warning("%s: the database does not answer, %d notes wait", self._id, len(notes))
                await asyncio.sleep(AGAIN_SECONDS)

    async def close(self) -> None:
        """Write what waits, for a moment."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=queue.SECONDS)
