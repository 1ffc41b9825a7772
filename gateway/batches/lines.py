"""The lines of a batch's input: what is a call and what is not. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

MOST_LINES = 50_000
# those with nothing in them included
MOST_NUMBERS = 4 * MOST_LINES
MOST_ERRORS = 100
LONGEST_ID = 512
# an answer that comes later, or in pieces, has no place in the output
NOT_IN_BATCHES = ("stream", "background")


class Line(NamedTuple):
    """One call. ``number`` is the line's in the file, from 1 on."""

    number: int
    custom_id: str
    body: dict[str, Any]


class Fault(Exception):
    """A line that is no call: OpenAI's ``code``, and the ``param`` that is wrong."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Checked(NamedTuple):
    """``errors`` as a batch shows them; ``model`` is what the first line names."""

    total: int
    model: str
    errors: list[dict[str, Any]]


def checked(pieces: Iterable[bytes], endpoint: str, longest: int) -> Checked:
    """Return whether all lines of a file are calls of ``endpoint``, each of at most ``longest`` bytes.

    ``pieces`` are the file's bytes, cut anywhere.
    """
    seen: set[str] = set()
    errors: list[dict[str, Any]] = []
    total, model = 0, ""
    for number, raw in _filled(pieces, longest):
        total += bool(raw)
        if total > MOST_LINES or number > MOST_NUMBERS:
            errors.append(error("too_many_requests", f"A batch has at most {MOST_LINES} requests.", None, number))
            break
        if not raw:
            continue
        try:
            line = read(number, raw, endpoint, longest)
            if line.custom_id in seen:
                raise Fault("duplicate_custom_id", f"The custom_id '{line.custom_id:.64}' is used twice.", "custom_id")
        except Fault as fault:
            errors.append(error(fault.code, str(fault), fault.param, number))
            if len(errors) >= MOST_ERRORS:
                break
            continue
        seen.add(line.custom_id)
        model = model or _model(line.body)
    if not total:
        errors.append(error("empty_file", "The input file has no lines.", None, None))
    return Checked(total, model, errors)


def calls(pieces: Iterable[bytes], endpoint: str, longest: int) -> Iterator[Line]:
    """Yield the calls of a file that was checked."""
    for number, raw in _filled(pieces, longest):
        if raw:
            yield read(number, raw, endpoint, longest)


def _filled(pieces: Iterable[bytes], longest: int) -> Iterator[tuple[int, bytes]]:
    return ((number, raw.strip()) for number, raw in enumerate(split(pieces, longest), start=1))


def split(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Yield lines, of one that is longer than ``longest`` no more than shows it."""
    line = bytearray()
    for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            line += piece[start : min(end, start + longest + 1)]
            yield bytes(line)
            line.clear()
            start = end + 1
        if len(line) <= longest:
            line += piece[start : start + longest + 1]
    if line:
        yield bytes(line)


def read(number: int, raw: bytes, endpoint: str, longest: int) -> Line:
    """Return the call that a line is. Raises ``Fault``."""
    if len(raw) > longest:
        raise Fault("line_too_long", f"This line is longer than {longest} bytes.")
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Fault("invalid_json_line", "This line is not parseable as valid JSON.") from None
    if not isinstance(said, dict):
        raise Fault("invalid_json_line", "This line is not a JSON object.")
    custom_id = said.get("custom_id")
    if not isinstance(custom_id, str) or not 0 < len(custom_id) <= LONGEST_ID:
        raise Fault("invalid_custom_id", f"'custom_id' is no text of 1 to {LONGEST_ID} characters.", "custom_id")
    if said.get("method") != "POST":
        raise Fault("invalid_method", "'method' is not POST.", "method")
    if said.get("url") != endpoint:
        raise Fault("mismatched_url", f"'url' is not the endpoint of the batch, {endpoint}.", "url")
    return Line(number, custom_id, _body(said.get("body")))


def _body(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise Fault("invalid_body", "'body' is no JSON object.", "body")
    for name in NOT_IN_BATCHES:
        if said.get(name):
            raise Fault("invalid_body", f"'{name}' has no place in a batch.", f"body.{name}")
    return said


def _model(body: dict[str, Any]) -> str:
    model = body.get("model")
    return model.replace("\0", "")[:255] if isinstance(model, str) else ""


def error(code: str, message: str, param: str | None, line: int | None) -> dict[str, Any]:
    return {"code": code, "line": line, "message": message, "param": param}
