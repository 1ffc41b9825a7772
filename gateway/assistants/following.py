"""The events of a run as a stream: those that were told, then those to come, until it rests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from gateway.assistants import reading, watch
from gateway.assistants.reading import Place, Progress, Told
from gateway.assistants.refusals import NoRun
from gateway.assistants.states import REQUIRES_ACTION, TERMINAL
from gateway.errors import translate

# after these a stream is done: the run has ended, or waits for its caller
ENDS = frozenset(f"thread.run.{status}" for status in (REQUIRES_ACTION, *TERMINAL))
DONE = b"event: done\ndata: [DONE]\n\n"


class Following:
    """Follows a run, whose row is ``run`` and whose id is ``handle``, from the event after the number ``after`` on.

    It ends with the first event that says that the run rests. Whoever asks again with that number is told what came
    after it, if anything did.
    """

    def __init__(self, run: int, handle: str, after: int = 0) -> None:
        self._place = Place(run, after)
        self._handle = handle
        self.headers: list[tuple[str, str]] = []

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the events' bytes, those that are there together as one piece."""
        try:
            with watch.current().follower(self._place) as follower:
                while (progress := await follower.news()) is not None:
                    events = await self._next(progress)
                    if not events or events[-1].name in ENDS:
                        yield b"".join(map(encoded, events)) + DONE
                        return
                    yield b"".join(map(encoded, events))
                    self._place = follower.place = Place(self._place.run, events[-1].number)
                raise NoRun(self._handle)
        except Exception as error:  # noqa: BLE001 the stream's outermost edge: translate() logs what nobody foresaw
            yield b"event: error\ndata: %b\n\n" % msgspec.json.encode(translate(error).envelope)

    async def aclose(self) -> None:
        """Nothing is held; the run goes on without who follows it."""

    async def _next(self, progress: Progress) -> list[Told]:
        """Return the events up to the first that ends the stream; none where there is nothing more to be told."""
        if not progress.events and progress.last_event > self._place.after:
            end = await watch.in_thread(reading.end_of, self._place.run)
            return [end] if end is not None else []
        ends = [place for place, event in enumerate(progress.events, 1) if event.name in ENDS]
        return progress.events[: ends[0]] if ends else progress.events


def encoded(event: Told) -> bytes:
    """Return an event as it goes over the wire."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.number, event.name.encode(), event.data)
