"""The lines of a batch that are left to do, read some at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from itertools import islice

from gateway.batches import output, queue
from gateway.batches.lines import Line
from gateway.batches.rows import Batch
from gateway.batches.threads import patiently, with_files

AT_ONCE = 64


class Source:
    """Of one batch, for all who send its lines."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._lock = asyncio.Lock()
        self._read: deque[Line] = deque()
        self._calls: Iterator[Line] | None = None
        self._answered: set[int] = set()
        self._sent: dict[int, str] = {}

    async def next(self) -> Line | None:
        """Return a line that is not answered, None at the end. Raises ``UnknownFile``."""
        async with self._lock:
            if not self._read:
                self._read.extend(await patiently(with_files, self._more))
            return self._read.popleft() if self._read else None

    def former(self, line: Line) -> str | None:
        """Return the id of the record of a line that a process has sent which is gone, "" where that is not known.

        None: nobody has sent it. Its answer is not known.
        """
        return self._sent.get(line.number)

    def _more(self) -> list[Line]:
        if self._calls is None:
            self._answered, self._sent = queue.lines_of(self._batch.pk)
            self._calls = output.calls(self._batch)
        return list(islice((line for line in self._calls if line.number not in self._answered), AT_ONCE))

    async def close(self) -> None:
        async with self._lock:
            calls, self._calls = self._calls, iter(())
        close = getattr(calls, "close", None)
        if close is not None:
            await with_files(close)
