"""Channels consumers of pictures and sounds: typed events, and the bytes of speech as they come."""

from __future__ import annotations

from typing import Any

from gateway import elevenlabs, inference, uploaded
from gateway.consumers import EVENT_STREAM, StreamConsumer
from gateway.errors import ApiError
from gateway.streaming import OpenAIWriter, Streaming
from providers.client import Chunk
from providers.operations import SPEECH

# what a sound is where its upstream does not say it
SOUNDS = {
    "mp3": "audio/mpeg", "opus": "audio/ogg", "ogg": "audio/ogg", "aac": "audio/aac", "flac": "audio/flac",
    "wav": "audio/wav", "pcm": "audio/pcm", "mulaw": "audio/basic",
}  # fmt: skip


class EventWriter(OpenAIWriter):
    """Events of types of their own end when their answer does: what the upstream said of that was forwarded."""

    async def end(self) -> bytes:
        return b""


class SoundWriter:
    """Bytes of a sound go out as they come. In the middle of them nothing can be said: the connection is cut."""

    def chunk(self, chunk: Chunk) -> bytes:
        return chunk.wire()

    async def end(self) -> bytes:
        return b""

    def error(self, error: ApiError) -> bytes:
        raise error


EVENTS, SOUND = EventWriter(), SoundWriter()


class ImageConsumer(StreamConsumer):
    """Streams a picture: how it looks meanwhile, and in the end."""

    async def open(self) -> Streaming:
        await uploaded.pictured(self.inquiry)
        return await inference.stream(await inference.admit(self.operation, self.inquiry), EVENTS)


class TranscriptConsumer(StreamConsumer):
    """Streams what is heard, word by word."""

    async def open(self) -> Streaming:
        operation = await uploaded.heard(self.inquiry, self.operation)
        return await inference.stream(await inference.admit(operation, self.inquiry, door=self.operation), EVENTS)


class SpeechConsumer(StreamConsumer):
    """Streams a sound as it is made, or the events of one."""

    operation = SPEECH
    door = ""

    async def open(self) -> Streaming:
        call = await inference.admit(self.operation, self.inquiry, door=self.door)
        has_events = call.body.get("stream_format") == "sse"
        return await inference.stream(call, EVENTS if has_events else SOUND)

    def head(self, stream: Streaming) -> list[tuple[str, str]]:
        said = stream.upstream.headers.get("content-type", "")
        if "event-stream" in said:
            return EVENT_STREAM
        known = SOUNDS.get(str(stream.call.body.get("response_format") or "mp3"), "application/octet-stream")
        return [("content-type", said if said.startswith("audio/") else known), *EVENT_STREAM[1:]]


class VoiceConsumer(SpeechConsumer):
    """The same, asked for as LocalAI's and ElevenLabs' clients do."""

    door = elevenlabs.DOOR

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        voice = scope["url_route"]["kwargs"]["voice_id"]
        self.inquiry.body = elevenlabs.speech_of(self.inquiry.body, voice, scope.get("query_string", b""))
        await super().__call__(scope, receive, send)
