"""What the demo model says aloud: a tone for each word, as samples of 16 bits. Pure."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterator

RATE = 24_000
BYTES_PER_SAMPLE = 2
LOUD = 6_000
# samples of a wave: from 300 to 600 Hz
PERIODS = (80, 72, 64, 60, 54, 48, 44, 40)
PER_CHARACTER, PAUSE = RATE // 16, RATE // 20


def wave_head(samples: int) -> bytes:
    """Return what stands before the samples in a WAV file."""
    size = samples * BYTES_PER_SAMPLE
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * BYTES_PER_SAMPLE, BYTES_PER_SAMPLE, 8 * BYTES_PER_SAMPLE)
    return struct.pack("<4sI8sI", b"RIFF", 36 + size, b"WAVEfmt ", 16) + form + struct.pack("<4sI", b"data", size)


def spoken(text: str, speed: float = 1.0) -> Iterator[bytes]:
    """Yield the samples of one word after the other, the same for the same word."""
    for word, length in _words(text, speed):
        yield _tone(word, length) + bytes(BYTES_PER_SAMPLE * _paced(PAUSE, speed))


def length(text: str, speed: float = 1.0) -> int:
    """Return how many samples ``text`` has."""
    return sum(samples + _paced(PAUSE, speed) for _, samples in _words(text, speed))


def _words(text: str, speed: float) -> Iterator[tuple[str, int]]:
    for word in text.split():
        yield word, _paced(len(word) * PER_CHARACTER, speed)


def _paced(samples: int, speed: float) -> int:
    return max(1, round(samples / speed))


def _tone(word: str, samples: int) -> bytes:
    period = PERIODS[hashlib.sha256(word.lower().encode(errors="replace")).digest()[0] % len(PERIODS)]
    wave = struct.pack(f"<{period}h", *(round(LOUD * math.sin(2 * math.pi * at / period)) for at in range(period)))
    return (wave * (samples // period + 1))[: samples * BYTES_PER_SAMPLE]
