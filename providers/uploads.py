"""A file that a client has sent along with a request, as a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

PIECE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """``size`` is bytes; ``filename`` has no path, ``content_type`` no parameters. ``file`` is open until the request
    ends, and nobody's afterwards.
    """

    field: str
    filename: str
    content_type: str
    size: int
    file: IO[bytes]

    def pieces(self, size: int = PIECE) -> Iterator[bytes]:
        """Yield the bytes from the first one on. Each reader keeps its own place, so that attempts may overlap."""
        for place in range(0, self.size, size):
            self.file.seek(place)
            yield self.file.read(size)

    def read(self) -> bytes:
        """Return all bytes: for what is small enough to be held."""
        self.file.seek(0)
        return self.file.read()
