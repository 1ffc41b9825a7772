"""How long a sound is, by what its file says of itself. It reads the file, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from struct import error as StructError
from typing import IO, BinaryIO, cast

from tinytag import TinyTag, TinyTagException

from providers.uploads import Upload

# Longer than this no file of sound is: its head is wrong, or somebody wants to be billed for less or more.
MOST_MILLISECONDS = 7 * 24 * 3600 * 1000
# bits a second of the leanest sound that people send, for the length of what says none
LEANEST = 8_000
USUAL = 64_000
HEAD = 4096
_CHUNK = Struct("<4sI")
_FORMAT = Struct("<HHIIHH")
# WebM: the elements of a segment's head that say its length
INFO, SCALE, DURATION = b"\x15\x49\xa9\x66", b"\x2a\xd7\xb1", b"\x44\x89"


@dataclass(frozen=True, slots=True)
class Recording(Upload):
    """A file of sound. ``is_measured``: its length is not just guessed from its size."""

    milliseconds: int = 0
    is_measured: bool = False


def recording(upload: Upload) -> Recording:
    """Return the file with its length. Reads: not for the event loop."""
    found = milliseconds(upload)
    length = guessed(upload.size) if found is None else found
    return Recording(
        upload.field, upload.filename, upload.content_type, upload.size, upload.file, length, found is not None
    )


def milliseconds(upload: Upload) -> int | None:
    """Return the length of a sound, None where its file does not tell. Reads: not for the event loop."""
    if upload.size == 0:
        return None
    file = upload.file
    file.seek(0)
    head = file.read(HEAD)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        found = _of_wave(head, upload.size)
    elif head[:4] == b"\x1a\x45\xdf\xa3":
        found = _of_webm(head)
    else:
        found = _of_tags(file, upload.filename)
    return found if found is not None and 0 < found <= MOST_MILLISECONDS else None


def guessed(size: int) -> int:
    """Return the likely milliseconds of ``size`` bytes of sound, compressed as speech usually is."""
    return -(-size * 8 * 1000 // USUAL)


def longest(size: int) -> int:
    """Return how many milliseconds of sound ``size`` bytes can be."""
    return -(-size * 8 * 1000 // LEANEST)


def _of_wave(head: bytes, size: int) -> int | None:
    """Return the length of a wave file. Who streams one does not know its length and writes none, or 2^32 - 1."""
    at, rate = 12, 0
    while at + _CHUNK.size <= len(head):
        name, length = _CHUNK.unpack_from(head, at)
        at += _CHUNK.size
        if name == b"fmt " and at + _FORMAT.size <= len(head):
            _, _, _, rate, _, _ = _FORMAT.unpack_from(head, at)
        elif name == b"data":
            there = size - at
            return round(min(length or there, there) * 1000 / rate) if rate else None
        at += length + length % 2
    return None


def _of_webm(head: bytes) -> int | None:
    """Return the length that a segment's head tells; one that a browser records tells none."""
    info = head.find(INFO)
    scale, duration = head.find(SCALE, info), head.find(DURATION, info)
    if info < 0 or duration < 0:
        return None
    width = head[duration + 2 : duration + 3]
    number = {b"\x84": Struct(">f"), b"\x88": Struct(">d")}.get(width)
    if number is None or duration + 3 + number.size > len(head):
        return None
    nanoseconds = 1_000_000
    if scale >= 0 and 0x81 <= head[scale + 3] <= 0x88:
        nanoseconds = int.from_bytes(head[scale + 4 : scale + 4 + head[scale + 3] - 0x80], "big")
    (ticks,) = number.unpack_from(head, duration + 3)
    return _whole(ticks * nanoseconds / 1_000_000)


def _of_tags(file: IO[bytes], filename: str) -> int | None:
    """Return the length of what else there is: MP3, Ogg, Opus, FLAC, AAC in MP4."""
    file.seek(0)
    try:
        seconds = TinyTag.get(filename=filename, file_obj=cast(BinaryIO, file), tags=False).duration
    except (TinyTagException, ValueError, ArithmeticError, LookupError, TypeError, OSError, StructError):
        return None  # what cannot be read tells nothing
    return None if seconds is None else _whole(seconds * 1000)


def _whole(number: float) -> int | None:
    return round(number) if 0 < number <= MOST_MILLISECONDS else None
