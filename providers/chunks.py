"""One chunk of a stream on its way from an upstream to the caller. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.sse import encode as encode_event

_encode = msgspec.json.Encoder().encode


class Chunk(msgspec.Struct, gc=False):
    """One chunk of a stream. ``raw`` is what to forward: its bytes, none at all, or None to encode ``data``.

    ``text`` is what the model said in it, in whatever form: for counting, not for showing.
    """

    data: dict[str, Any]
    raw: bytes | None
    usage: dict[str, Any] | None = None
    text: str = ""

    def wire(self) -> bytes:
        """Return the event to send to the caller; empty where the chunk is for the gateway alone."""
        return encode_event(_encode(self.data)) if self.raw is None else self.raw
