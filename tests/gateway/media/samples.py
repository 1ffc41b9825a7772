"""Files of sound and pictures for tests, and prices of every unit."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

from billing.pricing import PriceRow
from providers.demo import pictures
from providers.sounds import Recording, recording
from providers.uploads import Upload

PNG = pictures.png("a cat", 16, 16)


def wave(milliseconds: int, rate: int = 8000) -> bytes:
    """Return a wave file of silence."""
    data = bytes(2 * (milliseconds * rate // 1000))
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data))
    return b"RIFF" + struct.pack("<I", 36 + len(data)) + head + data


def upload(field: str = "file", data: bytes = b"", filename: str = "a.wav", kind: str = "audio/wav") -> Upload:
    return Upload(field, filename, kind, len(data), BytesIO(data))


def sound(milliseconds: int) -> Recording:
    return recording(upload(data=wave(milliseconds)))


def rows(**atoms: Any) -> tuple[PriceRow, ...]:
    """Return a price of each component: {component: atoms for one}; {component: {variant: atoms}}."""
    found = []
    for component, said in atoms.items():
        for variant, each in (said if isinstance(said, dict) else {"": said}).items():
            found.append(PriceRow(len(found) + 1, component, 0, "", "one", each, variant))
    return tuple(found)
