"""The bytes of files: in Django's storage named `files`, a folder or a bucket. Blocks: for threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from django.core.files.base import File
from django.core.files.storage import Storage, storages

PIECE = 256 * 1024


def _storage() -> Storage:
    return storages["files"]


def put(name: str, file: IO[bytes]) -> None:
    """Keep all of ``file`` as ``name``, which nothing has yet."""
    file.seek(0)
    _storage().save(name, _Pieces(file))


class _Pieces(File):
    """What Django copies from: a file that is read from where it stands, in pieces."""

    DEFAULT_CHUNK_SIZE = PIECE


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """Open what is kept as ``name``, for reading from its beginning on. Raises ``FileNotFoundError``."""
    with _storage().open(name, "rb") as file:
        yield file


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is left of ``file``."""
    return iter(partial(file.read, PIECE), b"")


def remove(name: str) -> None:
    """Remove what is kept as ``name``; nothing happens where it is gone."""
    _storage().delete(name)
