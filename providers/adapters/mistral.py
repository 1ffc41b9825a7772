"""Mistral: OpenAI's format with words of its own for much of it. The endpoints in Europe and the US speak it alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import (
    mistral_answer,
    mistral_audio,
    mistral_errors,
    mistral_moderation,
    mistral_request,
    openai,
)
from providers.adapters.formats import also
from providers.adapters.mistral_answer import StreamDecoder
from providers.adapters.shapes import Adapter, Request, Response
from providers.operations import TRANSCRIPTIONS
from providers.parameters import Rule, carried, sent, translated, unsupported
from providers.targets import Target

PATHS: Mapping[str, str] = {
    name: openai.PATHS[name] for name in ("chat.completions", "embeddings", "audio.transcriptions")
}
EMBEDDINGS: Mapping[str, Rule] = sent("output_dtype", "metadata", dimensions="output_dimension") | translated(
    "encoding_format"
)


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` with the place of what cannot be said."""
    model = target.upstream_model
    if operation == TRANSCRIPTIONS:
        return openai.encode(operation, mistral_audio.asked(body), target)
    said = _embed(body, model) if operation == "embeddings" else mistral_request.chat(body, model)
    return Request(PATHS[operation], openai.headers(target), msgspec.json.encode(said))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    answer, raw = openai.decode(operation, response)
    if operation == TRANSCRIPTIONS:
        return mistral_audio.transcript(answer), None
    return (answer, raw) if operation == "embeddings" else (mistral_answer.completion(answer), None)


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


def _embed(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    given = body["input"]
    if not isinstance(given, str) and not all(isinstance(text, str) for text in given):
        raise unsupported("input", "The model that answers here takes texts, no token ids.")
    said = {name: value for name, value in carried(body, EMBEDDINGS).items() if value is not None}
    return {"model": model, "input": given, **said}


CHATS = Adapter(
    operations=tuple(PATHS),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=mistral_errors.of,
    parameters={
        "chat.completions": mistral_request.PARAMETERS,
        "embeddings": EMBEDDINGS,
        TRANSCRIPTIONS: mistral_audio.PARAMETERS,
    },
    base_url="https://api.mistral.ai/v1",
    price_book="mistral",
)
ADAPTER = also(CHATS, {"moderations": mistral_moderation.FORMAT})
