"""The engines on the gateway's own machine, as adapters: OpenAI's format without a wire. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from providers.adapters import failures, openai
from providers.adapters.shapes import Adapter, Response
from providers.errors import ServerError, UpstreamError
from providers.parameters import sent

MISSING = 501


def decode_error(response: Response) -> UpstreamError:
    """Return what an error means. What is not installed is said as it is: the words are ours."""
    error = failures.of(response)
    if response.status != MISSING:
        return error
    return ServerError(failures.said(msgspec.json.decode(response.body)).message, upstream_status=MISSING)


def engine(name: str, operation: str, *known: str) -> Adapter:
    """Return an engine's adapter; of the parameters it gets those that are ``known``."""
    rules = {operation: sent(*known)}
    return replace(
        openai.ADAPTER,
        base_url=f"http://{name}",
        operations=(operation,),
        parameters=rules,
        quirks={},
        price_book=name,
        decode_error=decode_error,
    )


ENGINES: Mapping[str, Adapter] = {
    "flite": engine("flite", "audio.speech", "voice", "response_format", "speed", "stream_format"),
    "pocketsphinx": engine(
        "pocketsphinx", "audio.transcriptions", "file", "response_format", "language", "stream",
        "timestamp_granularities",
    ),
    "pillow": engine("pillow", "images.generations", "n", "size", "response_format", "output_format"),
}  # fmt: skip
