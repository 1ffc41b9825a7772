"""Hugging Face: its router speaks OpenAI's format for chats; embeddings are a task of a model, in a format of its own.

At another base URL the same paths are used: ``…/v1`` for chats, ``…/hf-inference`` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec

from providers import answers
from providers.adapters import failures, openai
from providers.adapters.hosts import REASONING, knows
from providers.adapters.shapes import Request, Response
from providers.errors import BadAnswer, ModelMissing, UpstreamError
from providers.parameters import carried, sent, translated, unsupported
from providers.targets import Target

EMBEDDINGS = sent("normalize", "truncate", "truncation_direction", "prompt_name") | translated("encoding_format")
# A model may name the service that runs it, or how to choose one; embeddings are the router's own.
MODEL = re.compile(r"((?:\w[\w.-]*/)?\w[\w.-]*)(?::[\w.-]+)?", re.ASCII)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def encode(operation: str, body: Mapping[str, Any], target: Target) -> Request:
    """Return the request. Raises ``RequestRejected`` for embeddings of token ids, ``ModelMissing`` for an odd name."""
    if operation != "embeddings":
        stop = body.get("stop")
        return openai.encode(operation, {**body, "stop": [stop]} if isinstance(stop, str) else body, target)
    given = body["input"]
    texts = [given] if isinstance(given, str) else given
    if not all(isinstance(text, str) for text in texts):
        raise unsupported("input", "The model that answers here takes texts, no token ids.")
    named = MODEL.fullmatch(target.upstream_model)
    if named is None:
        raise ModelMissing("A model of Hugging Face is named owner/name.")
    root = (target.provider.base_url or ADAPTER.base_url).rstrip("/").removesuffix("/v1")
    path = f"{root}/hf-inference/models/{named[1]}/pipeline/feature-extraction"
    return Request(path, openai.headers(target), _encode({"inputs": texts, **carried(body, EMBEDDINGS)}))


def decode(operation: str, response: Response) -> tuple[dict[str, Any], bytes | None]:
    """Return the answer. Raises ``BadAnswer``, or the error that stands inside a 200."""
    if operation != "embeddings":
        return openai.decode(operation, response)
    vectors = _read(response.body)
    if isinstance(vectors, dict) and vectors.get("error"):
        raise failures.inside(vectors, response.headers)
    if not isinstance(vectors, list) or not vectors or not all(_is_vector(vector) for vector in vectors):
        raise BadAnswer()
    return answers.embeddings(vectors, "", None), None


def decode_error(response: Response) -> UpstreamError:
    """Return what an error means; a model that is being loaded says how many seconds that takes."""
    error = failures.of(response)
    body = _read(response.body)
    wait = body.get("estimated_time") if isinstance(body, dict) else None
    if error.retry_after is None and isinstance(wait, int | float):
        error.retry_after = float(wait)
    return error


def _is_vector(vector: Any) -> bool:
    """Whether this is one vector: a model that gives one for each token is no embedding model."""
    return isinstance(vector, list) and all(isinstance(number, int | float) for number in vector)


def _read(data: bytes) -> Any:
    """Return what JSON says, None of anything else."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


ADAPTER = replace(
    openai.ADAPTER,
    operations=("chat.completions", "embeddings"),
    encode=encode,
    decode=decode,
    decode_error=decode_error,
    parameters={"embeddings": EMBEDDINGS},
    base_url="https://router.huggingface.co/v1",
    quirks={"parameters": knows(max_completion_tokens="max_tokens"), "functions": "translate", **REASONING},
)
