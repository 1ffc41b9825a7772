"""OpenAI's Responses on the wire, for the services that speak them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers.adapters import azure, failures
from providers.chunks import Chunk
from providers.errors import BadAnswer, StreamCut, UpstreamError
from providers.sse import Event
from providers.streamed import Patient
from providers.targets import Upstream

OPENAI_HOST = "api.openai.com"
# What a stream begins with says nothing yet: until more comes, another target may be asked.
BEGINNINGS = frozenset(("response.created", "response.queued", "response.in_progress"))
ENDS = frozenset(("response.completed", "response.incomplete"))
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def are_spoken_by(provider: Upstream) -> bool:
    """Whether ``provider`` speaks Responses: as its quirk ``responses`` says, else OpenAI's and Azure's own APIs do."""
    said = provider.quirks.get("responses")
    if said is not None:
        return bool(said) and provider.adapter in SPEAKERS
    speaks = SPEAKERS.get(provider.adapter)
    return speaks is not None and speaks(provider)


def _is_openai(provider: Upstream) -> bool:
    return urlsplit(provider.base_url).hostname == OPENAI_HOST


SPEAKERS = {"openai": _is_openai, "azure": azure.is_v1}


class ResponseReader:
    """Turns a stream of typed events into chunks, each event one, until the one that ends the Response.

    The last chunk has the ``usage``, and the ``service_tier`` beside its event's own fields.
    """

    def __init__(self) -> None:
        self.error: UpstreamError | None = None
        self.finished = False
        self._framing = Patient()

    @property
    def done(self) -> bool:
        return self.finished or self.error is not None

    def feed(self, data: bytes) -> list[Chunk]:
        """Return the chunks that ``data`` completed."""
        try:
            events = self._framing.feed(data)
        except ValueError:
            self.error = BadAnswer()
            return []
        return self._chunks(events)

    def close(self) -> list[Chunk]:
        """Return what was left when the upstream hung up; ``error`` then says whether that was too early."""
        chunks = self._chunks(self._framing.close()) if self.error is None else []
        if self.error is None and not self.finished:
            self.error = StreamCut()
        return chunks

    def _chunks(self, events: list[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        try:
            for event in events:
                if not self.finished and event.data and not event.data.startswith(b"[DONE]"):
                    chunks.append(self._chunk(event))
        except UpstreamError as error:
            self.error = error
        return chunks

    def _chunk(self, event: Event) -> Chunk:
        said = _object(event.data)
        kind = said.get("type")
        if kind == "error" or event.name == b"error" or said.get("error"):
            raise failures.inside(said if isinstance(said.get("error"), dict) else {"error": said}, {})
        if kind == "response.failed":
            raise failures.inside(_response(said), {})
        if kind in ENDS:
            response, self.finished = _response(said), True
            usage = response.get("usage")
            told = {**said, "service_tier": response.get("service_tier")}
            return Chunk(told, event.raw, usage if isinstance(usage, dict) else None)
        delta = said.get("delta")
        return Chunk(said, b"" if kind in BEGINNINGS else event.raw, None, delta if isinstance(delta, str) else "")


def _response(said: Mapping[str, Any]) -> dict[str, Any]:
    response = said.get("response")
    if not isinstance(response, dict):
        raise BadAnswer()
    return response


def _object(data: bytes) -> dict[str, Any]:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadAnswer() from None
