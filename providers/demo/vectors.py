"""The demo model's embeddings: texts with words in common are near each other. Pure."""

from __future__ import annotations

import hashlib
import math
import re

DIMENSIONS = 256
BUCKETS_PER_WORD = 8
_WORD = re.compile(r"\w+")


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Return a unit vector, the same for the same text."""
    sums = [0.0] * DIMENSIONS
    for word in ["", *_WORD.findall(text.lower())]:
        digest = hashlib.sha256(word.encode(errors="replace")).digest()
        for position in range(BUCKETS_PER_WORD):
            sums[digest[position]] += 1.0 if digest[position + BUCKETS_PER_WORD] & 1 else -1.0
    kept = sums[:dimensions]
    if not any(kept):
        kept[0] = 1.0
    length = math.sqrt(math.fsum(value * value for value in kept))
    return [round(value / length, 9) for value in kept]
