"""How gateway and sandbox speak: a JSON header with the sizes of what follows, then the bytes. Pure."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

LENGTH = struct.Struct(">I")
MOST_HEADER = 64 * 1024 * 1024

Named = tuple[str, bytes]


class Malformed(ValueError):
    """What arrived is no frame, or larger than agreed."""


def written(header: dict[str, Any], files: Sequence[Named]) -> bytes:
    """Return ``header`` and ``files`` as bytes."""
    sizes = [[name, len(data)] for name, data in files]
    head = json.dumps({**header, "files": sizes}).encode()
    return b"".join((LENGTH.pack(len(head)), head, *(data for _, data in files)))


def read(exactly: Callable[[int], bytes], most: int) -> tuple[dict[str, Any], list[Named]]:
    """Return header and files, taken with ``exactly(count)``. Raises ``Malformed``, also of over ``most`` bytes."""
    (length,) = LENGTH.unpack(exactly(LENGTH.size))
    if length > MOST_HEADER:
        raise Malformed("header too long")
    header: dict[str, Any] = json.loads(exactly(length))
    sizes = header.pop("files")
    if any(size < 0 for _, size in sizes) or sum(size for _, size in sizes) > most:
        raise Malformed("files too large")
    return header, [(name, exactly(size)) for name, size in sizes]
