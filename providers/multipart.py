"""A body as multipart/form-data: what goes into the form, and its bytes but for those of the files. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from providers.uploads import Upload

ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


class Multipart(NamedTuple):
    """A form to send: names with texts, and names with files, each in its order."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, Upload], ...]


class Framed(NamedTuple):
    """A form as it stands on the wire. ``size`` is in bytes, the files' included."""

    content_type: str
    parts: tuple[bytes | Upload, ...]
    size: int


def form_of(body: Mapping[str, Any]) -> Multipart:
    """Return a body as OpenAI's clients write it into a form: ``a[]`` for each item of a list, ``a[b]`` for objects."""
    written = [pair for name, value in body.items() for pair in _written(name, value)]
    return Multipart(
        tuple((name, value) for name, value in written if isinstance(value, str)),
        tuple((name, value) for name, value in written if isinstance(value, Upload)),
    )


def has_files(body: Mapping[str, Any]) -> bool:
    return any(isinstance(item, Upload) for value in body.values() for item in _listed(value))


def framed(form: Multipart, boundary: str) -> Framed:
    """Return the form between its boundaries. One that a file's sender can guess would let him end the file."""
    parts: list[bytes | Upload] = [_field(name, value, boundary) for name, value in form.fields]
    for name, upload in form.files:
        parts += [_file_head(name, upload, boundary), upload, b"\r\n"]
    parts.append(f"--{boundary}--\r\n".encode())
    size = sum(part.size if isinstance(part, Upload) else len(part) for part in parts)
    return Framed(f"multipart/form-data; boundary={boundary}", tuple(parts), size)


def _written(name: str, value: Any) -> Iterator[tuple[str, str | Upload]]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _written(f"{name}[]", item)
    elif isinstance(value, Mapping):
        for inner, item in value.items():
            yield from _written(f"{name}[{inner}]", item)
    elif isinstance(value, Upload):
        yield name, value
    elif value is not None:
        yield name, str(value).lower() if isinstance(value, bool) else str(value)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _field(name: str, value: str, boundary: str) -> bytes:
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="{_quoted(name)}"\r\n\r\n'
    return f"{head}{value}\r\n".encode(errors="replace")


def _file_head(name: str, upload: Upload, boundary: str) -> bytes:
    names = f'name="{_quoted(name)}"; filename="{_quoted(upload.filename)}"'
    return (
        f"--{boundary}\r\ncontent-disposition: form-data; {names}\r\ncontent-type: {upload.content_type}\r\n\r\n"
    ).encode(errors="replace")


def _quoted(name: str) -> str:
    """Return a name that stays within its quotes, written as browsers do."""
    return name.translate(ESCAPES)
