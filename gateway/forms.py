"""A multipart/form-data body, read as it arrives: fields into memory within limits, files into the state folder."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.conf import settings
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gateway import formnames
from gateway.departure import ClientGone, Receive
from gateway.fieldchecks import Invalid
from providers.uploads import Upload

MEGABYTE = 1024 * 1024
# a small file never sees the disk, and a small write does not wait for a thread
IN_MEMORY = 64 * 1024
AT_ONCE = 256 * 1024
# threads of their own: a slow disk must not keep others from looking up addresses
_writers = ThreadPoolExecutor(2, thread_name_prefix="uploads")


class Limits(NamedTuple):
    """``files`` and ``fields`` are bytes, of all of them together."""

    files: int
    fields: int = MEGABYTE
    parts: int = 64
    part_headers: int = 8
    header: int = 4096

    @property
    def body(self) -> int:
        return self.files + self.fields + self.parts * 2 * self.header


class FormTooLarge(Exception):
    """What the form holds is over the limit (bytes); ``what`` names it."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(what, limit)
        self.what = what
        self.limit = limit


class NotAForm(Exception):
    """The body is of another type than multipart/form-data."""


class NotJson(Exception):
    """A form was sent where a JSON body is expected."""


class NoRoom(Exception):
    """The state folder cannot take the file."""


class Form(NamedTuple):
    """What a form holds, in its order. Its files are gone once it is closed, and with the process in any case: they
    have no name in the file system.
    """

    fields: list[tuple[str, str]]
    files: list[Upload]

    def body(self) -> dict[str, Any]:
        """Return the fields as a JSON body has them, their values strings still. Raises ``Invalid``."""
        return formnames.as_body(self.fields)

    def close(self) -> None:
        for upload in self.files:
            upload.file.close()


def is_form(headers: dict[bytes, bytes]) -> bool:
    return parse_options_header(headers.get(b"content-type"))[0].startswith(b"multipart/")


async def read_form(receive: Receive, headers: dict[bytes, bytes], limits: Limits) -> Form:
    """Return the form whose bytes ``receive`` gives.

    Raises ``NotAForm``, ``FormTooLarge``, ``Invalid``, ``NoRoom`` or ``ClientGone``; then nothing of it is left.
    """
    reading = _Reading(_boundary(headers), limits)
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limits.body:
        raise FormTooLarge("The request body", limits.body)
    try:
        await _read(receive, reading, limits.body)
        return reading.form()
    except BaseException:
        reading.drop()
        raise


def _boundary(headers: dict[bytes, bytes]) -> bytes:
    said = headers.get(b"content-type", b"")
    kind, options = parse_options_header(said)
    if kind != b"multipart/form-data":
        raise NotAForm
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise Invalid("The content-type names no multipart boundary.", code="invalid_multipart")
    return boundary


async def _read(receive: Receive, reading: _Reading, limit: int) -> None:
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise FormTooLarge("The request body", limit)
        reading.feed(piece)
        if reading.waiting > AT_ONCE:
            await reading.write()
        if not message.get("more_body"):
            return await reading.write()


class _File(NamedTuple):
    """A file in the making."""

    field: str
    filename: str
    content_type: str
    file: IO[bytes]


class _Reading:
    """One form on its way in: the parser calls back here. ``waiting`` is how many bytes of files are not written."""

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self.waiting = 0
        self._limits = limits
        self._fields: list[tuple[str, str]] = []
        self._files: list[_File] = []
        self._sizes: list[int] = []
        self._unwritten: list[tuple[IO[bytes], bytes]] = []
        self._parts = self._field_bytes = self._file_bytes = 0
        self._has_ended = False
        self._pieces: list[bytes] | None = None  # of the field at hand, None where it is a file
        self._take: Callable[[bytes], None] = self._take_field
        callbacks: Any = {f"on_{name}": getattr(self, f"_{name}") for name in CALLBACKS}
        try:
            self._parser = MultipartParser(
                boundary, callbacks, max_header_count=limits.part_headers, max_header_size=limits.header
            )
        except FormParserError as error:
            raise _malformed(error) from error

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise _malformed(error) from error

    async def write(self) -> None:
        """Write what waits: a disk that is slow holds up nobody else."""
        pieces, self._unwritten = self._unwritten, []
        waiting, self.waiting = self.waiting, 0
        try:
            if waiting <= IN_MEMORY:
                _write(pieces)
            else:
                await _finished(asyncio.get_running_loop().run_in_executor(_writers, _write, pieces))
        except OSError as error:
            raise NoRoom from error

    def form(self) -> Form:
        if not self._has_ended:
            raise Invalid("The multipart body ends before its last boundary.", code="invalid_multipart")
        files = [Upload(*made[:3], size, made.file) for made, size in zip(self._files, self._sizes, strict=True)]
        return Form(self._fields, files)

    def drop(self) -> None:
        for made in self._files:
            made.file.close()

    # what the parser says -------------------------------------------------------------------------------------------

    def _part_begin(self) -> None:
        self._parts += 1
        if self._parts > self._limits.parts:
            raise Invalid(f"The form has more than {self._limits.parts} parts.", code="invalid_multipart")
        self._headers: dict[bytes, bytes] = {}
        self._header, self._value = b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or not options.get(b"name"):
            raise Invalid("A part of the form has no name.", code="invalid_multipart")
        name = _text(options[b"name"], "name of a part")
        if b"filename" in options:
            self._begin_file(name, options[b"filename"])
        else:
            self._fields.append((name, ""))
            self._pieces = []
            self._take = self._take_field

    def _begin_file(self, field: str, filename: bytes) -> None:
        name = formnames.file_name(filename.decode("utf-8", "replace"))
        kind = formnames.content_type(self._headers.get(b"content-type", b"").decode("latin-1"))
        self._files.append(_File(field, name, kind, temporary_file()))
        self._sizes.append(0)
        self._pieces, self._take = None, self._take_file

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._take(data[start:end])

    def _take_field(self, piece: bytes) -> None:
        self._field_bytes += len(piece)
        if self._field_bytes > self._limits.fields:
            raise FormTooLarge("The text in the form", self._limits.fields)
        self._pieces.append(piece)

    def _take_file(self, piece: bytes) -> None:
        self._file_bytes += len(piece)
        if self._file_bytes > self._limits.files:
            raise FormTooLarge("What is uploaded", self._limits.files)
        self._sizes[-1] += len(piece)
        self.waiting += len(piece)
        self._unwritten.append((self._files[-1].file, piece))

    def _part_end(self) -> None:
        if self._pieces is not None:
            name = self._fields[-1][0]
            self._fields[-1] = (name, _text(b"".join(self._pieces), f"field '{name:.64}'"))

    def _end(self) -> None:
        self._has_ended = True


CALLBACKS = (
    "part_begin", "header_field", "header_value", "header_end", "headers_finished", "part_data", "part_end", "end",
)  # fmt: skip


def _text(value: bytes, what: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Invalid(f"The {what} is not UTF-8.", code="invalid_multipart") from None


def _malformed(error: FormParserError) -> Invalid:
    return Invalid(f"The body is not valid multipart/form-data: {error}.", code="invalid_multipart")


def temporary_file() -> IO[bytes]:
    """Return a file in the state folder that has no name: nothing is left of it when the process is killed."""
    folder: Path = settings.UPLOADS
    folder.mkdir(mode=0o700, exist_ok=True)
    return tempfile.SpooledTemporaryFile(IN_MEMORY, dir=folder)


def _write(pieces: list[tuple[IO[bytes], bytes]]) -> None:
    for file, piece in pieces:
        file.write(piece)


async def _finished(writing: asyncio.Future[None]) -> None:
    """Wait for ``writing``; who is cancelled meanwhile waits too, as the file is closed next."""
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait([writing])
        raise
