"""Embeddings of texts: a call of a model like any other, billed to who asks."""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from gateway import inference, runtime
from gateway.inquiry import Inquiry
from gateway.snapshot import Snapshot
from gateway.vectors.refusals import Unusable
from providers.errors import UnknownModel

OPERATION = "embeddings"
DEMO = "demo-embedding"
# of one call: upstreams take 2,048 texts, but no more than 300,000 tokens
MOST_TEXTS, MOST_CHARACTERS = 64, 200_000


class Embedded(NamedTuple):
    """A vector of the length 1 for each text, packed as pieces have theirs, and the answer's headers of ours."""

    vectors: list[bytes]
    headers: list[tuple[str, str]]


def model_for(snapshot: Snapshot) -> str:
    """Return the model that embeds new stores: the setting's, the default of embeddings, the demo's; "" for none."""
    said = snapshot.settings.get("embedding_model")
    if said:
        return str(said)
    route = snapshot.routes.default_for(OPERATION)
    if route is not None:
        return route.model
    return DEMO if _providers(snapshot, DEMO) else ""


def model_now() -> str:
    return model_for(runtime.current().configuration)


def headers_of(model: str) -> list[tuple[str, str]]:
    """Return what answers about a store say of its embeddings: the model, and who it is asked of now."""
    providers = _providers(runtime.current().configuration, model)
    return [
        ("x-tollgate-embedding-model", model),
        *([("x-tollgate-embedding-provider", ", ".join(providers))] if providers else []),
    ]


def _providers(snapshot: Snapshot, model: str) -> list[str]:
    try:
        route = snapshot.routes.resolve(model)
    except UnknownModel:
        return []
    return list(dict.fromkeys(target.provider.name for target in route.targets))


async def embed(inquiry: Inquiry, model: str, texts: Sequence[str]) -> Embedded:
    """Return the vectors of ``texts`` in one call for ``inquiry``, whose body this is. Raises ``Unusable`` too."""
    inquiry.body = {"model": model, "input": list(texts)}
    done = await inference.complete(await inference.admit(OPERATION, inquiry))
    # a hundred thousand numbers are no work for the event loop
    return Embedded(await asyncio.to_thread(vectors_of, done.body, len(texts)), done.headers)


def vectors_of(answer: dict[str, Any], count: int) -> list[bytes]:
    """Return the vectors of an answer in the order of what was asked. Raises ``Unusable``."""
    try:
        data = sorted(answer["data"], key=lambda item: item["index"])
        vectors = [packed(item["embedding"]) for item in data]
    except (KeyError, TypeError, ValueError, OverflowError, struct.error) as error:
        raise Unusable from error
    if len(vectors) != count or len({len(vector) for vector in vectors}) != 1:
        raise Unusable
    return vectors


def packed(vector: Sequence[float]) -> bytes:
    """Return the vector, brought to the length 1, as little-endian 32-bit floats. Raises ``ValueError`` and others."""
    length = math.hypot(*vector)
    if not (length > 0 and math.isfinite(length)):
        raise ValueError("no direction")
    return struct.pack(f"<{len(vector)}f", *(value / length for value in vector))


def dimensions(vector: bytes) -> int:
    return len(vector) // 4


def portion(texts: Sequence[str], start: int, most: int = MOST_TEXTS) -> Sequence[str]:
    """Return the texts from ``start`` on that are embedded in one call: ``most`` at the most, and at least one."""
    some = texts[start : start + most]
    fitting = sum(size <= MOST_CHARACTERS for size in accumulate(map(len, some)))
    return some[: max(fitting, 1)]
