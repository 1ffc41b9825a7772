"""The reasoning of a Response while it is being made. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.responses import carried
from gateway.responses.carried import Thoughts
from gateway.responses.making import Event, Item, Said


class Reasoning(Item):
    """What the model thought: as its text, or as a summary where the caller asked to see one."""

    def __init__(self, id: str, at: int, *, is_summary: bool, is_carried: bool) -> None:
        super().__init__(id, at)
        self._is_summary, self._is_carried = is_summary, is_carried
        self._text = Said()
        self._blocks: list[Mapping[str, Any]] = []
        self._has_part = False

    def add(self, text: str) -> None:
        self._text.add(text)

    def add_blocks(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        self._blocks += [{name: value for name, value in block.items() if name != "index"} for block in blocks]

    def said(self) -> Iterator[Event]:
        delta = self._text.news()
        if not delta:
            return
        if not self._has_part:
            self._has_part = True
            yield self._part("added", "")
        yield self._event(f"{self._name}.delta", **self._place, delta=delta)

    def ending(self) -> Iterator[Event]:
        if self._has_part:
            yield self._event(f"{self._name}.done", **self._place, text=str(self._text))
            yield self._part("done", str(self._text))

    def empty(self) -> dict[str, Any]:
        return {"id": self.id, "type": "reasoning", "summary": [], "content": []}

    def shown(self) -> dict[str, Any]:
        text = str(self._text)
        parts = [{"type": self._kind, "text": text}] if text else []
        item = {**self.empty(), "summary" if self._is_summary else "content": parts}
        if self._blocks or (self._is_carried and text):
            item["encrypted_content"] = carried.packed(Thoughts(text, self._blocks))
        return item

    @property
    def _kind(self) -> str:
        return "summary_text" if self._is_summary else "reasoning_text"

    @property
    def _name(self) -> str:
        return "reasoning_summary_text" if self._is_summary else "reasoning_text"

    @property
    def _place(self) -> dict[str, int]:
        return {"summary_index" if self._is_summary else "content_index": 0}

    def _part(self, what: str, text: str) -> Event:
        name = "reasoning_summary_part" if self._is_summary else "content_part"
        return self._event(f"{name}.{what}", **self._place, part={"type": self._kind, "text": text})
