"""A stored answer takes the place of an upstream's: nothing is sent, and the ledger has it at no cost."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from gateway import dispatching, runtime
from gateway.caching.access import TAG
from gateway.caching.entries import Entry
from gateway.caching.replaying import chunks_of
from gateway.calls import Call
from providers.chunks import Chunk
from providers.client import Answer
from providers.errors import Attempt, Skip
from providers.routes import Target, Upstream
from providers.translated import Translated


class Replay:
    """A stored answer as a stream: all of it is there at once, and there is nothing to close."""

    is_complete = True
    attempts: tuple[Attempt, ...] = ()
    skipped: tuple[Skip, ...] = ()

    def __init__(self, target: Target, chunks: Sequence[Chunk], dropped: tuple[str, ...]) -> None:
        self.target = target
        self.dropped = dropped
        self._chunks = list(chunks)

    async def batches(self) -> AsyncGenerator[list[Chunk], None]:
        yield self._chunks

    async def aclose(self) -> None:
        return


def answer_of(call: Call, entry: Entry) -> Answer:
    """Return the stored answer as one from upstream. Raises ``JournalUnavailable``."""
    target = _open(call, entry)
    return Answer(target, 200, _told(entry), entry.answer, {}, dropped=entry.dropped)


def stream_of(call: Call, entry: Entry) -> Replay:
    """Return the stored answer as a stream from upstream. Raises ``JournalUnavailable``."""
    options = call.body.get("stream_options")
    shows_usage = isinstance(options, dict) and options.get("include_usage") is True
    return Replay(_open(call, entry), chunks_of(_told(entry), shows_usage=shows_usage), entry.dropped)


def _told(entry: Entry) -> dict[str, Any]:
    answer = msgspec.json.decode(entry.answer)
    return Translated(answer, msgspec.json.decode(entry.original)) if entry.original else answer


def _open(call: Call, entry: Entry) -> Target:
    """Write that the call is being answered, by who answered then; that costs nothing, so nothing is reserved."""
    target = Target(0, Upstream(entry.provider, ""), entry.upstream_model)
    opened = dispatching.line_of(call, target, attempt=0, tags=(*call.tags, TAG), price_rows=())
    runtime.current().holder.dispatch(opened, lambda: 0)
    call.target, call.opened = target, opened
    call.upstream_started = time.monotonic()
    return target
