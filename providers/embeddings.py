"""Embeddings in the encoding that the caller asked for: floats, or base64 of little-endian float32. Pure."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any


def to_base64(vector: Sequence[float]) -> str:
    """Return the vector's bytes. Raises ``ValueError`` or ``OverflowError`` where something in it is no float32."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except struct.error as error:
        raise ValueError("an embedding has something in it that is no number") from error


def to_floats(encoded: str) -> list[float]:
    """Return the vector. Raises ``ValueError`` where ``encoded`` is not base64 of whole floats."""
    data = base64.b64decode(encoded, validate=True)
    if len(data) % 4:
        raise ValueError("an embedding's bytes are not whole float32 numbers")
    return list(struct.unpack(f"<{len(data) // 4}f", data))


def recode(answer: dict[str, Any], encoding_format: Any) -> bool:
    """Put the answer's vectors into ``encoding_format`` in place; return whether that changed any."""
    wants_text = encoding_format == "base64"
    changed = False
    for item in answer["data"]:
        vector = item.get("embedding")
        if wants_text and isinstance(vector, list):
            item["embedding"] = to_base64(vector)
            changed = True
        elif not wants_text and isinstance(vector, str):
            item["embedding"] = to_floats(vector)
            changed = True
    return changed
