"""A message of Anthropic's: put together from the events of its stream, and told as such events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

# the pieces that a block comes in: a delta's type -> where its text stands in the delta, and in the block
PIECES = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
}
INPUT = "input_json_delta"
CITATION = "citations_delta"


class Events:
    """Takes in the events of one message. Raises what misshapen ones raise."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "message_start":
            self._message = dict(event["message"])
        elif kind == "content_block_start":
            self._blocks[event["index"]] = dict(event["content_block"])
        elif kind == "content_block_delta":
            self._add_delta(event["index"], event["delta"])
        elif kind == "message_delta":
            self._message |= event["delta"]
            self._message["usage"] = {**(self._message.get("usage") or {}), **(event.get("usage") or {})}

    def message(self) -> dict[str, Any] | None:
        """Return the message, None where its beginning or its end is missing."""
        if not (self._message.get("id") and self._message.get("stop_reason")):
            return None
        return {**self._message, "content": [self._block(index) for index in sorted(self._blocks)]}

    def _add_delta(self, index: int, delta: Mapping[str, Any]) -> None:
        kind = delta["type"]
        if kind == INPUT:
            self._texts.setdefault((index, "input"), []).append(delta["partial_json"])
        elif kind == CITATION:
            block = self._blocks[index]
            block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
        else:
            where, name = PIECES[kind]
            self._texts.setdefault((index, name), []).append(delta[where])

    def _block(self, index: int) -> dict[str, Any]:
        block = self._blocks[index]
        for (of, name), pieces in self._texts.items():
            if of == index and name == "input":
                block = {**block, "input": msgspec.json.decode("".join(pieces) or "{}")}
            elif of == index:
                block = {**block, name: block.get(name, "") + "".join(pieces)}
        return block


def events_of(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the events of a whole message, each block's in one piece."""
    ends = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    begun = {**message, "content": [], **dict.fromkeys(ends)}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(message["content"]):
        bare, deltas = _taken_apart(block)
        yield {"type": "content_block_start", "index": index, "content_block": bare}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": ends, "usage": message.get("usage") or {}}
    yield {"type": "message_stop"}


def _taken_apart(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the block as it begins, and what follows."""
    bare, deltas = dict(block), list[dict[str, Any]]()
    for kind, (where, name) in PIECES.items():
        if block["type"] in ("text", "thinking") and block.get(name):
            bare[name] = ""
            deltas.append({"type": kind, where: block[name]})
    for citation in block.get("citations") or () if block["type"] == "text" else ():
        bare["citations"] = []
        deltas.append({"type": CITATION, "citation": citation})
    if isinstance(block.get("input"), dict):
        bare["input"] = {}
        deltas.append({"type": INPUT, "partial_json": msgspec.json.encode(block["input"]).decode()})
    return bare, deltas
