"""The message of a Response while it is being made. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.responses.making import Event, Item, Said


class Part:
    """One part of a message: a text with its sources and chances, or a refusal."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.said = Said()
        self.annotations: list[dict[str, Any]] = []
        self.logprobs: list[dict[str, Any]] = []

    def shown(self) -> dict[str, Any]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": str(self.said)}
        lists = {"annotations": list(self.annotations), "logprobs": list(self.logprobs)}
        return {"type": "output_text", "text": str(self.said), **lists}

    def done(self) -> dict[str, Any]:
        """Return the fields of the event that ends it."""
        shown = self.shown()
        return {name: shown[name] for name in ("text", "logprobs", "refusal") if name in shown}


class Message(Item):
    """What the model says to the user: texts with their sources, refusals."""

    def __init__(self, id: str, at: int) -> None:
        super().__init__(id, at)
        self._parts: list[Part] = []
        self._new: list[Event] = []

    def add(self, text: str, logprobs: list[dict[str, Any]]) -> None:
        part = self._of("output_text")
        part.said.add(text)
        part.logprobs += logprobs
        self._tell("output_text.delta", delta=text, logprobs=logprobs)

    def annotate(self, annotation: dict[str, Any]) -> None:
        part = self._of("output_text")
        part.annotations.append(annotation)
        at = len(part.annotations) - 1
        self._tell("output_text.annotation.added", annotation_index=at, annotation=annotation)

    def refuse(self, text: str) -> None:
        self._of("refusal").said.add(text)
        self._tell("refusal.delta", delta=text)

    def say_nothing(self) -> None:
        self._of("output_text")

    def said(self) -> Iterator[Event]:
        new, self._new = self._new, []
        yield from new

    def ending(self) -> Iterator[Event]:
        self._end_part()
        yield from self.said()

    def empty(self) -> dict[str, Any]:
        return {"id": self.id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}

    def shown(self) -> dict[str, Any]:
        return {**self.empty(), "status": self.status, "content": [part.shown() for part in self._parts]}

    def _of(self, kind: str) -> Part:
        """Return the part that is being written, the next one where that is of another kind."""
        if not self._parts or self._parts[-1].kind != kind:
            self._end_part()
            self._parts.append(Part(kind))
            self._tell("content_part.added", part=self._parts[-1].shown())
        return self._parts[-1]

    def _end_part(self) -> None:
        if self._parts:
            part = self._parts[-1]
            self._tell(f"{part.kind}.done", **part.done())
            self._tell("content_part.done", part=part.shown())

    def _tell(self, type: str, **said: Any) -> None:
        self._new.append(self._event(type, content_index=len(self._parts) - 1, **said))
