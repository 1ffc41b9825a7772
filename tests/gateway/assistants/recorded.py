"""What OpenAI itself answered about assistants in the v2 era, where the recordings lie beside this checkout."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from tests.conformance import shared

FOLDER = shared.CASSETTES / "openai-assistants"


@cache
def fields() -> dict[str, set[str]]:
    """Return the fields that objects of each kind had in any answer or event."""
    found: dict[str, set[str]] = defaultdict(set)
    for body in _bodies():
        for each in _objects(body):
            found[each["object"]] |= each.keys()
    return found


def refusals() -> list[dict[str, Any]]:
    """Return the errors that were answered."""
    return [body["error"] for body in _bodies() if "error" in body]


def objects() -> list[dict[str, Any]]:
    """Return every object of any answer or event."""
    return [each for body in _bodies() for each in _objects(body)]


def _objects(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if body.get("object") == "list":
        yield from body["data"]
    elif "object" in body:
        yield body


def _bodies() -> Iterator[dict[str, Any]]:
    for path in sorted(FOLDER.glob("*.y*ml")):
        recording = yaml.safe_load(path.read_text())
        for exchange in recording.get("http_interactions") or recording["interactions"]:
            if _is_v2(exchange["request"]):
                yield from _read(exchange["response"]["body"]["string"])


def _is_v2(request: dict[str, Any]) -> bool:
    headers = {name.lower(): value for name, value in request["headers"].items()}
    return "assistants=v2" in headers.get("openai-beta", ())


def _read(said: str | bytes) -> Iterator[dict[str, Any]]:
    data = said.encode() if isinstance(said, str) else said
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    if text.startswith("{"):
        yield json.loads(text)
        return
    for event in re.findall(r"^\s*data: (\{.*\})$", text, re.MULTILINE):
        yield json.loads(event)
