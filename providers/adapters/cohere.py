"""Cohere's v2 API: chats, embeddings and rankings.

A provider's option ``input_type`` says what its embeddings are for, search_document where nobody says anything; the
``input_type`` of a body goes before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from providers.adapters import cohere_answer, cohere_request, failures, openai
from providers.adapters.cohere_answer import StreamDecoder
from providers.adapters.shapes import Adapter, Request, Response
from providers.errors import RequestRejected, UpstreamError
from providers.parameters import Rule, carried, sent, translated, unsupported
from providers.reranking import texts_of
from providers.targets import Target

PATHS: Mapping[str, str] = {"chat.completions": "/chat", "embeddings": "/embed", "rerank": "/rerank"}
EMBEDDINGS: Mapping[str, Rule] = sent(
    "input_type", "truncate", "priority", dimensions="output_dimension"
) | translated("encoding_format")  # fmt: skip
RERANK: Mapping[str, Rule] = sent("top_n", "max_tokens_per_doc", "priority") | translated("return_documents")
MOST_TEXTS = 96
INPUT_TYPE = "search_document"
# What was said, or would have been answered, has a word in it that is not let through.
BLOCKED = 498
TOO_LONG = re.compile(r"total number of tokens|size limit exceeded", re.I)
_encode = msgspec.json.Encoder().encode


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` with the place of what cannot be said."""
    if operation == "chat.completions":
        said = cohere_request.chat(body, target.upstream_model)
    else:
        said = _embed(body, target) if operation == "embeddings" else _rerank(body, target)
    return Request(PATHS[operation], openai.headers(target), _encode(said))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or ``ServerError`` where the model gave up."""
    return DECODERS[operation](cohere_answer.read(response.body)), None


def decode_stream(operation: str, body: Mapping[str, Any]) -> StreamDecoder:
    return StreamDecoder(str(body.get("model") or ""))


def decode_error(response: Response) -> UpstreamError:
    """Return what an error means: also that a prompt is too long, or against the rules."""
    words = failures.said(_body(response))
    if response.status == BLOCKED:
        return RequestRejected(words.message or None, code="content_policy_violation", upstream_status=BLOCKED)
    if TOO_LONG.search(words.message):
        words = words._replace(code="context_length_exceeded")
    return failures.error(response.status, words, response.headers)


def _embed(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("input", "The model that answers here takes texts, no token ids.")
    if len(texts) > MOST_TEXTS:
        raise RequestRejected(
            f"The model that answers here takes at most {MOST_TEXTS} texts at once.",
            code="invalid_value",
            param="input",
        )
    return {
        "model": target.upstream_model,
        "input_type": target.provider.options.get("input_type") or INPUT_TYPE,
        "embedding_types": ["float"],
        "texts": texts,
        **_carried(body, EMBEDDINGS),
    }


def _rerank(body: Mapping[str, Any], target: Target) -> dict[str, Any]:
    if not isinstance(body["query"], str):
        raise RequestRejected("A query is a string.", param="query")
    said = {"model": target.upstream_model, "query": body["query"], "documents": texts_of(body["documents"])}
    return said | _carried(body, RERANK)


def _carried(body: Mapping[str, Any], rules: Mapping[str, Rule]) -> dict[str, Any]:
    return {name: value for name, value in carried(body, rules).items() if value is not None}


def _body(response: Response) -> Any:
    try:
        return msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


DECODERS = {
    "chat.completions": cohere_answer.completion,
    "embeddings": cohere_answer.embeddings,
    "rerank": cohere_answer.ranking,
}
ADAPTER = Adapter(
    operations=tuple(PATHS),
    encode=encode,
    decode=decode,
    decode_stream=decode_stream,
    decode_error=decode_error,
    parameters={"chat.completions": cohere_request.PARAMETERS, "embeddings": EMBEDDINGS, "rerank": RERANK},
    base_url="https://api.cohere.com/v2",
    price_book="cohere",
)
