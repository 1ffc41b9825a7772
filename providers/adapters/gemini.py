"""Google Gemini's wire format: generateContent, streamGenerateContent, embedContent and batchEmbedContents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from providers import parameters
from providers.adapters import gemini_answer, gemini_errors, gemini_models, gemini_request
from providers.adapters.gemini_stream import StreamDecoder
from providers.adapters.openai import COMMON_HEADERS, extra_headers
from providers.adapters.shapes import Adapter, Request, Response
from providers.errors import RequestRejected
from providers.parameters import Rule, sent, translated
from providers.targets import Target

KINDS = ("models", "tunedModels")
# The most texts of one batchEmbedContents.
MOST_TEXTS = 100
# What encoding the caller wants is the gateway's to see to.
EMBEDDING_PARAMETERS: Mapping[str, Rule] = {
    **sent(dimensions="outputDimensionality", task_type="taskType"),
    **translated("encoding_format"),
}
PARAMETERS = {"chat.completions": gemini_request.PARAMETERS, "embeddings": EMBEDDING_PARAMETERS}


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` with the place of what cannot be said."""
    model = resource(target.upstream_model)
    if operation == "embeddings":
        return _embeddings(body, model, target)
    verb = "streamGenerateContent?alt=sse" if body.get("stream") else "generateContent"
    return _request(target, f"{model}:{verb}", gemini_request.chat(body, target.upstream_model))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    answer = gemini_answer.read(response.body, response.headers)
    if operation == "embeddings":
        return gemini_answer.embeddings(answer), None
    return gemini_answer.completion(answer), None


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder()


def unknown(body: Mapping[str, Any], target: Target) -> tuple[str, ...]:
    """Return the parameters that the target's model refuses."""
    return gemini_models.unknown(target.upstream_model)


def resource(model: str) -> str:
    """Return the model's name as the API has it in paths: "models/gemini-2.5-pro"."""
    kind, slash, name = model.partition("/")
    if not slash or kind not in KINDS:
        kind, name = KINDS[0], model
    return f"{kind}/{quote(name, safe='')}"


def _embeddings(body: Mapping[str, Any], model: str, target: Target) -> Request:
    """Return the request for one text, or for several: not every server of this format knows the latter."""
    requests = _embedding(body, model)
    if len(requests) == 1:
        return _request(target, f"{model}:embedContent", requests[0])
    return _request(target, f"{model}:batchEmbedContents", {"requests": requests})


def _embedding(body: Mapping[str, Any], model: str) -> list[dict[str, Any]]:
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestRejected("This model embeds text only, no tokens.", param="input")
    if len(texts) > MOST_TEXTS:
        raise RequestRejected(f"This model embeds at most {MOST_TEXTS} texts at once.", param="input")
    said = {name: value for name, value in parameters.carried(body, EMBEDDING_PARAMETERS).items() if value is not None}
    return [{"model": model, "content": {"parts": [{"text": text}]}, **said} for text in texts]


def _request(target: Target, path: str, body: Mapping[str, Any]) -> Request:
    provider = target.provider
    key = (("x-goog-api-key", provider.secret),) if provider.secret else ()
    headers = (*COMMON_HEADERS, *key, *extra_headers(target))
    return Request(f"/{path}", headers, msgspec.json.encode(body))


ADAPTER = Adapter(
    operations=tuple(PARAMETERS),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=gemini_errors.of,
    parameters=PARAMETERS,
    unknown=unknown,
    base_url="https://generativelanguage.googleapis.com/v1beta",
    price_book="google",
)
