"""What the demo model draws: stripes in colours of the words, and DEMO in large letters. Pure."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator

MOST_SIDE = 4096
SIGNATURE = b"\x89PNG\r\n\x1a\n"
STRIPES = 8
INK = STRIPES
# five wide and seven high
LETTERS = {
    "D": ("####.", "#...#", "#...#", "#...#", "#...#", "#...#", "####."),
    "E": ("#####", "#....", "#....", "####.", "#....", "#....", "#####"),
    "M": ("#...#", "##.##", "#.#.#", "#.#.#", "#...#", "#...#", "#...#"),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
}
WORD, GAP = "DEMO", "."
SAID = "Drawn by Tollgate's demo model, which is no real one: it draws the same picture every time."


def png(words: str, width: int, height: int, *, number: int = 0) -> bytes:
    """Return a PNG file, the same for the same words and ``number``."""
    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = b"".join(b"\0" + row for row in _rows(width, height))
    chunks = (
        (b"IHDR", head),
        (b"tEXt", b"Comment\0" + SAID.encode("latin-1")),
        (b"PLTE", _palette(f"{number}:{words}")),
        (b"IDAT", zlib.compress(rows, 1)),
        (b"IEND", b""),
    )
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _palette(words: str) -> bytes:
    """Return the stripes' colours, dark ones, and that of the letters."""
    digest = hashlib.sha256(words.encode(errors="replace")).digest()
    return bytes(value // 2 + 32 for value in digest[: STRIPES * 3]) + b"\xff\xff\xff"


def _rows(width: int, height: int) -> Iterator[bytes]:
    """Yield rows of one byte for each dot: the number of its colour."""
    lines = [GAP.join(LETTERS[letter][line] for letter in WORD) for line in range(7)]
    dot = max(1, min(width // (len(lines[0]) + 4), height // 11))
    left, top = (width - dot * len(lines[0])) // 2, (height - dot * len(lines)) // 2
    for y in range(height):
        background = bytes([y * STRIPES // height])
        line = (y - top) // dot
        if not 0 <= line < len(lines) or left < 0:
            yield background * width
            continue
        dots = b"".join((bytes([INK]) if each == "#" else background) * dot for each in lines[line])
        yield (background * left + dots + background * width)[:width]
