"""Writes a streamed message: events of our own, or the upstream's where that speaks Messages too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from gateway.calls import Call
from gateway.dialects import ANTHROPIC
from gateway.errors import ApiError
from gateway.messages.events import Message
from providers.client import Chunk
from providers.translated import original_of

STOP = "message_stop"


class MessageWriter:
    """A ``gateway.streaming.Writer``. The last event is sent when the call is settled, whosever it is."""

    def __init__(self, call: Call) -> None:
        self._request_id = call.inquiry.request_id
        self._message = Message(call.body.get("stop") or (), call.prompt_tokens)
        self._is_forwarding: bool | None = None

    def chunk(self, chunk: Chunk) -> bytes:
        event: dict[str, Any] | None = original_of(chunk.data)
        if self._is_forwarding is None:
            self._is_forwarding = event is not None
        if not self._is_forwarding:
            return encoded(self._message.feed(chunk.data, chunk.usage)) if chunk.raw != b"" or chunk.usage else b""
        return encoded([event]) if event is not None and event["type"] != STOP else b""

    async def end(self) -> bytes:
        return encoded([{"type": STOP}] if self._is_forwarding else self._message.end())

    def error(self, error: ApiError) -> bytes:
        return encoded([ANTHROPIC.envelope(error, self._request_id)])


def encoded(events: Iterable[dict[str, Any]]) -> bytes:
    return b"".join([b"event: %b\ndata: %b\n\n" % (event["type"].encode(), _encode(event)) for event in events])


_encode = msgspec.json.Encoder().encode
