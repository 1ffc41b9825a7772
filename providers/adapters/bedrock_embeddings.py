"""Embeddings of the models that Bedrock has: each maker's own format behind InvokeModel. Pure.

Titan and Nova embed one text at a time, Cohere several; a model whose name says none of them is asked as Cohere's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from providers import answers
from providers.errors import BadAnswer, RequestRejected
from providers.parameters import Rule, sent, translated

# What encoding the caller wants is the gateway's to see to.
PARAMETERS: Mapping[str, Rule] = {**translated("dimensions", "encoding_format"), **sent("input_type", "truncate")}
MOST_TEXTS = 96
TOKENS = "x-amzn-bedrock-input-token-count"


def request(body: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return the body. Raises ``RequestRejected`` with the place of what cannot be said."""
    texts, length = _texts(body.get("input")), body.get("dimensions")
    if "titan-embed-image" in model:
        return {"inputText": _only(texts), **({"embeddingConfig": {"outputEmbeddingLength": length}} if length else {})}
    if "titan" in model:
        return {"inputText": _only(texts), **({"dimensions": length} if length else {})}
    if "nova" in model:
        return _nova(_only(texts), length)
    return _cohere(texts, length, body)


def answer(told: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the embeddings, whatever model they are of. Raises ``BadAnswer``."""
    vectors = _vectors(told)
    if not vectors or not all(isinstance(vector, list) for vector in vectors):
        raise BadAnswer()
    counted = told.get("inputTextTokenCount")
    if type(counted) is not int:
        said = headers.get(TOKENS, "")
        counted = int(said) if said.isdecimal() and len(said) < 10 else None
    return answers.embeddings(vectors, "", counted)


def _vectors(told: Mapping[str, Any]) -> list[Any]:
    if "embedding" in told:
        return [told["embedding"]]
    several = told["embeddings"]
    listed = several["float"] if isinstance(several, dict) else several
    return [each["embedding"] if isinstance(each, dict) else each for each in listed]


def _nova(text: str, length: Any) -> dict[str, Any]:
    said = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "NONE", "value": text}}
    size = {"embeddingDimension": length} if length else {}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {**said, **size}}


def _cohere(texts: list[str], length: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    said = {
        "texts": texts,
        "input_type": body.get("input_type") or "search_document",
        "truncate": body.get("truncate"),
        "embedding_types": ["float"],
        "output_dimension": length,
    }
    return {name: value for name, value in said.items() if value is not None}


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise RequestRejected("This model embeds text only, no tokens.", param="input")
    if len(texts) > MOST_TEXTS:
        raise RequestRejected(f"This model embeds at most {MOST_TEXTS} texts at once.", param="input")
    return texts


def _only(texts: list[str]) -> str:
    if len(texts) > 1:
        raise RequestRejected("This model embeds one text at a time.", param="input")
    return texts[0]
