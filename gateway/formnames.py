"""The names in a form: of its files, their types, its fields. Pure: what a client wrote comes out harmless."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from gateway.fieldchecks import Invalid

MOST_CHARACTERS = 255
NAMELESS = "upload"
OCTETS = "application/octet-stream"

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_TYPE = re.compile(r"[\w.+-]{1,64}/[\w.+-]{1,64}", re.ASCII)
_NESTED = re.compile(r"([^\[\]]+)\[([^\[\]]*)\]")


def file_name(said: str) -> str:
    """Return the last part of a path, without what no listing should show, at most 255 characters long."""
    name = _UNPRINTABLE.sub("", said).replace("\\", "/").rpartition("/")[2].strip()
    if name.strip(".") == "":
        return NAMELESS
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > MOST_CHARACTERS // 2:
        return name[:MOST_CHARACTERS]
    return f"{stem[: MOST_CHARACTERS - len(ending) - 1]}.{ending}"


def content_type(said: str) -> str:
    """Return the type alone, that of unknown bytes where ``said`` is none."""
    kind = said.partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else OCTETS


def as_body(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the fields as a JSON body has them, their values strings still: ``a[]`` and what comes twice is a list,
    ``a[b]`` an object. Raises ``Invalid`` where a name is used in two of these ways.
    """
    body: dict[str, Any] = {}
    for name, value in fields:
        nested = _NESTED.fullmatch(name)
        if nested is None:
            body[name] = _joined(body[name], value, name) if name in body else value
        elif nested[2]:
            _inner(body, nested[1])[nested[2]] = value
        else:
            body[nested[1]] = _joined(body.get(nested[1], []), value, nested[1])
    return body


def _joined(before: Any, value: str, name: str) -> list[str]:
    if isinstance(before, dict):
        raise _two_ways(name)
    return [*before, value] if isinstance(before, list) else [before, value]


def _inner(body: dict[str, Any], name: str) -> dict[str, str]:
    found = body.setdefault(name, {})
    if not isinstance(found, dict):
        raise _two_ways(name)
    return found


def _two_ways(name: str) -> Invalid:
    return Invalid(f"The form has '{name:.64}' both as a value and as an object.", name[:64])
