"""The events of a background response as a stream: those that were told, then those to come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from accounts.callers import Caller
from gateway.asking import Busy, DatabaseAway, in_store
from gateway.errors import translate
from gateway.responses import queue
from gateway.responses.events import encoded
from gateway.responses.refusals import NoResponse

LOOK_SECONDS = 0.2
# what ends a stream, by the status of its response; of one that was cancelled there is nothing nearer
END_OF = {
    "completed": "response.completed",
    "incomplete": "response.incomplete",
    "cancelled": "response.incomplete",
    "failed": "response.failed",
}
ENDS = frozenset(END_OF.values())


class Following:
    """Follows the response ``id`` from the event after the number ``after`` on, to its end."""

    def __init__(self, caller: Caller, id: str, after: int = -1) -> None:
        self._caller, self._id, self._after = caller, id, after
        self.headers: list[tuple[str, str]] = []

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the events' bytes, those that are there together as one piece."""
        try:
            while (progress := await self._progress()) is not None:
                if progress.events:
                    self._after = progress.events[-1]["sequence_number"]
                    yield b"".join(map(encoded, progress.events))
                if progress.events and progress.events[-1]["type"] in ENDS:
                    return
                if progress.has_ended:
                    yield encoded(self._end(progress.body))
                    return
                await asyncio.sleep(LOOK_SECONDS)
        except (NoResponse, DatabaseAway, Busy) as error:
            yield encoded(self._broken(error))

    async def aclose(self) -> None:
        """Nothing is held between two looks."""

    async def _progress(self) -> queue.Progress:
        return await in_store(queue.progress, self._caller, self._id, self._after)

    def _end(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the end of a response that nobody has told: whoever made it did not come to its own."""
        return {"type": END_OF[body["status"]], "response": body, "sequence_number": self._after + 1}

    def _broken(self, error: Exception) -> dict[str, Any]:
        said = translate(error)
        return {
            "type": "error",
            "code": said.code,
            "message": said.message,
            "param": said.param,
            "sequence_number": self._after + 1,
        }
