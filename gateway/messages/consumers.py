"""Channels consumer: a message streamed as it is made."""

from __future__ import annotations

from gateway import inference
from gateway.consumers import StreamConsumer
from gateway.messages.admitting import admitted
from gateway.messages.writing import MessageWriter
from gateway.streaming import Streaming


class MessageStream(StreamConsumer):
    """Streams one message."""

    operation = "chat.completions"

    async def open(self) -> Streaming:
        call = await admitted(self.inquiry)
        return await inference.stream(call, MessageWriter(call))
