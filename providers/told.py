"""An answer that came whole where a stream was asked for, as the events that it would have been. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from providers import sse
from providers.operations import HEARD, IMAGES

UNSAID = {"size": "auto", "quality": "auto", "background": "auto", "output_format": "png"}


def events(operation: str, answer: Mapping[str, Any], body: Mapping[str, Any]) -> bytes:
    """Return the events; none where this operation has none, or the answer nothing to be told so."""
    if operation in HEARD:
        told = _transcript(answer)
    elif operation in IMAGES:
        told = _pictures(operation, answer, body)
    else:
        return b""
    return b"".join(sse.encode(msgspec.json.encode(each), each["type"].encode()) for each in told)


def _transcript(answer: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    usage = {"usage": answer["usage"]} if answer.get("usage") else {}
    yield {"type": "transcript.text.delta", "delta": answer["text"]}
    yield {"type": "transcript.text.done", "text": answer["text"], **usage}


def _pictures(operation: str, answer: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    kind = "image_generation" if operation == "images.generations" else "image_edit"
    said = {name: answer.get(name) or body.get(name) or unsaid for name, unsaid in UNSAID.items()}
    usage = {"usage": answer["usage"]} if answer.get("usage") else {}
    pictures = [item["b64_json"] for item in answer["data"] if item.get("b64_json")]
    for number, picture in enumerate(pictures, 1):
        last = usage if number == len(pictures) else {}
        created = answer.get("created") or 0
        yield {"type": f"{kind}.completed", "b64_json": picture, "created_at": created, **said, **last}
